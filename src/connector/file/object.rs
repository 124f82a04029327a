//! `objects:`, one kind of record and what can be done with it.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::operation::OperationFile;
use crate::connector::ActionKind;
use crate::value::Value;
use crate::words::Identifier;
use crate::written::Written;

/// One kind of record, and what can be done with it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectFile {
    /// What it is, for people.
    pub description: Option<String>,
    /// The shape (of `shapes`) that it begins with; its own keys lie over it.
    pub like: Option<Identifier>,
    /// Actions of the shape that this object does not have.
    pub without: Vec<ActionKind>,
    /// The field of a record that holds its id; `id` when left out.
    pub id: Option<String>,
    /// Fields that are more than one value, or are written in a form of their own.
    pub fields: IndexMap<String, FieldFile>,
    /// The options of fields whose values are ids behind texts: field -> text -> id. Pipelines read and write the texts; the
    /// system gets and gives the ids. A text without an id has the `preludes` that it comes from asked again, and is then
    /// refused by name.
    pub options: Option<Written>,
    /// The names of all fields: word -> what the system calls it. Pipelines read and write the words; several may stand for one field.
    /// A word that is not among them has the `preludes` that they come from asked again, and is then refused by name: for systems that
    /// number their fields and pass over numbers they do not know. `fields` and `options` speak of words.
    pub names: Option<Written>,
    /// What a field that is cleared is sent as; JSON's null when left out.
    pub cleared: Option<Value>,
    /// The field of a record that says when it was made.
    pub created: Option<String>,
    /// Fields that the system itself sets whenever a record changes: that they are others says nothing of what has changed.
    pub stamps: Vec<String>,
    /// False when `describe` cannot tell the fields of such records; true when left out.
    pub described: Option<bool>,
    /// Constants that the operations read as `vars.<name>`: what differs between objects of one shape.
    pub vars: IndexMap<Identifier, Value>,
    /// The ways to look a record up by its identity; the first that can look by all the given fields is taken.
    pub find: Vec<OperationFile>,
    /// Reads one record.
    pub get: Option<OperationFile>,
    /// Reads a page of records.
    pub list: Option<OperationFile>,
    /// Writes a new record.
    pub create: Option<OperationFile>,
    /// Changes fields of a record.
    pub update: Option<OperationFile>,
    /// Removes a record.
    pub delete: Option<OperationFile>,
    /// The system's own upsert.
    pub upsert: Option<OperationFile>,
    /// Puts something into a set of the record: relation -> operation.
    pub link: IndexMap<String, OperationFile>,
    /// Takes something out of a set of the record: relation -> operation.
    pub unlink: IndexMap<String, OperationFile>,
}

/// One field that is more than one value.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FieldFile {
    /// A list of elements, each with an id of its own: e-mail addresses, phone numbers. Pipelines read it as a list of
    /// values, and write what it is to hold: one value, a list of them, or `{ add: ..., remove: ... }`.
    Many(Box<ManyFile>),
}

/// How the elements of a field are written. Before an update the record is read, so that elements that stay are left alone.
/// Expressions see `value` (what the element is to hold), `given` (the element as it was written, where that was a map, else
/// an empty one), and `element` (the one that is there, as the system gave it).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManyFile {
    /// The key of an element that holds its value.
    pub value: String,
    /// A new element.
    pub added: Written,
    /// An element whose value is replaced by another. When left out, it is removed and the other added.
    #[serde(default)]
    pub changed: Option<Written>,
    /// An element that goes. When left out, it is not mentioned: for systems that keep only what is sent.
    #[serde(default)]
    pub removed: Option<Written>,
    /// An element that stays. When left out, it is not mentioned: for systems that leave alone what is not sent.
    #[serde(default)]
    pub kept: Option<Written>,
}
