//! One pipeline that passed: when it starts, in which order, and what it does.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::schedule::Schedule;
use crate::config::{DraftFile, LockstepTrigger, PipelineFile, Stale, StaleFile};
use crate::diagnostic::Path;
use crate::expr::{Context, Expr, Frame};
use crate::steps::{self, ClientFacts, ClientScope, Compilation, EventInput, Program};
use crate::value::Value;

/// A pipeline that can run.
#[derive(Debug)]
pub struct Pipeline {
    /// Its name within its client; the same as its file's.
    pub name: Arc<str>,
    /// The file, as output names it.
    pub path: Arc<str>,
    /// The file's content: what `lockstep show` tells, and rules look at.
    pub written: PipelineFile,
    /// False when it is switched off: it is checked, and never runs.
    pub enabled: bool,
    /// What starts it.
    pub trigger: Trigger,
    /// Which of its runs go one after another.
    pub order: Order,
    /// What a run of it does.
    pub program: Program,
    /// A hash of all that it is made of, so that a run can finish with what it began with.
    pub version: Arc<str>,
}

/// What starts a pipeline.
#[derive(Debug)]
pub enum Trigger {
    /// Events of a connection.
    Events {
        /// The connection's name.
        connection: Arc<str>,
        /// Event types; in each, one `*` stands for any text.
        patterns: Vec<Arc<str>>,
        /// How often they are asked for; `None` when they come by themselves alone.
        polled: Option<Duration>,
    },
    /// Times, and what is listed then.
    Schedule(Arc<Schedule>),
    /// Lockstep's own reports.
    Reports(LockstepTrigger),
}

/// Which runs go one after another.
#[derive(Debug)]
pub struct Order {
    /// Runs with an equal key go one at a time; `None` for the trigger's own key.
    key: Option<Expr>,
    /// The lane that its runs stand in.
    pub lane: Arc<str>,
    stale: Option<StaleFile>,
}

impl Trigger {
    /// The keys of the object, where a schedule names the fields that it lists.
    fn keys(&self) -> Vec<Arc<str>> {
        match self {
            Self::Schedule(schedule) => schedule.listing.as_ref().map(|it| it.keys()).unwrap_or_default(),
            Self::Events { .. } | Self::Reports(_) => Vec::new(),
        }
    }
}

impl Pipeline {
    /// True when its events come in by themselves: nobody has to be there to ask for them.
    pub fn waits_for_events(&self) -> bool {
        match &self.trigger {
            Trigger::Events { polled: None, .. } | Trigger::Reports(_) => true,
            Trigger::Events { polled: Some(_), .. } | Trigger::Schedule(_) => false,
        }
    }

    /// Compiles a written pipeline. Everything that is wrong with it is added to `out`; nothing is given when
    /// something is. `version` names all the sources that it is made of.
    pub(crate) fn compile(
        scope: ClientScope<'_>,
        file: &DraftFile<PipelineFile>,
        version: Arc<str>,
        out: &mut Compilation,
    ) -> Option<Self> {
        let written = file.content.as_ref()?;
        let trigger = trigger(scope, file, written, out);
        let object = trigger.as_ref().map(Trigger::keys).unwrap_or_default();
        let scope = ClientScope { object: &object, ..scope };
        let program = Program::compile(scope, &file.path, written, out);
        let order = order(scope, file, written, out);
        Some(Self {
            name: Arc::clone(&written.name.0),
            path: Arc::clone(&file.path),
            written: written.clone(),
            enabled: written.enabled,
            trigger: trigger?,
            order: order?,
            program: program?,
            version,
        })
    }

    /// True when an event of this type, from this connection, starts a run of it.
    pub fn starts_on(&self, connection: &str, event_type: &str) -> bool {
        match &self.trigger {
            Trigger::Events { connection: own, patterns, .. } => {
                &**own == connection && patterns.iter().any(|pattern| fits(pattern, event_type))
            }
            Trigger::Schedule(_) | Trigger::Reports(_) => false,
        }
    }
}

impl Order {
    /// The key of the run that an event starts; `own`, the event's own, where the pipeline names none. An expression that
    /// fails says why.
    pub fn key_of(
        &self,
        event: &EventInput,
        client: &ClientFacts,
        now: Timestamp,
        own: &Arc<str>,
    ) -> Result<Arc<str>, String> {
        let Some(key) = &self.key else { return Ok(Arc::clone(own)) };
        let root = Value::map([
            ("object", event.object.clone()),
            ("previous", event.previous.clone()),
            ("event", event.envelope.clone()),
            ("vars", client.vars.clone()),
            ("client", Value::from(Arc::clone(&client.name))),
        ]);
        let context = Context::new(root, Frame::new(now, client.zone.clone()));
        let value = key.eval(&context).map_err(|error| error.to_string())?;
        // A key that is nothing would put unlike events into one lane: each goes by the trigger's own key then.
        Ok(value.to_text().filter(|text| !text.trim().is_empty()).unwrap_or_else(|| Arc::clone(own)))
    }

    /// What an event of this type does that is older than one already applied. Where the pipeline does not say, an
    /// `occurrence` (a refund) is applied, and what tells a state (updated) is skipped.
    pub fn stale(&self, event_type: &str, occurrence: bool) -> Stale {
        let usual = if occurrence { Stale::Apply } else { Stale::Skip };
        self.stale_written(event_type).unwrap_or(usual)
    }

    fn stale_written(&self, event_type: &str) -> Option<Stale> {
        match self.stale.as_ref()? {
            StaleFile::All(stale) => Some(*stale),
            StaleFile::ByType(types) => {
                let best = types.iter().filter(|(pattern, _)| fits(pattern, event_type));
                best.max_by_key(|(pattern, _)| pattern.len()).map(|(_, stale)| *stale)
            }
        }
    }
}

/// True when `name` is `pattern`, in which one `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
        None => pattern == name,
    }
}

fn trigger(
    scope: ClientScope<'_>,
    file: &DraftFile<PipelineFile>,
    written: &PipelineFile,
    out: &mut Compilation,
) -> Option<Trigger> {
    if let Some(reports) = written.trigger.reports() {
        return Some(Trigger::Reports(reports.clone()));
    }
    if let Some(schedule) = written.trigger.schedule() {
        return Schedule::compile(scope, file, schedule, out)
            .map(|schedule| Trigger::Schedule(Arc::new(schedule)));
    }
    let (path, connection, patterns) = written.trigger.events()?;
    steps::connection(scope, &file.path, &path, connection, out)?;
    let patterns = patterns.iter().map(|pattern| pattern.as_str().into()).collect();
    let polled = written.trigger.polled();
    Some(Trigger::Events { connection: Arc::clone(&connection.0), patterns, polled })
}

fn order(
    scope: ClientScope<'_>,
    file: &DraftFile<PipelineFile>,
    written: &PipelineFile,
    out: &mut Compilation,
) -> Option<Order> {
    let order = written.order.clone().unwrap_or_default();
    let key = match &order.key {
        Some(key) => {
            let path = Path::root().key("order").key("key");
            Some(steps::order_key(scope, &file.path, &path, key, out)?)
        }
        None => None,
    };
    let lane = order.lane.map_or_else(|| Arc::clone(&written.name.0), |lane| lane.0);
    Some(Order { key, lane, stale: order.stale })
}
