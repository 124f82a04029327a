//! A process that dies at a chosen call.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending};
use tokio::sync::Notify;

use super::crm::Crm;
use super::journal::Memory;
use crate::connector::{Abilities, Call, Failure, Gateway, Reply};

/// When a process dies. Calls are counted from 1, over all its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crash {
    /// Before this call is sent.
    Before(usize),
    /// After this call was carried out, and before its answer is kept.
    After(usize),
    /// After the last step of the run that has made this call, and before the run has ended.
    AtEnd(usize),
}

/// The way to the systems in memory, for a process that dies once.
pub(super) struct Line<'a> {
    crm: &'a Crm,
    memory: &'a Memory,
    crash: Option<Crash>,
    calls: AtomicUsize,
    over: AtomicBool,
    died: Notify,
    died_at: Mutex<Option<String>>,
}

impl<'a> Line<'a> {
    pub(super) fn new(crm: &'a Crm, memory: &'a Memory, crash: Option<Crash>) -> Self {
        let (calls, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { crm, memory, crash, calls, over, died: Notify::new(), died_at: Mutex::default() }
    }

    /// How many calls there were.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The call at which it died, in words.
    pub(super) fn died_at(&self) -> Option<String> {
        self.died_at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end of the process.
    pub(super) async fn dies(&self) {
        self.died.notified().await;
    }

    /// True when the process ends here, after the last step of a run.
    pub(super) fn dies_at_end(&self) -> bool {
        let Some(Crash::AtEnd(call)) = self.crash else { return false };
        self.calls() >= call && self.end("after the last step, before the run has ended".to_owned())
    }

    /// The end, once.
    fn end(&self, words: String) -> bool {
        if self.over.swap(true, Ordering::SeqCst) {
            return false;
        }
        *self.died_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
        true
    }

    /// Dies at `crash`; whoever waits for the answer of a dead process waits for ever.
    async fn point(&self, crash: Crash, when: &str, call: &Call) {
        if self.crash == Some(crash) && self.end(format!("{when} {}", in_words(call))) {
            self.died.notify_one();
            pending::<()>().await;
        }
    }
}

impl Gateway for Line<'_> {
    fn call<'a>(&'a self, client: &'a str, call: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>> {
        async move {
            let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            self.point(Crash::Before(number), "before", call).await;
            // A call takes longer than a commit: what was queued before it is on disk when it has been carried out.
            self.memory.sync();
            let answer = self.crm.call(client, call).await;
            self.point(Crash::After(number), "after", call).await;
            answer
        }
        .boxed()
    }

    fn abilities(&self, client: &str, connection: &str) -> Option<Arc<Abilities>> {
        self.crm.abilities(client, connection)
    }
}

/// `update salesforce.Account`.
fn in_words(call: &Call) -> String {
    let verb = call.action.kind().map_or("call", |kind| kind.word());
    match call.action.object() {
        Some(object) => format!("{verb} {}.{object}", call.connection),
        None => format!("{verb} of {}", call.connection),
    }
}
