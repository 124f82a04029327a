//! One case of a pipeline test: its events, one after another, over what the systems hold.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use super::crm::{Crm, Write};
use super::event::{self, EventError};
use super::expect;
use super::journal::Memory;
use super::listing::Polls;
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
    pub writes: Vec<Write>,
    /// What was expected and is not so, a line or a few each; a case without any passes.
    pub problems: Vec<String>,
}

/// Runs a case with the code of production. `folder` is where the test file stands.
pub async fn run_case(
    client: &Client,
    pipeline: &Pipeline,
    folder: &Path,
    case: &TestCase,
) -> Result<CaseResult, EventError> {
    let crm = systems(client);
    for (object, records) in &case.given {
        for record in records {
            let record: Map =
                record.iter().map(|(name, value)| (name.as_str().into(), value.clone())).collect();
            crm.give(&object.connection, &object.object, &record);
        }
    }
    let memory = Memory::default();
    let rehearsal = Rehearsal { client, pipeline, crm: &crm, memory: &memory, observer: None };
    let Came { outcome, reason, mut problems } = match &pipeline.trigger {
        Trigger::Schedule(schedule) => match &schedule.listing {
            Some(listing) => polls(rehearsal, schedule, listing, case).await?,
            None => events(&rehearsal, folder, case).await?,
        },
        Trigger::Events { .. } | Trigger::Reports(_) => events(&rehearsal, folder, case).await?,
    };
    let writes = crm.writes();
    problems.extend(expect::differences(&case.expect, outcome, reason.as_deref(), &writes));
    Ok(CaseResult { outcome, reason, writes, problems })
}

/// What came of the runs of a case.
struct Came {
    outcome: ExpectedOutcome,
    reason: Option<String>,
    problems: Vec<String>,
}

/// The events of a case, one after another.
async fn events(rehearsal: &Rehearsal<'_>, folder: &Path, case: &TestCase) -> Result<Came, EventError> {
    let (client, pipeline) = (rehearsal.client, rehearsal.pipeline);
    let mut problems = Vec::new();
    let mut ending = Ending::Succeeded;
    for (number, written) in case.event.iter().chain(&case.events).enumerate() {
        let occasion = event::of_test(client, pipeline, folder, written)?;
        if let Trigger::Events { connection, .. } = &pipeline.trigger
            && !pipeline.starts_on(connection, &occasion.kind)
        {
            problems.push(format!("`{}` does not start this pipeline", occasion.kind));
            continue;
        }
        let now = case.now.unwrap_or(occasion.created);
        ending = rehearsal.run(format!("run-{}", number + 1).into(), occasion.event, now).await;
    }
    let (outcome, reason) = told(ending);
    Ok(Came { outcome, reason, problems })
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
