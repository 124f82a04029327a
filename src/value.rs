//! The one value type of the runtime: what an event, a record, a mapping and a request body are made of.
//!
//! A [`Value`] is a tree of shared nodes: cloning any part of an event costs one reference count, so a context
//! can be put together from an event, earlier steps and variables, and read by JSONPath and Rhai alike, without
//! copying. Numbers are exact: integers, else decimals; binary floating point does not occur, so `0.1` stays
//! `0.1` and an amount never gains a cent.
//!
//! It does **not** know JSONPath, Rhai or YAML; those know it.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use rust_decimal::Decimal;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::surrogate;

/// Keys in the order in which they were written.
pub type Map = IndexMap<Arc<str>, Value>;

/// A JSON-like value whose parts are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// Nothing. A missing key and a null are the same everywhere in lockstep.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// Any other number, exact, with the scale it was written with (`1.10` stays `1.10`).
    Decimal(Decimal),
    /// Text; also a number that no [`Decimal`] can hold, as it was written.
    Text(Arc<str>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A map.
    Map(Arc<Map>),
}

/// A JSON text as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromJson {
    /// The value.
    pub value: Value,
    /// True when a map has a key twice: the text then holds something that the value does not.
    pub repeats: bool,
}

impl Value {
    /// A list of `items`.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Self {
        Self::List(Arc::new(items.into_iter().collect()))
    }

    /// A map of `entries`; of equal keys the last one stays.
    pub fn map<K: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Map(Arc::new(entries.into_iter().map(|(key, value)| (key.into(), value)).collect()))
    }

    /// A number from its decimal text; text when no exact number can hold it.
    pub fn number(text: &str) -> Self {
        if let Ok(int) = text.parse::<i64>() {
            return Self::Int(int);
        }
        let plain = Decimal::from_str_exact(text).ok();
        plain.or_else(|| scientific(text)).map_or_else(|| Self::from(text), Self::Decimal)
    }

    /// Reads JSON text, numbers exactly. Of entries with one key the last one stays; for half a character (`"\ud83d"`),
    /// which other systems make when they cut texts off, U+FFFD stands.
    pub fn from_json(text: &[u8]) -> Result<Self, serde_json::Error> {
        Self::from_json_noting(text).map(|read| read.value)
    }

    /// Reads JSON text as [`Self::from_json`] does, and notes whether the value is all that the text says.
    pub fn from_json_noting(text: &[u8]) -> Result<FromJson, serde_json::Error> {
        let read = |text: &[u8]| {
            let repeats = Cell::new(false);
            let mut deserializer = serde_json::Deserializer::from_slice(text);
            let value = Reading { exact: true, repeats: Some(&repeats) }.deserialize(&mut deserializer)?;
            deserializer.end()?;
            Ok(FromJson { value, repeats: repeats.get() })
        };
        read(text).or_else(|error| surrogate::mended(text).map_or(Err(error), |mended| read(&mended)))
    }

    /// Compact JSON text.
    pub fn to_json(&self) -> String {
        // Serialising a tree of plain nodes into memory has no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// True for [`Value::Null`]: there is nothing here.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// True for null, text of white space only, and an empty list or map: nothing that could identify a record.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(map) => map.is_empty(),
            Self::Bool(_) | Self::Int(_) | Self::Decimal(_) => false,
        }
    }

    /// The value under `key`, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// The value at `path`, key by key; `None` as soon as one is missing.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text, when this is text.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The whole number, when this is one.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }

    /// The number as a decimal, when this is a number.
    pub fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Self::Int(int) => Some(Decimal::from(*int)),
            Self::Decimal(decimal) => Some(*decimal),
            _ => None,
        }
    }

    /// True or false, when this is a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(bool) = self { Some(*bool) } else { None }
    }

    /// The elements, when this is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The entries, when this is a map.
    pub fn as_map(&self) -> Option<&Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// The value as one piece of text, as ids and headers need it: text as it is, numbers and booleans in
    /// their usual form; `None` for nothing, lists and maps.
    pub fn to_text(&self) -> Option<Arc<str>> {
        match self {
            Self::Text(text) => Some(Arc::clone(text)),
            Self::Bool(_) | Self::Int(_) | Self::Decimal(_) => Some(self.to_string().into()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// What kind of value this is, in the words that messages use.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Decimal(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Equal in meaning: numbers by value (`1` and `1.0`), everything else by content.
    pub fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.same(b))
            }
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| a.same(b)))
            }
            _ => match (self.as_decimal(), other.as_decimal()) {
                (Some(a), Some(b)) => a == b,
                _ => self == other,
            },
        }
    }
}

/// A number with an exponent, exactly. The library rounds what stands before the exponent when it is too long.
fn scientific(text: &str) -> Option<Decimal> {
    let (base, _) = text.split_once(['e', 'E'])?;
    Decimal::from_str_exact(base).ok()?;
    Decimal::from_scientific(text).ok()
}

/// Text as it is, everything else as compact JSON; nothing is empty. This is what `${...}` puts into a text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(bool) => bool.fmt(f),
            Self::Int(int) => int.fmt(f),
            Self::Decimal(decimal) => decimal.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::List(_) | Self::Map(_) => f.write_str(&self.to_json()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<Decimal> for Value {
    fn from(decimal: Decimal) -> Self {
        Self::Decimal(decimal)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(Arc::new(items))
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(Arc::new(map))
    }
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(bool) => Self::Bool(*bool),
            serde_json::Value::Number(number) => Self::number(number.as_str()),
            serde_json::Value::String(text) => Self::from(text.as_str()),
            serde_json::Value::Array(items) => Self::list(items.iter().map(Self::from)),
            serde_json::Value::Object(map) => {
                Self::map(map.iter().map(|(key, value)| (key.as_str(), Self::from(value))))
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(bool) => serializer.serialize_bool(*bool),
            Self::Int(int) => serializer.serialize_i64(*int),
            Self::Decimal(decimal) => {
                // A decimal in plain notation is a JSON number; should it ever not be, text loses nothing.
                match decimal.to_string().parse::<serde_json::Number>() {
                    Ok(number) => number.serialize(serializer),
                    Err(_) => serializer.collect_str(decimal),
                }
            }
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items.iter() {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries.iter() {
                    map.serialize_entry(&**key, value)?;
                }
                map.end()
            }
        }
    }
}

/// Any JSON value.
impl schemars::JsonSchema for Value {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
}

/// How `serde_json` with exact numbers hands one over: a map with this one key and the number's text.
pub(crate) const NUMBER_TOKEN: &str = "$serde_json::private::Number";

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading { exact: false, repeats: None }.deserialize(deserializer)
    }
}

/// How a value is read.
#[derive(Clone, Copy)]
struct Reading<'a> {
    /// True when a number can be told from a map that has [`NUMBER_TOKEN`] as a key, as somebody else's text may: only
    /// where nothing stands between `serde_json` and this, for serde's buffers make them the same.
    exact: bool,
    /// Set when a key stands twice.
    repeats: Option<&'a Cell<bool>>,
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(Value::Bool(bool))
    }

    fn visit_i64<E>(self, int: i64) -> Result<Value, E> {
        Ok(Value::Int(int))
    }

    fn visit_u64<E>(self, int: u64) -> Result<Value, E> {
        Ok(i64::try_from(int).map_or_else(|_| Value::Decimal(Decimal::from(int)), Value::Int))
    }

    fn visit_f64<E>(self, float: f64) -> Result<Value, E> {
        Ok(Value::number(&float.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::from(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key_seed(KeySeed { exact: self.exact })? {
            let name = match key {
                Key::Number => return access.next_value::<String>().map(|text| Value::number(&text)),
                Key::Name(name) => name,
            };
            let before = map.insert(name, access.next_value_seed(self)?);
            if let (Some(_), Some(repeats)) = (before, self.repeats) {
                repeats.set(true);
            }
        }
        Ok(Value::from(map))
    }
}

enum Key {
    Number,
    Name(Arc<str>),
}

#[derive(Clone, Copy)]
struct KeySeed {
    exact: bool,
}

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        // Asked whether it is there, the key of a map says so and a number's mark does not.
        if self.exact { deserializer.deserialize_option(self) } else { deserializer.deserialize_str(self) }
    }
}

/// The key of a map, whatever it says.
struct Name;

impl Visitor<'_> for Name {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Arc<str>, E> {
        Ok(key.into())
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key;

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(Name).map(Key::Name)
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(if key == NUMBER_TOKEN { Key::Number } else { Key::Name(key.into()) })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    /// A number's text as sign, digits without zeros around them, and the power of ten of the last one.
    fn digits(text: &str) -> (bool, String, i64) {
        let (base, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = base.split_once('.').unwrap_or((base, ""));
        let all = format!("{}{fraction}", whole.trim_start_matches('-'));
        let (all, kept) = (all.trim_start_matches('0'), all.trim_end_matches('0').trim_start_matches('0'));
        let power = power.parse::<i64>().unwrap() - i64::try_from(fraction.len()).unwrap();
        match kept {
            "" => (false, String::new(), 0),
            _ => (
                whole.starts_with('-'),
                kept.to_owned(),
                power + i64::try_from(all.len() - kept.len()).unwrap(),
            ),
        }
    }

    proptest! {
        #[test]
        fn a_number_is_exact_or_text(text in r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?") {
            let value = parse(&text);
            prop_assert_eq!(digits(&value.to_string()), digits(&text), "{} became {:?}", text, value);
            prop_assert!(parse(&value.to_json()).same(&value), "{text} became {value:?}");
        }
    }

    fn parse(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn json_comes_back_as_it_was_written() {
        for text in [
            "null",
            r#"{"b":1,"a":[true,false,null,"x\n\"y\" é"]}"#,
            "12345678901234567890",
            "79228162514264337593543950335",
            "0.1",
            "1.10",
            "-0.0375",
            "{}",
            "[]",
        ] {
            assert_eq!(parse(text).to_json(), text);
        }
    }

    #[test]
    fn a_key_that_looks_like_a_number_inside_is_a_key() {
        for text in [
            r#"{"$serde_json::private::Number":"7"}"#,
            r#"{"$serde_json::private::Number":7,"b":1.50}"#,
            r#"[{"a":1,"$serde_json::private::Number":{"b":1.50}}]"#,
        ] {
            assert_eq!(parse(text).to_json(), text);
        }
    }

    #[test]
    fn it_is_noted_when_a_key_stands_twice() {
        let read = |text: &str| Value::from_json_noting(text.as_bytes()).unwrap();
        let twice = read(r#"{"a":[{"b":1,"b":2}]}"#);
        assert_eq!((twice.value.to_json().as_str(), twice.repeats), (r#"{"a":[{"b":2}]}"#, true));
        assert!(!read(r#"{"a":{"b":1},"b":[{"b":1},{"b":1}]}"#).repeats);
        assert!(Value::from_json_noting(b"{} {}").is_err(), "one value and nothing after it");
    }

    #[test]
    fn numbers_are_exact() {
        assert_eq!(parse("4500"), Value::Int(4500));
        assert_eq!(parse("1e3").as_decimal(), Some(Decimal::from(1000)));
        assert_eq!(parse("0.30000000000000004").to_json(), "0.30000000000000004");
        for beyond in
            ["1e+400", "1.00000000000000000000000000000000001e+2", "0.00000000000000000000000000000000001"]
        {
            assert_eq!(parse(beyond), Value::from(beyond), "what no decimal can hold is kept as text");
        }
    }

    #[test]
    fn numbers_are_the_same_by_value() {
        assert!(parse("1").same(&parse("1.0")));
        assert!(parse(r#"[{"a":1.50}]"#).same(&parse(r#"[{"a":1.5}]"#)));
        assert!(!parse("1").same(&parse(r#""1""#)));
        assert!(!parse("[1]").same(&parse("[1,2]")));
    }

    #[test]
    fn blank_values_identify_nothing() {
        for text in ["null", r#""""#, r#""  ""#, "[]", "{}"] {
            assert!(parse(text).is_blank(), "{text}");
        }
        for text in ["0", "false", r#""x""#] {
            assert!(!parse(text).is_blank(), "{text}");
        }
    }
}
