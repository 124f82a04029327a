//! A client with one system in memory, whose calls and journal can be made to fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::FixedClock;
use crate::config::{DraftFile, ObjectRef, Owner, PartFile, PipelineFile};
use crate::connector::{
    Abilities, ActionKind, AfterUnknown, Call, Class, Done, Failure, Finder, Gateway, ObjectFacts,
    OperationFacts, Repeat, Reply,
};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::expr::Engine;
use crate::rehearsal::{Crm, Memory, RunJournal};
use crate::steps::{
    Agreements, CallId, CallOutcome, ClientFacts, ClientScope, Compilation, Ending, Entry, EventInput,
    FieldKey, Grant, Identity, Intent, Journal, JournalError, Program, RunInput, Spent, World, execute,
};
use crate::value::Value;
use crate::yaml;

/// A client `acme` with a connection `crm` whose objects can have any name.
pub(super) struct Bench {
    pub(super) crm: Crm,
    pub(super) memory: Memory,
    pub(super) clock: FixedClock,
    connections: Arc<IndexMap<Arc<str>, Arc<Abilities>>>,
    plan: Mutex<VecDeque<Plan>>,
    calls: Mutex<Vec<Call>>,
    lots: Mutex<Vec<(usize, usize)>>,
    crash: Mutex<Option<Crash>>,
    parts: Vec<(Arc<str>, String)>,
    ownership: IndexMap<ObjectRef, IndexMap<String, Owner>>,
}

/// What becomes of one call.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// It is carried out.
    Pass,
    /// It fails, and nothing is done.
    Fail(Failure),
    /// It is carried out, and the answer is lost.
    Lose,
    /// Likewise, of a call whose idempotency key makes a repeat harmless.
    LoseKeyed,
}

/// The run is cut at the `nth` change of its journal, from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crash {
    pub(super) nth: usize,
    /// Whether that change was kept.
    pub(super) kept: bool,
}

pub(super) fn now() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().unwrap()
}

pub(super) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(super) fn failure(class: Class) -> Failure {
    Failure::new(class, format!("the system says {class}"))
}

fn harmless() -> OperationFacts {
    OperationFacts {
        repeat: Repeat::Harmless,
        consistent: true,
        reads_params: true,
        ..OperationFacts::default()
    }
}

fn object(consistent: bool) -> ObjectFacts {
    let doubles = OperationFacts { repeat: Repeat::Doubles, ..OperationFacts::default() };
    let actions = ActionKind::ALL.into_iter().map(|kind| {
        let facts = if kind == ActionKind::Create { doubles.clone() } else { harmless() };
        (kind, facts)
    });
    ObjectFacts {
        id: "Id".into(),
        finders: vec![Finder { by: None, facts: OperationFacts { consistent, ..harmless() } }],
        actions: actions.collect(),
        created: None,
        relations: indexmap::IndexMap::from([("tags".into(), None)]),
        many: indexmap::IndexMap::new(),
        stamps: Vec::new(),
        described: true,
        description: None,
    }
}

/// Objects: any, `Lagging` (its search lags behind), `Fixed` (read only). Operations: `read` (harmless), `post` (a
/// message), `charge` (with an idempotency key), `order` (nobody can tell whether it was done).
fn abilities() -> Abilities {
    let read_only = ObjectFacts {
        actions: [(ActionKind::Get, harmless())].into(),
        finders: vec![Finder { by: Some(vec!["Id".into()]), facts: harmless() }],
        ..object(true)
    };
    let message = OperationFacts {
        repeat: Repeat::Doubles,
        message: true,
        after_unknown: AfterUnknown::SendAgain,
        open: true,
        ..OperationFacts::default()
    };
    let keyed = Repeat::HarmlessWithKey(std::time::Duration::from_hours(24));
    let order =
        OperationFacts { after_unknown: AfterUnknown::GiveUp, open: true, ..OperationFacts::default() };
    Abilities::new(
        [("*", object(true)), ("Lagging", object(false)), ("Fixed", read_only)],
        [
            ("read", OperationFacts { open: true, ..harmless() }),
            ("post", message),
            ("charge", OperationFacts { repeat: keyed, open: true, ..OperationFacts::default() }),
            ("order", order),
        ],
    )
}

impl Bench {
    pub(super) fn new() -> Self {
        let connections: IndexMap<Arc<str>, Arc<Abilities>> =
            [("crm".into(), Arc::new(abilities()))].into_iter().collect();
        Self {
            crm: Crm::new(connections.clone()),
            memory: Memory::default(),
            clock: FixedClock::at(now()),
            connections: Arc::new(connections),
            plan: Mutex::default(),
            calls: Mutex::default(),
            lots: Mutex::default(),
            crash: Mutex::default(),
            parts: Vec::new(),
            ownership: IndexMap::new(),
        }
    }

    /// Adds a record of `crm`.
    pub(super) fn given(self, object: &str, record: &str) -> Self {
        self.crm.give("crm", object, json(record).as_map().unwrap());
        self
    }

    /// Adds a part.
    pub(super) fn part(mut self, name: &str, text: &str) -> Self {
        self.parts.push((name.into(), text.to_owned()));
        self
    }

    /// Says who owns fields: as `client.yaml` does, in JSON.
    pub(super) fn owned(mut self, ownership: &str) -> Self {
        self.ownership = serde_json::from_str(ownership).unwrap();
        self
    }

    /// What becomes of the next calls; all further ones pass.
    pub(super) fn plan(self, plan: impl IntoIterator<Item = Plan>) -> Self {
        self.plan.lock().unwrap().extend(plan);
        self
    }

    pub(super) fn crash_at(&self, crash: Option<Crash>) {
        *self.crash.lock().unwrap() = crash;
    }

    /// Compiles the steps of a pipeline, with everything that is found.
    pub(super) fn compile(&self, rest: &str) -> (Option<Program>, Vec<Diagnostic>) {
        let text =
            format!("name: tested\ntrigger: {{ stripe: {{ connection: crm, events: [a.b] }} }}\n{rest}");
        let file: DraftFile<PipelineFile> = draft("tested.yaml", &text);
        let parts: Vec<DraftFile<PartFile>> =
            self.parts.iter().map(|(name, text)| draft(&format!("{name}.part.yaml"), text)).collect();
        let parts: IndexMap<Arc<str>, &DraftFile<PartFile>> =
            self.parts.iter().map(|(name, _)| Arc::clone(name)).zip(&parts).collect();
        let engine = Engine::new(&[]).unwrap();
        let scope = ClientScope {
            client: &"acme".into(),
            engine: &engine,
            connections: &self.connections,
            broken: &[],
            vars: &["queue".into()],
            event: &[],
            object: &[],
            parts: &parts,
            ownership: &self.ownership,
            heard: &Arc::default(),
        };
        let mut out = Compilation::default();
        let written = file.content.as_ref().expect("the pipeline reads");
        let program = Program::compile(scope, &file.path, written, &mut out);
        (program, out.findings)
    }

    /// Runs steps for an event's object, as the first attempt of run `run-1`.
    pub(super) async fn run(&self, rest: &str, object: &str) -> Ending {
        self.attempt(rest, object, "run-1", 1).await
    }

    /// One attempt of a run.
    pub(super) async fn attempt(&self, rest: &str, object: &str, run: &str, attempt: u32) -> Ending {
        let (program, findings) = self.compile(rest);
        let program = program.unwrap_or_else(|| panic!("{findings:#?}"));
        let event = EventInput {
            envelope: json(r#"{"id":"evt_1","type":"a.b","created":1}"#),
            object: json(object),
            previous: Value::Null,
            source: "webhook".into(),
        };
        let (spent, event) = (Spent::default(), Arc::new(event));
        let input = RunInput {
            id: run.into(),
            attempt,
            spent,
            resumed: attempt > 1,
            began: now(),
            now: now(),
            event,
        };
        let client =
            ClientFacts { name: "acme".into(), zone: TimeZone::UTC, vars: json(r#"{"queue":"Q1"}"#) };
        let journal = CutJournal { journal: self.memory.journal(run), bench: self, changes: Mutex::new(0) };
        let world =
            World { gateway: self, journal: &journal, clock: &self.clock, client: &client, observer: None };
        execute(&program, &input, &world).await
    }

    fn note(&self, call: &Call) {
        let mut calls = self.calls.lock().unwrap();
        self.lots.lock().unwrap().push((calls.len(), 1));
        calls.push(call.clone());
    }

    /// What was written, one line a write: `update Account 001 {"Name":"x"}`.
    pub(super) fn writes(&self) -> Vec<String> {
        let line = |write: crate::rehearsal::Write| {
            let id = write.id.map(|id| format!(" {id}")).unwrap_or_default();
            format!("{} {}{id} {}", write.verb, write.object, Value::from(write.fields).to_json())
        };
        self.crm.writes().into_iter().map(line).collect()
    }

    /// The calls that were sent, in the words of their actions.
    pub(super) fn sent(&self) -> Vec<String> {
        let word = |call: &Call| match call.action.kind() {
            Some(kind) => format!("{} {}", kind.word(), call.action.object().unwrap()),
            None => "call".to_owned(),
        };
        self.calls.lock().unwrap().iter().map(word).collect()
    }

    /// The calls that came together, by how many there were and what the first is: `3 create Line`.
    pub(super) fn lots(&self) -> Vec<String> {
        let sent = self.sent();
        self.lots.lock().unwrap().iter().map(|(first, count)| format!("{count} {}", sent[*first])).collect()
    }

    /// The first call that was sent.
    pub(super) fn first_call(&self) -> Call {
        self.calls.lock().unwrap()[0].clone()
    }

    /// The idempotency keys of the calls that had one.
    pub(super) fn keys(&self) -> Vec<Arc<str>> {
        self.calls.lock().unwrap().iter().filter_map(|call| call.idempotency_key.clone()).collect()
    }
}

fn draft<T: serde::de::DeserializeOwned>(path: &str, text: &str) -> DraftFile<T> {
    let file = Arc::new(SourceFile::new(path, text));
    let (document, findings) = yaml::parse(&file);
    let document = document.unwrap_or_else(|| panic!("{findings:#?}"));
    let content = yaml::from_node(&document.root).unwrap_or_else(|error| panic!("{error:?}: {text}"));
    DraftFile {
        path: path.into(),
        location: path.into(),
        stem: path.trim_end_matches(".yaml").into(),
        file,
        document: Some(document),
        content: Some(content),
    }
}

impl Gateway for Bench {
    fn call<'a>(&'a self, client: &'a str, call: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>> {
        self.note(call);
        let plan = self.plan.lock().unwrap().pop_front().unwrap_or(Plan::Pass);
        async move {
            match plan {
                Plan::Pass => self.crm.call(client, call).await,
                Plan::Fail(failure) => Err(failure),
                Plan::Lose => {
                    drop(self.crm.call(client, call).await);
                    Err(failure(Class::Unknown))
                }
                Plan::LoseKeyed => {
                    drop(self.crm.call(client, call).await);
                    Err(Failure { done: Done::Perhaps, ..failure(Class::Transient) })
                }
            }
        }
        .boxed()
    }

    fn call_many<'a>(
        &'a self,
        client: &'a str,
        calls: &'a [Call],
    ) -> BoxFuture<'a, Vec<Result<Reply, Failure>>> {
        async move {
            let first = self.calls.lock().unwrap().len();
            let mut answers = Vec::new();
            for call in calls {
                answers.push(self.call(client, call).await);
            }
            let mut lots = self.lots.lock().unwrap();
            let alone = lots.len() - calls.len();
            lots.truncate(alone);
            lots.push((first, calls.len()));
            answers
        }
        .boxed()
    }

    fn abilities(&self, client: &str, connection: &str) -> Option<Arc<Abilities>> {
        self.crm.abilities(client, connection)
    }
}

/// A journal that is cut off at one of its changes.
struct CutJournal<'a> {
    journal: RunJournal<'a>,
    bench: &'a Bench,
    changes: Mutex<usize>,
}

impl CutJournal<'_> {
    /// Whether this change is the one at which the run is cut.
    fn cut(&self) -> Option<Crash> {
        let mut changes = self.changes.lock().unwrap();
        let here = *changes;
        *changes += 1;
        // Once it is cut, nothing more is kept.
        self.bench
            .crash
            .lock()
            .unwrap()
            .filter(|crash| here >= crash.nth)
            .map(|crash| Crash { kept: crash.kept && here == crash.nth, ..crash })
    }

    async fn change<T>(
        &self,
        change: impl Future<Output = Result<T, JournalError>>,
    ) -> Result<T, JournalError> {
        match self.cut() {
            None => change.await,
            Some(crash) => {
                if crash.kept {
                    change.await?;
                }
                Err(JournalError("the process was killed".to_owned()))
            }
        }
    }
}

impl Journal for CutJournal<'_> {
    fn entry(&self, call: &CallId) -> Option<Entry> {
        self.journal.entry(call)
    }

    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<Grant, JournalError>> {
        self.change(async move { self.journal.intend(intent).await }).boxed()
    }

    fn withdraw<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<(), JournalError>> {
        self.change(async move { self.journal.withdraw(call).await }).boxed()
    }

    fn record(&self, outcome: CallOutcome) -> BoxFuture<'_, Result<(), JournalError>> {
        self.change(async move { self.journal.record(outcome).await }).boxed()
    }

    fn agreements(&self, fields: Vec<FieldKey>) -> BoxFuture<'_, Result<Agreements, JournalError>> {
        self.journal.agreements(fields)
    }

    fn known<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Option<Arc<str>>, JournalError>> {
        self.journal.known(identity)
    }
}

/// The ending in one line: `conflict: two of them`.
pub(super) fn line(ending: &Ending) -> String {
    match ending {
        Ending::Succeeded => "succeeded".to_owned(),
        Ending::Missed => "missed".to_owned(),
        Ending::Skipped { reason } => format!("skipped: {reason}"),
        Ending::Conflict { reason, .. } => format!("conflict: {reason}"),
        Ending::Waiting { reason, .. } => format!("waiting: {reason}"),
        Ending::Held { .. } => "held".to_owned(),
        Ending::Failed { failure, .. } => format!("failed, {}: {}", failure.class, failure.message),
        Ending::Interrupted { reason } => format!("interrupted: {reason}"),
    }
}
