//! One walk over a store that erases what a filter wants, beside live traffic.

use std::sync::Arc;
use std::time::Duration;

use super::seal::seal_all;
use crate::clock::Clock;
use crate::store::{
    Erasable, ErasableNote, Erasing, ErasingNotes, Erasure, ErasureFilter, EventSeq, Kept, NoteKind, RunId,
    Store, StoreError,
};

/// Events looked at in one question: a reader's work, some milliseconds.
const LOOK: usize = 256;

/// Events erased in one transaction. Each is a handful of rows that are written over: the writer is back within
/// milliseconds.
const BATCH: usize = 32;

/// Between two batches, so that what else waits to be written goes first: at most 1,600 events a second are erased.
const PAUSE: Duration = Duration::from_millis(20);

/// How often space is asked for, half a megabyte a time, or the log tried to be cut while a reader needs it. What is
/// left is used again before the file grows, and given back by the next sweep.
const GIVING_MAX: u32 = 4_000;

/// Runs that are named as examples.
const NAMED_MAX: usize = 10;

/// What is to be erased, and who says so.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// Which events.
    pub filter: ErasureFilter,
    /// Why.
    pub why: Erasure,
    /// Who, for the audit.
    pub by: Arc<str>,
}

/// What was erased, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Events.
    pub events: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Journalled calls.
    pub calls: u64,
    /// Audit entries whose values went.
    pub entries: u64,
    /// Records that polls had kept, by which they tell what has changed.
    pub records: u64,
    /// Reports of polls whose words went.
    pub reports: u64,
    /// Alerts that are still to be told, whose words went.
    pub alerts: u64,
    /// Events with a run that has not ended.
    pub unfinished: Left,
    /// Events with a dead letter.
    pub dead: Left,
    /// Events that something was just done with.
    pub busy: u64,
}

/// Events that are still there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// How many.
    pub events: u64,
    /// The runs that need them, the first ones.
    pub runs: Vec<RunId>,
}

impl Left {
    fn add(&mut self, run: RunId) {
        self.events += 1;
        if self.runs.len() < NAMED_MAX {
            self.runs.push(run);
        }
    }
}

impl Swept {
    /// Events that the filter wants and that are still there.
    pub fn left(&self) -> u64 {
        self.unfinished.events + self.dead.events + self.busy
    }

    fn add(&mut self, event: &Erasable) {
        self.events += 1;
        self.bytes += event.bytes;
        self.calls += event.calls;
        self.entries += event.entries;
    }

    fn add_note(&mut self, note: &ErasableNote) {
        self.bytes += note.bytes;
        match note.id.kind {
            NoteKind::Seen | NoteKind::Staged => self.records += 1,
            NoteKind::Report => self.reports += 1,
            NoteKind::Alert => self.alerts += 1,
        }
    }

    /// True when there was nothing to erase.
    pub fn is_nothing(&self) -> bool {
        self.events + self.records + self.reports + self.alerts == 0
    }

    fn keep(&mut self, kept: Kept) {
        match kept {
            Kept::Unfinished(run) => self.unfinished.add(run),
            Kept::Dead(run) => self.dead.add(run),
        }
    }
}

impl Sweep {
    /// What would be erased.
    pub async fn survey(&self, store: &dyn Store) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        let mut next = Some(EventSeq(0));
        while let Some(after) = next {
            let page = store.erasable(self.filter.clone(), after, LOOK).await?;
            for event in &page.events {
                match event.kept {
                    None => swept.add(event),
                    Some(kept) => swept.keep(kept),
                }
            }
            next = page.next;
        }
        for kind in NoteKind::ALL {
            let mut after = None;
            loop {
                let page = store.erasable_notes(self.filter.clone(), kind, after, LOOK).await?;
                page.notes.iter().for_each(|note| swept.add_note(note));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(swept)
    }

    /// Erases, and gives the space back. What cannot be erased yet is counted.
    pub async fn carry_out(&self, store: &dyn Store, clock: &dyn Clock) -> Result<Swept, StoreError> {
        // What is not sealed cannot be erased: nothing would tell afterwards what it was.
        seal_all(store).await?;
        let mut swept = Swept::default();
        let mut next = Some(EventSeq(0));
        while let Some(after) = next {
            let page = store.erasable(self.filter.clone(), after, LOOK).await?;
            let (kept, free): (Vec<_>, Vec<_>) = page.events.iter().partition(|event| event.kept.is_some());
            kept.iter().filter_map(|event| event.kept).for_each(|kept| swept.keep(kept));
            for batch in free.chunks(BATCH) {
                self.erase(batch, store, clock, &mut swept).await?;
                tokio::time::sleep(PAUSE).await;
            }
            next = page.next;
        }
        self.carry_out_notes(store, clock, &mut swept).await?;
        if !swept.is_nothing() {
            give_back(store).await?;
        }
        Ok(swept)
    }

    /// Erases what is kept beside events.
    async fn carry_out_notes(
        &self,
        store: &dyn Store,
        clock: &dyn Clock,
        swept: &mut Swept,
    ) -> Result<(), StoreError> {
        for kind in NoteKind::ALL {
            let mut after = None;
            loop {
                let page = store.erasable_notes(self.filter.clone(), kind, after, LOOK).await?;
                for batch in page.notes.chunks(BATCH) {
                    let erasing = ErasingNotes {
                        notes: batch.iter().map(|note| note.id.clone()).collect(),
                        why: self.why,
                        at: clock.now(),
                        by: Arc::clone(&self.by),
                    };
                    let erased = store.erase_notes(erasing).await?;
                    batch
                        .iter()
                        .filter(|note| erased.contains(&note.id))
                        .for_each(|note| swept.add_note(note));
                    tokio::time::sleep(PAUSE).await;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn erase(
        &self,
        batch: &[&Erasable],
        store: &dyn Store,
        clock: &dyn Clock,
        swept: &mut Swept,
    ) -> Result<(), StoreError> {
        let erasing = Erasing {
            events: batch.iter().map(|event| event.seq).collect(),
            why: self.why,
            at: clock.now(),
            by: Arc::clone(&self.by),
        };
        let erased = store.erase(erasing).await?;
        for event in batch {
            if erased.contains(&event.seq) {
                swept.add(event);
            } else {
                swept.busy += 1;
            }
        }
        Ok(())
    }
}

/// Gives space back piece by piece, and has the log cut, in which old pages still stand.
async fn give_back(store: &dyn Store) -> Result<(), StoreError> {
    for _ in 0..GIVING_MAX {
        if store.give_back().await? {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
