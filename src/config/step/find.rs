//! `find`: one record by what identifies it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::config::words::{NoneFound, ObjectRef};
use crate::config::written::{Match, Written};

/// Finds one record by what identifies it, in one place or in several in turn.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindStep {
    /// Where it is looked for. Left out when `any` is given.
    #[serde(default)]
    pub object: Option<ObjectRef>,
    /// What identifies it. Left out when `any` is given.
    #[serde(default, rename = "match")]
    pub matching: Option<Match>,
    /// Several places, tried in turn: the first that has the record gives it.
    #[serde(default)]
    pub any: Vec<Place>,
    /// What it leads to when there is none.
    #[serde(default)]
    pub none: NoneFound,
    /// What it leads to when there are several.
    #[serde(default)]
    pub many: ManyFound,
    /// The words of the skip, conflict or failure that `none` or `many` lead to.
    #[serde(default)]
    pub reason: Option<Written>,
    /// What is passed beside the identity.
    #[serde(default)]
    pub params: Params,
}

/// One of several places in which a record is looked for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Where it is looked for.
    pub object: ObjectRef,
    /// What identifies it there.
    #[serde(rename = "match")]
    pub matching: Match,
}

/// What a look-up that finds several records leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ManyFound {
    /// A person decides: the run ends as a conflict that names them.
    #[default]
    Conflict,
    /// The run ends as skipped.
    Skip,
    /// The run ends as a dead letter, without retries.
    Fail,
    /// The first one found is taken.
    First,
}
