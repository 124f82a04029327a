//! What is known of an account: its objects, their fields, and what each takes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the account behind a connection has. `lockstep schema pull` writes it; edit the account and not this file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionSchema {
    /// Where editors find what may stand here.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The connector of the connection.
    pub connector: String,
    /// The objects that were asked for, by name: those that the client's pipelines use.
    pub objects: BTreeMap<String, ObjectSchema>,
}

/// One kind of record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectSchema {
    /// Its fields, by the names that mappings have.
    pub fields: BTreeMap<String, FieldSchema>,
}

/// One field, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read by its name")]
pub struct FieldSchema {
    /// What people see; left out when it is the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// True when no record can be created without it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// False when it cannot be given as a record is created.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub create: bool,
    /// False when it cannot be changed.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub update: bool,
    /// Whether the system keeps two records from having one value. Left out when it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<bool>,
    /// True when it holds several values.
    #[serde(default, skip_serializing_if = "is_false")]
    pub multiple: bool,
    /// The longest text, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// The values that it can have, in the account's order. Left out when they are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<String>>,
    /// True when it takes other values than its options too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub open: bool,
    /// Another name under which it may be written: of a reference, that of the record that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// A text.
    Text,
    /// A number, with or without digits after the point.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// A moment.
    Datetime,
    /// One of its options.
    Option,
    /// Any of its options.
    Options,
    /// The id of a record.
    Reference,
    /// Anything else: not checked.
    Other,
}

impl FieldKind {
    /// Every kind, by the word that files and manifests have.
    pub const ALL: [Self; 10] = [
        Self::Text,
        Self::Number,
        Self::Integer,
        Self::Boolean,
        Self::Date,
        Self::Datetime,
        Self::Option,
        Self::Options,
        Self::Reference,
        Self::Other,
    ];

    /// The word that files and manifests have.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Option => "option",
            Self::Options => "options",
            Self::Reference => "reference",
            Self::Other => "other",
        }
    }

    /// The kind of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl FieldSchema {
    /// A field of this kind that can be written and about which nothing else is known.
    pub fn of(kind: FieldKind) -> Self {
        Self {
            label: None,
            kind,
            required: false,
            create: true,
            update: true,
            unique: None,
            multiple: false,
            length: None,
            options: None,
            open: false,
            also: None,
        }
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
