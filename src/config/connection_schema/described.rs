//! What a manifest's `describe` gives, as facts of fields.

use super::model::{FieldKind, FieldSchema, ObjectSchema};
use crate::value::Value;

/// An answer that is no list of fields: the manifest is wrong, or the system speaks differently now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDescription {
    /// Something else than a list of maps.
    #[error("it is not described by a list of fields")]
    NoList,
    /// A field without a name.
    #[error("a field without a name is described")]
    Nameless,
    /// A type that no field has.
    #[error(
        "the field `{field}` has the type `{kind}`: a connector's `describe` gives text, number, integer, boolean, date, datetime, option, options, reference or other"
    )]
    Kind {
        /// Which field.
        field: String,
        /// What was given.
        kind: String,
    },
}

impl ObjectSchema {
    /// The fields of `described`: a list of `{name, label, type, required, create, update, unique, multiple, length, options,
    /// open, also}`, of which all but the name and the type may be missing.
    pub fn of_described(described: &Value) -> Result<Self, BadDescription> {
        let list = described.as_list().ok_or(BadDescription::NoList)?;
        let fields = list.iter().map(|facts| {
            let name = text(facts, "name").ok_or(BadDescription::Nameless)?;
            Ok((name.clone(), field(name, facts)?))
        });
        Ok(Self { fields: fields.collect::<Result<_, _>>()? })
    }
}

fn field(name: String, facts: &Value) -> Result<FieldSchema, BadDescription> {
    let word = text(facts, "type").unwrap_or_default();
    let Some(kind) = FieldKind::of_word(&word) else {
        return Err(BadDescription::Kind { field: name, kind: word });
    };
    let flag = |key: &str| facts.get(key).and_then(Value::as_bool);
    let has_options = matches!(kind, FieldKind::Option | FieldKind::Options);
    let options = facts.get("options").filter(|_| has_options).and_then(Value::as_list).unwrap_or_default();
    let options: Vec<String> = options.iter().filter_map(Value::to_text).map(|it| it.to_string()).collect();
    let length = facts.get("length").filter(|_| kind == FieldKind::Text).and_then(Value::as_i64);
    Ok(FieldSchema {
        label: text(facts, "label").filter(|label| *label != name),
        kind,
        required: flag("required").unwrap_or(false),
        create: flag("create").unwrap_or(true),
        update: flag("update").unwrap_or(true),
        unique: flag("unique"),
        multiple: flag("multiple").unwrap_or(false),
        length: length.and_then(|length| u32::try_from(length).ok()).filter(|length| *length > 0),
        open: !options.is_empty() && flag("open").unwrap_or(false),
        // An empty list is one that the system keeps elsewhere.
        options: (!options.is_empty()).then_some(options),
        also: text(facts, "also"),
    })
}

fn text(facts: &Value, key: &str) -> Option<String> {
    facts.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn read(json: &str) -> Result<ObjectSchema, BadDescription> {
        ObjectSchema::of_described(&Value::from_json(json.as_bytes()).unwrap())
    }

    #[test]
    fn what_is_not_said_is_as_a_plain_field_has_it() {
        let object = read(
            r#"[{"name": "a", "label": "a", "type": "text", "length": 80, "unique": false, "options": ["x"]},
                {"name": "b", "label": "B", "type": "option", "length": 255, "options": ["x", 7], "open": true, "create": false},
                {"name": "c", "type": "option", "options": [], "open": true, "required": null, "also": "d"}]"#,
        )
        .unwrap();
        let a = FieldSchema { length: Some(80), unique: Some(false), ..FieldSchema::of(FieldKind::Text) };
        let b = FieldSchema {
            label: Some("B".to_owned()),
            options: Some(vec!["x".to_owned(), "7".to_owned()]),
            open: true,
            create: false,
            ..FieldSchema::of(FieldKind::Option)
        };
        let c = FieldSchema { also: Some("d".to_owned()), ..FieldSchema::of(FieldKind::Option) };
        let fields = [("a", a), ("b", b), ("c", c)].map(|(name, field)| (name.to_owned(), field));
        assert_eq!(object.fields, fields.into());
    }

    #[test]
    fn an_answer_that_is_no_description_is_told() {
        for (json, message) in [
            ("{}", "it is not described by a list of fields"),
            (r#"[{"type": "text"}]"#, "a field without a name is described"),
            (
                r#"[{"name": "a", "type": "picklist"}]"#,
                "the field `a` has the type `picklist`: a connector's `describe` gives text, number, integer, boolean, date, \
                 datetime, option, options, reference or other",
            ),
        ] {
            assert_eq!(read(json).unwrap_err().to_string(), message);
        }
    }
}
