//! `schedule:`, times, and what a system lists then.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{ObjectRef, Span, Times};
use super::written::{Fields, Written};

/// Times, and what a system lists then: each record that is new, or changed, starts a run. Exactly one of `every` and
/// `cron` says when.
///
/// One poll of a pipeline is under way at a time. What it has seen is kept over a restart.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleTrigger {
    /// How long after the beginning of one poll the next one begins: `1m`.
    #[serde(default)]
    pub every: Option<Span>,
    /// The times, in the client's time zone: minute, hour, day of the month, month, day of the week (`0 6 * * 1-5`).
    #[serde(default)]
    pub cron: Option<Times>,
    /// What is listed. Left out, each of the times starts one run, about nothing but its time.
    #[serde(default)]
    pub list: Option<ListFile>,
    /// A value that no two of the records may have.
    #[serde(default)]
    pub unique: Option<UniqueFile>,
    /// True to run only for records that are not as the last poll saw them, or whose last run failed. A poll with `since`
    /// always does so.
    #[serde(default)]
    pub only_changed: bool,
    /// What becomes of a record that is listed no more.
    #[serde(default)]
    pub gone: Gone,
    /// What the first poll does with the records that it finds.
    #[serde(default)]
    pub start: Start,
    /// Where the report of each poll goes besides the store (`lockstep reports`).
    #[serde(default)]
    pub report: Option<ReportTo>,
}

/// What a poll lists.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFile {
    /// Which object.
    pub object: ObjectRef,
    /// Only records whose fields equal these. Expressions see `vars`, `client` and `now`.
    #[serde(default, rename = "where")]
    pub conditions: Fields,
    /// What is passed beside: `expand` and the like. Expressions see `vars`, `client` and `now`.
    #[serde(default)]
    pub params: IndexMap<String, Written>,
    /// Only records that changed since the last poll: the field that tells when a record changed.
    #[serde(default)]
    pub since: Option<SinceFile>,
    /// True to have the system list in the background, where its connector says that it can: for some ten thousand records and more.
    /// Such a poll takes the minutes that the system takes, and goes on with the same listing when lockstep is stopped meanwhile.
    #[serde(default)]
    pub bulk: bool,
    /// The fields that are asked for, besides the id and the field of `since`; all of them when left out. Systems that give
    /// fewer records a call when all fields are asked for give more, and what changes beside these fields starts nothing.
    #[serde(default)]
    pub fields: Vec<String>,
}

/// Only records that changed since the last poll.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SinceFile {
    /// The field that tells when a record changed.
    Field(String),
    /// The field, and how late a change may be listed.
    Late(LateFile),
}

/// The field that tells when a record changed, and how late a change may be listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LateFile {
    /// The field.
    pub field: String,
    /// For how long a change may be listed late; each poll asks again for so much, and what it has seen already starts
    /// nothing. The connector's own when left out.
    pub overlap: Span,
}

impl SinceFile {
    /// The field that tells when a record changed.
    pub fn field(&self) -> &str {
        match self {
            Self::Field(field) | Self::Late(LateFile { field, .. }) => field,
        }
    }

    /// How late a change may be listed, where the author says it.
    pub fn overlap(&self) -> Option<Span> {
        match self {
            Self::Field(_) => None,
            Self::Late(late) => Some(late.overlap),
        }
    }
}

/// A value that no two records of a listing may have. The others of those who share one are conflicts, which name them
/// all. A record without the value shares it with nobody.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniqueFile {
    /// The value. Expressions see `object`, `vars` and `client`.
    pub by: Written,
    /// How values compare.
    #[serde(default, rename = "as")]
    pub compared: Compared,
    /// Which of those who share a value goes on.
    #[serde(default)]
    pub keep: Keep,
}

/// How values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// As they stand, but for white space around them.
    #[default]
    Text,
    /// As e-mail addresses: capital letters and white space around them do not count.
    Email,
    /// As telephone numbers: nothing but their digits counts.
    Phone,
}

/// Which of several records goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// None of them.
    #[default]
    None,
    /// The one that was made first.
    Oldest,
    /// The one that was made last.
    Newest,
}

/// What becomes of a record that is listed no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// Nothing. Listed again, it is new.
    #[default]
    Ignore,
    /// It starts a run, with `event.type == "gone"`, nothing as `object`, and what it was as `before`.
    Run,
}

/// What the first poll does with the records that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// It takes note of them and starts no run.
    #[default]
    Now,
    /// It starts a run for each.
    All,
}

/// Where reports go besides the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportTo {
    /// A line of JSON for each, into `reports/<client>/<pipeline>.jsonl` in the project.
    File,
}
