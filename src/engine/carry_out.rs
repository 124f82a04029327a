//! One execution of a run, from its place in memory to a verdict.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use jiff::Timestamp;

use super::applied::{Forgotten, Moment, Unsettled};
use super::archive::{Archive, Unavailable};
use super::circuit::GuardedGateway;
use super::echo::echo;
use super::generations::Generations;
use super::holdings::Holdings;
use super::jitter::Jitter;
use super::journal::RunJournal;
use super::lanes::{Carried, Queued};
use super::limits::Limits;
use super::runnable::Runnable;
use super::stale::overtaken;
use super::verdict::{Case, Verdict};
use crate::clock::SharedClock;
use crate::config::{RetryFile, Stale};
use crate::connector::{Action, Call, Class, Failure, Gateway, Select};
use crate::metrics::Metrics;
use crate::secret::Redactor;
use crate::steps::{Ending, EventInput, RunInput};
use crate::store::{Applied, Change, Outcome, QueuedRun, RunBody, Store, StoreError, Told};
use crate::value::Value;

/// What runs are carried out with.
pub(super) struct Workshop {
    pub(super) store: Arc<dyn Store>,
    pub(super) gateway: Arc<GuardedGateway>,
    pub(super) clock: SharedClock,
    pub(super) jitter: Jitter,
    pub(super) holdings: Arc<Holdings>,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    /// Blots secrets out of what is written down about runs.
    pub(super) redactor: Redactor,
    pub(super) generations: Arc<ArcSwap<Generations>>,
    pub(super) archive: Arc<dyn Archive>,
    /// Held while a version is fetched: the many runs of one version wait for one of them.
    pub(super) fetching: tokio::sync::Mutex<()>,
    pub(super) unsettled: Arc<Unsettled>,
}

/// A run that was carried out once.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) run: QueuedRun,
    pub(super) verdict: Verdict,
    /// What it has applied, for the stale rule.
    pub(super) applied: Option<Applied>,
    /// What an alert about it tells of its event: id and type.
    pub(super) event: Option<(Arc<str>, Arc<str>)>,
    /// True when it is an alert itself.
    pub(super) alert: bool,
}

/// How an execution came to its ending.
struct Outcomes {
    ending: Ending,
    /// The pipeline's rule of retries.
    retry: RetryFile,
    /// Said of a success: what was unusual about it.
    remark: Option<String>,
    /// What a success applies its event to, when that is not kept yet.
    applied: Option<Applied>,
    body: Option<Arc<RunBody>>,
}

impl Outcomes {
    fn of(ending: Ending) -> Self {
        Self { ending, retry: RetryFile::default(), remark: None, applied: None, body: None }
    }
}

impl Workshop {
    /// Carries a run out, once. A panic on the way is a bug of ours: it is contained to this run.
    pub(super) async fn carry_out(self: Arc<Self>, queued: Queued) -> Done {
        let Queued { run, carried } = queued;
        let execution = AssertUnwindSafe(self.execute(&run, carried)).catch_unwind();
        let outcomes = match tokio::time::timeout(self.limits.run_time, execution).await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(panic)) => Outcomes::of(bug(&*panic)),
            Err(_) => Outcomes::of(too_long(&self.limits)),
        };
        self.conclude(run, outcomes)
    }

    fn conclude(&self, run: QueuedRun, outcomes: Outcomes) -> Done {
        if let Ending::Failed { failure, .. } = &outcomes.ending {
            self.metrics.attempt_failed(&run.client, &run.pipeline, failure.class.word());
        }
        let succeeded = matches!(outcomes.ending, Ending::Succeeded);
        let case = Case {
            attempts: run.attempts,
            spent: run.spent.clone(),
            now: self.clock.now(),
            retry: outcomes.retry,
            paused_until: self.paused_until(&run.client, &outcomes.ending),
        };
        let mut verdict = case.judge(outcomes.ending, &self.jitter);
        verdict.redact(&self.redactor);
        if let (Verdict::End { outcome: Outcome::Succeeded, reason, .. }, Some(remark)) =
            (&mut verdict, outcomes.remark)
        {
            *reason = remark;
        }
        let body = outcomes.body.as_ref();
        let applied = outcomes.applied.filter(|_| succeeded);
        let event = body.map(|body| (Arc::clone(&body.event_id), Arc::clone(&body.kind)));
        // Asked of the project and not of the execution: one that panicked or ran too long is an alert all the same.
        let generations = self.generations.load();
        let alert = generations
            .present()
            .get(&run.client, &run.pipeline)
            .is_some_and(|pipeline| pipeline.listens().is_some());
        Done { run, verdict, applied, event, alert }
    }

    /// When the connection that failed a run is tried next, if it is paused.
    fn paused_until(&self, client: &Arc<str>, ending: &Ending) -> Option<Timestamp> {
        let Ending::Failed { connection: Some(connection), .. } = ending else { return None };
        self.gateway.circuits.tried_at(&(Arc::clone(client), Arc::clone(connection)))
    }

    async fn execute(&self, run: &QueuedRun, carried: Option<Carried>) -> Outcomes {
        let Carried { body, event, told } = match carried {
            Some(carried) => carried,
            None => match self.store.load(run.id).await {
                Ok(Some(body)) => Carried::loaded(body),
                Ok(None) => return Outcomes::of(gone(run)),
                Err(failure) => return Outcomes::of(interrupted(&failure)),
            },
        };
        let pipeline = match self.pipeline(run, &body).await {
            Ok(pipeline) => pipeline,
            Err(ending) => return Outcomes { body: Some(body), ..Outcomes::of(*ending) },
        };
        let outcomes = match event.map_or_else(|| read(&*pipeline, &body).map(Arc::new), Ok) {
            Ok(event) => self.perform(run, &*pipeline, (&body, told), event).await,
            Err(ending) => Outcomes::of(*ending),
        };
        Outcomes { retry: pipeline.retry(), body: Some(body), ..outcomes }
    }

    /// The pipeline as the run began with it (invariant 6). A run that has not called anything yet takes the
    /// present one. The runs of a client that is not in the project wait for it to come back.
    async fn pipeline(&self, run: &QueuedRun, body: &RunBody) -> Result<Arc<dyn Runnable>, Box<Ending>> {
        let generations = self.generations.load_full();
        if !generations.present().has(&run.client) {
            let reason = format!("the client `{}` is not in the project, or cannot run", run.client);
            return Err(Box::new(Ending::Interrupted { reason }));
        }
        if body.journal.is_empty() || run.version.is_present() {
            let Some(present) = generations.present().get(&run.client, &run.pipeline) else {
                return Err(no_pipeline(run, "is not in the project any more, or is switched off"));
            };
            let version = present.version();
            if version != run.version {
                // Queued before the first call is journalled, so never on disk after it.
                drop(self.store.commit(vec![Change::Versioned { run: run.id, version }]));
            }
            return Ok(Arc::clone(present));
        }
        match generations.version(&run.client, &run.pipeline, &run.version) {
            Some(pipeline) => Ok(Arc::clone(pipeline)),
            None => self.earlier(run).await,
        }
    }

    /// A version that is not at hand.
    async fn earlier(&self, run: &QueuedRun) -> Result<Arc<dyn Runnable>, Box<Ending>> {
        let _turn = self.fetching.lock().await;
        let generations = self.generations.load_full();
        if let Some(fetched) = generations.version(&run.client, &run.pipeline, &run.version) {
            return Ok(Arc::clone(fetched));
        }
        match self.archive.fetch(&run.client, &run.pipeline, &run.version).await {
            Ok(pipeline) => {
                self.generations.rcu(|generations| generations.remembering(&run.client, &pipeline));
                Ok(pipeline)
            }
            Err(Unavailable::Store(failure)) => Err(Box::new(interrupted(&failure))),
            Err(Unavailable::Gone(why)) => Err(no_pipeline(
                run,
                &format!("was changed, and the version that this run has begun with {why}"),
            )),
        }
    }

    /// The stale rule, then the pipeline.
    async fn perform(
        &self,
        run: &QueuedRun,
        pipeline: &dyn Runnable,
        (body, told): (&RunBody, (Told, Moment)),
        mut event: Arc<EventInput>,
    ) -> Outcomes {
        let mut remark = None;
        match self.overtaken(run, body, told).await {
            Err(failure) => return Outcomes::of(interrupted(&failure)),
            Ok(None) => {}
            Ok(Some(reason)) => match run.stale {
                Stale::Apply => {}
                Stale::Skip => return Outcomes::of(Ending::Skipped { reason }),
                Stale::Refetch => match self.refetch(run, body).await {
                    Ok(object) => {
                        event = Arc::new(EventInput {
                            object,
                            previous: Value::Null,
                            ..EventInput::clone(&event)
                        });
                        remark = Some(format!("{reason}; the object was read anew"));
                    }
                    Err(ending) => return Outcomes::of(*ending),
                },
            },
        }
        if body.journal.is_empty() {
            match echo(&self.store, pipeline, body, &event).await {
                Err(failure) => return Outcomes::of(interrupted(&failure)),
                Ok(Some(of)) => {
                    return Outcomes::of(Ending::Skipped { reason: format!("echo of run {of}") });
                }
                Ok(None) => {}
            }
        }
        let input = RunInput {
            id: format!("{}-{}", self.store.mark(), run.id).into(),
            attempt: run.attempts + 1,
            spent: run.spent.clone(),
            resumed: run.attempts > 0 || run.received < self.holdings.taken_at(run.part),
            began: run.received,
            now: run.received,
            event,
        };
        let journal = RunJournal {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            client: Arc::clone(&run.client),
            run: run.id,
            redactor: self.redactor.clone(),
            entries: Mutex::new(body.journal.clone()),
            queued: Mutex::default(),
            applies: Mutex::new(applied(run, body)),
            unsettled: Arc::clone(&self.unsettled),
        };
        let ending = pipeline.execute(&input, &*self.gateway, &journal).await;
        match journal.settled().await {
            Ok(()) => Outcomes { remark, applied: journal.still_applies(), ..Outcomes::of(ending) },
            Err(failure) => Outcomes::of(interrupted(&failure)),
        }
    }

    /// Why the run's event is stale: a newer one was applied to its object, or a run has begun to apply it. Asked in
    /// every attempt: one that has begun and then waited outside its lane, or was a dead letter, was perhaps overtaken.
    async fn overtaken(
        &self,
        run: &QueuedRun,
        body: &RunBody,
        told: (Told, Moment),
    ) -> Result<Option<String>, StoreError> {
        let Some(object) = body.object.as_ref().filter(|_| run.stale != Stale::Apply) else {
            return Ok(None);
        };
        let applied = if let Ok(applied) = self.told_since(run, object, told) {
            applied
        } else {
            let queued = self.unsettled.newest(&run.client, &run.pipeline, object);
            self.store.applied(&run.client, &run.pipeline, object).await?.max(queued)
        };
        let begun = run.stale == Stale::Skip && !body.journal.is_empty();
        Ok(overtaken(object, (run.place.created, run.place.rank), applied, begun))
    }

    /// The newest that was applied, from what the store told earlier and what is known to have come since.
    fn told_since(
        &self,
        run: &QueuedRun,
        object: &Arc<str>,
        (told, asked): (Told, Moment),
    ) -> Result<Option<(Timestamp, u32)>, Forgotten> {
        let Told::Applied(applied) = told else { return Err(Forgotten) };
        let since = self.unsettled.since(asked, &run.client, &run.pipeline, object)?;
        Ok(applied.max(since))
    }

    /// The object as it is now.
    async fn refetch(&self, run: &QueuedRun, body: &RunBody) -> Result<Value, Box<Ending>> {
        let (Some(kind), Some(id)) = (&body.object_kind, &body.object) else {
            let failure = Failure::permanent("the event does not tell which object could be read anew");
            return Err(refetch_failed(failure, &body.connection));
        };
        let action = Action::Get { object: Arc::clone(kind), id: Arc::clone(id), select: Select::All };
        let call = Call::new(Arc::clone(&body.connection), action);
        match self.gateway.call(&run.client, &call).await {
            Ok(reply) => reply.record.ok_or_else(|| {
                refetch_failed(Failure::permanent("the answer holds no record"), &body.connection)
            }),
            Err(failure) if failure.class == Class::Missing => Err(Box::new(Ending::Skipped {
                reason: format!(
                    "the event is older than one already applied, and {id} is not there any more"
                ),
            })),
            Err(failure) => Err(refetch_failed(failure, &body.connection)),
        }
    }
}

impl Carried {
    /// From a run's own row, just now.
    fn loaded(body: RunBody) -> Self {
        Self { body: Arc::new(body), event: None, told: (Told::Nothing, Moment::default()) }
    }
}

/// What a run applies its event to.
fn applied(run: &QueuedRun, body: &RunBody) -> Option<Applied> {
    Some(Applied {
        client: Arc::clone(&run.client),
        pipeline: Arc::clone(&run.pipeline),
        object: body.object.clone()?,
        created: run.place.created,
        rank: run.place.rank,
    })
}

fn read(pipeline: &dyn Runnable, body: &RunBody) -> Result<EventInput, Box<Ending>> {
    let event = Value::from_json(&body.body).map_err(|failure| failure.to_string());
    event.and_then(|event| pipeline.read(body, event)).map_err(|reason| {
        let reason = format!("its event cannot be read any more: {reason}");
        Box::new(failed("event", Failure::permanent(reason)))
    })
}

fn failed(step: &str, failure: Failure) -> Ending {
    Ending::Failed { step: step.into(), failure, connection: None, retry: None }
}

fn refetch_failed(failure: Failure, connection: &Arc<str>) -> Box<Ending> {
    Box::new(Ending::Failed {
        step: "stale: refetch".into(),
        failure,
        connection: Some(Arc::clone(connection)),
        retry: None,
    })
}

fn no_pipeline(run: &QueuedRun, why: &str) -> Box<Ending> {
    Box::new(failed("pipeline", Failure::permanent(format!("pipeline `{}` {why}", run.pipeline))))
}

fn gone(run: &QueuedRun) -> Ending {
    Ending::Interrupted { reason: format!("run {} has no event", run.id) }
}

fn interrupted(failure: &StoreError) -> Ending {
    Ending::Interrupted { reason: failure.to_string() }
}

fn too_long(limits: &Limits) -> Ending {
    let reason = format!("it was stopped after {} seconds", limits.run_time.as_secs());
    failed("run", Failure::new(Class::Transient, reason))
}

fn bug(panic: &(dyn std::any::Any + Send)) -> Ending {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    failed("run", Failure::permanent(format!("a bug of lockstep; please report it: {text}")))
}
