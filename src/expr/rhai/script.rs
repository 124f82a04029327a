//! Scripts with calls: each connection is an object, and each call is journalled like a step.
//!
//! Nothing blocks. A script is run over the answers that are known; at the first call without one it ends, the
//! caller executes that call, and the script is started again. `now` and `today()` are frozen, so it takes the same
//! way each time; a call that differs from the recorded one is for the caller to notice, who sees each call again.

use std::any::TypeId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{AST, Dynamic, EvalAltResult, ImmutableString, Position, Scope};

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
        })
    }

    /// The paths of the context that it reads.
    pub fn references(&self) -> &[Reference] {
        &self.references
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
        let mut scope = Scope::with_capacity(self.roots.len() + self.connections.len());
        for root in &self.roots {
            scope.push_dynamic(&**root, context.root().get(root).map_or(Dynamic::UNIT, to_dynamic));
        }
        for name in &self.connections {
            let connection = Connection { name: Arc::clone(name), replay: Arc::clone(replay) };
            scope.push_dynamic(&**name, Dynamic::from(connection));
        }
        let _entered = ambient::enter(context);
        let result = self
            .runtime
            .engine
            .eval_ast_with_scope::<Dynamic>(&mut scope, &self.ast)
            .map_err(|error| errors::failed(&error))?;
        from_dynamic(&result).map_err(EvalError::Unfit)
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
            engine.register_raw_fn(verb, types, move |_, args| {
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
        let object = match args.next() {
            Some(Value::Text(object)) => object,
            _ => return Err(failure(format!("`{verb}` begins with the name of an object"))),
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
fn ended(why: String) -> Box<EvalAltResult> {
    EvalAltResult::ErrorTerminated(ImmutableString::from(why).into(), Position::NONE).into()
}
