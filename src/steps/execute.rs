//! Executes a run: the trigger's read, the condition, then step after step.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::calls::{At, interrupted};
use super::ending::Ending;
use super::given::{Given, Outcome};
use super::journal::{CallId, CallOutcome, Durability, EntryState};
use super::observe::Sight;
use super::program::{Program, Step};
use super::reads::Reads;
use super::run::{EventInput, RunInput, World};
use super::ways::Way;
use crate::config::step::OnError;
use crate::connector::{Class, Failure};
use crate::expr::{Condition, Context, Frame};
use crate::value::{Map, Value};

/// Why a step does not give anything: the run ends here. Boxed, because it is rare and large.
pub(super) type Stop = Box<Ending>;

/// One execution of a run, under way.
pub(super) struct Execution<'a> {
    pub(super) program: &'a Program,
    pub(super) run: &'a RunInput,
    pub(super) world: &'a World<'a>,
    pub(super) context: Context,
    pub(super) reads: Reads,
    /// What its steps came to so far.
    pub(super) seen: Seen,
}

/// What the steps of a run came to: whether its event was applied to anything.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// A look-up found nothing.
    missed: bool,
    /// Something was written, or found to be as it should be.
    applied: bool,
}

impl Seen {
    /// With what an iteration beside this execution came to.
    pub(super) fn add(&mut self, other: &Self) {
        self.missed |= other.missed;
        self.applied |= other.applied;
    }
}

/// Executes a run, from its beginning: what an earlier attempt has done is taken from the journal (invariant 2).
///
/// Never sleeps and never tries again; the engine decides what follows from the ending.
pub async fn execute(program: &Program, run: &RunInput, world: &World<'_>) -> Ending {
    let context = context(program, run, world);
    let (reads, seen) = (Reads::default(), Seen::default());
    let mut execution = Execution { program, run, world, context, reads, seen };
    match execution.whole().await {
        Ok(()) if execution.seen.missed && !execution.seen.applied => Ending::Missed,
        Ok(()) => Ending::Succeeded,
        Err(ending) => *ending,
    }
}

/// The document that all expressions of the run read.
fn context(program: &Program, run: &RunInput, world: &World<'_>) -> Context {
    let EventInput { envelope, object, previous, source } = &*run.event;
    let mut event = envelope.as_map().cloned().unwrap_or_default();
    event.insert("source".into(), Value::from(Arc::clone(source)));
    let about_run = Value::map([
        ("id", Value::from(Arc::clone(&run.id))),
        ("pipeline", Value::from(Arc::clone(&program.pipeline))),
        ("attempt", Value::from(i64::from(run.attempt))),
    ]);
    let root = Value::map([
        ("object", object.clone()),
        ("previous", previous.clone()),
        ("before", before(object, previous)),
        ("event", event.into()),
        ("steps", Map::new().into()),
        ("set", Map::new().into()),
        ("vars", world.client.vars.clone()),
        ("client", Value::from(Arc::clone(&world.client.name))),
        ("run", about_run),
    ]);
    Context::new(root, Frame::new(run.now, world.client.zone.clone()))
}

/// The whole old object: the present one with the old values of the changed keys. Nothing on a first sight.
pub(super) fn before(object: &Value, previous: &Value) -> Value {
    if previous.is_nothing() { Value::Null } else { laid_over(object, previous) }
}

fn laid_over(under: &Value, over: &Value) -> Value {
    let (Value::Map(under), Value::Map(over)) = (under, over) else { return over.clone() };
    let mut map = Map::clone(under);
    for (key, value) in over.iter() {
        let value = map.get(key).map_or_else(|| value.clone(), |old| laid_over(old, value));
        map.insert(Arc::clone(key), value);
    }
    map.into()
}

/// The label of what is not a step: the trigger's condition and read.
pub(super) const TRIGGER: &str = "trigger";

impl Execution<'_> {
    async fn whole(&mut self) -> Result<(), Stop> {
        let program = self.program;
        if let Some(read) = &program.read {
            read.perform(self).await?;
        }
        if let Some(when) = &program.when {
            let (holds, reason) = self.decide(TRIGGER, when).map_err(|error| trigger_failed(&error))?;
            if !holds {
                self.took(TRIGGER, Way::WhenFalse);
                return Err(Box::new(Ending::Skipped { reason }));
            }
        }
        self.steps(&program.steps, "").await
    }

    /// Performs `steps` in order. `prefix` names their place in call ids.
    pub(super) fn steps<'b>(
        &'b mut self,
        steps: &'b [Step],
        prefix: &'b str,
    ) -> BoxFuture<'b, Result<(), Stop>> {
        async move {
            for (index, step) in steps.iter().enumerate() {
                let call = CallId(format!("{prefix}{index}").into());
                self.step(&At { step, call }).await?;
            }
            Ok(())
        }
        .boxed()
    }

    async fn step(&mut self, at: &At<'_>) -> Result<(), Stop> {
        let step = at.step;
        if let Some(when) = &step.when {
            let (holds, _) =
                self.decide(&step.label, when).map_err(|error| at.refuse(format!("when: {error}")))?;
            if !holds {
                self.took(&step.label, Way::WhenFalse);
                self.give(step, Given::new(Outcome::Skipped).into(), false);
                return Ok(());
            }
        }
        self.took(&step.label, Way::Performed);
        if let Some(given) = self.failed_before(at) {
            self.give(step, given, true);
            return Ok(());
        }
        let replayed = self
            .world
            .journal
            .entry(&at.call)
            .is_some_and(|entry| matches!(entry.state, EntryState::Done(_)));
        let given = match step.verb.perform(at, self).await {
            Ok(given) => given,
            Err(ended) => self.failed(at, ended).await?,
        };
        self.note(step.verb.changes(), &given);
        self.give(step, given, replayed);
        Ok(())
    }

    /// Notes what a step, or a call of a script, came to.
    pub(super) fn note(&mut self, changes: bool, given: &Value) {
        let outcome = given.get("outcome").and_then(Value::as_str).unwrap_or_default();
        let is = |known: Outcome| outcome == known.word();
        self.seen.applied |= changes && !is(Outcome::Failed);
        self.seen.missed |= !changes && is(Outcome::Missing);
    }

    /// Makes what a step gave visible to the later ones.
    fn give(&mut self, step: &Step, given: Value, replayed: bool) {
        self.saw(&step.label, &Sight::Gave { given: &given, replayed });
        if let Some(id) = &step.id {
            self.context.set_step(id, given);
        }
    }

    /// `on_error: continue`: a failure of which no further attempt would make a success becomes an outcome. Anything
    /// else ends the run, and is tried again first.
    async fn failed(&self, at: &At<'_>, stop: Stop) -> Result<Value, Stop> {
        let Ending::Failed { failure, .. } = &*stop else { return Err(stop) };
        if at.step.on_error != OnError::Continue || !self.is_final(at, failure.class) {
            return Err(stop);
        }
        self.took(&at.step.label, Way::GoesOn);
        self.record_failed(at, failure).await
    }

    /// Keeps a failure that the run goes on over.
    pub(super) async fn record_failed(&self, at: &At<'_>, failure: &Failure) -> Result<Value, Stop> {
        let given: Value = Given::new(Outcome::Failed).with("error", told(failure)).into();
        let outcome = CallOutcome {
            call: at.call.clone(),
            fingerprint: FAILED,
            result: given.clone(),
            audit: None,
            identified: Vec::new(),
            agreed: Vec::new(),
            durability: Durability::WithNextCommit,
        };
        self.world.journal.record(outcome).await.map_err(interrupted)?;
        Ok(given)
    }

    /// What the step gave when an earlier attempt went on although it failed.
    pub(super) fn failed_before(&self, at: &At<'_>) -> Option<Value> {
        let entry = self.world.journal.entry(&at.call)?;
        match entry.state {
            EntryState::Done(given) if entry.fingerprint == FAILED => Some(given),
            _ => None,
        }
    }

    /// True when no further attempt could change the failure. Throttled and paused connections use up no attempt, so
    /// they never are.
    pub(super) fn is_final(&self, at: &At<'_>, class: Class) -> bool {
        match class {
            Class::Missing | Class::Duplicate | Class::Permanent | Class::Partial => true,
            Class::Transient | Class::Locked | Class::Expired | Class::Unknown => {
                let spent = &self.run.spent;
                match at.step.retry {
                    Some(rule) => spent.failures(&at.call) + 1 >= rule.attempts,
                    None => {
                        self.run.attempt.saturating_sub(spent.all_failures()) >= self.program.retry.attempts
                    }
                }
            }
            Class::Throttled | Class::ConnectionDown => false,
        }
    }

    /// Decides a condition; with the words that say why it does not hold, or else why it cannot be decided.
    pub(super) fn decide(&self, label: &str, condition: &Condition) -> Result<(bool, String), String> {
        let holds = condition.eval(&self.context).map_err(|error| {
            let values = with_values(condition.source(), &condition.explain(&self.context));
            format!("{error}, in {values}")
        })?;
        if holds && self.world.observer.is_none() {
            return Ok((true, String::new()));
        }
        let values = condition.explain(&self.context);
        self.saw(label, &Sight::Condition { text: condition.source(), holds, values: &values });
        Ok((holds, in_words(condition.source(), &values)))
    }

    /// A way that the file writes down was taken.
    pub(super) fn took(&self, label: &str, way: Way) {
        self.saw(label, &Sight::Took(way));
    }

    pub(super) fn saw(&self, label: &str, sight: &Sight<'_>) {
        if let Some(observer) = self.world.observer {
            observer.saw(label, sight);
        }
    }
}

/// The fingerprint of a failure that the run went on over: whatever the step would be asked to do, it is not tried
/// again.
const FAILED: u64 = 0;

fn told(failure: &Failure) -> Value {
    Value::map([
        ("class", Value::from(failure.class.word())),
        ("message", Value::from(failure.message.as_str())),
        ("code", Value::from(failure.code.clone())),
    ])
}

/// `object.attempt_count >= 1 is false: object.attempt_count = 0`.
fn in_words(text: &str, values: &[(String, Value)]) -> String {
    with_values(&format!("{} is false", text.trim()), values)
}

/// The text, and the values that it was decided on.
fn with_values(text: &str, values: &[(String, Value)]) -> String {
    let values: Vec<String> =
        values.iter().map(|(path, value)| format!("{path} = {}", short(value))).collect();
    let text = text.trim();
    if values.is_empty() { text.to_owned() } else { format!("{text}: {}", values.join(", ")) }
}

/// A value in a sentence: nothing by its word, long ones cut.
pub(super) fn short(value: &Value) -> String {
    const LENGTH_MAX: usize = 60;
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        Value::Text(text) => format!("\"{text}\""),
        other => other.to_string(),
    };
    match text.char_indices().nth(LENGTH_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// The run's end, because the trigger's own condition or read has no value.
pub(super) fn trigger_failed(error: &impl fmt::Display) -> Stop {
    Box::new(Ending::Failed {
        step: TRIGGER.into(),
        failure: Failure::permanent(error.to_string()),
        connection: None,
        retry: None,
    })
}
