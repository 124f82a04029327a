//! Which objects and fields the org has.

use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value as Json;

/// A clean org, and what the examples add to it.
static STANDARD: LazyLock<(Schema, IndexMap<String, ObjectFile>)> =
    LazyLock::new(|| (Schema(built(include_str!("objects.json"))), parsed(include_str!("custom.json"))));

#[expect(
    clippy::expect_used,
    reason = "the files are compiled in and every test of the simulator parses them"
)]
fn parsed(text: &str) -> IndexMap<String, ObjectFile> {
    serde_json::from_str(text).expect("an object file that is compiled in parses")
}

fn built(text: &str) -> IndexMap<String, ObjectShape> {
    parsed(text).into_iter().map(|(name, file)| (name.clone(), file.shape(&name))).collect()
}

/// All objects by name.
#[derive(Debug, Clone)]
pub(super) struct Schema(IndexMap<String, ObjectShape>);

/// One object.
#[derive(Debug, Clone)]
pub(super) struct ObjectShape {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) key_prefix: String,
    pub(super) fields: IndexMap<String, FieldShape>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ObjectFile {
    label: Option<String>,
    key_prefix: Option<String>,
    fields: IndexMap<String, FieldShape>,
}

/// A field of an object, as a describe tells it. What is left out is as a plain custom field has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a describe tells each of these apart")]
pub struct FieldShape {
    /// `string`, `picklist`, `currency`, `double`, `int`, `boolean`, `date`, `datetime`, `reference`, `email`, ...
    pub r#type: String,
    /// May be null.
    #[serde(default = "yes")]
    pub nillable: bool,
    /// May be given when a record is created.
    #[serde(default = "yes")]
    pub createable: bool,
    /// May be changed.
    #[serde(default = "yes")]
    pub updateable: bool,
    /// Must be given when a record is created, and never be emptied.
    #[serde(default)]
    pub required: bool,
    /// Gets a value by itself when none is given.
    #[serde(default)]
    pub defaulted_on_create: bool,
    /// That value, where it is a fixed one.
    #[serde(default)]
    pub default_value: Option<Json>,
    /// The longest text, in characters.
    #[serde(default)]
    pub length: Option<usize>,
    /// All digits of a number.
    #[serde(default)]
    pub precision: Option<u32>,
    /// The digits after the point.
    #[serde(default)]
    pub scale: Option<u32>,
    /// Records can be upserted by it.
    #[serde(default)]
    pub external_id: bool,
    /// Records can be upserted by it although it is no external id (`Email`).
    #[serde(default)]
    pub id_lookup: bool,
    /// No two records have the same value.
    #[serde(default)]
    pub unique: bool,
    /// A unique field tells upper from lower case.
    #[serde(default)]
    pub case_sensitive: bool,
    /// The objects that a reference may lead to.
    #[serde(default)]
    pub reference_to: Vec<String>,
    /// What a query calls the record that is referred to.
    #[serde(default)]
    pub relationship_name: Option<String>,
    /// The values of a picklist.
    #[serde(default)]
    pub picklist_values: Vec<String>,
    /// Whether other values are refused.
    #[serde(default)]
    pub restricted_picklist: bool,
}

fn yes() -> bool {
    true
}

/// What every custom object has besides its own fields.
const SYSTEM: [(&str, &str, Option<&str>); 9] = [
    ("Id", "id", None),
    ("OwnerId", "reference", Some("Owner")),
    ("IsDeleted", "boolean", None),
    ("Name", "string", None),
    ("CreatedDate", "datetime", None),
    ("CreatedById", "reference", Some("CreatedBy")),
    ("LastModifiedDate", "datetime", None),
    ("LastModifiedById", "reference", Some("LastModifiedBy")),
    ("SystemModstamp", "datetime", None),
];

impl ObjectFile {
    fn shape(self, name: &str) -> ObjectShape {
        ObjectShape {
            name: name.to_owned(),
            label: self.label.unwrap_or_else(|| name.to_owned()),
            key_prefix: self.key_prefix.unwrap_or_default(),
            fields: self.fields,
        }
    }
}

impl Schema {
    /// The objects of a clean org and of the examples.
    pub(super) fn standard() -> Self {
        let (clean, custom) = &*STANDARD;
        let mut schema = clean.clone();
        for (name, file) in custom {
            if let Some(object) = schema.0.get_mut(name) {
                object.fields.extend(file.fields.clone());
            } else {
                let mut shape = file.clone().shape(name);
                shape.fields.extend(system_fields());
                schema.0.insert(name.clone(), shape);
            }
        }
        schema
    }

    /// Adds a field, or puts it in place of one; a custom object comes into being with its first field.
    pub(super) fn declare(&mut self, object: &str, field: &str, shape: FieldShape) {
        let count = self.0.values().filter(|object| object.key_prefix.starts_with('a')).count();
        let entry = self.0.entry(object.to_owned()).or_insert_with(|| ObjectShape {
            name: object.to_owned(),
            label: object.trim_end_matches("__c").replace('_', " "),
            key_prefix: format!("a{count:02}"),
            fields: SYSTEM
                .map(|(name, kind, relation)| (name.to_owned(), system(name, kind, relation)))
                .into(),
        });
        entry.fields.insert(field.to_owned(), shape);
    }

    /// The object of this name; case does not matter.
    pub(super) fn object(&self, name: &str) -> Option<&ObjectShape> {
        self.0.get(name).or_else(|| self.0.values().find(|object| object.name.eq_ignore_ascii_case(name)))
    }

    /// The object whose ids begin so.
    pub(super) fn by_prefix(&self, id: &str) -> Option<&ObjectShape> {
        let prefix = id.get(..3)?;
        self.0.values().find(|object| object.key_prefix == prefix)
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &ObjectShape> {
        self.0.values()
    }
}

fn system_fields() -> impl Iterator<Item = (String, FieldShape)> {
    SYSTEM.into_iter().map(|(name, kind, relation)| (name.to_owned(), system(name, kind, relation)))
}

fn system(name: &str, kind: &str, relation: Option<&str>) -> FieldShape {
    let own = matches!(name, "OwnerId" | "Name");
    FieldShape {
        r#type: kind.to_owned(),
        nillable: false,
        createable: own,
        updateable: own,
        defaulted_on_create: true,
        length: matches!(kind, "string").then_some(80),
        relationship_name: relation.map(str::to_owned),
        reference_to: if relation.is_some() { vec!["User".to_owned()] } else { Vec::new() },
        ..FieldShape::of("string")
    }
}

impl ObjectShape {
    /// The field of this name; case does not matter.
    pub(super) fn field(&self, name: &str) -> Option<(&str, &FieldShape)> {
        let exact = self.fields.get_key_value(name);
        let found = exact.or_else(|| self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)));
        found.map(|(name, field)| (name.as_str(), field))
    }

    /// The reference field whose record a query calls so.
    pub(super) fn relation(&self, name: &str) -> Option<(&str, &FieldShape)> {
        let called = |field: &FieldShape| {
            field.relationship_name.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        self.fields.iter().find(|(_, field)| called(field)).map(|(name, field)| (name.as_str(), field))
    }
}

impl FieldShape {
    /// A field of this type that may be anything of it.
    pub fn of(r#type: &str) -> Self {
        Self {
            r#type: r#type.to_owned(),
            nillable: true,
            createable: true,
            updateable: true,
            required: false,
            defaulted_on_create: false,
            default_value: None,
            length: None,
            precision: None,
            scale: None,
            external_id: false,
            id_lookup: false,
            unique: false,
            case_sensitive: false,
            reference_to: Vec::new(),
            relationship_name: None,
            picklist_values: Vec::new(),
            restricted_picklist: false,
        }
    }

    /// A text field by which records can be upserted; `unique` makes it one's own.
    pub fn external_id(unique: bool) -> Self {
        Self { length: Some(255), external_id: true, unique, case_sensitive: unique, ..Self::of("string") }
    }

    pub(super) fn is_text(&self) -> bool {
        !matches!(
            self.r#type.as_str(),
            "boolean"
                | "int"
                | "double"
                | "currency"
                | "percent"
                | "date"
                | "datetime"
                | "id"
                | "reference"
                | "address"
        )
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self.r#type.as_str(), "int" | "double" | "currency" | "percent")
    }
}
