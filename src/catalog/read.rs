//! Reads a file of `schemas/stripe/`: flat fields by path become the tree that is walked.

use indexmap::IndexMap;
use serde::Deserialize;

use super::shape::{Field, Fields, Format, Kind, ObjectShape, Words};
use super::version::{Catalog, EventType};

#[derive(Deserialize)]
struct File {
    api_version: String,
    events: Option<IndexMap<String, Vec<String>>>,
    objects: IndexMap<String, IndexMap<String, Line>>,
}

/// One field, as its line tells it.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Line {
    r#type: Type,
    #[serde(default)]
    nullable: bool,
    #[serde(default)]
    optional: bool,
    format: Option<FormatWord>,
    r#enum: Option<Vec<String>>,
    #[serde(default)]
    open_enum: bool,
    #[serde(default)]
    expandable: Vec<String>,
    #[serde(default)]
    r#ref: Vec<String>,
    /// What a polymorphic value may be; told for people, no shape is known of most of these.
    #[serde(default, rename = "any_of")]
    _any_of: Vec<String>,
    items: Option<Box<Line>>,
    values: Option<Type>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Type {
    String,
    Integer,
    Number,
    Boolean,
    Object,
    Array,
    Map,
    List,
    Polymorphic,
    #[default]
    Any,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum FormatWord {
    UnixTime,
    Decimal,
}

/// Reads the text of a schema file.
pub(super) fn catalog(text: &str) -> Result<Catalog, serde_json::Error> {
    let file: File = serde_json::from_str(text)?;
    let events = file.events.map(|events| {
        events.into_iter().map(|(name, objects)| (name.clone(), EventType { name, objects })).collect()
    });
    let objects = file
        .objects
        .into_iter()
        .map(|(name, lines)| (name.clone(), ObjectShape { name, fields: tree(lines) }))
        .collect();
    Ok(Catalog { api_version: file.api_version, events, objects })
}

/// Parents stand before their children in a file, so that each line finds its place.
fn tree(lines: IndexMap<String, Line>) -> Fields {
    let mut top = Fields::new();
    for (path, line) in lines {
        let (parent, name) = path.rsplit_once('.').map_or((None, path.as_str()), |(a, b)| (Some(a), b));
        let home = match parent {
            None => Some(&mut top),
            Some(parent) => home_of(&mut top, parent),
        };
        if let Some(home) = home {
            home.insert(name.to_owned(), field(line));
        }
    }
    top
}

/// The fields of the object at `path`, in which `[]` marks an element and `{}` a value of a map.
fn home_of<'t>(top: &'t mut Fields, path: &str) -> Option<&'t mut Fields> {
    let mut segments = path.split('.');
    let mut at = member(top, segments.next()?)?;
    for segment in segments {
        at = match (segment, &mut at.kind) {
            ("{}", Kind::Map(value)) => value,
            (_, Kind::Object(fields)) => member(fields, segment)?,
            _ => return None,
        };
    }
    if let Kind::Object(fields) = &mut at.kind { Some(fields) } else { None }
}

fn member<'t>(fields: &'t mut Fields, segment: &str) -> Option<&'t mut Field> {
    match segment.strip_suffix("[]") {
        None => fields.get_mut(segment),
        Some(name) => match &mut fields.get_mut(name)?.kind {
            Kind::Array(element) => Some(element),
            _ => None,
        },
    }
}

fn field(line: Line) -> Field {
    let kind = match line.r#type {
        Type::Array => {
            Kind::Array(Box::new(line.items.map_or_else(|| plain(Kind::Any), |items| field(*items))))
        }
        Type::Map => Kind::Map(Box::new(plain(line.values.map_or(Kind::Any, simple)))),
        Type::List => Kind::List(page(line.r#ref)),
        Type::Object if !line.r#ref.is_empty() => Kind::Resource(line.r#ref),
        other => simple(other),
    };
    Field {
        kind,
        nullable: line.nullable,
        optional: line.optional,
        format: line.format.map(|word| match word {
            FormatWord::UnixTime => Format::UnixTime,
            FormatWord::Decimal => Format::Decimal,
        }),
        words: line.r#enum.map(|known| Words { known, open: line.open_enum }),
        expandable: line.expandable,
    }
}

fn simple(r#type: Type) -> Kind {
    match r#type {
        Type::String => Kind::Text,
        Type::Integer => Kind::Integer,
        Type::Number => Kind::Number,
        Type::Boolean => Kind::Boolean,
        Type::Object => Kind::Object(Fields::new()),
        Type::Array | Type::Map | Type::List | Type::Polymorphic | Type::Any => Kind::Any,
    }
}

fn plain(kind: Kind) -> Field {
    Field { kind, nullable: false, optional: false, format: None, words: None, expandable: Vec::new() }
}

/// The envelope in which Stripe puts the rows of a paged list.
fn page(rows: Vec<String>) -> Fields {
    let list = Words { known: vec!["list".to_owned()], open: false };
    Fields::from_iter([
        ("object".to_owned(), Field { words: Some(list), ..plain(Kind::Text) }),
        ("data".to_owned(), plain(Kind::Array(Box::new(plain(Kind::Resource(rows)))))),
        ("has_more".to_owned(), plain(Kind::Boolean)),
        ("url".to_owned(), plain(Kind::Text)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_file_is_lost_for_want_of_its_parent() {
        for text in [
            include_str!("../../schemas/stripe/2023-08-16.json"),
            include_str!("../../schemas/stripe/2026-10-28.endive.json"),
        ] {
            let file: serde_json::Value = serde_json::from_str(text).unwrap();
            let catalog = catalog(text).unwrap();
            for (name, lines) in file["objects"].as_object().unwrap() {
                let shape = catalog.object(name).unwrap();
                for path in lines.as_object().unwrap().keys() {
                    assert!(shape.field(&catalog, path).is_some(), "{name} {path}");
                }
            }
        }
    }
}
