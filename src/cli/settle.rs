//! Ending for good what waits for a person: `lockstep dead dismiss`, `lockstep conflicts resolve`.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::by::By;
use super::look::StoreArgs;
use super::output::{Format, say, say_json};
use super::{ExitCode, runtime};
use crate::clock::{Clock, SystemClock};
use crate::listing::{ListingError, Listings};
use crate::steps::{AuditEntry, FieldChange};
use crate::store::{EventSeq, Matter, Outcome, RunId, Settled, Store, StoreError};
use crate::value::Value;

/// What is ended, and why.
#[derive(Debug, Args)]
pub(super) struct Settle {
    /// The runs' numbers; of a conflict that no run was started for, the event's id
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "WORDS")]
    reason: String,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The words for one kind of thing that waits for a person.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// How it had ended until now.
    pub(super) was: Outcome,
    /// `dismiss`.
    pub(super) verb: &'static str,
    /// `dismissed`.
    pub(super) done: &'static str,
}

/// Something that waits for a person, as it is now.
struct Waiting {
    matter: Matter,
    client: Arc<str>,
    reason: String,
}

impl Settle {
    pub(super) fn run(self, kind: Kind) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let store = self.store.open(&runtime)?;
        let (settled, refused) = runtime.block_on(self.carry_out(store, kind))?;
        if self.format == Format::Json {
            let refused: Vec<_> =
                refused.iter().map(|(id, why)| json!({ "id": id, "reason": why })).collect();
            say_json(&json!({ kind.done: settled, "refused": refused }))?;
        } else {
            for (_, why) in &refused {
                say(why)?;
            }
            if !settled.is_empty() {
                say(format_args!(
                    "{}: {}; ended as skipped, and the audit says why",
                    kind.done,
                    settled.join(", ")
                ))?;
            }
        }
        Ok(if refused.is_empty() { ExitCode::Fine } else { ExitCode::Found })
    }

    async fn carry_out(
        &self,
        store: Arc<dyn Store>,
        kind: Kind,
    ) -> anyhow::Result<(Vec<&str>, Vec<(&str, String)>)> {
        let listings = Listings::new(Arc::clone(&store));
        let (mut settled, mut refused) = (Vec::new(), Vec::new());
        for id in &self.ids {
            let waiting = match waiting(&listings, id, kind).await {
                Ok(waiting) => waiting,
                Err(ListingError::NotFound(why)) => {
                    refused.push((&**id, why.to_string()));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match store.settle(self.settled(waiting, kind)).await {
                Ok(()) => settled.push(&**id),
                Err(StoreError::Assumption(why)) => refused.push((&**id, why.to_string())),
                Err(error) => return Err(error).context("the store could not be changed"),
            }
        }
        Ok((settled, refused))
    }

    fn settled(&self, waiting: Waiting, kind: Kind) -> Settled {
        let by = self.by.name();
        let outcome = Outcome::Skipped;
        let changes = [
            ("outcome", kind.was.word().to_owned(), outcome.word().to_owned()),
            ("reason", waiting.reason, self.reason.clone()),
        ];
        let (object, record) = match waiting.matter {
            Matter::Run(run) => ("run", run.to_string()),
            Matter::Event(event) => ("event", event.to_string()),
        };
        let entry = AuditEntry {
            connection: "lockstep".into(),
            object: object.into(),
            record: Some(record.into()),
            verb: kind.verb,
            step: Arc::clone(&by),
            changes: changes
                .into_iter()
                .map(|(field, before, after)| FieldChange {
                    field: field.into(),
                    before: Value::from(before),
                    after: Value::from(after),
                })
                .collect(),
            left_alone: Vec::new(),
            note: None,
        };
        Settled {
            matter: waiting.matter,
            was: kind.was,
            client: waiting.client,
            at: SystemClock.now(),
            outcome,
            reason: format!("{} by {by}: {}", kind.done, self.reason),
            entry,
        }
    }
}

/// Looks up what `id` names: a run by its number, else an event that ended without a run.
async fn waiting(listings: &Listings, id: &str, kind: Kind) -> Result<Waiting, ListingError> {
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
    if is_number || kind.was != Outcome::Conflict {
        let run = listings.run(id, Some(kind.was)).await?.run;
        return Ok(Waiting { matter: Matter::Run(RunId(run.id)), client: run.client, reason: run.reason });
    }
    let event = listings.event(id, None).await?.event;
    let reason = event.reason.unwrap_or_default();
    Ok(Waiting { matter: Matter::Event(EventSeq(event.seq)), client: event.client, reason })
}
