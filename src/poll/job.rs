//! What is polled, and when.

use std::sync::Arc;
use std::time::Duration;

use crate::connector::{Expected, Manifest};
use crate::project::{Schedule, Times};
use crate::steps::ClientFacts;
use crate::store::PollName;

/// What is polled, and when.
pub struct Job {
    /// Names the poll, and what is kept of it.
    pub name: PollName,
    /// Whose it is.
    pub client: Arc<ClientFacts>,
    /// When.
    pub times: Times,
    /// What.
    pub subject: Subject,
}

/// What is polled.
pub enum Subject {
    /// What a pipeline's schedule lists.
    Schedule(ScheduleJob),
    /// The past events of a connection.
    Events(EventsJob),
}

/// What a pipeline's schedule lists.
pub struct ScheduleJob {
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// Its schedule.
    pub schedule: Arc<Schedule>,
    /// True when its steps ask what a record was before.
    pub reads_past: bool,
}

/// The past events of a connection.
pub struct EventsJob {
    /// The connection.
    pub connection: Arc<str>,
    /// How its events read.
    pub manifest: Arc<Manifest>,
    /// What it expects of its events.
    pub expected: Expected,
    /// The types that pipelines want; in each, one `*` stands for any text.
    pub types: Vec<Arc<str>>,
}

impl Job {
    /// The connection that is polled.
    pub(super) fn connection(&self) -> Option<&Arc<str>> {
        match &self.subject {
            Subject::Schedule(job) => job.schedule.listing.as_ref().map(|listing| listing.connection()),
            Subject::Events(job) => Some(&job.connection),
        }
    }

    /// True when a line of each report goes into a file.
    pub(super) fn reports_to_file(&self) -> bool {
        matches!(&self.subject, Subject::Schedule(job) if job.schedule.report.is_some())
    }

    /// About how far apart its polls are: what is spread over is a part of this.
    pub(super) fn interval(&self) -> Duration {
        match &self.times {
            Times::Every(every) => *every,
            // The shortest that a pattern can have.
            Times::Cron(_) => Duration::from_mins(1),
        }
    }
}

impl EventsJob {
    /// The name of the poll of a connection's events. No pipeline is called so: a name has no full stop.
    pub fn name(client: &Arc<str>, connection: &str) -> PollName {
        PollName { client: Arc::clone(client), poll: format!("{connection}.events").into() }
    }
}
