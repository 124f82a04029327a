//! Several calls that have nothing to do with each other: as few requests as the manifest says.
//!
//! Invariant 10: each call has an answer of its own. A request that was refused as a whole, for its content, is sent again in halves
//! until the call that is wrong stands alone; then its own operation tells what is wrong. After an answer that speaks of the
//! connection (it is throttled, down, or silent) nothing more is sent: the calls that are left come back as throttled.

use std::sync::Arc;

use futures_util::future::join_all;

use super::opened::Connection;
use super::perform::Prepared;
use crate::connector::answer::Answer;
use crate::connector::auth::{Credential, Grant};
use crate::connector::batch::Batch;
use crate::connector::call::{Action, Call, Reply, Select};
use crate::connector::classify::{Circumstances, Errors, classify, layers};
use crate::connector::failure::{Class, Done, Failure};
use crate::connector::file::BodyKind;
use crate::connector::prelude::Freshness;
use crate::expr::Context;
use crate::value::Value;

/// So many calls are under way at once that cannot go as one request, however many more the connection would let through.
const SIDE_BY_SIDE: usize = 8;

/// A call among others.
struct Member<'a> {
    /// Its place among all.
    place: usize,
    prepared: Prepared<'a>,
}

/// What came of the calls so far.
struct Outcomes {
    told: Vec<Option<Result<Reply, Failure>>>,
    /// True after an answer that speaks of the connection.
    stopped: bool,
}

/// What each call of one request was answered; `None` when the request has to be sent in halves.
type Answered = Option<Vec<Told>>;

/// What one call of a request was answered.
enum Told {
    This(Result<Reply, Failure>),
    /// Nothing, and it can be sent again without harm.
    Nothing,
}

impl Connection {
    /// Carries calls out that have nothing to do with each other: as few requests as the manifest says, one attempt. The answers stand
    /// in the order of the calls.
    pub async fn call_many(&self, calls: &[Call]) -> Vec<Result<Reply, Failure>> {
        let outward: Vec<_> = calls.iter().map(|call| self.names.outward(call)).collect();
        let mut outcomes = Outcomes { told: calls.iter().map(|_| None).collect(), stopped: false };
        let mut groups: Vec<Vec<Member<'_>>> = Vec::new();
        for (place, (call, _)) in outward.iter().enumerate() {
            if outcomes.stopped {
                break;
            }
            match self.prepared(call).await {
                Ok(prepared) => {
                    let group = groups.iter_mut().find(|group| goes_with(&group[0].prepared, &prepared));
                    let member = Member { place, prepared };
                    match group {
                        Some(group) => group.push(member),
                        None => groups.push(vec![member]),
                    }
                }
                Err(failure) => outcomes.tell(place, Err(failure)),
            }
        }
        for group in groups {
            match self.manifest.batch(group[0].prepared.plan.operation) {
                Some(batch) => self.batched(batch, group, &mut outcomes).await,
                None => self.side_by_side(&group, &mut outcomes).await,
            }
        }
        let told = outcomes.told.into_iter().zip(&outward);
        told.map(|(outcome, (_, object))| self.told(outcome.unwrap_or_else(not_sent), object.as_deref()))
            .collect()
    }

    async fn side_by_side(&self, group: &[Member<'_>], outcomes: &mut Outcomes) {
        for part in group.chunks(SIDE_BY_SIDE) {
            if outcomes.stopped {
                return;
            }
            let told = join_all(part.iter().map(|member| self.alone(&member.prepared))).await;
            for (member, outcome) in part.iter().zip(told) {
                outcomes.tell(member.place, outcome);
            }
        }
    }

    async fn batched(&self, batch: &Batch, group: Vec<Member<'_>>, outcomes: &mut Outcomes) {
        let mut left = in_parts(group, batch.max);
        while let Some(mut part) = left.pop() {
            if outcomes.stopped {
                return;
            }
            if let [member] = &*part {
                let outcome = self.alone(&member.prepared).await;
                outcomes.tell(member.place, outcome);
                continue;
            }
            match self.as_one(batch, &part).await {
                Ok(Some(answers)) => {
                    for (member, answer) in part.iter().zip(answers) {
                        let outcome = match answer {
                            Told::This(Ok(reply)) => self.finished(&member.prepared, reply).await,
                            Told::This(Err(failure)) => Err(failure),
                            Told::Nothing => self.alone(&member.prepared).await,
                        };
                        // Of one record: the others were answered as well.
                        outcomes.told[member.place] = Some(outcome);
                    }
                }
                Ok(None) => {
                    let rest = part.split_off(part.len() / 2);
                    left.extend([rest, part]);
                }
                Err(failure) => {
                    for member in &part {
                        outcomes.tell(member.place, Err(failure.clone()));
                    }
                }
            }
        }
    }

    /// Sends calls as one request; once more with a new credential, when the present one is refused.
    async fn as_one(&self, batch: &Batch, part: &[Member<'_>]) -> Result<Answered, Failure> {
        let mut refused: Option<Arc<Grant>> = None;
        loop {
            let credential = self.credential(refused.as_ref()).await?;
            match (self.attempt_as_one(batch, part, &credential).await, credential) {
                (Err(failure), Credential::Granted(grant))
                    if failure.class == Class::Expired && refused.is_none() =>
                {
                    refused = Some(grant);
                }
                (Err(failure), _) if is_of_content(&failure) => return Ok(None),
                (answered, _) => return answered,
            }
        }
    }

    async fn attempt_as_one(
        &self,
        batch: &Batch,
        part: &[Member<'_>],
        credential: &Credential,
    ) -> Result<Answered, Failure> {
        let Some(first) = part.first().map(|member| &member.prepared) else { return Ok(Some(Vec::new())) };
        let operation = first.plan.operation;
        let contexts = self.contexts(batch, part, credential).await?;
        let mut parts = Vec::with_capacity(part.len());
        for (number, context) in contexts.iter().enumerate() {
            let alone = if batch.wraps { operation.sends.parts(context)? } else { Value::Null };
            parts.push(batch.part(number, context, alone)?);
        }
        if parts.iter().map(|part| part.to_json().len()).sum::<usize>() > batch.bytes {
            return Ok(None);
        }
        let context = contexts[0].with("parts", Value::list(parts.iter().cloned()));
        let mut outgoing = batch.build(&self.base(&context)?, &self.manifest.defaults, &context)?;
        if let Some(way) = self.way() {
            way.apply(&mut outgoing, credential, &context)?;
        }
        let circumstances = self.circumstances(&first.call, operation);
        let answer = self.send(outgoing, operation, circumstances, batch.turns(part.len())).await?;
        let context = context.with("response", answer.to_value());
        let Some(answers) = batch.answers(&parts, &answer, &context) else {
            return self.refused(first, &answer, &context, circumstances);
        };
        let told = part.iter().zip(&contexts).zip(answers);
        Ok(Some(
            told.map(|((member, context), answer)| self.one(&member.prepared, context, answer)).collect(),
        ))
    }

    /// What the expressions of each call's own request see.
    async fn contexts(
        &self,
        batch: &Batch,
        part: &[Member<'_>],
        credential: &Credential,
    ) -> Result<Vec<Context>, Failure> {
        let kept = match credential {
            Credential::Granted(grant) => grant.kept.clone(),
            Credential::Settings => Value::default(),
        };
        let mut contexts = Vec::with_capacity(part.len());
        for Member { prepared, .. } in part {
            let (call, plan) = (&prepared.call, prepared.plan);
            let needs: Vec<_> = plan.operation.needs.iter().chain(&batch.needs).cloned().collect();
            let preludes = self.preludes(&needs, call, plan, Freshness::Kept).await?;
            contexts.push(self.context(call, plan, &kept, &preludes));
        }
        Ok(contexts)
    }

    /// What came of one call of a batch.
    fn one(&self, prepared: &Prepared<'_>, context: &Context, answer: Option<Answer>) -> Told {
        let circumstances = self.circumstances(&prepared.call, prepared.plan.operation);
        match answer {
            Some(answer) => {
                Told::This(self.read(&prepared.call, prepared.plan, context, &answer, circumstances))
            }
            None if circumstances.repeatable => Told::Nothing,
            None => {
                let words = "the answer to the batch does not tell what came of this call";
                Told::This(Err(Failure { done: Done::Perhaps, ..Failure::new(circumstances.lost(), words) }))
            }
        }
    }

    /// An answer that is about the whole request.
    fn refused(
        &self,
        first: &Prepared<'_>,
        answer: &Answer,
        context: &Context,
        circumstances: Circumstances,
    ) -> Result<Answered, Failure> {
        let operation = first.plan.operation;
        let last = self.last().get(&operation.own).cloned();
        let readable = matches!(answer.kind, BodyKind::Json | BodyKind::Empty);
        // What is missing here is no record.
        let circumstances = Circumstances { about_record: false, readable, ..circumstances };
        let own = Errors::default();
        let context = context.with("last", last.unwrap_or_default());
        let (failure, holds) =
            classify(answer, &context, &layers(&own, &self.manifest.errors), circumstances);
        // It says that it went well, and not of what: perhaps all of it was done.
        let failure = if answer.is_success() && failure.class == Class::Permanent {
            Failure { class: circumstances.lost(), done: Done::Perhaps, ..failure }
        } else {
            failure
        };
        self.judge(failure, holds, &first.call, operation).map(|_| None)
    }
}

impl Outcomes {
    fn tell(&mut self, place: usize, outcome: Result<Reply, Failure>) {
        if let Err(failure) = &outcome {
            self.stopped |= speaks_of_the_connection(failure.class);
        }
        self.told[place] = Some(outcome);
    }
}

/// True when whatever is sent next would fare no better.
fn speaks_of_the_connection(class: Class) -> bool {
    match class {
        Class::Throttled | Class::Transient | Class::Expired | Class::ConnectionDown | Class::Unknown => true,
        Class::Missing | Class::Duplicate | Class::Locked | Class::Permanent | Class::Partial => false,
    }
}

/// True when a request was refused, and not carried out, for what one of its calls says.
fn is_of_content(failure: &Failure) -> bool {
    let refused =
        matches!(failure.class, Class::Permanent | Class::Duplicate | Class::Missing | Class::Partial);
    refused && failure.done == Done::No
}

fn not_sent() -> Result<Reply, Failure> {
    Err(Failure::new(Class::Throttled, "not sent: a call beside it found the connection busy or down"))
}

/// True when two calls may stand in one request.
fn goes_with(a: &Prepared<'_>, b: &Prepared<'_>) -> bool {
    std::ptr::eq(a.plan.operation, b.plan.operation)
        && a.call.action.object() == b.call.action.object()
        && a.call.params == b.call.params
        && looks_by(&a.call.action) == looks_by(&b.call.action)
}

/// The fields that a call looks by, what it selects, and the set that it changes.
fn looks_by(action: &Action) -> (Vec<&str>, Option<&Select>, Option<&str>) {
    match action {
        Action::Find { identity, select, .. } => {
            (identity.keys().map(|name| &**name).collect(), Some(select), None)
        }
        Action::Get { select, .. } => (Vec::new(), Some(select), None),
        Action::Upsert { key, .. } => (key.keys().map(|name| &**name).collect(), None, None),
        Action::Link { relation, .. } | Action::Unlink { relation, .. } => (Vec::new(), None, Some(relation)),
        _ => (Vec::new(), None, None),
    }
}

/// A stack of parts of at most so many, the first on top.
fn in_parts(group: Vec<Member<'_>>, max: usize) -> Vec<Vec<Member<'_>>> {
    let mut parts: Vec<Vec<Member<'_>>> = Vec::new();
    for member in group {
        match parts.last_mut().filter(|part| part.len() < max) {
            Some(part) => part.push(member),
            None => parts.push(vec![member]),
        }
    }
    parts.reverse();
    parts
}
