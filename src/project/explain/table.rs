//! Mappings as tables: a row a field.

use crate::config::{Fields, Written};
use crate::value::Value;

/// One field of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The field in its system.
    pub field: String,
    /// Where its value comes from.
    pub source: String,
    /// What is made of it on the way.
    pub conversion: String,
    /// What happens when there is no value.
    pub nothing: &'static str,
    /// When it is written.
    pub written: &'static str,
}

/// The columns of a mapping.
pub const COLUMNS: [&str; 5] = ["Field", "Value", "Conversion", "Without a value", "Written"];

impl Row {
    /// The cells, in the order of [`COLUMNS`].
    pub fn cells(&self) -> [&str; 5] {
        [&self.field, &self.source, &self.conversion, self.nothing, self.written]
    }
}

/// What holds for a field that does not say it itself.
#[derive(Clone, Copy)]
pub(super) struct Unsaid {
    nothing: &'static str,
    written: &'static str,
}

/// The key of a record that is created.
pub(super) const KEY: Unsaid = Unsaid { nothing: "a person decides", written: "into the new record" };

/// A record that is created.
pub(super) const CREATED: Unsaid = Unsaid { nothing: "left out", written: "into the new record" };

/// A record that is read and compared first.
pub(super) const COMPARED: Unsaid = Unsaid { nothing: "left alone", written: "when it differs" };

/// A record that is written without a look.
pub(super) const BLIND: Unsaid = Unsaid { nothing: "left alone", written: "always" };

/// The parameters of a call.
pub(super) const CALLED: Unsaid = Unsaid { nothing: "left out", written: "with the call" };

/// What later steps read.
pub(super) const NAMED: Unsaid = Unsaid { nothing: "nothing", written: "nowhere: a name for later steps" };

/// What a part is given.
pub(super) const GIVEN: Unsaid = Unsaid { nothing: "nothing", written: "nowhere: a name in the part" };

/// A row for each field.
pub(super) fn rows(fields: &Fields, unsaid: Unsaid) -> Vec<Row> {
    fields.iter().map(|(name, value)| row(name, value, unsaid)).collect()
}

/// One row.
pub(super) fn row(name: &str, value: &Written, unsaid: Unsaid) -> Row {
    let (source, modifiers) = source(&value.0);
    let has = |key: &str, word: &str| {
        modifiers.and_then(|it| it.get(key)).is_some_and(|value| value.as_str() == Some(word))
    };
    let required = modifiers.and_then(|it| it.get("required")) == Some(&Value::from(true));
    let nothing = match () {
        () if modifiers.is_some_and(|it| it.get("default").is_some()) => "the default",
        () if required => "the run fails",
        () if has("nothing", "clear") => "emptied",
        () => unsaid.nothing,
    };
    let written = match () {
        () if has("write", "on_create") => "only into a new record",
        () if has("write", "if_empty") => "only while empty",
        () => unsaid.written,
    };
    Row {
        field: name.to_owned(),
        source,
        conversion: modifiers.map(conversion).unwrap_or_default(),
        nothing,
        written,
    }
}

/// Where a value comes from, and the map that holds its modifiers.
pub(super) fn source(written: &Value) -> (String, Option<&Value>) {
    let Some(map) = written.as_map() else { return (plain(written), None) };
    if let Some(from) = map.get("from") {
        let words = match from.as_list() {
            Some(several) => format!("first of {}", several.iter().map(plain).collect::<Vec<_>>().join(", ")),
            None => plain(from),
        };
        return (words, Some(written));
    }
    if let Some(script) = map.get("script") {
        return (script.to_string().trim().to_owned(), Some(written));
    }
    if let Some(each) = map.get("each") {
        return (format!("a list from {}", plain(each)), Some(written));
    }
    if let Some(literal) = map.get("literal") {
        return (format!("\"{literal}\""), Some(written));
    }
    (written.to_json(), None)
}

/// A path without its `$.`, everything else as it is written.
fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.strip_prefix("$.").map_or_else(|| format!("\"{text}\""), str::to_owned),
        None => value.to_json(),
    }
}

fn conversion(modifiers: &Value) -> String {
    let part = |key: &str, words: &dyn Fn(&Value) -> String| modifiers.get(key).map(words);
    let parts = [
        part("transform", &|value| match value.as_list() {
            Some(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", then "),
            None => value.to_string(),
        }),
        part("money", &|currency| format!("from minor units of {}", plain(currency))),
        part("minor", &|currency| format!("to minor units of {}", plain(currency))),
        part("datetime", &|form| format!("as {form}")),
        part("zone", &|zone| format!("in {zone}")),
        part("map", &|table| match table.as_map() {
            Some(entries) => {
                entries.iter().map(|(from, to)| format!("{from} -> {to}")).collect::<Vec<_>>().join("; ")
            }
            None => format!("by the table {}", plain(table)),
        }),
        part("truncate", &|length| format!("at most {length} characters")),
        part("default", &|value| format!("else {}", plain(value))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
