//! A poll of a connection's past events: the same events as those that are posted to us, taken once whichever way they
//! come.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::compare::digest;
use super::job::EventsJob;
use super::listing::{AT_ONCE, LISTED_MAX, before, chunks, note};
use super::round::{Reached, Round, Trouble};
use crate::connector::{Action, Call, Events, Record, matches_type};
use crate::engine::{Incoming, Listed, storable};
use crate::failpoint::failpoint;
use crate::store::{Seen, SeenBy, Source, Staged, StagedBy};
use crate::value::Value;

/// Polls past events.
///
/// They are listed newest first, and the oldest has to be taken first: those of one page, which is nearly always all of
/// them, are turned round; those of more wait in the store until the last page is there.
pub(super) async fn poll(round: &mut Round<'_>, job: &EventsJob) -> Result<Reached, Trouble> {
    let Some(events) = job.manifest.events() else {
        return Err(Trouble::Failed(format!("`{}` sends no events", job.connection)));
    };
    let from = before(round.state.cursor.unwrap_or(round.began), events.overlap());
    let mut poll = EventsPoll { round, job, events, newest: None, place: 0 };
    let mut cursor: Option<Value> = None;
    loop {
        let first = cursor.is_none();
        let action = Action::Events {
            types: job.types.clone(),
            since: Some(from),
            limit: LISTED_MAX,
            cursor: cursor.take(),
        };
        let page = poll.round.ask(&Call::new(Arc::clone(&job.connection), action)).await?;
        let new = poll.unknown(page.records).await?;
        match page.next {
            None if first => poll.take(new).await?,
            next => {
                poll.stage(new).await?;
                if let Some(next) = next {
                    failpoint!("between-pages");
                    cursor = Some(next);
                    continue;
                }
                poll.unstage().await?;
            }
        }
        break;
    }
    let newest = poll.newest.max(round.state.cursor).or(Some(from));
    Ok(Reached { cursor: newest, forget_before: newest.map(|newest| before(newest, events.overlap() * 2)) })
}

struct EventsPoll<'r, 'a> {
    round: &'r mut Round<'a>,
    job: &'r EventsJob,
    events: &'r Events,
    newest: Option<Timestamp>,
    place: i64,
}

impl EventsPoll<'_, '_> {
    /// The events of a page that a pipeline wants and that are not there yet.
    async fn unknown(&mut self, records: Vec<Record>) -> Result<Vec<Incoming>, Trouble> {
        let mut wanted = Vec::with_capacity(records.len());
        for record in records {
            let read = self.events.envelope(&record.fields);
            let mut envelope = read.map_err(|error| Trouble::Failed(format!("what was listed: {error}")))?;
            envelope.id = storable(envelope.id);
            self.newest = self.newest.max(Some(envelope.created));
            if self.job.types.iter().any(|pattern| matches_type(pattern, &envelope.kind)) {
                wanted.push((envelope, record.fields));
            }
        }
        self.round.tally.listed += wanted.len() as u64;
        let ids: Vec<Arc<str>> = wanted.iter().map(|(envelope, _)| Arc::clone(&envelope.id)).collect();
        let known = self.known(ids).await?;
        wanted.retain(|(envelope, _)| !known.contains(&envelope.id));
        self.round.tally.unchanged += known.len() as u64;
        let names = (&self.round.job.client.name, &self.job.connection);
        let incoming = wanted.into_iter().map(|(envelope, event)| {
            let unfit = self.job.expected.unfit(&envelope);
            let body = Bytes::from(event.to_json());
            Incoming::of_envelope(names, envelope, (event, body), Source::Poll, unfit)
        });
        Ok(incoming.collect())
    }

    /// Those that are there, however they came, or were there before the first poll.
    async fn known(&self, ids: Vec<Arc<str>>) -> Result<HashSet<Arc<str>>, Trouble> {
        let (store, name) = (&self.round.around.store, &self.round.id.name);
        let mut known: HashSet<Arc<str>> =
            store.known_events(&name.client, &self.job.connection, ids.clone()).await?.into_iter().collect();
        let seen = store.seen(name, SeenBy::Records(ids)).await?;
        known.extend(seen.into_iter().map(|row| row.seen.record));
        Ok(known)
    }

    /// Takes events that came newest first.
    async fn take(&mut self, mut new: Vec<Incoming>) -> Result<(), Trouble> {
        new.reverse();
        new.sort_by_key(|incoming| incoming.created);
        for new in chunks(new, AT_ONCE) {
            let step = self.round.step();
            let listed = new.into_iter().map(|incoming| self.listed(incoming)).collect();
            self.round.keep(listed, step).await?;
        }
        Ok(())
    }

    fn listed(&mut self, incoming: Incoming) -> Listed {
        // What happened before the first poll is taken note of.
        if !self.round.state.primed {
            self.round.tally.unchanged += 1;
            return note(Seen { body: None, ..seen(&incoming) });
        }
        Listed { incoming: Some(incoming), torn: None, seen: None }
    }

    /// Has them wait until the oldest ones are listed.
    async fn stage(&mut self, new: Vec<Incoming>) -> Result<(), Trouble> {
        for new in chunks(new, AT_ONCE) {
            let mut step = self.round.step();
            for incoming in &new {
                self.place += 1;
                step.staged.push(Staged { seen: seen(incoming), place: self.place });
            }
            self.round.keep(Vec::new(), step).await?;
        }
        Ok(())
    }

    /// Takes those that wait, the oldest first.
    async fn unstage(&mut self) -> Result<(), Trouble> {
        let (store, id) = (Arc::clone(&self.round.around.store), self.round.id.clone());
        loop {
            let staged = store.staged(&id, StagedBy::Oldest(AT_ONCE)).await?;
            if staged.is_empty() {
                return Ok(());
            }
            let mut step = self.round.step();
            let mut listed = Vec::with_capacity(staged.len());
            for Staged { seen, .. } in staged {
                let event =
                    seen.body.as_deref().and_then(|body| Value::from_json(body).ok()).unwrap_or_default();
                step.unstaged.push(seen.record);
                // It was read once already.
                let Ok(envelope) = self.events.envelope(&event) else { continue };
                let unfit = self.job.expected.unfit(&envelope);
                let names = (&self.round.job.client.name, &self.job.connection);
                let body = seen.body.unwrap_or_default();
                let incoming = Incoming::of_envelope(names, envelope, (event, body), Source::Poll, unfit);
                listed.push(self.listed(incoming));
            }
            self.round.keep(listed, step).await?;
        }
    }
}

fn seen(incoming: &Incoming) -> Seen {
    Seen {
        record: Arc::clone(&incoming.id),
        digest: digest(&Value::from(Arc::clone(&incoming.id))),
        key: None,
        group: None,
        changed: incoming.created,
        tries: 0,
        body: Some(incoming.body.clone()),
    }
}
