//! Where things are looked up by the ids that people have in hand.

use std::sync::Arc;

use super::views::{AuditView, EventDetailView, EventView, ReportView, RunDetailView, RunView};
use crate::store::{
    AuditFilter, EventFilter, EventSeq, Outcome, PageLimit, ReportFilter, RunFilter, RunId, RunState, Store,
    StoreError,
};

/// What a look at the store failed on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ListingError {
    /// There is no such thing.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// There is no such thing in this store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No event has this id or number.
    #[error("no event `{0}` in this store: see `lockstep events`")]
    Event(String),
    /// Events of several connections have this id.
    #[error("several events are called `{id}`: name one by its number ({})", numbers(.seqs))]
    SeveralEvents {
        /// The id.
        id: String,
        /// Their numbers.
        seqs: Vec<i64>,
    },
    /// No run has this number.
    #[error("no run `{0}` in this store: runs are named by their number, see `lockstep runs`")]
    Run(String),
    /// No report is called so.
    #[error("no report `{0}` in this store: reports are named CLIENT/POLL/NUMBER, see `lockstep reports`")]
    Report(String),
    /// The run is there, and ended otherwise.
    #[error("run {id} is {}, not {}: see `lockstep runs show {id}`", in_words(.state), in_words(.wanted))]
    Otherwise {
        /// The run.
        id: i64,
        /// Where it stands.
        state: &'static str,
        /// Where it was looked for.
        wanted: &'static str,
    },
}

/// A state as a sentence has it.
fn in_words(state: &str) -> &str {
    if state == "conflict" { "a conflict" } else { state }
}

fn numbers(seqs: &[i64]) -> String {
    seqs.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

/// A store, as it is read by people.
#[derive(Clone)]
pub struct Listings(Arc<dyn Store>);

impl Listings {
    /// Reads from `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Events, newest first.
    pub async fn events(&self, filter: EventFilter) -> Result<Vec<EventView>, ListingError> {
        let mut events = Vec::new();
        for row in self.0.events(filter).await? {
            let of_event =
                RunFilter { event: Some(row.seq), limit: PageLimit::new(100), ..RunFilter::default() };
            // An event that started no run has said so itself.
            let runs = if row.ended.is_some() { Vec::new() } else { self.0.runs(of_event).await? };
            events.push(EventView::new(row, &runs));
        }
        Ok(events)
    }

    /// The event with the sender's id, or our number, `name`; of `client`, when one is given.
    pub async fn event(&self, name: &str, client: Option<Arc<str>>) -> Result<EventDetailView, ListingError> {
        let missing = || NotFound::Event(name.to_owned());
        let filter = EventFilter {
            client,
            id: Some(name.into()),
            limit: PageLimit::new(10),
            ..EventFilter::default()
        };
        let named = self.0.events(filter).await?;
        let seq = match &*named {
            [] => EventSeq(name.parse().map_err(|_| missing())?),
            [one] => one.seq,
            several => {
                let seqs = several.iter().map(|row| row.seq.0).collect();
                return Err(NotFound::SeveralEvents { id: name.to_owned(), seqs }.into());
            }
        };
        Ok(self.0.event(seq).await?.ok_or_else(missing)?.into())
    }

    /// Runs, newest first.
    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<RunView>, ListingError> {
        Ok(self.0.runs(filter).await?.into_iter().map(Into::into).collect())
    }

    /// The run with the number `name`; with `outcome`, only when it ended so.
    pub async fn run(&self, name: &str, outcome: Option<Outcome>) -> Result<RunDetailView, ListingError> {
        let missing = || NotFound::Run(name.to_owned());
        let id = RunId(name.parse().map_err(|_| missing())?);
        let detail = self.0.run(id).await?.ok_or_else(missing)?;
        match outcome {
            Some(wanted) if detail.run.state != RunState::Ended(wanted) => {
                let state = detail.run.state.word();
                Err(NotFound::Otherwise { id: id.0, state, wanted: wanted.word() }.into())
            }
            _ => Ok(detail.into()),
        }
    }

    /// Reports of polls, newest first.
    pub async fn reports(&self, filter: ReportFilter) -> Result<Vec<ReportView>, ListingError> {
        Ok(self.0.reports(filter).await?.into_iter().map(Into::into).collect())
    }

    /// The report that is called `name`: client, poll and number.
    pub async fn report(&self, name: &str) -> Result<ReportView, ListingError> {
        let missing = || NotFound::Report(name.to_owned());
        let mut parts = name.split('/');
        let (client, poll, number) =
            (parts.next(), parts.next(), parts.next().and_then(|it| it.parse().ok()));
        let (Some(client), Some(poll), Some(number), None) = (client, poll, number, parts.next()) else {
            return Err(missing().into());
        };
        let filter = ReportFilter {
            client: Some(client.into()),
            poll: Some(poll.into()),
            number: Some(number),
            ..ReportFilter::default()
        };
        let found = self.0.reports(filter).await?.into_iter().next();
        Ok(found.ok_or_else(missing)?.into())
    }

    /// Audit entries, newest run first.
    pub async fn audit(&self, filter: AuditFilter) -> Result<Vec<AuditView>, ListingError> {
        Ok(self.0.audit(filter).await?.into_iter().map(Into::into).collect())
    }
}
