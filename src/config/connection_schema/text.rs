//! The file: one line a field, so that two versions of it can be compared by eye.

use std::fmt::Write;

use serde_json::Value as Json;

use super::model::ConnectionSchema;
use crate::diagnostic::Span;

/// Where editors find the JSON Schema, as seen from `pipelines/<client>/schemas/`.
const SCHEMA: &str = "../../../schemas/connection-schema.schema.json";

/// A file that is not what `lockstep schema pull` writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadSchema {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
}

impl ConnectionSchema {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, BadSchema> {
        serde_json::from_str(text).map_err(|error| {
            let line_start: usize =
                text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
            let at = text.floor_char_boundary(line_start + error.column().saturating_sub(1));
            let end = text[at..].chars().next().map_or(at, |char| at + char.len_utf8());
            // Its place is shown where the file is drawn.
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            BadSchema { message, span: Span::new(at, end) }
        })
    }

    /// The file's text: the same for the same account, whatever the order in which it was told.
    pub fn render(&self) -> String {
        let mut text = format!(
            "{{\n  \"$schema\": {},\n  \"connector\": {},\n  \"objects\": {{",
            quoted(SCHEMA),
            quoted(&self.connector)
        );
        for (index, (name, object)) in self.objects.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Writing into a String cannot fail.
            let _ = write!(text, "{comma}\n    {}: {{\n      \"fields\": {{", quoted(name));
            for (index, (name, field)) in object.fields.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                // A tree of plain nodes has no way to fail.
                let facts = serde_json::to_value(field).unwrap_or_default();
                let _ = write!(text, "{comma}\n        {}: {}", quoted(name), spaced(&facts));
            }
            text.push_str("\n      }\n    }");
        }
        text.push_str("\n  }\n}\n");
        text
    }
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

/// A value on one line, with blanks where a reader wants them.
fn spaced(value: &Json) -> String {
    match value {
        Json::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{}: {}", quoted(key), spaced(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pretty_assertions::assert_eq;

    use super::super::model::{FieldKind, FieldSchema, ObjectSchema};
    use super::*;

    fn schema() -> ConnectionSchema {
        let status = FieldSchema {
            label: Some("The \"status\"".to_owned()),
            options: Some(vec!["Active".to_owned(), "Größe".to_owned()]),
            open: true,
            ..FieldSchema::of(FieldKind::Option)
        };
        let id = FieldSchema {
            create: false,
            update: false,
            unique: Some(true),
            ..FieldSchema::of(FieldKind::Reference)
        };
        let fields = BTreeMap::from([("Status__c".to_owned(), status), ("Id".to_owned(), id)]);
        ConnectionSchema {
            schema: Some(SCHEMA.to_owned()),
            connector: "salesforce".to_owned(),
            objects: BTreeMap::from([("Account".to_owned(), ObjectSchema { fields })]),
        }
    }

    #[test]
    fn a_file_has_a_line_a_field_and_reads_back() {
        let text = schema().render();
        insta::assert_snapshot!(text, @r#"
        {
          "$schema": "../../../schemas/connection-schema.schema.json",
          "connector": "salesforce",
          "objects": {
            "Account": {
              "fields": {
                "Id": { "type": "reference", "create": false, "update": false, "unique": true },
                "Status__c": { "label": "The \"status\"", "type": "option", "options": ["Active", "Größe"], "open": true }
              }
            }
          }
        }
        "#);
        assert_eq!(ConnectionSchema::parse(&text), Ok(schema()));
    }

    #[test]
    fn a_file_that_is_none_says_where() {
        for (text, message, at) in [
            ("{", "EOF while parsing an object", 1),
            (
                "{\"connector\": \"x\",\n \"objects\": {\"A\": {\"fields\": {\"b\": {\"type\": \"txt\"}}}}}",
                "unknown variant `txt`, expected one of `text`, `number`, `integer`, `boolean`, `date`, `datetime`, \
                 `option`, `options`, `reference`, `other`",
                67,
            ),
            ("{\"connector\": \"x\"}", "missing field `objects`", 17),
        ] {
            let bad = ConnectionSchema::parse(text).unwrap_err();
            assert_eq!(bad.message, message);
            assert!(bad.span.range().start.abs_diff(at) <= 2, "{message}: {:?}", bad.span);
        }
    }
}
