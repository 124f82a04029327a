//! Looking a record up by what identifies it: the one way of `find`, `create` and `upsert`.

use std::sync::Arc;

use super::calls::At;
use super::ending::Ending;
use super::execute::{Execution, Stop, short};
use super::given::{Given, Outcome};
use super::identity;
use super::journal::Identity;
use super::reads;
use super::target::Target;
use super::ways::Way;
use crate::connector::{Action, ActionKind, Call, Class, Failure, Fields, Select};
use crate::expr::Expr;
use crate::value::Value;
use crate::words::NoneFound;

/// A conflict names so many records at most; a person looks at the rest in the system itself.
const CANDIDATES_MAX: u32 = 10;

/// What a look-up found.
#[derive(Debug)]
pub(super) enum Found {
    /// No record.
    None,
    /// Exactly one.
    One(Hit),
    /// Several, of which the first is the first that the system gave.
    Many { first: Hit, candidates: Vec<Value>, by: String },
    /// One by a later alternative, which says of itself that it is another one.
    Contradiction { candidate: Value, words: String },
}

/// A record that was found.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) id: Arc<str>,
    pub(super) record: Value,
}

/// Where and how a record is looked for.
pub(super) struct LookUp<'a> {
    pub(super) target: &'a Target,
    /// Alternatives in order, none of them blank.
    pub(super) alternatives: &'a [Fields],
    /// The fields that are wanted of it, besides those that identify it.
    pub(super) select: &'a Select,
    pub(super) params: Value,
}

impl Execution<'_> {
    /// Looks for one record by alternatives in order: the first that finds something decides.
    pub(super) async fn look_up(&mut self, at: &At<'_>, look: &LookUp<'_>) -> Result<Found, Stop> {
        for (number, wanted) in look.alternatives.iter().enumerate() {
            let earlier = &look.alternatives[..number];
            let names = look.alternatives[..=number].iter().flat_map(Fields::keys).map(Arc::clone);
            let select = reads::both(look.select, names);
            match self.look_up_one(at, look, wanted, &select).await? {
                Found::None => {}
                Found::One(hit) => {
                    if let Some((field, ours, theirs)) =
                        identity::contradiction(look.target, &hit.record, earlier)
                    {
                        let words = format!(
                            "the {} found by {} carries another {field}: {} instead of {}",
                            look.target,
                            identity::in_words(wanted),
                            short(&theirs),
                            short(ours)
                        );
                        return Ok(Found::Contradiction { candidate: candidate(look.target, &hit), words });
                    }
                    self.reads.keep(look.target, &hit.id, &hit.record, &select);
                    return Ok(Found::One(hit));
                }
                found => return Ok(found),
            }
        }
        Ok(Found::None)
    }

    async fn look_up_one(
        &mut self,
        at: &At<'_>,
        look: &LookUp<'_>,
        wanted: &Fields,
        select: &Select,
    ) -> Result<Found, Stop> {
        let target = look.target;
        let action = Action::Find {
            object: Arc::clone(&target.object),
            identity: wanted.clone(),
            select: select.clone(),
            limit: CANDIDATES_MAX,
        };
        let call = Call { params: look.params.clone(), ..Call::new(Arc::clone(&target.connection), action) };
        let records = match self.send(&at.step.label, &call).await {
            Ok(reply) => reply.records,
            Err(failure) if failure.class == Class::Missing => Vec::new(),
            Err(failure) if failure.class == Class::Duplicate && !failure.candidates.is_empty() => {
                return several_by_answer(at, target, wanted, failure);
            }
            Err(failure) => return Err(at.fail(failure, Some(&target.connection))),
        };
        let mut hits = Vec::with_capacity(records.len());
        for record in &records {
            let id = record
                .id
                .as_ref()
                .ok_or_else(|| at.refuse(format!("{target} gave a record without an id")))?;
            hits.push(Hit { id: Arc::clone(id), record: target.record(record) });
        }
        match hits.len() {
            0 => self.look_up_known(at, target, wanted, select).await,
            1 => Ok(hits.pop().map_or(Found::None, Found::One)),
            _ => Ok(Found::Many {
                candidates: hits.iter().map(|hit| candidate(target, hit)).collect(),
                first: hits.swap_remove(0),
                by: identity::in_words(wanted),
            }),
        }
    }

    /// A search that lags behind proves nothing by finding nothing: what we know of the identity decides.
    async fn look_up_known(
        &mut self,
        at: &At<'_>,
        target: &Target,
        wanted: &Fields,
        select: &Select,
    ) -> Result<Found, Stop> {
        if target.finder(wanted).is_none_or(|facts| facts.consistent) {
            return Ok(Found::None);
        }
        match self.known(&Identity::of_fields(target, wanted)).await? {
            Some(id) => {
                Ok(self.fetch(at, target, &id, select, Value::Null).await?.map_or(Found::None, Found::One))
            }
            None => Ok(Found::None),
        }
    }

    /// Reads one record by its id; `None` when there is none.
    pub(super) async fn fetch(
        &mut self,
        at: &At<'_>,
        target: &Target,
        id: &Arc<str>,
        select: &Select,
        params: Value,
    ) -> Result<Option<Hit>, Stop> {
        if target.action(ActionKind::Get).is_none() {
            return Ok(Some(Hit { id: Arc::clone(id), record: target.with_id(&Value::Null, Some(id)) }));
        }
        let action =
            Action::Get { object: Arc::clone(&target.object), id: Arc::clone(id), select: select.clone() };
        let call = Call { params, ..Call::new(Arc::clone(&target.connection), action) };
        match self.send(&at.step.label, &call).await {
            Ok(reply) => {
                let id = reply.id.unwrap_or_else(|| Arc::clone(id));
                let record = target.with_id(&reply.record.unwrap_or_default(), Some(&id));
                self.reads.keep(target, &id, &record, select);
                Ok(Some(Hit { id, record }))
            }
            Err(failure) if failure.class == Class::Missing => Ok(None),
            Err(failure) => Err(at.fail(failure, Some(&target.connection))),
        }
    }

    /// What `none:` says of a record that is not there.
    pub(super) fn none_found(
        &self,
        at: &At<'_>,
        none: NoneFound,
        reason: Option<&Expr>,
        words: String,
    ) -> Result<Value, Stop> {
        self.took(&at.step.label, Way::NoneFound);
        let reason = || self.reason(at, reason, words, &[]);
        match none {
            NoneFound::Continue => Ok(Given::new(Outcome::Missing).into()),
            NoneFound::Skip => Err(Box::new(Ending::Skipped { reason: reason()? })),
            NoneFound::Conflict => {
                Err(Box::new(Ending::Conflict { reason: reason()?, candidates: Vec::new() }))
            }
            NoneFound::Fail => Err(at.refuse(reason()?)),
            NoneFound::Wait(at_most) => {
                Err(Box::new(Ending::Waiting { call: at.call.clone(), reason: reason()?, at_most }))
            }
        }
    }

    /// The run's end as a conflict between `candidates`.
    pub(super) fn conflict(
        &self,
        at: &At<'_>,
        reason: Option<&Expr>,
        words: String,
        candidates: Vec<Value>,
    ) -> Stop {
        match self.reason(at, reason, words, &candidates) {
            Ok(reason) => Box::new(Ending::Conflict { reason, candidates }),
            Err(stop) => stop,
        }
    }

    /// The author's words, which may name the `candidates`; ours, where there are none.
    pub(super) fn reason(
        &self,
        at: &At<'_>,
        reason: Option<&Expr>,
        words: String,
        candidates: &[Value],
    ) -> Result<String, Stop> {
        let Some(reason) = reason else { return Ok(words) };
        let context = self.context.with("candidates", Value::list(candidates.iter().cloned()));
        let reason =
            reason.eval(&context).map_err(|error| at.refuse(format!("reason: {error} (of: {words})")))?;
        Ok(if reason.is_blank() { words } else { reason.to_string() })
    }
}

/// The system itself answers that there are several, and names them.
fn several_by_answer(at: &At<'_>, target: &Target, wanted: &Fields, failure: Failure) -> Result<Found, Stop> {
    let first = failure.candidates.iter().find_map(|known| {
        let id = known.to_text().or_else(|| known.get(target.id_field())?.to_text())?;
        Some(Hit { record: target.with_id(known, Some(&id)), id })
    });
    match first {
        Some(first) => {
            Ok(Found::Many { first, candidates: failure.candidates, by: identity::in_words(wanted) })
        }
        None => Err(at.fail(failure, Some(&target.connection))),
    }
}

/// A record as a conflict names it.
pub(super) fn candidate(target: &Target, hit: &Hit) -> Value {
    Value::map([
        ("object", Value::from(target.to_string())),
        ("id", Value::from(Arc::clone(&hit.id))),
        ("record", hit.record.clone()),
    ])
}

/// Records that the system itself names, as a conflict names them; what names none stays as it is.
pub(super) fn candidates(target: &Target, named: Vec<Value>) -> Vec<Value> {
    let as_hit = |known: &Value| {
        let id = known.to_text().or_else(|| known.get(target.id_field())?.to_text())?;
        Some(Hit { record: target.with_id(known, Some(&id)), id })
    };
    let candidates = named.into_iter();
    candidates.map(|known| as_hit(&known).map_or(known, |hit| candidate(target, &hit))).collect()
}

/// `no crm.Account with Stripe_Customer_Id__c = cus_1`, for alternatives `..., nor with Email = ...`.
pub(super) fn none_in_words(places: &[(&Target, Vec<Fields>)]) -> String {
    let looked = places.iter().filter(|(_, alternatives)| !alternatives.is_empty());
    let each = looked.map(|(target, alternatives)| {
        let ways: Vec<String> = alternatives.iter().map(identity::in_words).collect();
        format!("no {target} with {}", ways.join(", nor with "))
    });
    each.collect::<Vec<_>>().join(", and ")
}

/// `several crm.Contact with Email = ann@x.example: 003A, 003B`.
pub(super) fn many_in_words(target: &Target, by: &str, candidates: &[Value]) -> String {
    let ids: Vec<String> = candidates
        .iter()
        .map(|known| known.get("id").or_else(|| known.get(target.id_field())).unwrap_or(known).to_string())
        .collect();
    format!("several {target} with {by}: {}", ids.join(", "))
}
