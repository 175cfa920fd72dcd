//! From the text of a CEL rule to an expression.

use regex::bytes::{Regex, RegexBuilder};

use super::cel::{Compare, Expr};

/// A pattern as RE2 takes it, which the API server uses: its classes (`\s`, `\d`) are those of ASCII.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text).unicode(false).build().map_err(|error| error.to_string())
}

pub(super) fn parse(text: &str) -> Result<Expr, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, variables: vec!["self".to_owned()] };
    let expr = parser.ternary().map_err(|problem| format!("{problem} in the rule {text}"))?;
    if parser.at < tokens.len() {
        return Err(format!("{:?} is left over of the rule {text}", &tokens[parser.at..]));
    }
    Ok(expr)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Integer(i64),
    Text(String),
    Sign(&'static str),
}

/// Longer ones before those that they begin with.
const SIGNS: [&str; 19] =
    ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "?", ":", "(", ")", "[", "]", ",", ".", "-", "+"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = |part: fn(char) -> bool| rest.find(|c| !part(c)).unwrap_or(rest.len());
        let length = if first.is_ascii_alphabetic() || first == '_' {
            let end = end(|c| c.is_ascii_alphanumeric() || c == '_');
            tokens.push(Token::Name(rest[..end].to_owned()));
            end
        } else if first.is_ascii_digit() {
            let end = end(|c| c.is_ascii_digit());
            tokens.push(Token::Integer(rest[..end].parse().map_err(|_| "a number that is too large")?));
            end
        } else if first == '\'' || first == '"' {
            let (text, length) = quoted(rest, first)?;
            tokens.push(Token::Text(text));
            length
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("{first:?} is not known in the rule {text}"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// A text in quotes, and how long it is with them.
fn quoted(rest: &str, quote: char) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, 't')) => text.push('\t'),
                Some((_, c @ ('\\' | '\'' | '"'))) => text.push(c),
                other => return Err(format!("the escape {other:?} is not known")),
            },
            c if c == quote => return Ok((text, at + 1)),
            c => text.push(c),
        }
    }
    Err(format!("a text without an end: {rest}"))
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    /// The names that are declared, the innermost last.
    variables: Vec<String>,
}

impl Parser<'_> {
    fn takes(&mut self, sign: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(is);
        is
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) {
            Ok(())
        } else {
            Err(format!("{sign} is missing at {:?}", self.tokens.get(self.at)))
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.tokens.get(self.at) {
            Some(Token::Name(name)) => {
                self.at += 1;
                Ok(name.clone())
            }
            other => Err(format!("a name is missing at {other:?}")),
        }
    }

    fn ternary(&mut self) -> Result<Expr, String> {
        let condition = self.or()?;
        if !self.takes("?") {
            return Ok(condition);
        }
        let then = self.or()?;
        self.need(":")?;
        Ok(Expr::If(Box::new([condition, then, self.ternary()?])))
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut expr = self.and()?;
        while self.takes("||") {
            expr = Expr::Or(Box::new([expr, self.and()?]));
        }
        Ok(expr)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut expr = self.relation()?;
        while self.takes("&&") {
            expr = Expr::And(Box::new([expr, self.relation()?]));
        }
        Ok(expr)
    }

    fn relation(&mut self) -> Result<Expr, String> {
        const COMPARED: [(&str, Compare); 6] = [
            ("==", Compare::Equal),
            ("!=", Compare::Unequal),
            ("<=", Compare::LessOrEqual),
            (">=", Compare::GreaterOrEqual),
            ("<", Compare::Less),
            (">", Compare::Greater),
        ];
        let mut expr = self.unary()?;
        loop {
            if let Some((_, how)) = COMPARED.into_iter().find(|(sign, _)| self.takes(sign)) {
                expr = Expr::Compare(how, Box::new([expr, self.unary()?]));
            } else if self.tokens.get(self.at) == Some(&Token::Name("in".to_owned())) {
                self.at += 1;
                expr = Expr::In(Box::new([expr, self.unary()?]));
            } else {
                return Ok(expr);
            }
        }
    }

    fn unary(&mut self) -> Result<Expr, String> {
        if self.takes("!") {
            return Ok(Expr::Not(Box::new(self.unary()?)));
        }
        let mut expr = self.primary()?;
        while self.takes(".") {
            let name = self.name()?;
            expr =
                if self.takes("(") { self.method(expr, &name)? } else { Expr::Field(Box::new(expr), name) };
        }
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        if self.takes("(") {
            let expr = self.ternary()?;
            self.need(")")?;
            return Ok(expr);
        }
        if self.takes("[") {
            let mut items = Vec::new();
            while !self.takes("]") {
                items.push(self.ternary()?);
                if !self.takes(",") {
                    self.need("]")?;
                    break;
                }
            }
            return Ok(Expr::List(items));
        }
        if self.takes("-") {
            return match self.tokens.get(self.at) {
                Some(Token::Integer(number)) => {
                    self.at += 1;
                    Ok(Expr::Integer(-number))
                }
                other => Err(format!("a number is missing at {other:?}")),
            };
        }
        let token = self.tokens.get(self.at).ok_or("something is missing at the end")?;
        self.at += 1;
        match token {
            Token::Integer(number) => Ok(Expr::Integer(*number)),
            Token::Text(text) => Ok(Expr::Text(text.clone())),
            Token::Name(name) => match name.as_str() {
                "true" => Ok(Expr::Bool(true)),
                "false" => Ok(Expr::Bool(false)),
                "has" => {
                    self.need("(")?;
                    let Expr::Field(of, field) = self.unary()? else {
                        return Err("has() takes a field".into());
                    };
                    self.need(")")?;
                    Ok(Expr::Has(of, field))
                }
                name => {
                    let index = self.variables.iter().rposition(|variable| variable == name);
                    index.map(Expr::Variable).ok_or_else(|| format!("{name} is not known"))
                }
            },
            Token::Sign(sign) => Err(format!("{sign} stands where a value is needed")),
        }
    }

    /// A method's arguments and the bracket behind them.
    fn method(&mut self, of: Expr, name: &str) -> Result<Expr, String> {
        let expr = match name {
            "size" => Expr::Size(Box::new(of)),
            "startsWith" => Expr::StartsWith(Box::new([of, self.ternary()?])),
            "endsWith" => Expr::EndsWith(Box::new([of, self.ternary()?])),
            "contains" => Expr::Contains(Box::new([of, self.ternary()?])),
            "matches" => match self.ternary()? {
                Expr::Text(text) => Expr::Matches(Box::new(of), pattern(&text)?),
                _ => return Err("matches() takes a text".into()),
            },
            "all" | "exists" => {
                let variable = self.name()?;
                self.need(",")?;
                self.variables.push(variable);
                let condition = self.ternary();
                self.variables.pop();
                let parts = Box::new([of, condition?]);
                if name == "all" { Expr::All(parts) } else { Expr::Exists(parts) }
            }
            _ => return Err(format!("the method {name} is not known")),
        };
        self.need(")")?;
        Ok(expr)
    }
}
