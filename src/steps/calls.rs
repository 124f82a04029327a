//! A step's way to a system and to the journal.
//!
//! Invariant 2 is upheld here: a call that must not be done twice is intended before it is sent, what an earlier
//! attempt recorded is given back and never executed again, and what it only intended is looked up first.

use std::sync::Arc;

use super::ending::{Ending, StepRetry};
use super::execute::{Execution, Stop};
use super::journal::{
    AuditEntry, CallId, CallOutcome, Durability, EntryState, FieldChange, Grant, Identity, Intent,
    JournalError,
};
use super::ledger::Agreed;
use super::observe::Sight;
use super::program::Step;
use crate::connector::{Call, Class, Done, Failure, OperationFacts, Repeat, Reply};
use crate::value::Value;

/// A step at work: the step, and the name of its call in this run.
pub(super) struct At<'a> {
    pub(super) step: &'a Step,
    pub(super) call: CallId,
}

impl At<'_> {
    /// The name of one of several calls of this step.
    pub(super) fn nth(&self, number: usize) -> At<'_> {
        At { step: self.step, call: CallId(format!("{}#{number}", self.call).into()) }
    }

    /// The run's end, because this step failed.
    pub(super) fn fail(&self, failure: Failure, connection: Option<&Arc<str>>) -> Stop {
        Box::new(Ending::Failed {
            step: Arc::clone(&self.step.label),
            failure,
            connection: connection.map(Arc::clone),
            retry: self.step.retry.map(|rule| StepRetry { call: self.call.clone(), rule }),
        })
    }

    /// The run's end, because this step can never work as it stands.
    pub(super) fn refuse(&self, message: impl Into<String>) -> Stop {
        self.fail(Failure::permanent(message), None)
    }
}

/// What an earlier attempt left of a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Before {
    /// Nothing: it was not begun.
    Nothing,
    /// It was about to be sent; whether it was is not known.
    Intended,
    /// It was done and gave this.
    Done(Value),
}

/// What came of a call that changes something.
pub(super) struct Written<'a> {
    pub(super) fingerprint: u64,
    pub(super) given: Value,
    pub(super) audit: Option<AuditEntry>,
    pub(super) identified: Vec<(Identity, Arc<str>)>,
    pub(super) agreed: Vec<Agreed>,
    pub(super) durability: Durability,
    pub(super) at: &'a At<'a>,
}

/// A note of the audit.
pub(super) const POSSIBLY_REPEATED: &str = "possibly repeated";
/// A note of the audit.
pub(super) const FOUND_AFTER_LOSS: &str = "found after a lost answer";
/// A note of the audit.
pub(super) const PERHAPS_WRITTEN: &str = "as wanted already, perhaps by an attempt whose answer was lost";

/// A note of the audit.
pub(super) const PERHAPS_DONE: &str = "done already, perhaps by an attempt whose answer was lost";
/// A note of the audit.
pub(super) const PERHAPS_CREATED: &str = "sent again: perhaps created by an attempt whose answer was lost";

/// A hash of what identifies a call: what is done to which record, not the values that are written. A value may
/// change between two attempts (the owner of a record that was read again) without making it another call.
///
/// Kept in the journal across restarts and releases, so it is FNV-1a, which will never change.
pub(super) fn fingerprint(parts: &[&str]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    // A byte that occurs in no UTF-8 text keeps ["ab", "c"] and ["a", "bc"] apart.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

impl Execution<'_> {
    /// What an earlier attempt left of this call. One that was asked for something else is a dead letter.
    pub(super) fn before(&self, at: &At<'_>, fingerprint: u64) -> Result<Before, Stop> {
        let Some(entry) = self.world.journal.entry(&at.call) else { return Ok(Before::Nothing) };
        if entry.fingerprint != fingerprint {
            return Err(at.refuse(
                "an earlier attempt of this run did something else here; \
                 going on could do the work of this step twice",
            ));
        }
        Ok(match entry.state {
            EntryState::Intended => Before::Intended,
            EntryState::Done(given) => Before::Done(given),
        })
    }

    /// Carries out a call, once.
    pub(super) async fn send(&self, label: &str, call: &Call) -> Result<Reply, Failure> {
        let answer = self.world.gateway.call(&self.world.client.name, call).await;
        self.saw(label, &Sight::Called { call, answer: &answer });
        answer
    }

    /// Makes an intent durable, with the identities in sorted order so that two runs never wait for each other.
    pub(super) async fn intend(
        &self,
        at: &At<'_>,
        fingerprint: u64,
        mut identities: Vec<Identity>,
    ) -> Result<(), Stop> {
        identities.sort();
        identities.dedup();
        let intent = Intent { call: at.call.clone(), fingerprint, identities };
        match self.world.journal.intend(intent).await.map_err(interrupted)? {
            Grant::Granted => Ok(()),
            Grant::Held => Err(Box::new(Ending::Held { call: at.call.clone() })),
        }
    }

    /// Takes an intent back when the failure says that nothing was done. Not to be called when an earlier attempt may
    /// have done it.
    pub(super) async fn withdraw(&self, at: &At<'_>, failure: &Failure) -> Result<(), Stop> {
        if failure.done == Done::Perhaps {
            return Ok(());
        }
        match failure.class {
            // Nobody knows, or a part was done: the intent stands, and the next attempt looks first.
            Class::Unknown | Class::Partial => Ok(()),
            Class::Missing
            | Class::Duplicate
            | Class::Throttled
            | Class::Transient
            | Class::Locked
            | Class::Expired
            | Class::ConnectionDown
            | Class::Permanent => self.withdrawn(at).await,
        }
    }

    /// Takes an intent back.
    pub(super) async fn withdrawn(&self, at: &At<'_>) -> Result<(), Stop> {
        self.world.journal.withdraw(&at.call).await.map_err(interrupted)
    }

    /// Keeps what came of a call, and gives it back.
    pub(super) async fn record(&self, written: Written<'_>) -> Result<Value, Stop> {
        let outcome = CallOutcome {
            call: written.at.call.clone(),
            fingerprint: written.fingerprint,
            result: written.given.clone(),
            audit: written.audit,
            identified: written.identified,
            agreed: written.agreed,
            durability: written.durability,
        };
        self.world.journal.record(outcome).await.map_err(interrupted)?;
        Ok(written.given)
    }

    /// Keeps what a step gave without writing anything, when a later branch or script reads it: so that another
    /// attempt takes the same way.
    pub(super) async fn remember(&self, at: &At<'_>, fingerprint: u64, given: Value) -> Result<Value, Stop> {
        if !at.step.remembered {
            return Ok(given);
        }
        let durability = Durability::WithNextCommit;
        let (identified, agreed) = (Vec::new(), Vec::new());
        self.record(Written { fingerprint, given, audit: None, identified, agreed, durability, at }).await
    }

    /// The record that we know an identity to be.
    pub(super) async fn known(&self, identity: &Identity) -> Result<Option<Arc<str>>, Stop> {
        self.world.journal.known(identity).await.map_err(interrupted)
    }

    /// Decides whether a call that may have been carried out already, and that cannot be looked up, is sent again;
    /// and what the audit says of it.
    pub(super) fn again(&self, at: &At<'_>, facts: &OperationFacts) -> Result<Option<&'static str>, Stop> {
        use crate::connector::AfterUnknown;
        match facts.repeat {
            Repeat::Harmless => return Ok(None),
            Repeat::HarmlessWithKey(life) if self.age() <= life => return Ok(None),
            Repeat::HarmlessWithKey(_) | Repeat::Doubles => {}
        }
        match facts.after_unknown {
            AfterUnknown::SendAgain => Ok(Some(POSSIBLY_REPEATED)),
            AfterUnknown::LookUp | AfterUnknown::GiveUp => Err(at.refuse(
                "it was sent by an earlier attempt, the answer was lost, and there is no way to look up \
                 whether it was done: look there, and decide",
            )),
        }
    }

    /// How long ago the run began, by the real clock.
    fn age(&self) -> std::time::Duration {
        let age = self.world.clock.now().duration_since(self.run.began);
        std::time::Duration::try_from(age).unwrap_or_default()
    }

    /// The same in each attempt, so that a system can answer a repeat with the first result.
    pub(super) fn idempotency_key(&self, at: &At<'_>) -> Arc<str> {
        bounded(format!("lockstep-{}-{}", self.run.id, at.call))
    }

    /// For an update, whose content may differ between two attempts: systems refuse one key with two contents.
    pub(super) fn idempotency_key_for(&self, at: &At<'_>, content: &Value) -> Arc<str> {
        bounded(format!("lockstep-{}-{}-{:016x}", self.run.id, at.call, fingerprint(&[&content.to_json()])))
    }
}

/// Systems take at most 255 characters; what is longer keeps its head and gets a hash of the whole.
fn bounded(key: String) -> Arc<str> {
    const LENGTH_MAX: usize = 255;
    if key.len() <= LENGTH_MAX {
        return key.into();
    }
    let head: String = key.chars().take(LENGTH_MAX / 2).collect();
    format!("{head}-{:016x}", fingerprint(&[&key])).into()
}

/// A note for people, with what is said of fields that several sides have to do with.
pub(super) fn noted(note: Option<&str>, notes: Vec<String>) -> Option<Arc<str>> {
    let all: Vec<String> = note.map(str::to_owned).into_iter().chain(notes).collect();
    (!all.is_empty()).then(|| all.join("; ").into())
}

/// An entry of the audit for a write of this step.
pub(super) fn audit(
    at: &At<'_>,
    verb: &'static str,
    connection: &Arc<str>,
    object: &Arc<str>,
    record: Option<&Arc<str>>,
    changes: Vec<FieldChange>,
) -> AuditEntry {
    AuditEntry {
        connection: Arc::clone(connection),
        object: Arc::clone(object),
        record: record.map(Arc::clone),
        verb,
        step: Arc::clone(&at.step.label),
        changes,
        left_alone: Vec::new(),
        note: None,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
pub(super) fn interrupted(error: JournalError) -> Stop {
    Box::new(Ending::Interrupted { reason: error.to_string() })
}
