//! `create`: one new record, once.
//!
//! The identity is taken first (intent on disk, invariant 2), then the record is looked for, then written: so two
//! runs with one key never both find nothing, and an answer that was lost is looked for before anything is sent
//! again.

use std::sync::Arc;

use super::calls::{At, Before, FOUND_AFTER_LOSS, Written, audit, fingerprint};
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::identity;
use super::journal::{Durability, Identity};
use super::look_up::{Found, Hit, LookUp, candidate, candidates, many_in_words};
use super::lower::Lowering;
use super::mapping::{Difference, Mapping, Operand};
use super::target::Target;
use super::uses::Role;
use crate::config::step::{self, CreateStep};
use crate::connector::{
    Action, ActionKind, Call, Class, Failure, Fields, OperationFacts, Repeat, Reply, Select,
};
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::expr::{Expr, Reference};
use crate::value::Value;

/// `create`, ready to be performed.
#[derive(Debug)]
pub(super) struct Create {
    pub(super) target: Target,
    pub(super) key: Key,
    pub(super) fields: Mapping,
    pub(super) params: Mapping,
    /// The fields that later expressions read of a record that existed already.
    pub(super) select: Select,
}

/// What makes the record the same one again.
#[derive(Debug)]
pub(super) enum Key {
    /// Nothing: a message.
    None,
    /// Fields that are written, and by which it is looked up.
    Fields(Mapping),
    /// A value in our own store.
    Value(Operand),
}

/// A key with its value for this run.
enum Sought {
    Nothing,
    Fields(Fields),
    Value(Identity),
}

impl Create {
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let sought = self.sought(at, run)?;
        let identities = sought.identities(&self.target);
        let key = identities.first().map_or("", |identity| &*identity.key);
        let fingerprint = fingerprint(&["create", &self.target.to_string(), key]);
        let before = match run.before(at, fingerprint)? {
            Before::Done(given) => return Ok(given),
            before => before,
        };
        let facts = self.target.action(ActionKind::Create).cloned().unwrap_or_default();
        let must_intend = !identities.is_empty() || facts.repeat != Repeat::Harmless;
        let params = self.params.eval_params(at, run)?;
        let work = Work { create: self, fingerprint, facts, sought, identities, params };
        // Before the intent: what cannot be computed is not intended either.
        let difference = work.difference(at, run)?;
        if must_intend {
            // Also what was intended before: a run that ended and is tried again has lost its hold on the identities.
            run.intend(at, fingerprint, work.identities.clone()).await?;
        }
        let existing = match work.existing(at, run).await {
            Ok(existing) => existing,
            Err(stop) => {
                // Nothing was sent: the next attempt must not take what it finds for our own.
                if must_intend && before == Before::Nothing {
                    run.withdrawn(at).await?;
                }
                return Err(stop);
            }
        };
        if let Some(hit) = existing {
            if before != Before::Intended {
                return work.found(at, run, hit).await;
            }
            return work.created(at, run, reply_of(hit), difference, Some(FOUND_AFTER_LOSS)).await;
        }
        let blind = before == Before::Intended && !work.can_look_up();
        let note = if blind { run.again(at, &work.facts)? } else { None };
        work.send(at, run, difference, Again { blind, note }).await
    }

    fn sought(&self, at: &At<'_>, run: &Execution<'_>) -> Result<Sought, Stop> {
        match &self.key {
            Key::None => Ok(Sought::Nothing),
            Key::Fields(mapping) => {
                let words = || format!("the key of {} is empty: {}", self.target, mapping.in_words());
                let fields = mapping.eval_identity(at, run)?;
                fields.map(Sought::Fields).ok_or_else(|| run.conflict(at, None, words(), Vec::new()))
            }
            Key::Value(expression) => {
                let value = run.eval(at, "key", expression)?;
                if value.is_blank() {
                    let words = format!("the key of {} is empty", self.target);
                    return Err(run.conflict(at, None, words, Vec::new()));
                }
                Ok(Sought::Value(Identity::of_value(&self.target, &value)))
            }
        }
    }
}

impl Sought {
    fn identities(&self, target: &Target) -> Vec<Identity> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Fields(fields) => vec![Identity::of_fields(target, fields)],
            Self::Value(identity) => vec![identity.clone()],
        }
    }
}

/// One create of one run.
struct Work<'a> {
    create: &'a Create,
    fingerprint: u64,
    facts: OperationFacts,
    sought: Sought,
    identities: Vec<Identity>,
    params: Value,
}

/// What sending it says of earlier attempts.
struct Again {
    /// True when one of them may have done it, and nothing can tell.
    blind: bool,
    /// What the audit says of it.
    note: Option<&'static str>,
}

impl Work<'_> {
    /// True when the system itself can tell whether the record exists.
    fn can_look_up(&self) -> bool {
        match &self.sought {
            Sought::Fields(fields) => self.create.target.finder(fields).is_some(),
            Sought::Nothing | Sought::Value(_) => false,
        }
    }

    /// The record with this key, if there is one already.
    async fn existing(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Option<Hit>, Stop> {
        let target = &self.create.target;
        match &self.sought {
            Sought::Nothing => Ok(None),
            Sought::Value(identity) => match run.known(identity).await? {
                Some(id) => run.fetch(at, target, &id, &self.create.select, Value::Null).await,
                None => Ok(None),
            },
            Sought::Fields(fields) => {
                let alternatives = std::slice::from_ref(fields);
                let select = &self.create.select;
                let look = LookUp { target, alternatives, select, params: Value::Null };
                match run.look_up(at, &look).await? {
                    Found::None => Ok(None),
                    Found::One(hit) => Ok(Some(hit)),
                    Found::Many { candidates, by, .. } => {
                        Err(run.conflict(at, None, many_in_words(target, &by, &candidates), candidates))
                    }
                    Found::Contradiction { candidate, words } => {
                        Err(run.conflict(at, None, words, vec![candidate]))
                    }
                }
            }
        }
    }

    async fn send(
        &self,
        at: &At<'_>,
        run: &mut Execution<'_>,
        difference: Difference,
        again: Again,
    ) -> Result<Value, Stop> {
        let target = &self.create.target;
        let action = Action::Create { object: Arc::clone(&target.object), fields: difference.fields.clone() };
        let call = Call {
            params: self.params.clone(),
            idempotency_key: Some(run.idempotency_key(at)),
            ..Call::new(Arc::clone(&target.connection), action)
        };
        match run.send(&at.step.label, &call).await {
            Ok(reply) => self.created(at, run, reply, difference, again.note).await,
            Err(failure) => {
                // When an earlier attempt may have done it, this one's failure does not say that it did not.
                if !again.blind {
                    run.withdraw(at, &failure).await?;
                }
                if failure.class == Class::Duplicate {
                    return self.duplicate(at, run, failure).await;
                }
                Err(at.fail(failure, Some(&target.connection)))
            }
        }
    }

    fn difference(&self, at: &At<'_>, run: &Execution<'_>) -> Result<Difference, Stop> {
        let mut difference = Difference::of_new(&self.create.target, self.create.fields.eval(at, run)?);
        if let Sought::Fields(fields) = &self.sought {
            difference.add_identity(&self.create.target, fields);
        }
        Ok(difference)
    }

    /// It was created, now or by an attempt whose answer was lost.
    async fn created(
        &self,
        at: &At<'_>,
        run: &mut Execution<'_>,
        reply: Reply,
        difference: Difference,
        note: Option<&'static str>,
    ) -> Result<Value, Stop> {
        let target = &self.create.target;
        let agreed = difference.agreed(target, &run.world.client.name, reply.id.as_ref());
        let record = reply.record.unwrap_or_else(|| Value::from(difference.fields));
        let given = Given::new(Outcome::Created)
            .id(reply.id.as_ref())
            .object(target)
            .record(target.with_id(&record, reply.id.as_ref()));
        let mut entry =
            audit(at, "create", &target.connection, &target.object, reply.id.as_ref(), difference.changes);
        entry.left_alone = difference.left_alone;
        entry.note = note.map(Arc::from);
        // What the system cannot tell us again has to be on disk before anything else is done.
        let durability =
            if self.can_look_up() { Durability::WithNextCommit } else { Durability::BeforeGoingOn };
        run.record(Written {
            fingerprint: self.fingerprint,
            given: given.into(),
            audit: Some(entry),
            identified: self.identified(reply.id.as_ref()),
            agreed,
            durability,
            at,
        })
        .await
    }

    /// It was there before this run: nothing is written.
    async fn found(&self, at: &At<'_>, run: &mut Execution<'_>, hit: Hit) -> Result<Value, Stop> {
        let given =
            Given::new(Outcome::Found).id(Some(&hit.id)).object(&self.create.target).record(hit.record);
        run.record(Written {
            fingerprint: self.fingerprint,
            given: given.into(),
            audit: None,
            identified: self.identified(Some(&hit.id)),
            agreed: Vec::new(),
            durability: Durability::WithNextCommit,
            at,
        })
        .await
    }

    /// The system says that it exists: the record with our key, or one that it takes for the same.
    async fn duplicate(&self, at: &At<'_>, run: &mut Execution<'_>, failure: Failure) -> Result<Value, Stop> {
        if let Some(hit) = self.existing(at, run).await? {
            return self.found(at, run, hit).await;
        }
        let target = &self.create.target;
        let words = format!("{target} exists already, though not with this key: {failure}");
        let other = match &failure.other {
            Some(id) => run.fetch(at, target, id, &Select::All, Value::Null).await?,
            None => None,
        };
        match other {
            Some(hit) if !self.contradicts(&hit) => self.found(at, run, hit).await,
            Some(hit) => Err(run.conflict(at, None, words, vec![candidate(target, &hit)])),
            None => Err(run.conflict(at, None, words, candidates(target, failure.candidates))),
        }
    }

    /// True when a record that the system takes for the same carries another key.
    fn contradicts(&self, hit: &Hit) -> bool {
        match &self.sought {
            Sought::Fields(fields) => {
                identity::contradiction(&self.create.target, &hit.record, std::slice::from_ref(fields))
                    .is_some()
            }
            Sought::Nothing | Sought::Value(_) => false,
        }
    }

    fn identified(&self, id: Option<&Arc<str>>) -> Vec<(Identity, Arc<str>)> {
        let Some(id) = id else { return Vec::new() };
        self.identities.iter().map(|identity| (identity.clone(), Arc::clone(id))).collect()
    }
}

fn reply_of(hit: Hit) -> Reply {
    Reply { id: Some(hit.id), record: Some(hit.record), ..Reply::default() }
}

impl Lowering<'_> {
    pub(super) fn create_step(&mut self, path: &Path, written: &CreateStep) -> Option<Create> {
        let target = self.target(&path.key("object"), &written.object, ActionKind::Create);
        let key = self.create_key(path, written, target.as_ref());
        let fields = self.mapping(&path.key("fields"), &written.fields, Role::Value);
        let params = self.mapping(&path.key("params"), &written.params, Role::Value);
        let (target, key, params) = (target?, key?, params?);
        let fields = self.with_rights(&target, fields?);
        Some(Create { target, key, fields, params, select: Select::All })
    }

    fn create_key(&mut self, path: &Path, written: &CreateStep, target: Option<&Target>) -> Option<Key> {
        let at = path.key("key");
        match &written.key {
            Some(step::Key::Fields(fields)) => {
                let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                let mapping = self.mapping(&at, fields, Role::Value);
                let fits = target.is_none_or(|target| self.finds_by(&at, target, &names));
                let operands = mapping.iter().flat_map(|mapping| mapping.0.iter().map(|field| &field.value));
                let weak = weakness(operands);
                self.doubt_key(&at, weak);
                mapping.filter(|_| fits).map(Key::Fields)
            }
            Some(step::Key::Value(value)) => {
                let key = self.operand(&at, value);
                self.doubt_key(&at, weakness(key.iter()));
                key.map(Key::Value)
            }
            None => {
                let message = target.and_then(|target| target.action(ActionKind::Create));
                if !message.is_some_and(|facts| facts.message) {
                    let fact = "nothing says what makes this record the same one again";
                    let finding = Diagnostic::new(Code::CreateWithoutKey, self.key(path), fact)
                        .label("an event that comes twice creates it twice")
                        .help("add `key`: fields that identify it, or a value that lockstep keeps");
                    self.warn(finding);
                }
                Some(Key::None)
            }
        }
    }

    fn doubt_key(&mut self, at: &Path, weak: Option<(&'static str, &'static str)>) {
        if let Some((label, help)) = weak {
            let fact = "this key does not tell one record from another";
            let finding = Diagnostic::new(Code::WeakKey, self.key(at), fact).label(label).help(help);
            self.warn(finding);
        }
    }
}

/// Why a key that is made of these does not identify a record, and what to do: it is the same for all of them, or another
/// one at each attempt.
fn weakness<'o>(operands: impl Iterator<Item = &'o Operand>) -> Option<(&'static str, &'static str)> {
    let expressions = operands.map(|operand| match operand {
        Operand::Written(expression) => Some(expression),
        Operand::Known(_) => None,
    });
    let expressions = expressions.collect::<Option<Vec<&Expr>>>()?;
    if expressions.is_empty() {
        return None;
    }
    if expressions.iter().all(|expression| expression.is_constant()) {
        let help = "take in what differs from record to record, such as `$.object.id`";
        return Some(("it is the same in every run: only the first one creates a record", help));
    }
    let mut references = expressions.iter().flat_map(|expression| expression.references());
    references.any(passes).then_some((
        "it is another one when the run is tried again: the record would be created twice",
        "take what stays the same, such as `$.object.id` or `$.event.id`",
    ))
}

/// True for what differs from attempt to attempt; `now` and the run's id do not.
fn passes(reference: &Reference) -> bool {
    matches!(reference.names().as_slice(), ["run", "attempt", ..])
}
