//! `config:`, what a connection of this connector has to be told.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::value::Value;

/// One key of a connection's `config`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingFile {
    /// What kind of value it is.
    #[serde(rename = "type", default)]
    pub kind: SettingKind,
    /// What it is and where a person finds it.
    pub description: String,
    /// True when a connection cannot do without it.
    #[serde(default)]
    pub required: bool,
    /// True when nobody may see it: it must come from the environment or a file, and is blotted out wherever it
    /// would be printed.
    #[serde(default)]
    pub secret: bool,
    /// What holds when it is left out.
    #[serde(default)]
    pub default: Option<Value>,
    /// The only values that are allowed.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// A regular expression that the whole text has to match.
    #[serde(default)]
    pub pattern: Option<String>,
    /// A value as it might look.
    #[serde(default)]
    pub example: Option<Value>,
}

/// The kinds of values that a connection can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingKind {
    /// Text.
    #[default]
    Text,
    /// An address, `https://...`. Its host becomes one that requests may go to.
    Url,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list of texts.
    List,
    /// A map from text to text.
    Map,
}
