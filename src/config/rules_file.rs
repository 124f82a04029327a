//! `pipelines/rules.yaml`: how much each rule of `lockstep validate` matters in this project.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::json;

use crate::diagnostic::{Code, Severity};

/// How much the rules of `lockstep validate` matter in this project: rule -> how much. What is left out matters as
/// much as `lockstep rules` says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct RulesFile(IndexMap<String, Level>);

/// How much a rule matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// What it finds is not told.
    Off,
    /// It runs, but probably not as it was meant.
    Warning,
    /// Nothing of the client runs.
    Error,
}

impl Level {
    /// The severity of what is found; nothing when it is not told.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Self::Off => None,
            Self::Warning => Some(Severity::Warning),
            Self::Error => Some(Severity::Error),
        }
    }
}

impl RulesFile {
    /// What the project says of a rule.
    pub fn level(&self, code: Code) -> Option<Level> {
        self.0.get(code.as_str()).copied()
    }
}

/// Every rule by its name, so that an editor offers them and a misspelt one is found.
impl JsonSchema for RulesFile {
    fn schema_name() -> Cow<'static, str> {
        "RulesFile".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut codes = Code::ALL.to_vec();
        codes.sort_by_key(|code| code.as_str());
        let rules: serde_json::Map<_, _> = codes.into_iter().map(rule).collect();
        json_schema!({
            "description": "How much the rules of `lockstep validate` matter in this project: rule -> how much. What is \
                            left out matters as much as `lockstep rules` says.",
            "type": "object",
            "properties": rules,
            "additionalProperties": false,
        })
    }
}

fn rule(code: Code) -> (String, serde_json::Value) {
    let levels = if code.is_firm() { json!(["error"]) } else { json!(["off", "warning", "error"]) };
    let usual = code.severity().as_str();
    let about = format!("{}. {usual} when left out.", code.summary());
    (code.as_str().to_owned(), json!({ "description": about, "type": "string", "enum": levels }))
}
