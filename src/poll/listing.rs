//! A poll of what a schedule lists: page by page, each record compared with what was seen of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::bulk::{self, OwnJob};
use super::compare::{difference, digest, key, short_id};
use super::event::{Occasion, Origin};
use super::job::ScheduleJob;
use super::round::{Reached, Round, Trouble};
use super::shared::Shared;
use crate::config::{Gone, Start};
use crate::connector::{Action, Call, Fields, JobStep, Record, Since};
use crate::engine::{Listed, storable};
use crate::expr::time_of;
use crate::failpoint::failpoint;
use crate::steps::Listing;
use crate::store::{Outcome, RunId, RunState, Seen, SeenBy, SeenRow, Staged};
use crate::value::Value;

/// More records than these are not listed in one poll: of each a few bytes are held (invariant 7).
pub(super) const LISTED_MAX: u32 = 1_000_000;

/// So many records go to the store at once.
pub(super) const AT_ONCE: usize = 200;

/// The first and the longest pause after which a record is tried again whose run died or met a conflict.
const AGAIN_FIRST: Duration = Duration::from_mins(5);
const AGAIN_LONGEST: Duration = Duration::from_hours(6);

/// How reports count what was not done before, and is not tried in this poll.
const CONFLICT_BEFORE: &str = "a conflict of an earlier poll";
const FAILED_BEFORE: &str = "failed in an earlier poll";

/// Polls what a schedule lists.
pub(super) async fn poll(round: &mut Round<'_>, job: &ScheduleJob) -> Result<Reached, Trouble> {
    let Some(listing) = &job.schedule.listing else {
        bulk::abandon(round).await?;
        return time(round, job).await;
    };
    let asked = if let Some(facts) = listing.by_job() {
        bulk::ready(round, job, listing, facts).await?
    } else {
        bulk::abandon(round).await?;
        Asked::at(round.began, round, job, listing)?
    };
    let step = round.own.as_ref().map(OwnJob::page);
    let mut poll = ListingPoll::new(round, job, listing);
    let mut cursor = None;
    loop {
        let call = asked.call(listing, step.clone(), cursor.take());
        let page = poll.round.ask(&call).await?;
        let empty = page.records.is_empty();
        poll.page(page.records).await?;
        match page.next {
            Some(_) if empty => {
                let words = format!("{} gave an empty page that is not the last", listing.target());
                return Err(Trouble::Failed(words));
            }
            Some(next) => {
                failpoint!("between-pages");
                cursor = Some(next);
            }
            None => break,
        }
    }
    poll.whole().await?;
    Ok(poll.reached())
}

/// A schedule that lists nothing: one run, about its time.
async fn time(round: &mut Round<'_>, job: &ScheduleJob) -> Result<Reached, Trouble> {
    let client = Arc::clone(&round.job.client.name);
    let origin = Origin { client: &client, pipeline: &job.pipeline, listed: None, began: round.began };
    let occasion =
        Occasion { record: None, object: Value::Null, previous: Value::Null, created: round.began };
    let incoming = Some(origin.incoming(&occasion));
    round.keep(vec![Listed { incoming, torn: None, seen: None }], round.step()).await?;
    Ok(Reached::default())
}

/// What a poll asks for.
pub(super) struct Asked {
    pub(super) filter: Fields,
    pub(super) params: Value,
    /// From when on changes are asked for; nothing for a poll that lists everything.
    pub(super) since: Option<Since>,
}

impl Asked {
    /// What a poll asks for that began at `began`.
    pub(super) fn at(
        began: Timestamp,
        round: &Round<'_>,
        job: &ScheduleJob,
        listing: &Listing,
    ) -> Result<Self, Trouble> {
        let asked = listing.ask(&round.job.client, began);
        let (filter, params) = asked.map_err(|(key, error)| Trouble::Failed(format!("`{key}`: {error}")))?;
        let since = listing.since.as_ref().and_then(|(field, overlap)| {
            let from = match (round.state.cursor, job.schedule.start) {
                (Some(cursor), _) => cursor,
                (None, Start::Now) => began,
                (None, Start::All) => return None,
            };
            Some(Since { field: Arc::clone(field), at: before(from, *overlap) })
        });
        Ok(Self { filter, params, since })
    }

    /// The call for a page, or for a step of the job that lists.
    pub(super) fn call(&self, listing: &Listing, job: Option<JobStep>, cursor: Option<Value>) -> Call {
        let action = Action::List {
            object: Arc::clone(listing.object()),
            filter: self.filter.clone(),
            since: self.since.clone(),
            select: listing.select.clone(),
            limit: LISTED_MAX,
            cursor,
            job,
        };
        Call { params: self.params.clone(), ..Call::new(Arc::clone(listing.connection()), action) }
    }
}

/// `span` before `moment`.
pub(super) fn before(moment: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| moment.checked_sub(span).ok())
        .unwrap_or(Timestamp::MIN)
}

/// A poll under way.
pub(super) struct ListingPoll<'r, 'a> {
    pub(super) round: &'r mut Round<'a>,
    pub(super) job: &'r ScheduleJob,
    pub(super) listing: &'r Listing,
    /// True when what is found is only taken note of.
    pub(super) priming: bool,
    /// The records that were listed.
    pub(super) listed: HashSet<u64>,
    /// Who shares what must be unique.
    pub(super) shared: Shared,
    /// Runs that died or met a conflict and may go again, as soon as it is known that their records are unique.
    pub(super) again: Vec<(RunId, Arc<str>)>,
    /// The newest change.
    newest: Option<Timestamp>,
    place: i64,
}

/// A record on a page.
pub(super) struct Item {
    pub(super) record: Arc<str>,
    pub(super) value: Value,
    pub(super) seen: Seen,
}

/// What a record comes to.
enum Verdict {
    /// It is new, or not as it was.
    News,
    /// Nothing is to be done about it.
    Nothing,
    /// It is to be taken note of.
    Note,
    /// Its run goes again.
    Again(RunId),
}

impl<'r, 'a> ListingPoll<'r, 'a> {
    fn new(round: &'r mut Round<'a>, job: &'r ScheduleJob, listing: &'r Listing) -> Self {
        let priming = !round.state.primed && job.schedule.start == Start::Now;
        Self {
            round,
            job,
            listing,
            priming,
            listed: HashSet::new(),
            shared: Shared::default(),
            again: Vec::new(),
            newest: None,
            place: 0,
        }
    }

    /// One page: what is new starts runs, or waits until everything is listed.
    async fn page(&mut self, records: Vec<Record>) -> Result<(), Trouble> {
        let items = self.items(records)?;
        for items in chunks(items, AT_ONCE) {
            let known = self.known(&items).await?;
            let mut step = self.round.step();
            let mut listed = Vec::new();
            for item in items {
                let row = known.get(&item.record);
                match self.judge(&item, row) {
                    Verdict::Nothing => {}
                    Verdict::Note => listed.push(note(item.seen)),
                    Verdict::Again(run) => self.again.push((run, item.record)),
                    Verdict::News if self.listing.unique.is_some() => {
                        step.staged.push(self.staged(item));
                    }
                    Verdict::News => listed.push(self.news(item, row)),
                }
            }
            if self.listing.unique.is_none() {
                step.again = std::mem::take(&mut self.again);
            }
            self.round.keep(listed, step).await?;
        }
        Ok(())
    }

    /// What was seen of them.
    pub(super) async fn known(&self, items: &[Item]) -> Result<HashMap<Arc<str>, SeenRow>, Trouble> {
        let records = items.iter().map(|item| Arc::clone(&item.record)).collect();
        let rows = self.round.around.store.seen(&self.round.id.name, SeenBy::Records(records)).await?;
        Ok(rows.into_iter().map(|row| (Arc::clone(&row.seen.record), row)).collect())
    }

    /// The records of a page that were not on an earlier one.
    fn items(&mut self, records: Vec<Record>) -> Result<Vec<Item>, Trouble> {
        let mut items = Vec::with_capacity(records.len());
        for record in records {
            let target = self.listing.target();
            let id = record.id.clone().ok_or_else(|| {
                Trouble::Failed(format!("a record of {target} has no id, so it cannot be known again"))
            })?;
            let id = storable(id);
            if !self.listed.insert(short_id(&id)) {
                continue;
            }
            if self.listed.len() > LISTED_MAX as usize {
                let words =
                    format!("more than {LISTED_MAX} records of {target}: list less of them by `where`");
                return Err(Trouble::Failed(words));
            }
            self.round.tally.listed += 1;
            items.push(self.item(id, self.listing.record(&record))?);
        }
        Ok(items)
    }

    fn item(&mut self, record: Arc<str>, value: Value) -> Result<Item, Trouble> {
        let zone = &self.round.job.client.zone;
        let changed = match &self.listing.since {
            Some((field, _)) => {
                let told = value.get(field).and_then(|time| time_of(time, zone));
                let changed = told.ok_or_else(|| {
                    Trouble::Failed(format!("`{field}` of {record} does not tell when it changed"))
                })?;
                self.newest = self.newest.max(Some(changed));
                changed
            }
            None => self.round.began,
        };
        let key = match &self.listing.unique {
            Some(unique) => {
                let computed = unique.value(&value, &self.round.job.client, self.round.began);
                let computed =
                    computed.map_err(|error| Trouble::Failed(format!("`unique.by` of {record}: {error}")))?;
                key(&computed, unique.compared)
            }
            None => None,
        };
        if let Some(key) = key {
            self.shared.note(key, short_id(&record));
        }
        let body = self.keeps_bodies().then(|| Bytes::from(value.to_json()));
        let seen = Seen {
            record: Arc::clone(&record),
            digest: digest(&value),
            key,
            group: None,
            changed,
            tries: 0,
            body,
        };
        Ok(Item { record, value, seen })
    }

    /// True when somebody will ask what a record was.
    pub(super) fn keeps_bodies(&self) -> bool {
        self.job.reads_past
            || self.job.schedule.written
            || self.job.schedule.gone == Gone::Run
            || self.listing.unique.is_some()
    }

    /// Decides what is to be done about a record. De-duplication never swallows work that failed (invariant 9).
    fn judge(&mut self, item: &Item, row: Option<&SeenRow>) -> Verdict {
        let Some(SeenRow { seen, run }) = row else {
            let note = self.priming && self.listing.unique.is_none();
            return if note { self.unchanged(Verdict::Note) } else { Verdict::News };
        };
        if seen.digest != item.seen.digest {
            return Verdict::News;
        }
        // The pipeline asks for something that was not kept until now.
        let lacking = seen.key != item.seen.key || (self.keeps_bodies() && seen.body.is_none());
        if seen.group.is_some() {
            // What is kept back because of others is decided when all of them are listed, by what was kept of it: when that
            // was erased, by what is listed now.
            return if seen.body.is_some() { Verdict::Nothing } else { Verdict::News };
        }
        if lacking {
            return self.unchanged(Verdict::Note);
        }
        let each_time = !self.job.schedule.only_changed && self.listing.since.is_none();
        match run {
            Some((_, RunState::Ended(Outcome::Succeeded | Outcome::Skipped), _)) if each_time => {
                Verdict::News
            }
            Some((run, RunState::Ended(ended @ (Outcome::Dead | Outcome::Conflict)), at)) => {
                let due = at.is_none_or(|at| goes_again(at, seen.tries) <= self.round.began);
                if due {
                    return Verdict::Again(*run);
                }
                let (reasons, reason) = match ended {
                    Outcome::Conflict => (&mut self.round.tally.conflicts, CONFLICT_BEFORE),
                    _ => (&mut self.round.tally.failed, FAILED_BEFORE),
                };
                *reasons.entry(reason.to_owned()).or_default() += 1;
                Verdict::Nothing
            }
            // It was taken note of, is done, or under way.
            None | Some(_) => self.unchanged(Verdict::Nothing),
        }
    }

    fn unchanged(&mut self, verdict: Verdict) -> Verdict {
        self.round.tally.unchanged += 1;
        verdict
    }

    fn staged(&mut self, item: Item) -> Staged {
        self.place += 1;
        let body = item.seen.body.unwrap_or_else(|| Bytes::from(item.value.to_json()));
        Staged { seen: Seen { body: Some(body), ..item.seen }, place: self.place }
    }

    /// A record that is new, or not as it was.
    pub(super) fn news(&mut self, item: Item, row: Option<&SeenRow>) -> Listed {
        if self.priming && row.is_none() {
            self.round.tally.unchanged += 1;
            return note(item.seen);
        }
        let old = row.and_then(|row| Value::from_json(row.seen.body.as_deref()?).ok());
        let previous = old.map_or(Value::Null, |old| difference(&old, &item.value));
        let occasion =
            Occasion { record: Some(item.record), object: item.value, previous, created: item.seen.changed };
        Listed { incoming: Some(self.origin().incoming(&occasion)), torn: None, seen: Some(item.seen) }
    }

    pub(super) fn origin(&self) -> Origin<'_> {
        Origin {
            client: &self.round.job.client.name,
            pipeline: &self.job.pipeline,
            listed: Some((self.listing.connection(), self.listing.object())),
            began: self.round.began,
        }
    }

    /// Everything is listed.
    async fn whole(&mut self) -> Result<(), Trouble> {
        if self.listing.unique.is_some() {
            self.settle_shared().await?;
        }
        if self.listing.since.is_none() {
            self.forget_gone().await?;
        }
        Ok(())
    }

    /// Records that were seen and are not listed any more are forgotten, and start runs where the pipeline wants it.
    async fn forget_gone(&mut self) -> Result<(), Trouble> {
        let (store, name) = (Arc::clone(&self.round.around.store), self.round.id.name.clone());
        // The usual case, and cheap to tell: nothing is known but what was listed.
        if store.seen_count(&name).await? <= self.listed.len() as u64 {
            return Ok(());
        }
        let mut last = None;
        loop {
            let rows = store.seen(&name, SeenBy::After(last.take(), AT_ONCE)).await?;
            let Some(end) = rows.last() else { return Ok(()) };
            last = Some(Arc::clone(&end.seen.record));
            let mut step = self.round.step();
            let mut listed = Vec::new();
            for row in rows.iter().filter(|row| !self.listed.contains(&short_id(&row.seen.record))) {
                if self.job.schedule.gone == Gone::Run && !self.priming {
                    listed.push(self.left(row));
                }
                step.gone.push(Arc::clone(&row.seen.record));
            }
            self.round.keep(listed, step).await?;
        }
    }

    fn left(&self, row: &SeenRow) -> Listed {
        let was = row.seen.body.as_deref().and_then(|body| Value::from_json(body).ok()).unwrap_or_default();
        let occasion = Occasion {
            record: Some(Arc::clone(&row.seen.record)),
            object: Value::Null,
            previous: was,
            created: self.round.began,
        };
        Listed { incoming: Some(self.origin().incoming(&occasion)), torn: None, seen: None }
    }

    fn reached(&self) -> Reached {
        let Some((_, overlap)) = &self.listing.since else { return Reached::default() };
        let first = (self.job.schedule.start == Start::Now).then_some(self.round.began);
        let cursor = self.newest.max(self.round.state.cursor).or(first);
        // Twice as late as a change may be listed, it is listed no more; who asks what a record was needs the others.
        let forget_before =
            cursor.filter(|_| !self.keeps_bodies()).map(|cursor| before(cursor, *overlap * 2));
        Reached { cursor, forget_before }
    }
}

/// What is only taken note of.
pub(super) fn note(seen: Seen) -> Listed {
    Listed { incoming: None, torn: None, seen: Some(seen) }
}

/// When a record whose run ended at `ended` goes again.
fn goes_again(ended: Timestamp, tries: u32) -> Timestamp {
    let pause = AGAIN_FIRST.saturating_mul(2_u32.saturating_pow(tries)).min(AGAIN_LONGEST);
    ended.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// `items` in pieces of at most `size`.
pub(super) fn chunks<T>(items: Vec<T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        let chunk: Vec<T> = items.by_ref().take(size).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}
