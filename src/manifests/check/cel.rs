//! The part of CEL that our rules are written in, evaluated over trees.
//!
//! A rule is compiled once. What it does is what the API server does with the same text: `&&` and `||` overlook an error
//! of one side where the other decides, `matches` finds the pattern anywhere, `size` counts characters. Anything that
//! no rule uses is refused when a rule is compiled, never taken for something else.

use regex::bytes::Regex;

use super::super::node::{Entry, Node, Value};

/// A compiled rule.
#[derive(Debug)]
pub(super) struct Program(Expr);

/// Why a rule has no answer: a field that it looks at isn't there, or is of another type.
#[derive(Debug, PartialEq)]
pub(super) struct NoAnswer;

#[derive(Debug)]
pub(super) enum Expr {
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Expr>),
    /// A variable, by how many were declared before it; `self` is 0.
    Variable(usize),
    Field(Box<Expr>, String),
    Has(Box<Expr>, String),
    Not(Box<Expr>),
    And(Box<[Expr; 2]>),
    Or(Box<[Expr; 2]>),
    If(Box<[Expr; 3]>),
    Compare(Compare, Box<[Expr; 2]>),
    In(Box<[Expr; 2]>),
    Size(Box<Expr>),
    StartsWith(Box<[Expr; 2]>),
    EndsWith(Box<[Expr; 2]>),
    Contains(Box<[Expr; 2]>),
    Matches(Box<Expr>, Regex),
    All(Box<[Expr; 2]>),
    Exists(Box<[Expr; 2]>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What an expression gives.
#[derive(Debug, Clone, Copy)]
enum Given<'v> {
    Node(&'v Node<'v>),
    Bool(bool),
    Integer(i64),
    Text(&'v str),
    List(&'v [Expr]),
}

impl Program {
    /// Compiles a rule about `self`.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        super::parse::parse(text).map(Self)
    }

    /// Whether it holds.
    pub(super) fn holds(&self, node: &Node<'_>) -> Result<bool, NoAnswer> {
        self.0.eval(&mut vec![Given::Node(node)])?.bool()
    }
}

impl<'v> Given<'v> {
    fn bool(self) -> Result<bool, NoAnswer> {
        match self {
            Self::Bool(value) => Ok(value),
            Self::Node(Node { value: Value::Bool(value), .. }) => Ok(*value),
            _ => Err(NoAnswer),
        }
    }

    fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(value),
            Self::Node(Node { value: Value::Integer(value), .. }) => Some(*value),
            _ => None,
        }
    }

    fn text(self) -> Result<&'v str, NoAnswer> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Node(node) => node.text().ok_or(NoAnswer),
            _ => Err(NoAnswer),
        }
    }

    fn entry(self, name: &str) -> Result<Option<&'v Entry<'v>>, NoAnswer> {
        match self {
            Self::Node(node @ Node { value: Value::Map(_), .. }) => Ok(node.entry(name)),
            _ => Err(NoAnswer),
        }
    }

    fn equals(self, other: Self) -> Result<bool, NoAnswer> {
        if let (Ok(one), Ok(other)) = (self.text(), other.text()) {
            return Ok(one == other);
        }
        if let (Some(one), Some(other)) = (self.integer(), other.integer()) {
            return Ok(one == other);
        }
        match (self.bool(), other.bool()) {
            (Ok(one), Ok(other)) => Ok(one == other),
            _ => Err(NoAnswer),
        }
    }
}

impl Expr {
    fn eval<'v>(&'v self, scope: &mut Vec<Given<'v>>) -> Result<Given<'v>, NoAnswer> {
        let given = match self {
            Self::Bool(value) => Given::Bool(*value),
            Self::Integer(value) => Given::Integer(*value),
            Self::Text(text) => Given::Text(text),
            Self::List(items) => Given::List(items),
            Self::Variable(index) => *scope.get(*index).ok_or(NoAnswer)?,
            Self::Field(of, name) => Given::Node(&of.eval(scope)?.entry(name)?.ok_or(NoAnswer)?.node),
            Self::Has(of, name) => Given::Bool(of.eval(scope)?.entry(name)?.is_some()),
            Self::Not(of) => Given::Bool(!of.eval(scope)?.bool()?),
            Self::And(sides) => Given::Bool(either(sides, scope, false)?),
            Self::Or(sides) => Given::Bool(either(sides, scope, true)?),
            Self::If(parts) => {
                let [condition, then, or] = &**parts;
                if condition.eval(scope)?.bool()? { then.eval(scope)? } else { or.eval(scope)? }
            }
            Self::Compare(how, sides) => Given::Bool(compare(*how, sides, scope)?),
            Self::In(sides) => Given::Bool(is_in(sides, scope)?),
            Self::Size(of) => Given::Integer(size(of.eval(scope)?)?),
            Self::StartsWith(sides) => {
                let (text, with) = texts(sides, scope)?;
                Given::Bool(text.starts_with(with))
            }
            Self::EndsWith(sides) => {
                let (text, with) = texts(sides, scope)?;
                Given::Bool(text.ends_with(with))
            }
            Self::Contains(sides) => {
                let (text, part) = texts(sides, scope)?;
                Given::Bool(text.contains(part))
            }
            Self::Matches(of, pattern) => Given::Bool(pattern.is_match(of.eval(scope)?.text()?.as_bytes())),
            Self::All(parts) => Given::Bool(each(parts, scope, false)?),
            Self::Exists(parts) => Given::Bool(each(parts, scope, true)?),
        };
        Ok(given)
    }
}

/// The answer of the side that decides alone; else that of both.
fn either<'v>(
    [one, other]: &'v [Expr; 2],
    scope: &mut Vec<Given<'v>>,
    decides: bool,
) -> Result<bool, NoAnswer> {
    let one = one.eval(scope).and_then(Given::bool);
    if one == Ok(decides) {
        return Ok(decides);
    }
    let other = other.eval(scope).and_then(Given::bool)?;
    if other == decides { Ok(decides) } else { one }
}

/// Whether the condition gives `decides` for one of the items of a list, or of the names of a map.
fn each<'v>(
    [of, condition]: &'v [Expr; 2],
    scope: &mut Vec<Given<'v>>,
    decides: bool,
) -> Result<bool, NoAnswer> {
    let items: Vec<Given<'v>> = match of.eval(scope)? {
        Given::Node(Node { value: Value::List(items), .. }) => items.iter().map(Given::Node).collect(),
        Given::Node(Node { value: Value::Map(entries), .. }) => {
            entries.iter().map(|entry| Given::Text(&entry.key)).collect()
        }
        Given::List(items) => {
            let depth = scope.len();
            let items = items.iter().map(|item| item.eval(scope)).collect::<Result<_, _>>()?;
            scope.truncate(depth);
            items
        }
        _ => return Err(NoAnswer),
    };
    let mut failed = false;
    for item in items {
        scope.push(item);
        let answer = condition.eval(scope).and_then(Given::bool);
        scope.pop();
        match answer {
            Ok(answer) if answer == decides => return Ok(decides),
            Ok(_) => {}
            Err(NoAnswer) => failed = true,
        }
    }
    if failed { Err(NoAnswer) } else { Ok(!decides) }
}

fn compare<'v>(
    how: Compare,
    [one, other]: &'v [Expr; 2],
    scope: &mut Vec<Given<'v>>,
) -> Result<bool, NoAnswer> {
    let (one, other) = (one.eval(scope)?, other.eval(scope)?);
    if let Compare::Equal | Compare::Unequal = how {
        return Ok(one.equals(other)? == (how == Compare::Equal));
    }
    let order = match (one.integer(), other.integer()) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.text()?.cmp(other.text()?),
    };
    Ok(match how {
        Compare::Less => order.is_lt(),
        Compare::LessOrEqual => order.is_le(),
        Compare::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn is_in<'v>([one, list]: &'v [Expr; 2], scope: &mut Vec<Given<'v>>) -> Result<bool, NoAnswer> {
    let one = one.eval(scope)?;
    match list.eval(scope)? {
        Given::List(items) => {
            for item in items {
                if one.equals(item.eval(scope)?)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Given::Node(Node { value: Value::List(items), .. }) => {
            Ok(items.iter().any(|item| one.equals(Given::Node(item)) == Ok(true)))
        }
        Given::Node(Node { value: Value::Map(entries), .. }) => {
            let name = one.text()?;
            Ok(entries.iter().any(|entry| entry.key == name))
        }
        _ => Err(NoAnswer),
    }
}

fn size(of: Given<'_>) -> Result<i64, NoAnswer> {
    let count = match of {
        Given::Node(Node { value: Value::List(items), .. }) => items.len(),
        Given::Node(Node { value: Value::Map(entries), .. }) => entries.len(),
        Given::List(items) => items.len(),
        text => text.text()?.chars().count(),
    };
    i64::try_from(count).map_err(|_| NoAnswer)
}

fn texts<'v>(
    [one, other]: &'v [Expr; 2],
    scope: &mut Vec<Given<'v>>,
) -> Result<(&'v str, &'v str), NoAnswer> {
    Ok((one.eval(scope)?.text()?, other.eval(scope)?.text()?))
}
