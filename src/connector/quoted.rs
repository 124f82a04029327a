//! `{ quoted: <language>, text: [...] }`: text in a query language, put together from parts.
//!
//! | part | gives |
//! | --- | --- |
//! | `SELECT` | itself: only the manifest's author writes syntax |
//! | `{ value: $.limit }` | a literal |
//! | `{ name: $.object }` | a name, which has to look like one |
//! | `{ names: $.select, separator: ", ", with: [Id], all: "FIELDS(ALL)" }` | names; `with` are always among them, `all` stands for nothing |
//! | `{ pairs: $.identity, each: "{name} = {value}", separator: " AND " }` | one comparison a field; `list:` is the pattern for a list, `nested:` (with `{key}`) for the entries of a map |
//! | `{ clauses: [{ pairs: $.filter }, { value: $.cursor, before: "Id > " }], separator: " AND ", before: "WHERE " }` | parts, joined; those that are empty are left out |
//!
//! A part with `before:` (and `after:`) may be empty, and is then left out with them. Parts are joined by spaces.

use std::sync::Arc;

use super::compile::Compiler;
use super::expression::Expression;
use super::failure::Failure;
use super::language::{Language, Unwritable};
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::{Map, Value};

/// Compiled text in a query language.
#[derive(Debug)]
pub(super) struct Quoted {
    language: Arc<Language>,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Syntax(String),
    Data { kind: Kind, from: Expression, before: Option<String>, after: String },
    Clauses { parts: Vec<Part>, separator: String, before: String, after: String },
}

#[derive(Debug)]
enum Kind {
    Value,
    Name,
    Names { separator: String, with: Vec<Arc<str>>, all: Option<String> },
    Pairs { each: Pattern, list: Option<Pattern>, nested: Option<Pattern>, separator: String },
}

/// A comparison with places for a name, a value and, below a map, a key.
#[derive(Debug)]
struct Pattern(Vec<Slot>);

#[derive(Debug)]
enum Slot {
    Syntax(String),
    Name,
    Key,
    Value,
}

impl Quoted {
    pub(super) fn compile(compiler: &mut Compiler, at: &Path, map: &Map, names: &Names) -> Option<Self> {
        compiler.only_keys(at, map, &["quoted", "text"]);
        let language = compiler.language(&at.key("quoted"), map.get("quoted"))?;
        let at = at.key("text");
        let parts = match map.get("text") {
            Some(Value::List(parts)) => parts.as_slice(),
            Some(one @ Value::Text(_)) => std::slice::from_ref(one),
            _ => {
                compiler.fault(&at, "expected the parts of the text, a list");
                return None;
            }
        };
        let parts = parts.iter().enumerate();
        let parts = parts
            .map(|(index, part)| compile_part(compiler, &at.index(index), part, names))
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Option<_>>()?;
        Some(Self { language, parts })
    }

    /// The text for this call.
    pub(super) fn eval(&self, context: &Context) -> Result<String, Failure> {
        let mut out = String::new();
        for part in &self.parts {
            let Some(text) = part.write(&self.language, context, false)? else { continue };
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&text);
        }
        Ok(out)
    }
}

impl Part {
    /// The text of this part; `None` when it may be empty and is. The parts of `clauses` all may.
    fn write(
        &self,
        language: &Language,
        context: &Context,
        in_clauses: bool,
    ) -> Result<Option<String>, Failure> {
        match self {
            Self::Syntax(text) => Ok(Some(text.clone())),
            Self::Data { kind, from, before, after } => {
                let value = from.eval(context)?;
                let text = kind
                    .write(language, &value, in_clauses || before.is_some())
                    .map_err(|Unwritable(why)| Failure::permanent(why))?;
                Ok(text.map(|text| format!("{}{text}{after}", before.as_deref().unwrap_or_default())))
            }
            Self::Clauses { parts, separator, before, after } => {
                let written = parts.iter().filter_map(|part| part.write(language, context, true).transpose());
                let clauses = written.collect::<Result<Vec<_>, _>>()?;
                Ok((!clauses.is_empty()).then(|| format!("{before}{}{after}", clauses.join(separator))))
            }
        }
    }
}

const KINDS: [&str; 4] = ["value", "name", "names", "pairs"];

fn compile_clauses(compiler: &mut Compiler, at: &Path, map: &Map, names: &Names) -> Option<Part> {
    compiler.only_keys(at, map, &["clauses", "separator", "before", "after"]);
    let inner = at.key("clauses");
    let Some(parts) = map.get("clauses").and_then(Value::as_list) else {
        compiler.fault(&inner, "expected the parts, a list");
        return None;
    };
    let parts = parts.iter().enumerate();
    Some(Part::Clauses {
        parts: parts
            .map(|(index, part)| compile_part(compiler, &inner.index(index), part, names))
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Option<_>>()?,
        separator: compiler.text_or(at, map, "separator", " AND "),
        before: compiler.text_or(at, map, "before", ""),
        after: compiler.text_or(at, map, "after", ""),
    })
}

fn compile_part(compiler: &mut Compiler, at: &Path, part: &Value, names: &Names) -> Option<Part> {
    if let Value::Text(text) = part {
        if text.contains("${") || text.starts_with("$.") {
            compiler.fault(at, "a value is put in with `{ value: ... }`, so that it is quoted");
            return None;
        }
        return Some(Part::Syntax(text.to_string()));
    }
    if let Some(map) = part.as_map().filter(|map| map.contains_key("clauses")) {
        return compile_clauses(compiler, at, map, names);
    }
    let Some((map, word)) =
        part.as_map().and_then(|map| Some((map, *KINDS.iter().find(|kind| map.contains_key(**kind))?)))
    else {
        compiler.fault(at, "expected text, or one of `value`, `name`, `names`, `pairs`, `clauses`");
        return None;
    };
    let allowed: &[&str] = match word {
        "names" => &["names", "separator", "with", "all", "before", "after"],
        "pairs" => &["pairs", "each", "list", "nested", "separator", "before", "after"],
        "name" => &["name", "before", "after"],
        _ => &["value", "before", "after"],
    };
    compiler.only_keys(at, map, allowed);
    let kind = match word {
        "value" => Kind::Value,
        "name" => Kind::Name,
        "names" => Kind::Names {
            separator: compiler.text_or(at, map, "separator", ", "),
            with: map.get("with").map(|with| compiler.texts(&at.key("with"), with)).unwrap_or_default(),
            all: map.contains_key("all").then(|| compiler.text_or(at, map, "all", "")),
        },
        _ => Kind::Pairs {
            each: Pattern::parse(&compiler.text_or(at, map, "each", "{name} = {value}")),
            list: map.contains_key("list").then(|| Pattern::parse(&compiler.text_or(at, map, "list", ""))),
            nested: map
                .contains_key("nested")
                .then(|| Pattern::parse(&compiler.text_or(at, map, "nested", ""))),
            separator: compiler.text_or(at, map, "separator", " AND "),
        },
    };
    let from = compiler.expression(&at.key(word), map.get(word)?, names)?;
    let before = map.contains_key("before").then(|| compiler.text_or(at, map, "before", ""));
    Some(Part::Data { kind, from, before, after: compiler.text_or(at, map, "after", "") })
}

impl Kind {
    /// The text of this part; `None` when it may be empty and is.
    fn write(
        &self,
        language: &Language,
        value: &Value,
        may_be_empty: bool,
    ) -> Result<Option<String>, Unwritable> {
        if may_be_empty && value.is_blank() && !matches!(self, Self::Names { .. }) {
            return Ok(None);
        }
        let text = match self {
            Self::Value => language.literal(value)?,
            Self::Name => language.name(value.as_str().unwrap_or_default())?.to_owned(),
            Self::Names { separator, with, all } => {
                write_names(language, value, separator, with, all.as_deref())?
            }
            Self::Pairs { each, list, nested, separator } => {
                write_pairs(language, value, each, list.as_ref(), nested.as_ref(), separator)?
            }
        };
        if text.is_empty() && !may_be_empty {
            return Err(Unwritable("there is nothing to look for".into()));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

fn write_names(
    language: &Language,
    value: &Value,
    separator: &str,
    with: &[Arc<str>],
    all: Option<&str>,
) -> Result<String, Unwritable> {
    if let (true, Some(all)) = (value.is_nothing(), all) {
        return Ok(all.to_owned());
    }
    let mut names: Vec<&str> = with.iter().map(|name| &**name).collect();
    for name in value.as_list().unwrap_or_default() {
        let name = language.name(name.as_str().unwrap_or_default())?;
        // Asking for a field twice is an error in most query languages, which compare names without case.
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name);
        }
    }
    Ok(names.join(separator))
}

fn write_pairs(
    language: &Language,
    value: &Value,
    each: &Pattern,
    list: Option<&Pattern>,
    nested: Option<&Pattern>,
    separator: &str,
) -> Result<String, Unwritable> {
    let Some(map) = value.as_map() else {
        return Err(Unwritable(format!("expected fields to compare, not {}", value.kind())));
    };
    let mut pairs = Vec::with_capacity(map.len());
    for (name, value) in map {
        match (value, list, nested) {
            (Value::Map(entries), _, Some(nested)) => {
                for (key, value) in entries.iter() {
                    pairs.push(nested.write(language, name, Some(key), value)?);
                }
            }
            (Value::List(_), Some(list), _) => pairs.push(list.write(language, name, None, value)?),
            _ => pairs.push(each.write(language, name, None, value)?),
        }
    }
    Ok(pairs.join(separator))
}

impl Pattern {
    fn parse(text: &str) -> Self {
        let mut slots = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let found = [("{name}", Slot::Name), ("{key}", Slot::Key), ("{value}", Slot::Value)]
                .into_iter()
                .find(|(word, _)| rest[at..].starts_with(word));
            let end = found.as_ref().map_or(at + 1, |_| at);
            if end > 0 {
                slots.push(Slot::Syntax(rest[..end].to_owned()));
            }
            rest = match found {
                Some((word, slot)) => {
                    slots.push(slot);
                    &rest[at + word.len()..]
                }
                None => &rest[end..],
            };
        }
        if !rest.is_empty() {
            slots.push(Slot::Syntax(rest.to_owned()));
        }
        Self(slots)
    }

    fn write(
        &self,
        language: &Language,
        name: &str,
        key: Option<&str>,
        value: &Value,
    ) -> Result<String, Unwritable> {
        let mut out = String::new();
        for slot in &self.0 {
            match slot {
                Slot::Syntax(text) => out.push_str(text),
                Slot::Name => out.push_str(language.name(name)?),
                Slot::Key => out.push_str(&language.literal(&key.unwrap_or_default().into())?),
                Slot::Value => out.push_str(&language.literal(value)?),
            }
        }
        Ok(out)
    }
}
