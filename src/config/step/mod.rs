//! Steps: one file a verb. The list of verbs stands in this file once; schema and reader come from it.

mod call;
mod check;
mod choose;
mod create;
mod delete;
mod find;
mod for_each;
mod get;
mod link;
mod list;
mod update;
mod upsert;
mod use_part;

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

pub use call::{AcceptedClass, CallStep};
pub use check::{CheckStep, Otherwise};
pub use choose::{Branch, ChooseStep};
pub use create::{CreateStep, Key};
pub use delete::DeleteStep;
pub use find::{FindStep, ManyFound, Place};
pub use for_each::ForEachStep;
pub use get::GetStep;
pub use link::LinkStep;
pub use list::ListStep;
pub use update::UpdateStep;
pub use upsert::UpsertStep;
pub use use_part::UseStep;

use super::pipeline::RetryFile;
use super::words::Identifier;
use super::written::{Fields, Script};

/// One unit of a run: a verb with its arguments, and what all verbs have in common.
#[derive(Debug, Clone)]
pub struct StepFile {
    /// The name under which later steps read what this one gave: `$.steps.<id>`.
    pub id: Option<Identifier>,
    /// A Rhai condition; when it gives false, the step's outcome is `skipped` and the run goes on.
    pub when: Option<Script>,
    /// How often and how long this step is tried again within the run.
    pub retry: Option<RetryFile>,
    /// What a failure of this step leads to.
    pub on_error: OnError,
    /// That the author has thought of what its connector warns of.
    pub dangerous: Option<Danger>,
    /// What is done.
    pub verb: Verb,
}

/// What a failure of a step leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The run fails: it is tried again, or becomes a dead letter.
    #[default]
    Fail,
    /// The step's outcome is `failed`, and the run goes on.
    Continue,
}

/// That a dangerous step is meant as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Danger {
    /// The author knows what its connector warns of (it mails a person, it cannot be undone), and wants it.
    Meant,
}

/// The one list of verbs: key in YAML, variant, arguments, what it does.
macro_rules! verbs {
    ($($key:literal $variant:ident($arguments:ty) $does:literal;)+) => {
        /// What a step does: a verb with its arguments.
        #[derive(Debug, Clone)]
        pub enum Verb {
            $(#[doc = $does] $variant($arguments),)+
        }

        impl Verb {
            /// All verbs, as YAML names them.
            pub const NAMES: &[&str] = &[$($key),+];

            /// The verb, as YAML names it.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $key,)+
                }
            }

            fn read<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Option<Self>, A::Error> {
                Ok(Some(match key {
                    $($key => Self::$variant(map.next_value()?),)+
                    _ => return Ok(None),
                }))
            }

            fn schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$(($key, described(generator.subschema_for::<$arguments>(), $does))),+]
            }
        }
    };
}

verbs! {
    "find" Find(FindStep) "Finds one record by what identifies it.";
    "get" Get(GetStep) "Reads one record by its id.";
    "list" List(ListStep) "Reads many records.";
    "create" Create(CreateStep) "Writes one new record, once.";
    "update" Update(UpdateStep) "Changes one record by its id: reads, compares, sends only what differs.";
    "upsert" Upsert(UpsertStep) "Finds a record; creates it when there is none, updates what differs when there is one.";
    "delete" Delete(DeleteStep) "Deletes one record by its id.";
    "link" Link(LinkStep) "Puts a record into a set or beside another one: tags, associations, memberships.";
    "unlink" Unlink(LinkStep) "Takes a record out of a set or away from another one.";
    "call" Call(CallStep) "Any other operation that the connector names.";
    "script" Script(Script) "A Rhai script with each connection as an object; every call is journalled like a step.";
    "set" Set(Fields) "Names computed values for later steps: `$.set.<name>`.";
    "for_each" ForEach(ForEachStep) "Runs steps once for each element of a list.";
    "choose" Choose(ChooseStep) "Runs the first branch whose condition holds.";
    "check" Check(CheckStep) "Ends the run, with words, when a condition does not hold.";
    "use" Use(UseStep) "Runs the steps of a part.";
}

fn described(mut schema: Schema, description: &str) -> Schema {
    schema.insert("description".into(), description.into());
    schema
}

impl<'de> Deserialize<'de> for StepFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StepVisitor)
    }
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = StepFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a step: a verb with its arguments")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StepFile, A::Error> {
        let (mut id, mut when, mut retry, mut verb) = (None, None, None, None);
        let (mut on_error, mut dangerous) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "id" => id = Some(map.next_value()?),
                "when" => when = Some(map.next_value()?),
                "retry" => retry = Some(map.next_value()?),
                "on_error" => on_error = Some(map.next_value()?),
                "dangerous" => dangerous = Some(map.next_value()?),
                key => match Verb::read(key, &mut map)? {
                    Some(_) if verb.is_some() => return Err(A::Error::custom("a step has one verb")),
                    Some(read) => verb = Some(read),
                    None => return Err(A::Error::unknown_field(key, Verb::NAMES)),
                },
            }
        }
        let verb = verb.ok_or_else(|| A::Error::custom("a step needs a verb"))?;
        Ok(StepFile { id, when, retry, on_error: on_error.unwrap_or_default(), dangerous, verb })
    }
}

/// Common keys and verbs stand beside each other; exactly one verb is required.
impl JsonSchema for StepFile {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        for (key, schema, description) in [
            (
                "id",
                generator.subschema_for::<Identifier>(),
                "The name under which later steps read what this one gave: `$.steps.<id>`.",
            ),
            (
                "when",
                generator.subschema_for::<Script>(),
                "A Rhai condition; when it gives false, the step is skipped and the run goes on.",
            ),
            (
                "retry",
                generator.subschema_for::<RetryFile>(),
                "How often and how long this step is tried again within the run.",
            ),
            ("on_error", generator.subschema_for::<OnError>(), "What a failure of this step leads to."),
            (
                "dangerous",
                generator.subschema_for::<Danger>(),
                "`meant`: what the connector warns of (it mails a person, it cannot be undone) is wanted here.",
            ),
        ] {
            properties.insert(key.into(), described(schema, description).into());
        }
        for (verb, schema) in Verb::schemas(generator) {
            properties.insert(verb.into(), schema.into());
        }
        let alternatives: Vec<_> =
            Verb::NAMES.iter().map(|verb| serde_json::json!({ "required": [verb] })).collect();
        json_schema!({
            "description": "One unit of a run: a verb with its arguments.",
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
            "oneOf": alternatives,
        })
    }
}

/// What is passed to a system beside fields: expansions, proration, associations.
pub type Params = IndexMap<String, super::written::Written>;
