//! A listing that the system makes in the background, by a job of its own.
//!
//! The job is begun, and the store keeps its id before anything else is asked: a process that dies goes on with the same
//! job when it is back, or another process does. While the system works on it the poll is left, so that it holds no place of
//! those that may be under way at once; the pauses between two questions follow from the job's age, so that nothing about them
//! has to be kept. Its records are read as those of any listing, and it is thrown away when what came of them is on disk.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::compare::digest;
use super::job::ScheduleJob;
use super::listing::Asked;
use super::round::{Round, Trouble};
use crate::connector::{Action, Call, Fields, JobFacts, JobState, JobStep, Select};
use crate::steps::Listing;
use crate::store::{Digest, JobNote, PollJob};
use crate::value::Value;
use crate::words::Span;

/// The first and the longest pause between two questions; in between, half of the job's age.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LONGEST: Duration = Duration::from_mins(1);

/// The job that a poll goes on with.
#[derive(Debug, Clone)]
pub(super) struct OwnJob {
    pub(super) job: PollJob,
    /// False once the system has said that it is done, or that it failed.
    pub(super) under_way: bool,
}

impl OwnJob {
    /// The step that reads a page of its records.
    pub(super) fn page(&self) -> JobStep {
        JobStep::Page(Arc::clone(&self.job.id))
    }
}

/// What is asked for, once the records that answer it can be read: those of [`Round::own`]. Until then the poll is left.
pub(super) async fn ready(
    round: &mut Round<'_>,
    job: &ScheduleJob,
    listing: &Listing,
    facts: &JobFacts,
) -> Result<Asked, Trouble> {
    if let Some(begun) = round.state.job.clone() {
        let asked = Asked::at(begun.began, round, job, listing)?;
        if fingerprint(listing, &asked) == begun.asked {
            round.began = begun.began;
            ask_after(round, begun, facts).await?;
            return Ok(asked);
        }
        abandon(round).await?;
    }
    let asked = Asked::at(round.began, round, job, listing)?;
    begin(round, listing, &asked).await
}

/// Calls off the job of an earlier poll that asked for something else.
pub(super) async fn abandon(round: &mut Round<'_>) -> Result<(), Trouble> {
    let Some(job) = round.state.job.take() else { return Ok(()) };
    let mut step = round.step();
    step.job = Some(JobNote::Over);
    round.keep(Vec::new(), step).await?;
    throw_away(round, &OwnJob { job, under_way: true }).await;
    Ok(())
}

/// Begins a job. It is on disk before it is asked after.
async fn begin(round: &mut Round<'_>, listing: &Listing, asked: &Asked) -> Result<Asked, Trouble> {
    round.is_ours()?;
    let call = asked.call(listing, Some(JobStep::Start), None);
    let reply = round.ask(&call).await?;
    let id = reply.id.ok_or_else(|| Trouble::Failed(format!("{} gave its job no id", listing.target())))?;
    let job = PollJob {
        id,
        connection: Arc::clone(listing.connection()),
        object: Arc::clone(listing.object()),
        asked: fingerprint(listing, asked),
        began: round.began,
    };
    let mut step = round.step();
    step.job = Some(JobNote::Begun(job));
    round.keep(Vec::new(), step).await?;
    Err(later(round, PAUSE_FIRST))
}

/// Asks how far the job is; what is not done yet is come back to.
async fn ask_after(round: &mut Round<'_>, job: PollJob, facts: &JobFacts) -> Result<(), Trouble> {
    let call = of_job(&job, JobStep::Ask(Arc::clone(&job.id)));
    let (id, began) = (Arc::clone(&job.id), job.began);
    round.own = Some(OwnJob { job, under_way: true });
    let state = round.ask(&call).await?.job;
    let under_way = matches!(state, Some(JobState::UnderWay));
    round.own = round.own.take().map(|own| OwnJob { under_way, ..own });
    match state {
        Some(JobState::Done) => Ok(()),
        Some(JobState::UnderWay) => {
            let age = Duration::try_from(round.around.clock.now().duration_since(began)).unwrap_or_default();
            if age <= facts.within {
                return Err(later(round, (age / 2).clamp(PAUSE_FIRST, PAUSE_LONGEST)));
            }
            Err(Trouble::Failed(format!("the job {id} was not done within {}", Span(facts.within))))
        }
        Some(JobState::Failed { word, why }) => {
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            Err(Trouble::Failed(format!("the job {id} ended as `{word}`{why}")))
        }
        None => Err(Trouble::Failed(format!("nobody says how far the job {id} is"))),
    }
}

/// Stops a job that nobody asks for any more, and throws it away. It costs the system some room when that does not work,
/// until it forgets it by itself; nothing else comes of it.
pub(super) async fn throw_away(round: &Round<'_>, own: &OwnJob) {
    let OwnJob { job, under_way } = own;
    let abort = under_way.then(|| JobStep::Abort(Arc::clone(&job.id)));
    for step in abort.into_iter().chain([JobStep::End(Arc::clone(&job.id))]) {
        let thrown = round.around.engine.call(&round.id.name.client, &of_job(job, step)).await;
        if let Err(failure) = thrown {
            tracing::debug!(poll = %round.id.name, job = %job.id, error = %failure, "a job was left to its system");
        }
    }
}

/// A step of a job that needs to know nothing of what it lists.
fn of_job(job: &PollJob, step: JobStep) -> Call {
    let action = Action::List {
        object: Arc::clone(&job.object),
        filter: Fields::new(),
        since: None,
        select: Select::All,
        limit: 1,
        cursor: None,
        job: Some(step),
    };
    Call::new(Arc::clone(&job.connection), action)
}

fn later(round: &Round<'_>, pause: Duration) -> Trouble {
    let now = round.around.clock.now();
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::ZERO);
    Trouble::Later(now.checked_add(pause).unwrap_or(Timestamp::MAX))
}

/// What stands for all that is asked for.
fn fingerprint(listing: &Listing, asked: &Asked) -> Digest {
    let since = asked.since.as_ref().map(|since| format!("{} {}", since.field, since.at));
    let select = match &listing.select {
        Select::All => Value::Null,
        Select::Fields(fields) => Value::list(fields.iter().map(|field| Value::from(Arc::clone(field)))),
    };
    digest(&Value::map([
        ("target", Value::from(listing.target().to_string())),
        ("filter", asked.filter.clone().into()),
        ("params", asked.params.clone()),
        ("since", Value::from(since)),
        ("select", select),
    ]))
}
