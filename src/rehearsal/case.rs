//! One case of a pipeline test: its events, one after another, over what the systems hold.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::crm::{Crm, Write};
use super::event::{self, EventError};
use super::expect;
use super::journal::Memory;
use crate::clock::FixedClock;
use crate::config::test_file::{ExpectedOutcome, TestCase};
use crate::project::{Client, Pipeline, Trigger};
use crate::steps::{ClientFacts, Ending, EventInput, Observer, RunInput, Spent, World, execute};
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
        let rehearsal = Rehearsal { client, pipeline, crm: &crm, memory: &memory, observer: None };
        let now = case.now.unwrap_or(occasion.created);
        ending = rehearsal.run(format!("run-{}", number + 1).into(), occasion.event, now).await;
    }
    let (outcome, reason) = told(ending);
    let writes = crm.writes();
    problems.extend(expect::differences(&case.expect, outcome, reason.as_deref(), &writes));
    Ok(CaseResult { outcome, reason, writes, problems })
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
    /// Runs the pipeline once, for `event`, at `now`.
    pub async fn run(&self, id: Arc<str>, event: Arc<EventInput>, now: Timestamp) -> Ending {
        let spent = Spent::default();
        let input =
            RunInput { id: Arc::clone(&id), attempt: 1, spent, resumed: false, began: now, now, event };
        let facts = ClientFacts {
            name: Arc::clone(self.client.name()),
            zone: self.client.zone.clone(),
            vars: self.client.vars.clone(),
        };
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
