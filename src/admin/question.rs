//! The queries of `/api/v1`: the filters of the listing commands under the same names.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use crate::listing::since;
use crate::store::{
    AuditFilter, EventFilter, EventSeq, Outcome, PageLimit, ReportFilter, RunFilter, RunId, RunState,
};

/// What a query asks for that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QuestionError {
    #[error(transparent)]
    Since(#[from] crate::listing::SinceError),
    #[error("`{0}` is no outcome: {words}", words = words(Outcome::ALL.map(Outcome::word)))]
    Outcome(String),
    #[error("`{0}` is no state: {words}", words = words(RunState::ALL.map(RunState::word)))]
    State(String),
    #[error("a limit of {0} rows is not possible: 1 to {most}", most = PageLimit::MOST)]
    Limit(u32),
}

fn words<const N: usize>(words: [&str; N]) -> String {
    words.join(", ")
}

/// `/api/v1/events`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventQuestion {
    client: Option<Arc<str>>,
    connection: Option<Arc<str>>,
    #[serde(rename = "type")]
    kind: Option<Arc<str>>,
    id: Option<Arc<str>>,
    outcome: Option<String>,
    since: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

impl EventQuestion {
    pub(super) fn filter(self, now: Timestamp) -> Result<EventFilter, QuestionError> {
        Ok(EventFilter {
            client: self.client,
            connection: self.connection,
            kind: self.kind,
            id: self.id,
            ended: self.outcome.map(|word| outcome(&word)).transpose()?,
            since: moment(self.since, now)?,
            before: self.before.map(EventSeq),
            limit: limit(self.limit)?,
        })
    }
}

/// `/api/v1/runs`, `/api/v1/dead`, `/api/v1/conflicts`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunQuestion {
    client: Option<Arc<str>>,
    pipeline: Option<Arc<str>>,
    outcome: Option<String>,
    state: Option<String>,
    event: Option<i64>,
    since: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

impl RunQuestion {
    /// The events that ended as conflicts before any pipeline saw them, by the same question.
    pub(super) fn of_events(&self, now: Timestamp) -> Result<EventFilter, QuestionError> {
        Ok(EventFilter {
            client: self.client.clone(),
            ended: Some(Outcome::Conflict),
            since: moment(self.since.clone(), now)?,
            limit: limit(self.limit)?,
            ..EventFilter::default()
        })
    }

    /// The filter; `only` is the outcome that the address itself asks for.
    pub(super) fn filter(self, only: Option<Outcome>, now: Timestamp) -> Result<RunFilter, QuestionError> {
        let outcome = self.outcome.map(|word| outcome(&word)).transpose()?;
        let state = self.state.map(|word| state(&word)).transpose()?;
        Ok(RunFilter {
            client: self.client,
            pipeline: self.pipeline,
            state: only.or(outcome).map(RunState::Ended).or(state),
            event: self.event.map(EventSeq),
            since: moment(self.since, now)?,
            before: self.before.map(RunId),
            limit: limit(self.limit)?,
        })
    }
}

/// `/api/v1/audit`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuestion {
    client: Option<Arc<str>>,
    pipeline: Option<Arc<str>>,
    run: Option<i64>,
    connection: Option<Arc<str>>,
    object: Option<Arc<str>>,
    record: Option<Arc<str>>,
    verb: Option<Arc<str>>,
    since: Option<String>,
    limit: Option<u32>,
}

impl AuditQuestion {
    pub(super) fn filter(self, now: Timestamp) -> Result<AuditFilter, QuestionError> {
        Ok(AuditFilter {
            client: self.client,
            pipeline: self.pipeline,
            run: self.run.map(RunId),
            connection: self.connection,
            object: self.object,
            record: self.record,
            verb: self.verb,
            since: moment(self.since, now)?,
            limit: limit(self.limit)?,
        })
    }
}

/// `/api/v1/reports`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuestion {
    client: Option<Arc<str>>,
    poll: Option<Arc<str>>,
    #[serde(default)]
    failed: bool,
    since: Option<String>,
    limit: Option<u32>,
}

impl ReportQuestion {
    pub(super) fn filter(self, now: Timestamp) -> Result<ReportFilter, QuestionError> {
        Ok(ReportFilter {
            client: self.client,
            poll: self.poll,
            number: None,
            failed: self.failed,
            since: moment(self.since, now)?,
            limit: limit(self.limit)?,
        })
    }
}

fn outcome(word: &str) -> Result<Outcome, QuestionError> {
    let known = Outcome::ALL.into_iter().find(|outcome| outcome.word() == word);
    known.ok_or_else(|| QuestionError::Outcome(word.to_owned()))
}

fn state(word: &str) -> Result<RunState, QuestionError> {
    let known = RunState::ALL.into_iter().find(|state| state.word() == word);
    known.ok_or_else(|| QuestionError::State(word.to_owned()))
}

fn moment(text: Option<String>, now: Timestamp) -> Result<Option<Timestamp>, QuestionError> {
    Ok(text.map(|text| since(&text, now)).transpose()?)
}

fn limit(rows: Option<u32>) -> Result<PageLimit, QuestionError> {
    match rows {
        None => Ok(PageLimit::default()),
        Some(rows @ 1..=PageLimit::MOST) => Ok(PageLimit::new(rows)),
        Some(rows) => Err(QuestionError::Limit(rows)),
    }
}
