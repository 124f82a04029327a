//! Alerts that are started only so often: what a report comes to is decided where it is kept, so that all processes that
//! share a store count together.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::change::{AlertWindow, UntoldReport};
use super::event::NewEvent;
use crate::value::Value;

/// A report to a pipeline that is started only so often.
#[derive(Debug, Clone)]
pub struct LimitedReport {
    /// The event that it starts, if it starts one now; of its client, and with what it says under `object`.
    pub event: NewEvent,
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// What it reports, and what that says: kept when it starts none now.
    pub report: UntoldReport,
    /// So many are started in a window...
    pub count: u32,
    /// ... of this length.
    pub per: Duration,
    /// When.
    pub at: Timestamp,
}

/// A group of reports that is told, its window being over.
#[derive(Debug, Clone)]
pub struct ToldGroup {
    /// The window as it was read; nothing happens when it is another one by now.
    pub window: AlertWindow,
    /// The event that tells them; `None` when nobody is left to tell it to.
    pub event: Option<NewEvent>,
    /// How long the next window is, which this one event opens.
    pub per: Duration,
    /// When.
    pub at: Timestamp,
}

impl LimitedReport {
    /// What the report comes to, in the window as it is: the window after it, and the event if it starts one.
    pub(super) fn admit(&self, window: Option<AlertWindow>) -> (AlertWindow, Option<NewEvent>) {
        let mut window = window.unwrap_or_else(|| AlertWindow {
            client: Arc::clone(&self.event.client),
            pipeline: Arc::clone(&self.pipeline),
            ends: self.at,
            started: 0,
            grouped: 0,
            untold: None,
        });
        if window.ends <= self.at {
            (window.ends, window.started) = (after(self.at, self.per), 0);
        }
        if window.started >= self.count {
            window.grouped += 1;
            window.untold = Some(self.report.clone());
            return (window, None);
        }
        window.started += 1;
        window.untold = None;
        let grouped = std::mem::take(&mut window.grouped);
        (window, Some(regrouped(&self.event, grouped)))
    }
}

impl ToldGroup {
    /// The window after the group was told; `None` when it is not the one that was read.
    pub(super) fn tell(&self, window: Option<AlertWindow>) -> Option<AlertWindow> {
        let mut window = window.filter(|window| *window == self.window)?;
        (window.grouped, window.untold) = (0, None);
        if self.event.is_some() {
            (window.ends, window.started) = (after(self.at, self.per), 1);
        }
        Some(window)
    }
}

/// The event with the number of the reports that it tells beside its own.
fn regrouped(event: &NewEvent, grouped: u32) -> NewEvent {
    let body = Value::from_json(&event.body).ok();
    let Some(mut map) = body.as_ref().and_then(Value::as_map).cloned().filter(|_| grouped > 0) else {
        return event.clone();
    };
    let mut object = map.get("object").and_then(Value::as_map).cloned().unwrap_or_default();
    object.insert("grouped".into(), Value::from(i64::from(grouped)));
    map.insert("object".into(), Value::from(object));
    NewEvent { body: Value::from(map).to_json().into(), ..event.clone() }
}

fn after(time: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}
