//! What a run executes: steps with every name resolved and every expression compiled.

use std::sync::Arc;

use super::calls::At;
use super::compilation::Compilation;
use super::execute::{Execution, Stop};
use super::lower::{ClientScope, Lowering, Wrong};
use super::lower_steps;
use super::ownership::Origins;
use super::target::Target;
use super::ways::Way;
use super::{
    call, check, choose, create, delete, find, for_each, get, link, list, read, script, set, update, upsert,
    use_part,
};
use crate::config::step::OnError;
use crate::config::{PipelineFile, RetryFile};
use crate::diagnostic::{Path, Place};
use crate::expr::Condition;
use crate::value::Value;

/// The part of a pipeline that runs: what is read first, the condition, the steps.
#[derive(Debug)]
pub struct Program {
    /// The pipeline's name: `run.pipeline` in expressions.
    pub pipeline: Arc<str>,
    /// What `object` is, when it is not the event's own object.
    pub(super) read: Option<read::Read>,
    /// The pipeline's condition.
    pub(super) when: Option<Condition>,
    /// Where it is written.
    pub(super) when_at: Option<Place>,
    /// How often and how long a failed run is tried again.
    pub retry: RetryFile,
    /// True when it asks what the object was before: `previous`, `before`, `changed(..)`.
    pub reads_past: bool,
    /// What is done, in order.
    pub(super) steps: Vec<Step>,
}

/// A step that can be performed.
#[derive(Debug)]
pub(super) struct Step {
    /// The name under which later steps read what it gave.
    pub(super) id: Option<Arc<str>>,
    /// For people: its place in the file, and its id.
    pub(super) label: Arc<str>,
    pub(super) when: Option<Condition>,
    pub(super) retry: Option<RetryFile>,
    pub(super) on_error: OnError,
    /// True when a later branch, loop or script reads what it gave: then another attempt must get the same.
    pub(super) remembered: bool,
    /// The ways that it can take, each with its place; the first is its being performed.
    pub(super) ways: Vec<(Way, Place)>,
    pub(super) verb: Verb,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Verb {
    Find(find::Find),
    Get(get::Get),
    List(list::List),
    Create(create::Create),
    Update(update::Update),
    Upsert(upsert::Upsert),
    Delete(delete::Delete),
    Link(link::Link),
    Call(call::Call),
    Script(script::Script),
    Set(set::Set),
    ForEach(for_each::ForEach),
    Choose(choose::Choose),
    Check(check::Check),
    Use(use_part::Use),
}

impl Verb {
    /// True when it is there to change something, whether or not it has to.
    pub(super) fn changes(&self) -> bool {
        match self {
            Self::Create(_)
            | Self::Update(_)
            | Self::Upsert(_)
            | Self::Delete(_)
            | Self::Link(_)
            | Self::Call(_) => true,
            Self::Find(_)
            | Self::Get(_)
            | Self::List(_)
            | Self::Script(_)
            | Self::Set(_)
            | Self::ForEach(_)
            | Self::Choose(_)
            | Self::Check(_)
            | Self::Use(_) => false,
        }
    }

    /// Does it, and tells what later steps read as `steps.<id>`.
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        match self {
            Self::Find(verb) => verb.perform(at, run).await,
            Self::Get(verb) => verb.perform(at, run).await,
            Self::List(verb) => verb.perform(at, run).await,
            Self::Create(verb) => verb.perform(at, run).await,
            Self::Update(verb) => verb.perform(at, run).await,
            Self::Upsert(verb) => verb.perform(at, run).await,
            Self::Delete(verb) => verb.perform(at, run).await,
            Self::Link(verb) => verb.perform(at, run).await,
            Self::Call(verb) => verb.perform(at, run).await,
            Self::Script(verb) => verb.perform(at, run).await,
            Self::Set(verb) => verb.perform(at, run),
            Self::ForEach(verb) => verb.perform(at, run).await,
            Self::Choose(verb) => verb.perform(at, run).await,
            Self::Check(verb) => verb.perform(at, run),
            Self::Use(verb) => verb.perform(at, run).await,
        }
    }
}

impl Program {
    /// The object that is read when a run begins; nothing when the event tells it.
    pub fn reads_first(&self) -> Option<&Target> {
        self.read.as_ref().map(|read| &read.target)
    }

    /// Compiles what a pipeline does. Everything that is wrong with it is added to `out`; nothing is given when
    /// something is.
    pub fn compile(
        scope: ClientScope<'_>,
        file: &Arc<str>,
        written: &PipelineFile,
        out: &mut Compilation,
    ) -> Option<Self> {
        let mut lowering = Lowering::new(scope, file, out);
        lowering.names.all = lower_steps::all_named(&written.steps, scope.parts);
        lowering.origins = Origins::of(written);
        let top = Path::root();
        let read = match written.trigger.read() {
            Some((path, read)) => lowering.trigger_read(&path, read).map(Some).ok_or(Wrong),
            None => match written.trigger.listening() {
                Some(listening) => lowering.read_back(&listening),
                None => Ok(None),
            },
        };
        let when = lowering.when(&top, written.when.as_ref());
        let steps = lowering.steps(&top.key("steps"), &written.steps);
        let (uses, failed) = (lowering.uses, lowering.failed);
        let reads_past = uses.reads_past() || scope.engine.asks_what_changed();
        let mut program = Self {
            pipeline: Arc::clone(&written.name.0),
            read: read.ok()?,
            when: when.ok()?,
            when_at: written.when.as_ref().map(|_| Place::key(Arc::clone(file), top.key("when"))),
            retry: written.retry,
            reads_past,
            steps: steps?,
        };
        lower_steps::settle(&mut program.steps, &uses);
        (!failed).then_some(program)
    }
}
