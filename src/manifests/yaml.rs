//! YAML, and JSON with it, read into trees with positions.
//!
//! Plain words mean what they mean to kubectl, which reads YAML 1.1: `yes` and `on` are true, `0x1f` is a number.

use std::{borrow::Cow, collections::HashMap};

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput, Tag, options};

use super::node::{At, Entry, Node, Value};

/// Most values in one document, those counted that its aliases repeat: whoever writes more by hand is an attacker.
const NODES_MAX: usize = 1_000_000;

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where.
    pub at: At,
    /// What, without what was written.
    pub message: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Hands out the documents of a text one after the other, each with what is wrong in it and concerns only those to whom
/// the document matters; and what is wrong with those that are none. After such a fault it goes on with the next one.
pub(super) fn documents<'a>(text: &'a str, mut each: impl FnMut(Result<(Node<'a>, Vec<Fault>), Fault>)) {
    // A byte order mark is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut options: Options = options! { simple_key_max_lookahead: 64 * 1024 };
    options.set_emit_comments(false);
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: 0,
        doubts: Vec::new(),
    };
    loop {
        match reader.document() {
            Ok(None) => return,
            Ok(Some(node)) => each(Ok((node, std::mem::take(&mut reader.doubts)))),
            Err(fault) => {
                reader.doubts.clear();
                each(Err(fault));
                if !matches!(reader.parser.proceed_next_document(), Ok(true)) {
                    return;
                }
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node<'a>>,
    nodes: usize,
    /// What can be read, and hardly means what it says.
    doubts: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Fault> {
        self.parser.next().transpose().map_err(|error| syntax(&error))
    }

    /// The next document that is not empty.
    fn document(&mut self) -> Result<Option<Node<'a>>, Fault> {
        self.nodes = 0;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamEnd => return Ok(None),
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => self.anchors.clear(),
                event => {
                    let node = self.node(event, span)?;
                    if node.value != Value::Null {
                        return Ok(Some(node));
                    }
                }
            }
        }
        Ok(None)
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node<'a>, Fault> {
        let at = at(&span);
        self.count(at, 1)?;
        let (anchor, value) = match event {
            Event::Alias(id) => return self.repeated(id, at),
            Event::Scalar(text, style, anchor, tag) => (anchor, self.scalar(text, style, tag.as_deref(), at)),
            Event::SequenceStart(_, anchor, _) => (anchor, Value::List(self.items()?)),
            Event::MappingStart(_, anchor, _) => (anchor, Value::Map(self.entries(at)?)),
            _ => return Err(unexpected(at)),
        };
        let node = Node { at, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// What an alias stands for.
    fn repeated(&mut self, id: usize, at: At) -> Result<Node<'a>, Fault> {
        let Some(node) = self.anchors.get(&id) else {
            let message = "an alias stands inside what it repeats".to_owned();
            return Err(Fault { at, message, remedy: "write out what is meant" });
        };
        let value = node.value.clone();
        self.count(at, size(&value))?;
        Ok(Node { at, value })
    }

    fn items(&mut self) -> Result<Vec<Node<'a>>, Fault> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::SequenceEnd => break,
                event => items.push(self.node(event, span)?),
            }
        }
        Ok(items)
    }

    fn entries(&mut self, map: At) -> Result<Vec<Entry<'a>>, Fault> {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut merged = Vec::new();
        while let Some((event, span)) = self.next()? {
            let at = at(&span);
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, ..) => self.key(text, style, at),
                Event::Alias(id) => match self.repeated(id, at)?.value {
                    Value::Text(text) => Key::Name(text),
                    _ => return Err(no_name(at)),
                },
                _ => return Err(no_name(at)),
            };
            let (event, span) = self.next()?.ok_or_else(|| unexpected(map))?;
            let node = self.node(event, span)?;
            match key {
                Key::Name(key) => entries.push(Entry { key, at, node }),
                Key::Merge => merged.push(node),
            }
        }
        self.doubts.extend(twice(&entries));
        for node in merged {
            merge(&mut entries, node)?;
        }
        Ok(entries)
    }

    /// The name of an entry. A plain word that kubectl would take for something else is doubtful: `no: ro` would become
    /// the collection `false`.
    fn key(&mut self, text: Cow<'a, str>, style: ScalarStyle, at: At) -> Key<'a> {
        if style != ScalarStyle::Plain {
            return Key::Name(text);
        }
        if text == "<<" {
            return Key::Merge;
        }
        let message = match plain(&text) {
            Some(Value::Bool(_) | Value::Null) => {
                "the name of a field is a word that YAML takes for yes, no or nothing".to_owned()
            }
            Some(Value::Integer(number)) if number.to_string() != text => {
                format!("the name of a field is written as a number, which YAML takes for {number}")
            }
            _ => return Key::Name(text),
        };
        self.doubts.push(Fault { at, message, remedy: "put it into quotes" });
        Key::Name(text)
    }

    fn scalar(&mut self, text: Cow<'a, str>, style: ScalarStyle, tag: Option<&Tag>, at: At) -> Value<'a> {
        match tag.map(Tag::core_suffix) {
            None if style == ScalarStyle::Plain => plain(&text).unwrap_or(Value::Text(text)),
            None | Some(Some("str")) => Value::Text(text),
            Some(Some("bool" | "int" | "float" | "null")) => plain(&text).unwrap_or(Value::Text(text)),
            Some(_) => {
                let message = "the tag (the word with the exclamation mark) is none that manifests know";
                self.doubts.push(Fault { at, message: message.to_owned(), remedy: "leave it out" });
                Value::Text(text)
            }
        }
    }

    fn count(&mut self, at: At, more: usize) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("the document has more than {NODES_MAX} values, with what its aliases repeat");
        Err(Fault { at, message, remedy: "spread it over several documents" })
    }
}

fn at(span: &Span) -> At {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    At { line: number(span.start.line()), column: number(span.start.col() + 1) }
}

fn size(value: &Value<'_>) -> usize {
    match value {
        Value::List(items) => items.iter().map(|node| 1 + size(&node.value)).sum(),
        Value::Map(entries) => entries.iter().map(|entry| 1 + size(&entry.node.value)).sum(),
        _ => 0,
    }
}

enum Key<'a> {
    Name(Cow<'a, str>),
    Merge,
}

/// What a plain word is besides a text (go-yaml v2, which kubectl reads with, `resolve.go`).
fn plain<'a>(text: &str) -> Option<Value<'a>> {
    let first = *text.as_bytes().first().unwrap_or(&b'~');
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(text),
        b'~' | b'n' | b'N' | b'y' | b'Y' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => match text {
            "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                Some(Value::Bool(true))
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
                Some(Value::Bool(false))
            }
            _ => None,
        },
        _ => None,
    }
}

fn number<'a>(text: &str) -> Option<Value<'a>> {
    let without: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    let digits = without.trim_start_matches(['+', '-']);
    let sign = without.len() - digits.len();
    if sign > 1 {
        return None;
    }
    let radix = |prefix: &[&str], radix| {
        let digits = prefix.iter().find_map(|prefix| digits.strip_prefix(prefix))?;
        i64::from_str_radix(&format!("{}{digits}", &without[..sign]), radix).ok()
    };
    let octal = digits.len() > 1 && digits.starts_with('0');
    let integer = radix(&["0x", "0X"], 16)
        .or_else(|| radix(&["0o", "0O"], 8))
        .or_else(|| radix(&["0b", "0B"], 2))
        .or_else(|| if octal { radix(&["0"], 8) } else { without.parse().ok() });
    if let Some(integer) = integer {
        return Some(Value::Integer(integer));
    }
    // Not what Rust reads beside that: `inf`, `nan`.
    let is_decimal = digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let float: f64 = without.parse().ok().filter(|_| is_decimal)?;
    float.is_finite().then_some(Value::Float(float))
}

/// A field that stands there twice.
fn twice(entries: &[Entry<'_>]) -> Option<Fault> {
    let mut names: Vec<_> = entries.iter().map(|entry| (&entry.key, entry.at)).collect();
    names.sort_unstable();
    let pair = names.windows(2).find(|pair| pair[0].0 == pair[1].0)?;
    let message = format!("the same field stands here and in line {}", pair[0].1.line);
    Some(Fault { at: pair[1].1, message, remedy: "remove one of the two" })
}

/// `<<`: what the map doesn't say itself is taken from others.
fn merge<'a>(entries: &mut Vec<Entry<'a>>, node: Node<'a>) -> Result<(), Fault> {
    match node.value {
        Value::Map(more) => {
            for entry in more {
                if !entries.iter().any(|known| known.key == entry.key) {
                    entries.push(entry);
                }
            }
            Ok(())
        }
        Value::List(nodes) => nodes.into_iter().try_for_each(|node| merge(entries, node)),
        _ => Err(Fault {
            at: node.at,
            message: "<< takes a map, or a list of maps".to_owned(),
            remedy: "name an anchor behind it, as in `<<: *common`",
        }),
    }
}

fn syntax(error: &ScanError) -> Fault {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let at = At { line: number(error.marker().line()), column: number(error.marker().col() + 1) };
    let message = format!("this is no YAML: {}", error.info());
    Fault { at, message, remedy: "look at the indentation and the quotes on this line and above it" }
}

fn no_name(at: At) -> Fault {
    let message = "the name of a field must be a text".to_owned();
    Fault { at, message, remedy: "look at the brackets and the indentation" }
}

fn unexpected(at: At) -> Fault {
    let message = "the document ends in the middle".to_owned();
    Fault { at, message, remedy: "look at the brackets and the indentation" }
}
