//! `script`: Rhai with each connection as an object.
//!
//! Nothing blocks: the script runs over the answers that are known, ends at the first call without one, the call is
//! performed like a step of its own (journalled, looked up, compared), and the script starts again.

use std::sync::Arc;

use indexmap::IndexMap;

use super::call::Operation;
use super::calls::{At, Before, fingerprint};
use super::create::{Create, Key};
use super::delete::Delete;
use super::ending::Ending;
use super::execute::{Execution, Stop};
use super::find::{Find, Place};
use super::get::Get;
use super::given::{Given, Outcome};
use super::link::{Direction, Link};
use super::list::List;
use super::lower::Lowering;
use super::mapping::{Mapping, Operand};
use super::ownership::{Heard, ScriptRights};
use super::target::Target;
use super::update::Update;
use super::upsert::Upsert;
use crate::config::ObjectRef;
use crate::config::step::ManyFound;
use crate::connector::{Abilities, ActionKind, Select};
use crate::diagnostic::Path;
use crate::expr::{self, ScriptAnswer, ScriptCall, ScriptOutcome};
use crate::value::Value;
use crate::words::NoneFound;
use crate::written;

/// How many records a script may list at once; as many as a step may.
const LIST_MAX: u32 = 1_000;

/// `script`, ready to be performed.
pub(super) struct Script {
    pub(super) text: expr::Script,
    /// The connections that it can call.
    pub(super) connections: Arc<IndexMap<Arc<str>, Arc<Abilities>>>,
    /// What the client's pipelines hear of.
    pub(super) heard: Arc<Heard>,
    /// What it may write.
    pub(super) rights: ScriptRights,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let mut answers: Vec<ScriptAnswer> = Vec::new();
        loop {
            let mut known =
                |call: &ScriptCall| answers.get(call.number).cloned().unwrap_or(ScriptAnswer::Unanswered);
            let outcome = self.text.run(&run.context, &mut known);
            match outcome.map_err(|error| at.refuse(error.to_string()))? {
                ScriptOutcome::Done(value) => {
                    return Ok(Given::new(Outcome::Done).with("result", value).into());
                }
                ScriptOutcome::Call(call) => {
                    answers.push(self.answer(&at.nth(call.number), run, &call).await?);
                }
            }
        }
    }

    /// Performs one call. A failure that no further attempt could change is the script's to catch; so is one that it
    /// was given by an earlier attempt.
    async fn answer(
        &self,
        at: &At<'_>,
        run: &mut Execution<'_>,
        call: &ScriptCall,
    ) -> Result<ScriptAnswer, Stop> {
        if let Some(given) = run.failed_before(at) {
            return Ok(failed(&given));
        }
        match self.perform_call(at, run, call).await {
            Ok(given) => {
                let reads = matches!(&*call.verb, "find" | "get" | "list");
                run.note(!reads, &given);
                Ok(ScriptAnswer::Given(given))
            }
            Err(stop) => match &*stop {
                Ending::Failed { failure, .. } if run.is_final(at, failure.class) => {
                    run.record_failed(at, failure).await.map(|given| failed(&given))
                }
                _ => Err(stop),
            },
        }
    }

    async fn perform_call(
        &self,
        at: &At<'_>,
        run: &mut Execution<'_>,
        call: &ScriptCall,
    ) -> Result<Value, Stop> {
        let args = Args { at, call, rights: &self.rights };
        if call.verb == "call" {
            return self.operation(at, run, call).await;
        }
        let target = self.target(at, call)?;
        match &*call.verb {
            "find" => args.find(target)?.perform(at, run).await,
            "get" => args.get(target).perform(at, run).await,
            "list" => args.list(target).perform(at, run).await,
            "create" => args.create(target).perform(at, run).await,
            "update" => args.update(target).perform(at, run).await,
            "upsert" => args.upsert(target).perform(at, run).await,
            "delete" => args.delete(target).perform(at, run).await,
            "link" => args.link(target, Direction::Link).perform(at, run).await,
            "unlink" => args.link(target, Direction::Unlink).perform(at, run).await,
            other => Err(at.refuse(format!("a connection has no `{other}`"))),
        }
    }

    /// The object of a call, if the connection has it and can do that with it.
    fn target(&self, at: &At<'_>, call: &ScriptCall) -> Result<Target, Stop> {
        let unknown = || at.refuse(format!("{} has no object `{}`", call.connection, call.object));
        let (connection, abilities) =
            self.connections.get_key_value(call.connection.as_str()).ok_or_else(unknown)?;
        let object = ObjectRef { connection: Arc::clone(connection), object: call.object.as_str().into() };
        let heard = self.heard.hears(&object);
        let target = Target {
            connection: object.connection,
            object: object.object,
            abilities: Arc::clone(abilities),
            heard,
        };
        target.facts().ok_or_else(unknown)?;
        let kind = ActionKind::ALL.into_iter().find(|kind| kind.word() == call.verb);
        match kind {
            Some(kind) if target.action(kind).is_none() => {
                Err(at.refuse(format!("{target} has no `{}`", call.verb)))
            }
            _ => Ok(target),
        }
    }

    async fn operation(
        &self,
        at: &At<'_>,
        run: &mut Execution<'_>,
        call: &ScriptCall,
    ) -> Result<Value, Stop> {
        let known = self.connections.get_key_value(call.connection.as_str());
        let facts = known.and_then(|(name, abilities)| Some((name, abilities.operation(&call.object)?)));
        let Some((connection, facts)) = facts else {
            return Err(at.refuse(format!("{} has no operation `{}`", call.connection, call.object)));
        };
        let name: Arc<str> = call.object.as_str().into();
        let fingerprint = fingerprint(&["call", connection, &name, &call.args.to_json()]);
        let before = run.before(at, fingerprint)?;
        if let Before::Done(given) = before {
            return Ok(given);
        }
        let params = call.args.as_list().and_then(<[Value]>::first).cloned().unwrap_or_default();
        let operation =
            Operation { connection, name: &name, facts, params, fingerprint, identity: None, accept: &[] };
        operation.perform(at, run, before).await
    }
}

fn failed(given: &Value) -> ScriptAnswer {
    let message = given.at(&["error", "message"]).map_or_else(String::new, Value::to_string);
    ScriptAnswer::Failed(message)
}

/// The arguments of a script's call, as the verbs of steps take them.
struct Args<'a> {
    at: &'a At<'a>,
    call: &'a ScriptCall,
    rights: &'a ScriptRights,
}

impl Args<'_> {
    fn nth(&self, index: usize) -> Value {
        self.call.args.as_list().and_then(|args| args.get(index)).cloned().unwrap_or_default()
    }

    fn mapping(&self, index: usize) -> Mapping {
        Mapping::known(&self.nth(index))
    }

    /// The fields that are written, as far as the script may.
    fn fields(&self, target: &Target, index: usize) -> Mapping {
        self.rights.heed(target, self.mapping(index))
    }

    /// The first argument as an identity: a map, or a list of maps as alternatives.
    fn alternatives(&self) -> Vec<Mapping> {
        match self.nth(0) {
            Value::List(items) => items.iter().map(Mapping::known).collect(),
            one => vec![Mapping::known(&one)],
        }
    }

    fn id(&self) -> Operand {
        Operand::Known(self.nth(0))
    }

    fn find(&self, target: Target) -> Result<Find, Stop> {
        let alternatives = self.alternatives();
        if alternatives.iter().all(|alternative| alternative.0.is_empty()) {
            return Err(self.at.refuse(format!("find(\"{}\", ..) needs a map to look by", target.object)));
        }
        Ok(Find {
            places: vec![Place { target, alternatives }],
            none: NoneFound::Continue,
            many: ManyFound::Conflict,
            reason: None,
            params: self.mapping(1),
            select: Select::All,
        })
    }

    fn get(&self, target: Target) -> Get {
        Get {
            target,
            record: self.id(),
            none: NoneFound::Continue,
            reason: None,
            params: self.mapping(1),
            select: Select::All,
        }
    }

    fn list(&self, target: Target) -> List {
        List {
            target,
            filter: self.mapping(0),
            limit: LIST_MAX,
            params: self.mapping(1),
            select: Select::All,
        }
    }

    /// The second argument names the fields' own identity: `#{ External_Id__c: .. }`.
    fn create(&self, target: Target) -> Create {
        let fields = self.fields(&target, 0);
        let key = self.mapping(1);
        let key = if key.0.is_empty() { Key::None } else { Key::Fields(key) };
        Create { target, key, fields, params: Mapping::default(), select: Select::All }
    }

    fn update(&self, target: Target) -> Update {
        Update {
            fields: self.fields(&target, 1),
            target,
            record: self.id(),
            blind: false,
            params: self.mapping(2),
            select: Select::All,
        }
    }

    fn upsert(&self, target: Target) -> Upsert {
        Upsert {
            fields: self.fields(&target, 1),
            target,
            alternatives: self.alternatives(),
            guard: None,
            blind: false,
            reason: None,
            params: self.mapping(2),
            select: Select::All,
        }
    }

    fn delete(&self, target: Target) -> Delete {
        Delete { target, record: self.id(), params: self.mapping(1) }
    }

    fn link(&self, target: Target, direction: Direction) -> Link {
        let relation = self.nth(1).to_text().unwrap_or_default();
        Link {
            direction,
            target,
            record: self.id(),
            relation,
            to: Operand::Known(self.nth(2)),
            fields: Mapping::default(),
            params: Mapping::default(),
        }
    }
}

impl Lowering<'_> {
    pub(super) fn script_step(&mut self, path: &Path, written: &written::Script) -> Option<Script> {
        let text = self.script(path, written)?;
        let (connections, heard) = (Arc::clone(self.scope.connections), Arc::clone(self.scope.heard));
        let rights = self.script_rights(&text);
        Some(Script { text, connections, heard, rights })
    }
}
