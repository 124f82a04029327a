//! One case of a pipeline test: its events, one after another, over what the systems hold.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use super::compare::Comparison;
use super::converge::{Tried, converge, run_id};
use super::crm::Crm;
use super::event::{self, EventError, Occasion};
use super::expect;
use super::journal::Memory;
use super::listing::Polls;
use super::timeline::{Timeline, next_second};
use super::witness::{Made, Seen, Taken, Witness};
use crate::clock::FixedClock;
use crate::config::test_file::{ExpectedOutcome, PollCase, TestCase};
use crate::project::{Client, Pipeline, Schedule, Trigger};
use crate::steps::{ClientFacts, Ending, EventInput, Listing, Observer, RunInput, Spent, World, execute};
use crate::value::Map;

/// What came of a case.
#[derive(Debug)]
pub struct CaseResult {
    /// How the last run ended.
    pub outcome: ExpectedOutcome,
    /// Why, where the ending has words.
    pub reason: Option<String>,
    /// All writes, in order.
    pub made: Vec<Made>,
    /// What was expected of the end and is not so, a line each.
    pub problems: Vec<String>,
    /// Expected and real writes, where writes are expected.
    pub comparison: Option<Comparison>,
    /// In how many ways it was tried, and where it ended otherwise.
    pub tried: Option<Tried>,
    /// The ways that were taken through the pipeline.
    pub taken: BTreeSet<Taken>,
}

impl CaseResult {
    /// True when everything is as expected.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
            && self.comparison.as_ref().is_none_or(Comparison::agrees)
            && self.tried.as_ref().is_none_or(|tried| tried.diverged.is_none())
    }
}

/// Runs a case with the code of production. `folder` is where the test file stands.
pub async fn run_case(
    client: &Client,
    pipeline: &Pipeline,
    folder: &Path,
    case: &TestCase,
) -> Result<CaseResult, EventError> {
    let scene = Scene::of(client, pipeline, folder, case)?;
    let (crm, memory) = (scene.systems(), Memory::default());
    let witness = Witness::new(&crm);
    let rehearsal = scene.rehearsal(&crm, &memory, Some(&witness));
    let Came { outcome, reason, mut problems } = match &pipeline.trigger {
        Trigger::Schedule(schedule) => match &schedule.listing {
            Some(listing) => polls(rehearsal, schedule, listing, case).await?,
            None => events(&rehearsal, &scene).await,
        },
        Trigger::Events { .. } | Trigger::Reports(_) => events(&rehearsal, &scene).await,
    };
    let Seen { made, taken, .. } = witness.told();
    problems.extend(expect::differences(&case.expect, outcome, reason.as_deref()));
    let comparison = case.expect.writes.as_ref().map(|wanted| Comparison::of(wanted, &made));
    let tried = if case.converge && problems.is_empty() { Some(converge(&scene).await) } else { None };
    Ok(CaseResult { outcome, reason, made, problems, comparison, tried, taken })
}

/// A case, ready to be lived through: its events, and what the systems hold before.
pub(super) struct Scene<'a> {
    client: &'a Client,
    pipeline: &'a Pipeline,
    case: &'a TestCase,
    /// The events that start the pipeline, each with the time at which it comes in.
    pub(super) occasions: Vec<(Occasion, Timestamp)>,
    /// Events that do not start it.
    strays: Vec<String>,
}

impl<'a> Scene<'a> {
    fn of(
        client: &'a Client,
        pipeline: &'a Pipeline,
        folder: &Path,
        case: &'a TestCase,
    ) -> Result<Self, EventError> {
        let mut scene = Self { client, pipeline, case, occasions: Vec::new(), strays: Vec::new() };
        let mut before = None;
        for written in case.event.iter().chain(&case.events) {
            let mut occasion = event::of_test(client, pipeline, folder, written)?;
            if let (true, Some(time)) = (case.converge, before)
                && let Some(later) = event::created_at(written, next_second(time))
            {
                occasion = event::of_test(client, pipeline, folder, &later)?;
            }
            before = Some(occasion.created);
            if let Trigger::Events { connection, .. } = &pipeline.trigger
                && !pipeline.starts_on(connection, &occasion.kind)
            {
                scene.strays.push(format!("`{}` does not start this pipeline", occasion.kind));
                continue;
            }
            let now = case.now.unwrap_or(occasion.created);
            scene.occasions.push((occasion, now));
        }
        Ok(scene)
    }

    /// The client's systems, with what the case gives.
    pub(super) fn systems(&self) -> Crm {
        let crm = systems(self.client);
        for (object, records) in &self.case.given {
            for record in records {
                let record: Map =
                    record.iter().map(|(name, value)| (name.as_str().into(), value.clone())).collect();
                crm.give(&object.connection, &object.object, &record);
            }
        }
        crm
    }

    pub(super) fn rehearsal<'b>(
        &'b self,
        crm: &'b Crm,
        memory: &'b Memory,
        observer: Option<&'b dyn Observer>,
    ) -> Rehearsal<'b> {
        Rehearsal { client: self.client, pipeline: self.pipeline, crm, memory, observer }
    }
}

/// What came of the runs of a case.
struct Came {
    outcome: ExpectedOutcome,
    reason: Option<String>,
    problems: Vec<String>,
}

/// The events of a case, one after another.
async fn events(rehearsal: &Rehearsal<'_>, scene: &Scene<'_>) -> Came {
    let mut timeline = Timeline::new(rehearsal, None);
    for (number, (occasion, now)) in scene.occasions.iter().enumerate() {
        timeline.deliver(&run_id(number), occasion, *now);
        timeline.settle().await;
    }
    let last = scene.occasions.len().checked_sub(1).and_then(|last| timeline.result(&run_id(last)));
    let (outcome, reason) = last.cloned().unwrap_or((ExpectedOutcome::Succeeded, None));
    Came { outcome, reason, problems: scene.strays.clone() }
}

/// When a case begins that does not say so.
const BEGINNING: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// The polls of a case, one after another.
async fn polls(
    rehearsal: Rehearsal<'_>,
    schedule: &Schedule,
    listing: &Listing,
    case: &TestCase,
) -> Result<Came, EventError> {
    let single = case.listing.clone().map(|listing| PollCase { listing, now: None });
    let mut polls = Polls::new(rehearsal, schedule, listing);
    let mut now = case.now.unwrap_or(BEGINNING);
    let mut records = IndexMap::new();
    for (number, poll) in single.iter().chain(&case.polls).enumerate() {
        let later =
            if number == 0 { now } else { now.checked_add(SignedDuration::from_mins(1)).unwrap_or(now) };
        now = poll.now.unwrap_or(later);
        records = polls.poll(poll, now).await?;
    }
    let problems = expect::record_differences(&case.expect.records, &records);
    let ran = records.into_values().rfind(|result| result.outcome != ExpectedOutcome::Unchanged);
    let (outcome, reason) =
        ran.map_or((ExpectedOutcome::Unchanged, None), |result| (result.outcome, result.reason));
    Ok(Came { outcome, reason, problems })
}

/// The client's systems in memory, empty.
pub fn systems(client: &Client) -> Crm {
    let abilities = client
        .connections
        .iter()
        .map(|(name, connection)| (Arc::clone(name), Arc::clone(connection.manifest.abilities())));
    Crm::new(abilities.collect())
}

/// A pipeline before its systems in memory.
pub struct Rehearsal<'a> {
    /// The client.
    pub client: &'a Client,
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// What its connections act on.
    pub crm: &'a Crm,
    /// What its runs have done.
    pub memory: &'a Memory,
    /// Who watches, if anybody does.
    pub observer: Option<&'a dyn Observer>,
}

impl Rehearsal<'_> {
    /// What of the client its runs need.
    pub(super) fn facts(&self) -> ClientFacts {
        ClientFacts {
            name: Arc::clone(self.client.name()),
            zone: self.client.zone.clone(),
            vars: self.client.vars.clone(),
        }
    }

    /// Runs the pipeline once, for `event`, at `now`.
    pub async fn run(&self, id: Arc<str>, event: Arc<EventInput>, now: Timestamp) -> Ending {
        let spent = Spent::default();
        let input =
            RunInput { id: Arc::clone(&id), attempt: 1, spent, resumed: false, began: now, now, event };
        let facts = self.facts();
        let journal = self.memory.journal(Arc::clone(&id));
        let clock = FixedClock::at(now);
        let world = World {
            gateway: self.crm,
            journal: &journal,
            clock: &clock,
            client: &facts,
            observer: self.observer,
        };
        let ending = execute(&self.pipeline.program, &input, &world).await;
        self.memory.end(&id);
        ending
    }
}

/// An ending as tests speak of it. Nothing passes by itself in memory, so every failure is for good.
pub fn told(ending: Ending) -> (ExpectedOutcome, Option<String>) {
    match ending {
        Ending::Succeeded | Ending::Missed => (ExpectedOutcome::Succeeded, None),
        Ending::Skipped { reason } => (ExpectedOutcome::Skipped, Some(reason)),
        Ending::Conflict { reason, .. } => (ExpectedOutcome::Conflict, Some(reason)),
        Ending::Waiting { reason, .. } => (ExpectedOutcome::Waiting, Some(reason)),
        Ending::Failed { step, failure, .. } => (ExpectedOutcome::Dead, Some(format!("{step}: {failure}"))),
        Ending::Held { .. } => (ExpectedOutcome::Waiting, Some("another run holds the identity".to_owned())),
        Ending::Interrupted { reason } => (ExpectedOutcome::Dead, Some(reason)),
    }
}
