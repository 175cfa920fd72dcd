//! A document as a tree that remembers where each thing was written.

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Visitor, value::CowStrDeserializer},
    forward_to_deserialize_any,
};

/// Line and column, both counted from 1; the column in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node<'a> {
    /// Where it begins.
    pub at: At,
    /// What it is.
    pub value: Value<'a>,
}

/// What JSON knows, which is what the API server keeps.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// Values in their order.
    List(Vec<Node<'a>>),
    /// Values by name, in the order in which they are written.
    Map(Vec<Entry<'a>>),
}

/// One line of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// The name.
    pub key: Cow<'a, str>,
    /// Where the name begins.
    pub at: At,
    /// What stands behind it.
    pub node: Node<'a>,
}

impl<'a> Node<'a> {
    /// What stands behind that name, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The line of that name, if this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The lines of a map; none of anything else.
    pub fn entries(&self) -> &[Entry<'a>] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The values of a list; none of anything else.
    pub fn items(&self) -> &[Node<'a>] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// Takes a line out of a map.
    pub fn remove(&mut self, key: &str) -> Option<Node<'a>> {
        let Value::Map(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(index).node)
    }

    /// What stands behind a name, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Value::Map(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }

    /// Puts a line into a map; nothing happens to anything else.
    pub fn insert(&mut self, key: &'a str, value: Value<'a>) {
        let at = self.at;
        if let Value::Map(entries) = &mut self.value {
            entries.push(Entry { key: Cow::Borrowed(key), at, node: Node { at, value } });
        }
    }

    /// Where the deepest part of a path begins that is there: `spec.options.sharding`, `spec.endpoints.0`.
    pub fn find(&self, path: &str) -> At {
        self.seek(path).0
    }

    /// Where the first of these paths begins that is there whole; the deepest part of the first of them, if none is.
    pub fn find_first(&self, paths: &[impl AsRef<str>]) -> At {
        let mut found = paths.iter().map(|path| self.seek(path.as_ref()));
        let first = found.next().unwrap_or((self.at, true));
        let whole = |(at, is_whole)| if is_whole { Some(at) } else { None };
        whole(first).or_else(|| found.find_map(whole)).unwrap_or(first.0)
    }

    /// The same, and whether all of it is there.
    fn seek(&self, path: &str) -> (At, bool) {
        let (mut node, mut at, mut path) = (self, self.at, path);
        while !path.is_empty() {
            // A name may have dots in it: the longest one is meant.
            let behind =
                |name: &str| path.strip_prefix(name)?.strip_prefix('.').or((path == name).then_some(""));
            let entries = node.entries().iter().filter(|entry| !entry.key.is_empty());
            let entries = entries.filter_map(|entry| Some((behind(&entry.key)?, entry)));
            if let Some((rest, entry)) = entries.min_by_key(|(rest, _)| rest.len()) {
                (node, at, path) = (&entry.node, entry.at, rest);
                continue;
            }
            let (index, rest) = path.split_once('.').unwrap_or((path, ""));
            let Some(item) = index.parse().ok().and_then(|index: usize| node.items().get(index)) else {
                break;
            };
            (node, at, path) = (item, item.at, rest);
        }
        (at, path.is_empty())
    }
}

/// Why a tree is not of a type. What can't be said by the schema is said here.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Mistyped(String);

impl de::Error for Mistyped {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> Deserializer<'de> for &'de Node<'_> {
    type Error = Mistyped;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistyped> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), next: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistyped> {
        if self.value == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistyped> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistyped> {
        let text = self.text().ok_or_else(|| Mistyped("a word is needed here".to_owned()))?;
        let text: CowStrDeserializer<'_, Mistyped> = CowStrDeserializer::new(Cow::Borrowed(text));
        text.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'t, 'a>(std::slice::Iter<'t, Node<'a>>);

impl<'de> de::SeqAccess<'de> for Items<'de, '_> {
    type Error = Mistyped;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistyped> {
        self.0.next().map(|node| seed.deserialize(node)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries<'t, 'a> {
    rest: std::slice::Iter<'t, Entry<'a>>,
    next: Option<&'t Node<'a>>,
}

impl<'de> de::MapAccess<'de> for Entries<'de, '_> {
    type Error = Mistyped;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistyped> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.next = Some(&entry.node);
        let key: CowStrDeserializer<'_, Mistyped> = CowStrDeserializer::new(Cow::Borrowed(&*entry.key));
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistyped> {
        match self.next.take() {
            Some(node) => seed.deserialize(node),
            None => Err(Mistyped("a value before its name".to_owned())),
        }
    }
}
