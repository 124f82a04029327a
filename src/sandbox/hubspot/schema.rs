//! Which objects and properties the account has.

use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::error::ApiError;

/// A new account, and what the example client has added to it.
static STANDARD: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema { kinds: parsed(include_str!("properties.json")) };
    let own: IndexMap<String, IndexMap<String, PropertyShape>> = parsed(include_str!("own.json"));
    for (kind, properties) in own {
        for (name, shape) in properties {
            schema.declare(&kind, &name, shape);
        }
    }
    schema
});

#[expect(
    clippy::expect_used,
    reason = "the files are compiled in and every test of the simulator parses them"
)]
fn parsed<T: for<'de> Deserialize<'de>>(text: &str) -> T {
    serde_json::from_str(text).expect("a file that is compiled in parses")
}

/// All kinds of records, by the name that paths have.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    kinds: IndexMap<String, Kind>,
}

/// One kind of record.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Kind {
    /// As messages have it: `CONTACT`.
    pub(super) label: String,
    /// `0-1`.
    pub(super) type_id: String,
    /// The property that tells when a record was changed.
    pub(super) modified: String,
    /// The property that tells when a record was made.
    pub(super) created: String,
    /// Properties that come unasked.
    pub(super) shown: Vec<String>,
    /// Properties without which no record is made.
    #[serde(default)]
    pub(super) required: Vec<String>,
    pub(super) properties: IndexMap<String, PropertyShape>,
}

/// A property, as it is declared. What is left out is as a plain text has it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "HubSpot tells each of these apart")]
pub struct PropertyShape {
    /// What people see; the name when left out.
    pub label: String,
    /// `string`, `number`, `enumeration`, `bool`, `date`, `datetime`; `string` when left out.
    pub r#type: String,
    /// `text`, `select`, `checkbox` (several values), ...; `text` when left out.
    pub field_type: String,
    /// The values of an enumeration.
    pub options: Vec<String>,
    /// No two records have the same value, and a value may stand in the place of an id.
    pub has_unique_value: bool,
    /// Set by HubSpot alone.
    pub read_only: bool,
    /// Holds the id of an owner.
    pub owner: bool,
    /// An e-mail address.
    pub email: bool,
}

impl PropertyShape {
    /// A text.
    pub fn text() -> Self {
        Self::default()
    }

    /// A text that is unique.
    pub fn unique() -> Self {
        Self { has_unique_value: true, ..Self::default() }
    }

    /// A number.
    pub fn number() -> Self {
        Self { r#type: "number".to_owned(), field_type: "number".to_owned(), ..Self::default() }
    }

    /// One of some values.
    pub fn enumeration(options: &[&str]) -> Self {
        Self {
            r#type: "enumeration".to_owned(),
            field_type: "select".to_owned(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            ..Self::default()
        }
    }

    pub(super) fn kind(&self) -> &str {
        if self.r#type.is_empty() { "string" } else { &self.r#type }
    }

    fn told(&self, name: &str) -> Json {
        let options: Vec<Json> = self
            .options
            .iter()
            .enumerate()
            .map(|(order, value)| json!({"label": label_of(value), "value": value, "hidden": false, "displayOrder": order}))
            .collect();
        json!({
            "name": name,
            "label": if self.label.is_empty() { label_of(name) } else { self.label.clone() },
            "type": self.kind(),
            "fieldType": if self.field_type.is_empty() { "text" } else { &self.field_type },
            "groupName": "information",
            "description": "",
            "options": options,
            "hasUniqueValue": self.has_unique_value,
            "calculated": false,
            "hidden": false,
            "archived": false,
            "modificationMetadata": {"readOnlyValue": self.read_only, "readOnlyDefinition": self.read_only, "archivable": !self.read_only},
        })
    }
}

/// `hs_lead_status` -> `Hs lead status`.
fn label_of(name: &str) -> String {
    let words = name.to_lowercase().replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl Kind {
    /// All properties, as they are told.
    pub(super) fn described(&self) -> Json {
        let all: Vec<Json> = self.properties.iter().map(|(name, shape)| shape.told(name)).collect();
        json!({ "results": all })
    }

    /// One of them.
    pub(super) fn described_one(&self, name: &str) -> Result<Json, ApiError> {
        Ok(self.properties.get(name).ok_or_else(ApiError::not_found)?.told(name))
    }
}

impl Schema {
    pub(super) fn standard() -> Self {
        STANDARD.clone()
    }

    /// The kind that a path means: `contacts`, `contact` or `0-1`.
    pub(super) fn name(&self, written: &str) -> Result<String, ApiError> {
        let means = |(name, kind): &(&String, &Kind)| {
            name.as_str() == written || kind.type_id == written || kind.label.eq_ignore_ascii_case(written)
        };
        let found = self.kinds.iter().find(means).map(|(name, _)| name.clone());
        found.ok_or_else(|| ApiError::invalid(format!("Unable to infer object type from: {written}")))
    }

    /// Of a name that [`Self::name`] gave.
    pub(super) fn kind(&self, name: &str) -> Result<&Kind, ApiError> {
        self.kinds.get(name).ok_or_else(ApiError::not_found)
    }

    /// Adds a property, or changes it; a kind that does not exist comes into being as a custom object.
    pub(super) fn declare(&mut self, kind: &str, property: &str, shape: PropertyShape) {
        let number = self.kinds.len();
        let custom = || Kind {
            label: kind.to_uppercase(),
            type_id: format!("2-{}", 1_000_000 + number),
            modified: "hs_lastmodifieddate".to_owned(),
            created: "hs_createdate".to_owned(),
            shown: ["hs_createdate", "hs_lastmodifieddate", "hs_object_id"].map(str::to_owned).into(),
            required: Vec::new(),
            properties: system_properties(),
        };
        self.kinds
            .entry(kind.to_owned())
            .or_insert_with(custom)
            .properties
            .insert(property.to_owned(), shape);
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.kinds.keys()
    }
}

fn system_properties() -> IndexMap<String, PropertyShape> {
    let system = |kind: &str, unique: bool| PropertyShape {
        r#type: kind.to_owned(),
        read_only: true,
        has_unique_value: unique,
        ..PropertyShape::default()
    };
    IndexMap::from([
        ("hs_object_id".to_owned(), system("number", true)),
        ("hs_createdate".to_owned(), system("datetime", false)),
        ("hs_lastmodifieddate".to_owned(), system("datetime", false)),
    ])
}
