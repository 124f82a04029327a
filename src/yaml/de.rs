//! Tree -> typed model: a serde deserializer over nodes that is as strict as the files are.
//!
//! Nothing is converted: text is not a number, a number is not text, nothing is not an empty list. Decimals are
//! handed over as their text, in the form that [`crate::value::Value`] reads, so they stay exact.

use std::fmt;

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Data, Entry, Node, Path, Seg};
use crate::value::NUMBER_TOKEN;

/// Reads a `T`; when it refuses, the path of what it refuses and why.
pub fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, (Path, String)> {
    T::deserialize(Reader(node)).map_err(|mut error| {
        error.path.reverse();
        (Path::from(error.path), error.message)
    })
}

/// Why a model was refused. The path grows from its end while the error travels up.
#[derive(Debug)]
struct Error {
    path: Vec<Seg>,
    message: String,
}

impl Error {
    fn under(mut self, seg: Seg) -> Self {
        self.path.push(seg);
        self
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: Vec::new(), message: message.to_string() }
    }

    fn invalid_type(found: Unexpected, expected: &dyn serde::de::Expected) -> Self {
        Self::custom(format_args!("{expected} is wanted here, not {found}"))
    }
}

#[derive(Clone, Copy)]
struct Reader<'a>(&'a Node);

impl Reader<'_> {
    fn refuse<T>(self, expected: &str) -> Result<T, Error> {
        Err(Error::custom(format_args!("{expected} is wanted here, not {}", self.0.kind())))
    }
}

/// Scalars with a wanted type: a decimal must not reach a visitor as the map that stands for it.
macro_rules! exact_scalars {
    ($($method:ident $expected:literal,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.data {
                Data::Decimal(_) => self.refuse($expected),
                _ => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.data {
            Data::Null => visitor.visit_unit(),
            Data::Bool(bool) => visitor.visit_bool(*bool),
            Data::Int(int) => visitor.visit_i64(*int),
            Data::Decimal(decimal) => {
                visitor.visit_map(MapDeserializer::new(std::iter::once((NUMBER_TOKEN, decimal.to_string()))))
            }
            Data::Text(text) => visitor.visit_str(text),
            Data::List(items) => visitor.visit_seq(Items { items: items.iter(), at: 0 }),
            Data::Map(entries) => visitor.visit_map(Entries { entries: entries.iter(), current: None }),
        }
    }

    exact_scalars! {
        deserialize_bool "a boolean",
        deserialize_i8 "an integer", deserialize_i16 "an integer", deserialize_i32 "an integer",
        deserialize_i64 "an integer", deserialize_i128 "an integer",
        deserialize_u8 "an integer", deserialize_u16 "an integer", deserialize_u32 "an integer",
        deserialize_u64 "an integer", deserialize_u128 "an integer",
        deserialize_str "text", deserialize_string "text", deserialize_char "text",
        deserialize_identifier "text",
        deserialize_seq "a list",
        deserialize_map "a map",
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.data {
            Data::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0.data {
            // A visitor of a struct would take a list for its fields in order.
            Data::Map(_) => self.deserialize_any(visitor),
            _ => self.refuse("a map"),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.0.data {
            Data::Text(word) => visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(&**word)),
            Data::Map(entries) => match &**entries {
                [entry] => visitor.visit_enum(Alternative(entry)),
                _ => Err(Error::custom("exactly one key is wanted here")),
            },
            _ => self.refuse("a word, or a map of one key,"),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { f32 f64 bytes byte_buf unit unit_struct }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
    at: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(item) = self.items.next() else { return Ok(None) };
        self.at += 1;
        let index = self.at - 1;
        seed.deserialize(Reader(item)).map(Some).map_err(|error| error.under(Seg::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.current = self.entries.next();
        let Some(entry) = self.current else { return Ok(None) };
        seed.deserialize(StrDeserializer::<Error>::new(&entry.key.name))
            .map(Some)
            .map_err(|error| at(entry, error))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some(entry) = self.current else { return Err(Error::custom("a value was read before its key")) };
        seed.deserialize(Reader(&entry.value)).map_err(|error| at(entry, error))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

fn at(entry: &Entry, error: Error) -> Error {
    error.under(Seg::Key(entry.key.name.clone()))
}

/// `{alternative: its content}`.
struct Alternative<'a>(&'a Entry);

impl<'a, 'de> EnumAccess<'de> for Alternative<'a> {
    type Error = Error;
    type Variant = Content<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'a>), Error> {
        let name = seed
            .deserialize(StrDeserializer::<Error>::new(&self.0.key.name))
            .map_err(|error| at(self.0, error))?;
        Ok((name, Content(self.0)))
    }
}

struct Content<'a>(&'a Entry);

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Error;

    /// A word that takes nothing may also be written `word:`.
    fn unit_variant(self) -> Result<(), Error> {
        match self.0.value.data {
            Data::Null => Ok(()),
            _ => Err(at(self.0, Error::custom(format_args!("`{}` takes nothing", self.0.key.name)))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(Reader(&self.0.value)).map_err(|error| at(self.0, error))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        Reader(&self.0.value).deserialize_seq(visitor).map_err(|error| at(self.0, error))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Reader(&self.0.value).deserialize_struct("", fields, visitor).map_err(|error| at(self.0, error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use indexmap::IndexMap;
    use pretty_assertions::assert_eq;
    use serde::Deserialize;

    use super::*;
    use crate::value::Value;
    use crate::yaml::{SourceFile, parse};

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Model {
        name: String,
        #[serde(default)]
        count: Option<u8>,
        #[serde(default)]
        any: Option<Value>,
        #[serde(default)]
        form: Option<Form>,
        #[serde(default)]
        list: Vec<Pair>,
        #[serde(default)]
        map: IndexMap<Arc<str>, Value>,
        #[serde(default)]
        either: Option<Either>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Form {
        Nothing,
        Text(String),
        Circle { radius: u32 },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Pair {
        left: i64,
        #[serde(flatten)]
        others: IndexMap<String, Value>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<Value>),
    }

    fn from<T: DeserializeOwned>(yaml: &str) -> Result<T, (String, String)> {
        let (document, findings) = parse(&Arc::new(SourceFile::new("x.yaml", yaml)));
        assert_eq!(findings, []);
        from_node(&document.unwrap().root).map_err(|(path, message)| (path.to_string(), message))
    }

    #[test]
    fn a_model_reads_what_the_file_says_and_numbers_stay_exact() {
        let model: Model = from(
            "name: x\ncount: 3\nany: [0.10, 123456789012345678901, ~, { a: 1.50 }]\nform: { circle: { radius: 2 } }\n\
             list: [{ left: 1, price: 0.30 }]\nmap: { a: 1, b: 2.0 }\neither: [x, 1.10]\n",
        )
        .unwrap();
        assert_eq!(model.count, Some(3));
        let any = r#"[0.10,123456789012345678901,null,{"a":1.50}]"#;
        assert_eq!(model.any.map(|value| value.to_json()).as_deref(), Some(any));
        assert_eq!(model.form, Some(Form::Circle { radius: 2 }));
        assert_eq!(model.list[0].others["price"].to_json(), "0.30", "through serde's buffer too");
        assert_eq!(model.map["b"].to_json(), "2.0");
        let Some(Either::Many(either)) = model.either else { panic!("a list") };
        assert_eq!(either[1].to_json(), "1.10");
    }

    #[test]
    fn words_and_nothing() {
        assert_eq!(from("nothing"), Ok(Form::Nothing));
        assert_eq!(from("{ nothing: }"), Ok(Form::Nothing));
        assert_eq!(from("{ text: a }"), Ok(Form::Text("a".into())));
        assert_eq!(from::<Option<Form>>("~"), Ok(None));
    }

    #[test]
    fn a_refusal_names_its_path_and_nothing_is_converted() {
        for (yaml, path, message) in [
            ("name: 1", "name", "a string is wanted here, not integer `1`"),
            ("name: 1.5", "name", "text is wanted here, not a number"),
            ("name: x\ncount: '3'", "count", "u8 is wanted here, not string \"3\""),
            ("name: x\ncount: 300", "count", "invalid value: integer `300`, expected u8"),
            ("name: x\ncount: 1.0", "count", "an integer is wanted here, not a number"),
            ("name: x\nlist:", "list", "a sequence is wanted here, not unit value"),
            (
                "name: x\nlist: [{ left: 1 }, { left: a }]",
                "list[1].left",
                "i64 is wanted here, not string \"a\"",
            ),
            ("name: x\nform: { circle: [2] }", "form.circle", "a map is wanted here, not a list"),
            ("name: x\nform: { circle: {}, text: a }", "form", "exactly one key is wanted here"),
            ("name: x\nform: { nothing: 1 }", "form.nothing", "`nothing` takes nothing"),
            ("name: x\nform: 1", "form", "a word, or a map of one key, is wanted here, not an integer"),
            ("count: 1", "", "missing field `name`"),
            ("[x]", "", "a map is wanted here, not a list"),
        ] {
            assert_eq!(from::<Model>(yaml), Err((path.into(), message.into())), "{yaml}");
        }
        let Err((path, message)) = from::<Model>("name: x\nnmae: y") else { panic!("an unknown key") };
        assert_eq!(path, "nmae");
        assert!(message.starts_with("unknown field `nmae`"), "{message}");
    }
}
