//! `objects:`, one kind of record and what can be done with it.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::operation::OperationFile;
use crate::connector::ActionKind;
use crate::value::Value;
use crate::words::Identifier;

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
