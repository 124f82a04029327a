//! Scripts with calls: each connection is an object, and each call is journalled like a step.
//!
//! Nothing blocks. A script is run over the answers that are known; at the first call without one it ends, the
//! caller executes that call, and the script is started again. `now` and `today()` are frozen, so it takes the same
//! way each time; a call that differs from the recorded one is for the caller to notice, who sees each call again.

use std::any::TypeId;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{AST, Dynamic, EvalAltResult, ImmutableString, Position, Scope};

use super::check::{Argument, Entry, Method};
use super::engine::Runtime;
use super::operators::failure;
use super::values::{from_dynamic, to_dynamic};
use super::{ambient, check, errors};
use crate::expr::context::Context;
use crate::expr::fault::{EvalError, Fault, FaultKind};
use crate::expr::names::{Names, Reference};
use crate::value::Value;

/// The calls one script may make.
const CALLS_MAX: usize = 50;

/// What can be asked of a connection, with the numbers of arguments beside it: the object or operation, then the
/// rest.
const VERBS: [(&str, &[usize]); 10] = [
    ("find", &[2, 3]),
    ("get", &[2, 3]),
    ("list", &[1, 2, 3]),
    ("create", &[2, 3]),
    ("update", &[3, 4]),
    ("upsert", &[3, 4]),
    ("delete", &[2, 3]),
    ("link", &[4]),
    ("unlink", &[4]),
    ("call", &[1, 2]),
];

/// What the method `call` is called inside Rhai.
pub(super) const CALL: &str = "c_ll";

/// One call that a script makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptCall {
    /// The connection that is asked.
    pub connection: String,
    /// `find`, `get`, `list`, `create`, `update`, `upsert`, `delete`, `link`, `unlink` or `call`.
    pub verb: String,
    /// The object; of `call`, the operation.
    pub object: String,
    /// The other arguments, in order, as a list.
    pub args: Value,
    /// The number of the call in this script, from 0.
    pub number: usize,
}

/// A call as it stands in a script: what is known of it before anything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenCall {
    /// The connection that is asked.
    pub connection: Arc<str>,
    /// `find`, `get`, `list`, `create`, `update`, `upsert`, `delete`, `link`, `unlink` or `call`.
    pub verb: &'static str,
    /// The object, or of `call` the operation; `None` when it is computed.
    pub object: Option<Arc<str>>,
    /// Of `link` and `unlink`, the relation; `None` when it is computed.
    pub relation: Option<Arc<str>>,
    /// Of `create`, `update` and `upsert`, the fields; `None` when their map is computed.
    pub fields: Option<Vec<WrittenField>>,
    /// The bytes of the verb within the script.
    pub range: Range<usize>,
}

/// A field that a script writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenField {
    /// Its name.
    pub name: Arc<str>,
    /// The bytes of the name within the script.
    pub range: Range<usize>,
    /// The paths of the context that its value is computed of; `None` when the script's own variables have a part in it.
    pub references: Option<Vec<Reference>>,
}

/// What is known of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptAnswer {
    /// It was executed and gave this.
    Given(Value),
    /// It was executed and failed for good; the script may catch the message.
    Failed(String),
    /// It was not executed yet.
    Unanswered,
}

/// How far a script came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptOutcome {
    /// To its end, with this value.
    Done(Value),
    /// To this call, which waits for its answer.
    Call(ScriptCall),
}

/// A compiled script with calls.
pub struct Script {
    runtime: Arc<Runtime>,
    ast: AST,
    roots: Vec<Arc<str>>,
    connections: Vec<Arc<str>>,
    references: Vec<Reference>,
    calls: Vec<WrittenCall>,
}

/// A connection inside a script.
#[derive(Clone)]
struct Connection {
    name: Arc<str>,
    replay: Arc<Mutex<Replay>>,
}

/// The answers so far, and how far the script came.
#[derive(Default)]
struct Replay {
    answers: Vec<Result<Value, String>>,
    asked: usize,
    pending: Option<ScriptCall>,
}

impl Script {
    /// Compiles a script over `names` and `connections`; all its mistakes at once.
    pub(crate) fn compile(
        runtime: &Arc<Runtime>,
        source: &str,
        names: &Names,
        connections: &[&str],
    ) -> Result<Self, Vec<Fault>> {
        if source.trim().is_empty() {
            return Err(vec![Fault::new(FaultKind::BlankValue, "the script is empty")]);
        }
        let ast = runtime.engine.compile(source).map_err(|error| vec![errors::syntax(source, &error)])?;
        let names = connections.iter().fold(names.clone(), |names, connection| names.with(connection));
        let mut found = check::script(source, &ast, &names, &runtime.callable);
        if !found.faults.is_empty() {
            return Err(found.faults);
        }
        let is_connection = |name: &str| connections.contains(&name);
        found.roots.retain(|root| !is_connection(root));
        // Rhai keeps a method `call` for functions, so ours runs under another name of the same length: places stay.
        let mut renamed = source.to_owned();
        found.methods.retain(|method| is_connection(&method.of));
        for method in found.methods.iter().filter(|method| method.name == "call") {
            renamed.replace_range(method.range.clone(), CALL);
        }
        let ast = runtime.engine.compile(&renamed).map_err(|error| vec![errors::syntax(source, &error)])?;
        found.references.retain(|reference| match reference.segments.first() {
            Some(crate::expr::ReferenceSeg::Name(name)) => !is_connection(name),
            _ => true,
        });
        Ok(Self {
            runtime: Arc::clone(runtime),
            ast: ast.merge(&runtime.library),
            roots: found.roots.iter().map(|root| root.as_str().into()).collect(),
            connections: connections.iter().map(|name| (*name).into()).collect(),
            references: found.references,
            calls: found.methods.into_iter().filter_map(WrittenCall::of).collect(),
        })
    }

    /// The syntax tree, with the libraries' functions.
    pub(super) fn ast(&self) -> &AST {
        &self.ast
    }

    /// The paths of the context that it reads.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The calls that stand in it.
    pub fn calls(&self) -> &[WrittenCall] {
        &self.calls
    }

    /// Runs the script until its end or its first unanswered call. `calls` is asked for each call in order, and
    /// should check that it is the one that was recorded.
    pub fn run(
        &self,
        context: &Context,
        calls: &mut dyn FnMut(&ScriptCall) -> ScriptAnswer,
    ) -> Result<ScriptOutcome, EvalError> {
        let replay = Arc::new(Mutex::new(Replay::default()));
        loop {
            let ended = self.once(context, &replay);
            let mut state = lock(&replay);
            let Some(call) = state.pending.take() else { return ended.map(ScriptOutcome::Done) };
            match calls(&call) {
                ScriptAnswer::Unanswered => return Ok(ScriptOutcome::Call(call)),
                ScriptAnswer::Given(value) => state.answers.push(Ok(value)),
                ScriptAnswer::Failed(message) => state.answers.push(Err(message)),
            }
            state.asked = 0;
        }
    }

    fn once(&self, context: &Context, replay: &Arc<Mutex<Replay>>) -> Result<Value, EvalError> {
        let connections = self.connections.iter().map(|name| {
            let connection = Connection { name: Arc::clone(name), replay: Arc::clone(replay) };
            (Arc::clone(name), Dynamic::from(connection))
        });
        let _entered = ambient::enter(context, &self.roots, connections);
        let result = self
            .runtime
            .engine
            .eval_ast_with_scope::<Dynamic>(&mut Scope::new(), &self.ast)
            .map_err(|error| errors::failed(&error))?;
        from_dynamic(&result).map_err(EvalError::Unfit)
    }
}

impl WrittenCall {
    fn of(method: Method) -> Option<Self> {
        let (verb, _) = VERBS.into_iter().find(|(verb, _)| *verb == method.name)?;
        let text = |place: usize| match method.args.get(place) {
            Some(Argument::Text(text)) => Some(Arc::from(text.as_str())),
            _ => None,
        };
        let (object, relation) = (text(0), text(2).filter(|_| matches!(verb, "link" | "unlink")));
        let fields = match verb {
            "create" => method.args.into_iter().nth(1),
            "update" | "upsert" => method.args.into_iter().nth(2),
            _ => None,
        };
        let fields = match fields {
            Some(Argument::Map(entries)) => Some(entries.into_iter().map(WrittenField::of).collect()),
            _ => None,
        };
        Some(Self { connection: method.of.into(), verb, object, relation, fields, range: method.range })
    }
}

impl WrittenField {
    fn of(entry: Entry) -> Self {
        Self { name: entry.name.into(), range: entry.range, references: entry.references }
    }
}

fn lock(replay: &Mutex<Replay>) -> MutexGuard<'_, Replay> {
    replay.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Offers the verbs as methods of connections.
pub(super) fn register(engine: &mut rhai::Engine) {
    engine.register_type_with_name::<Connection>("Connection");
    for (verb, counts) in VERBS {
        for &count in counts {
            let mut types = vec![TypeId::of::<Connection>()];
            types.resize(count + 1, TypeId::of::<Dynamic>());
            let method = if verb == "call" { CALL } else { verb };
            engine.register_raw_fn(method, types, move |_, args| {
                let Some(connection) = args[0].read_lock::<Connection>().map(|connection| connection.clone())
                else {
                    return Err(failure(format!("`{verb}` is asked of a connection")));
                };
                let args = args[1..].iter().map(|arg| from_dynamic(arg)).collect::<Result<Vec<_>, _>>();
                connection.ask(verb, args.map_err(failure)?)
            });
        }
    }
}

impl Connection {
    fn ask(&self, verb: &str, args: Vec<Value>) -> Result<Dynamic, Box<EvalAltResult>> {
        let mut args = args.into_iter();
        let Some(Value::Text(object)) = args.next() else {
            return Err(failure(format!("`{verb}` begins with the name of an object")));
        };
        let mut state = lock(&self.replay);
        let number = state.asked;
        state.asked += 1;
        match state.answers.get(number) {
            Some(Ok(value)) => Ok(to_dynamic(value)),
            Some(Err(message)) => Err(failure(message.clone())),
            None if number >= CALLS_MAX => Err(ended(format!("it makes more than {CALLS_MAX} calls"))),
            None => {
                state.pending = Some(ScriptCall {
                    connection: self.name.to_string(),
                    verb: verb.to_owned(),
                    object: object.to_string(),
                    args: Value::list(args),
                    number,
                });
                Err(ended("a call waits for its answer".to_owned()))
            }
        }
    }
}

/// Ends the script in a way that it cannot catch.
#[expect(clippy::unnecessary_box_returns, reason = "Rhai's functions fail with a box")]
fn ended(why: String) -> Box<EvalAltResult> {
    EvalAltResult::ErrorTerminated(ImmutableString::from(why).into(), Position::NONE).into()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::expr::context::Frame;

    fn context() -> Context {
        let root = Value::from_json(br#"{"object":{"email":"a@b.c","plans":["x","y"]}}"#).unwrap();
        Context::new(root, Frame::new("2026-03-02T10:00:00Z".parse().unwrap(), TimeZone::UTC))
    }

    fn compile(source: &str) -> Result<Script, Vec<Fault>> {
        let runtime = Arc::new(Runtime::new(&[]).unwrap());
        Script::compile(&runtime, source, &Names::new(["object"]), &["salesforce", "slack"])
    }

    fn shown(call: &ScriptCall) -> String {
        format!("{} {}.{} {} {}", call.number, call.connection, call.verb, call.object, call.args.to_json())
    }

    const LINKS: &str = r#"
        let found = salesforce.find("Contact", #{ Email: object.email });
        if found == () { return "none"; }
        salesforce.update("Contact", found.id, #{ Plans: object.plans });
        found.id"#;

    #[test]
    fn a_script_ends_at_its_first_unanswered_call() {
        let script = compile(LINKS).unwrap();
        let outcome = script.run(&context(), &mut |_| ScriptAnswer::Unanswered).unwrap();
        let ScriptOutcome::Call(call) = outcome else { panic!("{outcome:?}") };
        assert_eq!(shown(&call), r#"0 salesforce.find Contact [{"Email":"a@b.c"}]"#);
    }

    #[test]
    fn answers_are_replayed_in_order() {
        let script = compile(LINKS).unwrap();
        let mut asked = Vec::new();
        let outcome = script.run(&context(), &mut |call| {
            asked.push(shown(call));
            if call.number == 0 {
                ScriptAnswer::Given(Value::map([("id", Value::from("003"))]))
            } else {
                ScriptAnswer::Given(Value::Null)
            }
        });
        assert_eq!(outcome, Ok(ScriptOutcome::Done("003".into())));
        assert_eq!(
            asked,
            [
                r#"0 salesforce.find Contact [{"Email":"a@b.c"}]"#,
                r#"1 salesforce.update Contact ["003",{"Plans":["x","y"]}]"#
            ]
        );
    }

    #[test]
    fn a_closure_reads_what_its_list_is_a_part_of_and_calls_connections() {
        let script = compile(
            r#"let kept = object.plans.filter(|plan| plan == object.plans[1]);
               kept.map(|plan| salesforce.find("Plan", #{ Name: plan, For: object.email }).id)"#,
        );
        let outcome = script.unwrap().run(&context(), &mut |call| {
            assert_eq!(shown(call), r#"0 salesforce.find Plan [{"For":"a@b.c","Name":"y"}]"#);
            ScriptAnswer::Given(Value::map([("id", Value::from("a0P"))]))
        });
        assert_eq!(outcome, Ok(ScriptOutcome::Done(Value::list(["a0P".into()]))));
    }

    #[test]
    fn an_answer_that_is_nothing_takes_the_other_way() {
        let outcome = compile(LINKS).unwrap().run(&context(), &mut |_| ScriptAnswer::Given(Value::Null));
        assert_eq!(outcome, Ok(ScriptOutcome::Done("none".into())));
    }

    #[test]
    fn a_script_can_catch_a_failed_call_and_not_a_waiting_one() {
        let script =
            compile(r#"let r = "ok"; try { slack.call("post") } catch (e) { r = `caught ${e}`; } r"#)
                .unwrap();
        let failed = script.run(&context(), &mut |_| ScriptAnswer::Failed("no channel".to_owned()));
        assert_eq!(failed, Ok(ScriptOutcome::Done("caught no channel".into())));
        let waiting = script.run(&context(), &mut |_| ScriptAnswer::Unanswered).unwrap();
        assert!(matches!(waiting, ScriptOutcome::Call(_)), "{waiting:?}");
    }

    #[test]
    fn a_failed_call_ends_a_script_that_does_not_catch_it() {
        let script = compile(r#"slack.call("post"); 1"#).unwrap();
        let error =
            script.run(&context(), &mut |_| ScriptAnswer::Failed("no channel".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "no channel");
    }

    #[test]
    fn calls_are_bounded() {
        let script = compile(r#"for i in 0..60 { slack.call("post", #{ n: i }); }"#).unwrap();
        let mut calls = 0;
        let error = script.run(&context(), &mut |_| {
            calls += 1;
            ScriptAnswer::Given(Value::Null)
        });
        assert_eq!(error.unwrap_err().to_string(), "the script was stopped: it makes more than 50 calls");
        assert_eq!(calls, CALLS_MAX);
    }

    #[test]
    fn unknown_verbs_and_connections_are_found() {
        let kinds = |source: &str| {
            let faults = compile(source).err().unwrap_or_default();
            faults.into_iter().map(|fault| (fault.kind, fault.message)).collect::<Vec<_>>()
        };
        assert_eq!(
            kinds(r#"salesforce.fnd("Contact", #{})"#),
            [(FaultKind::UnknownFunction, "there is no function `fnd`".to_owned())]
        );
        assert_eq!(
            kinds(r#"hubspot.find("contacts", #{})"#),
            [(FaultKind::UnknownVariable, "`hubspot` is not known here".to_owned())]
        );
        assert!(compile("salesforce.delete(\"Contact\", object.email)").unwrap().references().len() == 1);
    }
}
