//! One poll under way: its number, what it has come to so far, and its end.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::bulk::{self, OwnJob};
use super::job::{Job, Subject};
use super::{events, listing, report};
use crate::clock::SharedClock;
use crate::connector::{Class, Failure};
use crate::engine::{AcceptError, Duty, Engine, Jitter, Listed};
use crate::failpoint::failpoint;
use crate::metrics::Metrics;
use crate::store::{JobNote, PollEnd, PollId, PollState, PollStep, ReportRow, Store, StoreError, Tally};

/// What polls work with.
pub(super) struct Around {
    pub(super) engine: Arc<Engine>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: SharedClock,
    pub(super) jitter: Jitter,
    pub(super) metrics: Arc<Metrics>,
    /// The project's folder, for reports that go to files.
    pub(super) root: PathBuf,
}

/// One poll.
pub(super) struct Round<'a> {
    pub(super) around: &'a Around,
    pub(super) job: &'a Job,
    pub(super) id: PollId,
    /// How far the polls before have got.
    pub(super) state: PollState,
    /// When it began; later than every poll before it, whatever the clock says. One that goes on with the job of an earlier
    /// poll began with that.
    pub(super) began: Timestamp,
    /// When this process took it up.
    taken_up: Timestamp,
    /// The job by which the system lists for it.
    pub(super) own: Option<OwnJob>,
    pub(super) tally: Tally,
    /// True when a run counts for it.
    pub(super) started: bool,
    /// That this process polls, and no other one.
    duty: Duty,
}

/// How far a poll has got.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reached {
    /// The newest change that was listed.
    pub(super) cursor: Option<Timestamp>,
    /// What was seen of records that changed before this is not asked for any more.
    pub(super) forget_before: Option<Timestamp>,
}

/// Why a poll did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Something that the report tells.
    #[error("{0}")]
    Failed(String),
    /// The same, of what is expected to pass: the next poll goes on with the job that lists, if there is one.
    #[error("{0}")]
    Passing(String),
    /// The system works on the listing: the poll is come back to then.
    #[error("the listing is not done before {0}")]
    Later(Timestamp),
    /// What it found could not be kept; nor can a report be.
    #[error(transparent)]
    Kept(#[from] AcceptError),
    /// Another process polls from now on.
    #[error("another process has taken over")]
    TakenOver,
    /// The store could not tell what was seen.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Trouble {
    pub(super) fn failed(failure: &Failure) -> Self {
        match failure.class {
            Class::Transient
            | Class::Unknown
            | Class::Locked
            | Class::Throttled
            | Class::Expired
            | Class::ConnectionDown => Self::Passing(failure.to_string()),
            Class::Missing | Class::Duplicate | Class::Permanent | Class::Partial => {
                Self::Failed(failure.to_string())
            }
        }
    }
}

/// What the plan goes on from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Over {
    /// When it began.
    pub(super) began: Timestamp,
    /// How many in a row have failed.
    pub(super) failures: u32,
    /// When it goes on, where it is not at its end.
    pub(super) later: Option<Timestamp>,
}

impl<'a> Round<'a> {
    pub(super) fn begin(around: &'a Around, job: &'a Job, state: PollState, duty: Duty) -> Self {
        let now = around.clock.now();
        let after = |began: Timestamp| began.checked_add(SignedDuration::from_micros(1)).unwrap_or(began);
        let began = state.began.map_or(now, |began| now.max(after(began)));
        // One that was cut off before its report goes on under its number.
        let number = if state.reported { state.number + 1 } else { state.number.max(1) };
        let started = !state.reported && state.number > 0;
        let id = PollId { name: job.name.clone(), number };
        Self {
            around,
            job,
            id,
            state,
            began,
            taken_up: began,
            own: None,
            tally: Tally::default(),
            started,
            duty,
        }
    }

    /// Polls, and says how it ended.
    pub(super) async fn run(mut self) -> Over {
        let clock = tokio::time::Instant::now();
        let reached = match &self.job.subject {
            Subject::Schedule(job) => listing::poll(&mut self, job).await,
            Subject::Events(job) => events::poll(&mut self, job).await,
        };
        let (name, listed) = (self.id.name.clone(), self.tally.listed);
        let over = match reached {
            Ok(reached) => self.end(reached, None).await,
            Err(Trouble::Later(at)) => {
                return Over { began: self.began, failures: self.state.failures, later: Some(at) };
            }
            Err(trouble @ (Trouble::Failed(_) | Trouble::Passing(_))) => {
                let why = trouble.to_string();
                tracing::warn!(client = %name.client, poll = %name.poll, error = why, "poll failed");
                if matches!(trouble, Trouble::Passing(_)) {
                    self.own = None;
                }
                self.began = self.taken_up;
                self.end(Reached { cursor: self.state.cursor, forget_before: None }, Some(why)).await
            }
            Err(trouble) => Err(trouble),
        };
        let metrics = &self.around.metrics;
        let (began, before) = (self.began, self.state.failures);
        let failures = match over {
            Ok(failures) => failures,
            Err(trouble) => {
                tracing::error!(client = %name.client, poll = %name.poll, error = %trouble, "what a poll found cannot be kept");
                before + 1
            }
        };
        let outcome = if failures == 0 { "ok" } else { "failed" };
        metrics.polled(&name.client, &name.poll, outcome, listed, clock.elapsed());
        Over { began, failures, later: None }
    }

    /// A part of this poll.
    pub(super) fn step(&self) -> PollStep {
        PollStep::new(self.id.clone(), self.around.clock.now())
    }

    /// Has a part kept, when there is anything in it.
    pub(super) async fn keep(&mut self, listed: Vec<Listed>, step: PollStep) -> Result<(), Trouble> {
        let empty = listed.is_empty()
            && step.staged.is_empty()
            && step.unstaged.is_empty()
            && step.gone.is_empty()
            && step.again.is_empty()
            && step.job.is_none();
        if empty {
            return Ok(());
        }
        self.is_ours()?;
        self.started |= !step.again.is_empty() || listed.iter().any(|listed| listed.incoming.is_some());
        failpoint!("before-polled");
        self.around.engine.take_polled(listed, step, None).await?;
        failpoint!("after-polled");
        Ok(())
    }

    /// Whoever was taken for dead may have a successor.
    pub(super) fn is_ours(&self) -> Result<(), Trouble> {
        if self.duty.is_held() { Ok(()) } else { Err(Trouble::TakenOver) }
    }

    /// Ends it, and the job that listed for it; gives how many in a row have failed.
    async fn end(&mut self, reached: Reached, error: Option<String>) -> Result<u32, Trouble> {
        self.is_ours()?;
        let failures = if error.is_some() { self.state.failures + 1 } else { 0 };
        let mut step = self.step();
        step.job = self.own.as_ref().map(|_| JobNote::Over);
        let row = ReportRow {
            id: self.id.clone(),
            connection: self.job.connection().cloned(),
            began: self.began,
            listed: step.at,
            ended: (!self.started).then_some(step.at),
            tally: self.tally.clone(),
            error,
        };
        step.end = Some(PollEnd {
            primed: self.state.primed || row.error.is_none(),
            began: row.began,
            cursor: reached.cursor,
            failures,
            forget_before: reached.forget_before,
            connection: row.connection.clone(),
            tally: row.tally.clone(),
            over: !self.started,
            error: row.error.clone(),
        });
        let told = (!self.started).then(|| report::object(&row));
        failpoint!("before-report");
        self.around.engine.take_polled(Vec::new(), step, told).await?;
        failpoint!("after-report");
        if let Some(own) = self.own.take() {
            bulk::throw_away(self, &own).await;
        }
        if !self.started && self.job.reports_to_file() {
            report::append(&self.around.root, &row).await;
        }
        Ok(failures)
    }
}
