//! `upsert`: find, then create or update. Two runs that upsert one identity at one time never create it twice: the
//! identities are taken in sorted order before a create, and the record is looked for again after they were won.

use std::sync::Arc;

use super::calls::{At, Before, PERHAPS_CREATED, Written, audit, fingerprint, noted};
use super::execute::{Execution, Stop};
use super::find::{blank_in_words, identities};
use super::given::{Given, Outcome};
use super::journal::{Durability, Identity};
use super::look_up::{Found, Hit, LookUp, candidate, candidates, many_in_words};
use super::lower::{Lowering, Wrong};
use super::lower_steps::Selecting;
use super::mapping::{Difference, Mapping};
use super::reads;
use super::target::Target;
use super::update::Change;
use super::uses::Role;
use super::ways::Way;
use crate::config::step::UpsertStep;
use crate::connector::{Action, ActionKind, Call, Class, Failure, Fields, Reply, Select};
use crate::diagnostic::Path;
use crate::expr::{Condition, Expr, ReferenceSeg};
use crate::value::Value;

/// `upsert`, ready to be performed.
#[derive(Debug)]
pub(super) struct Upsert {
    pub(super) target: Target,
    /// Alternatives in order.
    pub(super) alternatives: Vec<Mapping>,
    pub(super) guard: Option<Condition>,
    pub(super) fields: Mapping,
    pub(super) blind: bool,
    pub(super) reason: Option<Expr>,
    pub(super) params: Mapping,
    /// The fields that later expressions, and the guard, read of a record that existed already.
    pub(super) select: Select,
}

/// One upsert of one run.
struct Work<'a> {
    upsert: &'a Upsert,
    fingerprint: u64,
    alternatives: Vec<Fields>,
    params: Value,
    /// True when the intent of the create is open: by this attempt or an earlier one.
    open: bool,
    /// True when an earlier attempt may have created it.
    perhaps_ours: bool,
}

impl Upsert {
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let alternatives = identities(&self.alternatives, at, run)?;
        if alternatives.is_empty() {
            let words = format!("nothing to look by: {}", blank_in_words(&self.target, &self.alternatives));
            return Err(run.conflict(at, self.reason.as_ref(), words, Vec::new()));
        }
        let keys: Vec<Arc<str>> =
            alternatives.iter().map(|fields| Identity::of_fields(&self.target, fields).key).collect();
        let fingerprint = fingerprint(&["upsert", &self.target.to_string(), &keys.join(" ")]);
        let before = match run.before(at, fingerprint)? {
            Before::Done(given) => return Ok(given),
            before => before,
        };
        let params = self.params.eval_params(at, run)?;
        let open = before == Before::Intended;
        let work = Work { upsert: self, fingerprint, alternatives, params, open, perhaps_ours: open };
        if self.blind { work.blind(at, run).await } else { work.perform(at, run).await }
    }
}

impl Work<'_> {
    async fn perform(mut self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        if self.perhaps_ours {
            // Once more: a run that ended and is tried again has lost its hold on the identities.
            run.intend(at, self.fingerprint, self.identities()).await?;
        }
        if let Some(hit) = self.look(at, run).await? {
            return self.update(at, run, hit).await;
        }
        // Before the intent: what cannot be computed is not intended either.
        let difference = self.new_record(at, run)?;
        if !self.open {
            run.intend(at, self.fingerprint, self.identities()).await?;
            self.open = true;
            // Another run may have created it between our look and our intent.
            let found = match self.look(at, run).await {
                Ok(found) => found,
                // Nothing was sent: the next attempt must not take what it finds for our own.
                Err(stop) => return Err(self.give_up(at, run, stop).await?),
            };
            if let Some(hit) = found {
                return self.update(at, run, hit).await;
            }
        }
        self.create(at, run, difference).await
    }

    /// The one record there is, with the guard's consent.
    async fn look(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Option<Hit>, Stop> {
        let upsert = self.upsert;
        let select = reads::both(&upsert.select, upsert.fields.names());
        let look = LookUp {
            target: &upsert.target,
            alternatives: &self.alternatives,
            select: &select,
            params: Value::Null,
        };
        let reason = upsert.reason.as_ref();
        let hit = match run.look_up(at, &look).await? {
            Found::None => return Ok(None),
            Found::One(hit) => hit,
            Found::Many { candidates, by, .. } => {
                let words = many_in_words(&upsert.target, &by, &candidates);
                return Err(self.give_up(at, run, run.conflict(at, reason, words, candidates)).await?);
            }
            Found::Contradiction { candidate, words } => {
                return Err(self.give_up(at, run, run.conflict(at, reason, words, vec![candidate])).await?);
            }
        };
        let Some(guard) = &upsert.guard else { return Ok(Some(hit)) };
        let context = run.context.with("found", hit.record.clone());
        let holds = guard.eval(&context).map_err(|error| at.refuse(format!("guard: {error}")))?;
        if holds {
            return Ok(Some(hit));
        }
        run.took(&at.step.label, Way::GuardFails);
        let words = format!(
            "the {} {} that was found is not as the guard demands: {}",
            upsert.target,
            hit.id,
            guard.source()
        );
        let stop = run.conflict(at, reason, words, vec![candidate(&upsert.target, &hit)]);
        Err(self.give_up(at, run, stop).await?)
    }

    /// Frees the identities when the run ends here: a person decides, and other runs must not wait for that.
    async fn give_up(&self, at: &At<'_>, run: &Execution<'_>, stop: Stop) -> Result<Stop, Stop> {
        if self.open {
            run.withdrawn(at).await?;
        }
        Ok(stop)
    }

    async fn update(self, at: &At<'_>, run: &mut Execution<'_>, hit: Hit) -> Result<Value, Stop> {
        let mapped = self.upsert.fields.eval(at, run)?;
        let target = &self.upsert.target;
        let agreements = run.agreements(target, &hit.id, &self.upsert.fields).await?;
        let named = (&*hit.id, &*run.world.client.name);
        let difference = Difference::from(target, named, mapped, &hit.record, &agreements);
        let (outcome, lost) = if self.perhaps_ours {
            (Outcome::Created, Some(self.new_record(at, run)?))
        } else {
            (Outcome::Updated, None)
        };
        // What a consistent search finds needs no memory of ours.
        let identified = if self.open { self.identified(Some(&hit.id)) } else { Vec::new() };
        let change = Change {
            target: &self.upsert.target,
            fingerprint: self.fingerprint,
            params: self.params,
            hit,
            difference,
            outcome,
            identified,
            lost,
            open: self.open,
        };
        change.perform(at, run).await
    }

    /// Under the intent, and after having looked again, a plain create is as safe as the system's own upsert, and it
    /// works with fields that the system does not keep unique. Where it does, it answers `duplicate`.
    async fn create(
        self,
        at: &At<'_>,
        run: &mut Execution<'_>,
        difference: Difference,
    ) -> Result<Value, Stop> {
        let target = &self.upsert.target;
        let action = Action::Create { object: Arc::clone(&target.object), fields: difference.fields.clone() };
        let call = Call {
            params: self.params.clone(),
            idempotency_key: Some(run.idempotency_key(at)),
            ..Call::new(Arc::clone(&target.connection), action)
        };
        match run.send(&at.step.label, &call).await {
            Ok(reply) => self.created(at, run, reply, difference).await,
            Err(failure) => {
                run.withdraw(at, &failure).await?;
                if failure.class == Class::Duplicate {
                    return self.duplicate(at, run, failure).await;
                }
                Err(at.fail(failure, Some(&target.connection)))
            }
        }
    }

    /// The mapping, and the fields of the first alternative that has a value.
    fn new_record(&self, at: &At<'_>, run: &Execution<'_>) -> Result<Difference, Stop> {
        let mut difference = Difference::of_new(&self.upsert.target, self.upsert.fields.eval(at, run)?);
        if let Some(first) = self.alternatives.first() {
            difference.add_identity(&self.upsert.target, first);
        }
        Ok(difference)
    }

    async fn created(
        self,
        at: &At<'_>,
        run: &Execution<'_>,
        reply: Reply,
        difference: Difference,
    ) -> Result<Value, Stop> {
        let target = &self.upsert.target;
        let id = reply.id.as_ref();
        let outcome = if reply.created == Some(false) { Outcome::Updated } else { Outcome::Created };
        let agreed = difference.agreed(target, &run.world.client.name, id);
        let record = reply.record.unwrap_or_else(|| Value::from(difference.fields));
        let given = Given::new(outcome).id(id).object(target).record(target.with_id(&record, id));
        let verb = if outcome == Outcome::Updated { "update" } else { "create" };
        let mut entry = audit(at, verb, &target.connection, &target.object, id, difference.changes);
        entry.left_alone = difference.left_alone;
        // What the system calls an update may be of a record that this run has made.
        let again = (outcome == Outcome::Updated && run.run.resumed).then_some(PERHAPS_CREATED);
        entry.note = noted(again, difference.notes);
        run.record(Written {
            fingerprint: self.fingerprint,
            given: given.into(),
            audit: Some(entry),
            identified: self.identified(id),
            agreed,
            durability: Durability::WithNextCommit,
            at,
        })
        .await
    }

    /// The system says that it exists, though we did not find it: looked for again, then gone on with as an update.
    async fn duplicate(
        mut self,
        at: &At<'_>,
        run: &mut Execution<'_>,
        failure: Failure,
    ) -> Result<Value, Stop> {
        self.open = false;
        if let Some(hit) = self.look(at, run).await? {
            return self.update(at, run, hit).await;
        }
        let target = &self.upsert.target;
        let words =
            format!("{target} exists already, though nothing is found by what identifies it: {failure}");
        let other = failure.other.as_ref().map(|other| Value::from(Arc::clone(other)));
        let named = failure.candidates.into_iter().chain(other).collect();
        Err(run.conflict(at, self.upsert.reason.as_ref(), words, candidates(target, named)))
    }

    /// Leaves it all to the system's own upsert: doing that twice does nothing more, so nothing is intended.
    async fn blind(self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let target = &self.upsert.target;
        let difference = Difference::blind(target, self.upsert.fields.eval(at, run)?);
        let key = self.alternatives.first().cloned().unwrap_or_default();
        let action = Action::Upsert {
            object: Arc::clone(&target.object),
            key: key.clone(),
            fields: difference.fields.clone(),
        };
        let content = Value::from(difference.fields.clone());
        let call = Call {
            params: self.params.clone(),
            idempotency_key: Some(run.idempotency_key_for(at, &content)),
            ..Call::new(Arc::clone(&target.connection), action)
        };
        match run.send(&at.step.label, &call).await {
            Ok(reply) => {
                if let Some(id) = &reply.id {
                    run.reads.forget(target, id);
                }
                self.created(at, run, reply, difference).await
            }
            Err(failure) if failure.class == Class::Duplicate => {
                let words = format!("several {target} could be meant: {failure}");
                Err(run.conflict(at, self.upsert.reason.as_ref(), words, failure.candidates))
            }
            Err(failure) => Err(at.fail(failure, Some(&target.connection))),
        }
    }

    fn identities(&self) -> Vec<Identity> {
        self.alternatives.iter().map(|fields| Identity::of_fields(&self.upsert.target, fields)).collect()
    }

    fn identified(&self, id: Option<&Arc<str>>) -> Vec<(Identity, Arc<str>)> {
        let Some(id) = id else { return Vec::new() };
        self.identities().into_iter().map(|identity| (identity, Arc::clone(id))).collect()
    }
}

impl Upsert {
    /// The guard reads fields too.
    pub(super) fn settle(&mut self, select: Selecting<'_>) {
        self.select = match &self.guard {
            Some(guard) => guarded(&select(&self.target), guard),
            None => select(&self.target),
        };
    }
}

fn guarded(select: &Select, guard: &Condition) -> Select {
    let mut names = Vec::new();
    for reference in guard.references() {
        match reference.segments.as_slice() {
            [ReferenceSeg::Name(root), ReferenceSeg::Name(field), ..] if &**root == "found" => {
                names.push(Arc::clone(field));
            }
            [ReferenceSeg::Name(root), ..] if &**root != "found" => {}
            _ => return Select::All,
        }
    }
    reads::both(select, names)
}

impl Lowering<'_> {
    pub(super) fn upsert_step(&mut self, path: &Path, written: &UpsertStep) -> Option<Upsert> {
        let object = path.key("object");
        let target = if written.blind {
            self.target(&object, &written.object, ActionKind::Upsert)
        } else {
            let target = self.target(&object, &written.object, ActionKind::Create);
            target.and_then(|_| self.target(&object, &written.object, ActionKind::Update))
        };
        let looks = target.as_ref().filter(|_| !written.blind);
        let alternatives = self.alternatives(path, &written.matching, looks);
        let guard = match &written.guard {
            Some(guard) => self.condition_with(&path.key("guard"), guard, &["found"]).map(Some).ok_or(Wrong),
            None => Ok(None),
        };
        let fields = self.mapping(&path.key("fields"), &written.fields, Role::Value);
        if let Some(fields) = fields.as_ref().filter(|_| written.blind) {
            self.not_blind(&path.key("fields"), fields);
        }
        let reason = self.reason(path, written.reason.as_ref());
        let params = self.mapping(&path.key("params"), &written.params, Role::Value);
        let target = target?;
        Some(Upsert {
            alternatives: alternatives?,
            guard: guard.ok()?,
            fields: self.with_rights(&target, fields?),
            target,
            blind: written.blind,
            reason: reason.ok()?,
            params: params?,
            select: Select::All,
        })
    }
}
