//! The tree: nodes with their bytes, sharing what anchors share.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::Span;
use crate::value::Value;

/// A value of a file, with where it stands. Cloning shares the children.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The bytes of the value, where it is used: of an alias, the alias.
    pub span: Span,
    /// What it is.
    pub data: Data,
    /// How a scalar is written; [`ScalarStyle::Plain`] for lists and maps.
    pub style: ScalarStyle,
    /// For an alias: the bytes of the anchored value that it stands for.
    pub origin: Option<Span>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Nothing: `null`, `~`, or no text at all.
    Null,
    /// `true` or `false`, unquoted.
    Bool(bool),
    /// An unquoted whole number.
    Int(i64),
    /// An unquoted decimal, or a whole number of more than 64 bits: exact, with its scale.
    Decimal(Decimal),
    /// Anything else that is a scalar.
    Text(Arc<str>),
    /// A list.
    List(Arc<[Node]>),
    /// A map, in the order of the file, without equal keys.
    Map(Arc<[Entry]>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// A key, with where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The text of the key; a number or boolean as it is written.
    pub name: Arc<str>,
    /// Its bytes.
    pub span: Span,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes.
    #[default]
    Plain,
    /// `'...'`
    Single,
    /// `"..."`
    Double,
    /// A `|` block.
    Literal,
    /// A `>` block.
    Folded,
}

impl Node {
    /// The bytes where the value is written out: of an alias, the anchored value's.
    pub fn written(&self) -> Span {
        self.origin.unwrap_or(self.span)
    }

    /// The value under `key`, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`, when this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_map()?.iter().find(|entry| &*entry.key.name == key)
    }

    /// The entries, when this is a map.
    pub fn as_map(&self) -> Option<&[Entry]> {
        if let Data::Map(entries) = &self.data { Some(entries) } else { None }
    }

    /// The elements, when this is a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        if let Data::List(items) = &self.data { Some(items) } else { None }
    }

    /// The text, when this is text.
    pub fn as_str(&self) -> Option<&str> {
        if let Data::Text(text) = &self.data { Some(text) } else { None }
    }

    /// What kind of value this is, in the words that messages use.
    pub fn kind(&self) -> &'static str {
        match self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "a boolean",
            Data::Int(_) => "an integer",
            Data::Decimal(_) => "a number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// The value without its places.
    pub fn to_value(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(bool) => Value::Bool(*bool),
            Data::Int(int) => Value::Int(*int),
            Data::Decimal(decimal) => Value::Decimal(*decimal),
            Data::Text(text) => Value::Text(Arc::clone(text)),
            Data::List(items) => Value::list(items.iter().map(Self::to_value)),
            Data::Map(entries) => {
                Value::map(entries.iter().map(|entry| (Arc::clone(&entry.key.name), entry.value.to_value())))
            }
        }
    }
}
