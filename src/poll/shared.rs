//! Records that share a value which must be unique: known when everything is listed, and not before.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::compare::{candidates, grouped, shared_reason, short_id};
use super::event::Occasion;
use super::listing::{AT_ONCE, Item, ListingPoll, note};
use super::round::Trouble;
use crate::engine::{Listed, Torn};
use crate::expr::time_of;
use crate::store::{Digest, Seen, SeenBy, SeenRow, Staged, StagedBy};
use crate::value::Value;

/// So many values that are shared are looked at together.
const VALUES: usize = 20;

/// Who has which value, while a listing is under way.
#[derive(Default)]
pub(super) struct Shared(HashMap<Digest, Holders>);

struct Holders {
    first: u64,
    several: bool,
}

impl Shared {
    /// A record has a value.
    pub(super) fn note(&mut self, value: Digest, record: u64) {
        match self.0.entry(value) {
            Entry::Vacant(entry) => drop(entry.insert(Holders { first: record, several: false })),
            Entry::Occupied(mut entry) => {
                let holders = entry.get_mut();
                holders.several |= holders.first != record;
            }
        }
    }

    /// The values that several records have.
    fn values(&self) -> Vec<Digest> {
        self.0.iter().filter(|(_, holders)| holders.several).map(|(value, _)| *value).collect()
    }
}

/// A record that shares its value with others.
struct Member {
    seen: Seen,
    value: Value,
    /// True when it is new, or not as it was.
    staged: bool,
}

impl ListingPoll<'_, '_> {
    /// Everything is listed: those who share a value are conflicts, all others go on.
    pub(super) async fn settle_shared(&mut self) -> Result<(), Trouble> {
        let mut torn = HashSet::new();
        let mut values = self.shared.values();
        values.sort();
        for values in values.chunks(VALUES) {
            self.conflicts(values, &mut torn).await?;
        }
        self.unstage().await?;
        self.resolved(&torn).await?;
        let mut step = self.round.step();
        let again = std::mem::take(&mut self.again).into_iter();
        step.again = again.filter(|(_, record)| !torn.contains(&short_id(record))).collect();
        self.round.keep(Vec::new(), step).await
    }

    /// Those who share these values.
    async fn conflicts(&mut self, values: &[Digest], torn: &mut HashSet<u64>) -> Result<(), Trouble> {
        let (store, id) = (Arc::clone(&self.round.around.store), self.round.id.clone());
        let staged = store.staged(&id, StagedBy::Keys(values.to_vec())).await?;
        let anew: HashSet<Arc<str>> = staged.iter().map(|staged| Arc::clone(&staged.seen.record)).collect();
        let seen = store.seen(&id.name, SeenBy::Keys(values.to_vec())).await?;
        let known = store.seen(&id.name, SeenBy::Records(anew.iter().cloned().collect())).await?;
        let known: HashMap<Arc<str>, SeenRow> =
            known.into_iter().map(|row| (Arc::clone(&row.seen.record), row)).collect();
        let mut groups: HashMap<Digest, Vec<Member>> = HashMap::new();
        for Staged { seen, .. } in staged {
            // As it is kept back now, so that it is told once.
            let group = known.get(&seen.record).filter(|row| row.seen.digest == seen.digest);
            let seen = Seen { group: group.and_then(|row| row.seen.group), ..seen };
            add(&mut groups, seen, true);
        }
        // One that was listed and is not new is as it was seen.
        let listed = |row: &SeenRow| self.listed.contains(&short_id(&row.seen.record));
        for SeenRow { seen, .. } in
            seen.into_iter().filter(|row| listed(row) && !anew.contains(&row.seen.record))
        {
            add(&mut groups, seen, false);
        }
        for members in groups.into_values().filter(|members| members.len() > 1) {
            self.conflict(members, torn).await?;
        }
        Ok(())
    }

    async fn conflict(&mut self, members: Vec<Member>, torn: &mut HashSet<u64>) -> Result<(), Trouble> {
        let Some(unique) = &self.listing.unique else { return Ok(()) };
        let zone = &self.round.job.client.zone;
        let made = |member: &Member| time_of(member.value.get(self.listing.created_field()?)?, zone);
        let dated = members.iter().map(|member| (made(member), Arc::clone(&member.seen.record)));
        let group = grouped(dated.collect(), unique.keep);
        let target = self.listing.target().to_string();
        let reason = shared_reason(&target);
        let (client, now) = (&self.round.job.client, self.round.began);
        let candidates = candidates(&group, &target, |record| {
            let member = members.iter().find(|member| member.seen.record == *record)?;
            unique.value(&member.value, client, now).ok()
        });
        for members in super::listing::chunks(members, AT_ONCE) {
            let mut step = self.round.step();
            let mut listed = Vec::new();
            for member in members {
                if group.kept.as_ref() == Some(&member.seen.record) {
                    continue;
                }
                torn.insert(short_id(&member.seen.record));
                if member.staged {
                    step.unstaged.push(Arc::clone(&member.seen.record));
                }
                if member.seen.group == Some(group.digest) {
                    *self.round.tally.conflicts.entry(reason.clone()).or_default() += 1;
                    // What was kept of it is not there any more: it is kept anew.
                    if member.staged {
                        listed.push(note(member.seen));
                    }
                    continue;
                }
                let torn = Torn { reason: reason.clone(), candidates: candidates.clone() };
                listed.push(self.told(member, group.digest, torn));
            }
            self.round.keep(listed, step).await?;
        }
        Ok(())
    }

    /// A record that is kept back, told as a conflict.
    fn told(&mut self, member: Member, group: Digest, torn: Torn) -> Listed {
        let occasion = Occasion {
            record: Some(Arc::clone(&member.seen.record)),
            object: member.value,
            previous: Value::Null,
            created: self.round.began,
        };
        let seen = Some(Seen { group: Some(group), tries: 0, ..member.seen });
        if self.priming {
            self.round.tally.unchanged += 1;
            return Listed { incoming: None, torn: None, seen };
        }
        Listed { incoming: Some(self.origin().incoming(&occasion)), torn: Some(torn), seen }
    }

    /// What waited for the end of the listing and shares its value with nobody goes on.
    async fn unstage(&mut self) -> Result<(), Trouble> {
        let (store, id) = (Arc::clone(&self.round.around.store), self.round.id.clone());
        loop {
            let staged = store.staged(&id, StagedBy::Listed(AT_ONCE)).await?;
            if staged.is_empty() {
                return Ok(());
            }
            let items: Vec<Item> = staged.into_iter().map(|staged| item(staged.seen)).collect();
            let known = self.known(&items).await?;
            let mut step = self.round.step();
            step.unstaged = items.iter().map(|item| Arc::clone(&item.record)).collect();
            let mut listed = Vec::with_capacity(items.len());
            for item in items {
                let row = known.get(&item.record);
                listed.push(self.news(item, row));
            }
            self.round.keep(listed, step).await?;
        }
    }

    /// Those who were kept back because of others and are not any more.
    async fn resolved(&mut self, torn: &HashSet<u64>) -> Result<(), Trouble> {
        let name = self.round.id.name.clone();
        let rows = self.round.around.store.seen(&name, SeenBy::Grouped).await?;
        let free = |row: &SeenRow| {
            let record = short_id(&row.seen.record);
            self.listed.contains(&record) && !torn.contains(&record)
        };
        let free: Vec<SeenRow> = rows.into_iter().filter(free).collect();
        for rows in super::listing::chunks(free, AT_ONCE) {
            let mut listed = Vec::with_capacity(rows.len());
            for SeenRow { seen, .. } in rows {
                let item = item(Seen { group: None, tries: 0, ..seen });
                let occasion = Occasion {
                    record: Some(Arc::clone(&item.record)),
                    object: item.value,
                    previous: Value::Null,
                    created: self.round.began,
                };
                let incoming = Some(self.origin().incoming(&occasion));
                listed.push(Listed { incoming, torn: None, seen: Some(item.seen) });
            }
            let step = self.round.step();
            self.round.keep(listed, step).await?;
        }
        Ok(())
    }
}

fn add(groups: &mut HashMap<Digest, Vec<Member>>, seen: Seen, staged: bool) {
    let Some(key) = seen.key else { return };
    let value = body(&seen);
    groups.entry(key).or_default().push(Member { seen, value, staged });
}

fn item(seen: Seen) -> Item {
    Item { record: Arc::clone(&seen.record), value: body(&seen), seen }
}

/// The record as it was kept.
fn body(seen: &Seen) -> Value {
    seen.body.as_deref().and_then(|body| Value::from_json(body).ok()).unwrap_or_default()
}
