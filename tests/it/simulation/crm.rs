//! The CRM of the simulation: records in memory, behind everything that can go wrong on the way to them.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lockstep::connector::{Abilities, Action, Call, Class, Done, Failure, Gateway, Reply};
use lockstep::rehearsal::Crm;

use super::ledger::Ledger;
use super::life::Life;
use super::random::Random;

/// The longest way of a request, and of its answer.
const WAY: Duration = Duration::from_millis(40);

/// What can go wrong with a call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It was done, and the answer was lost.
    AnswerLost,
    /// It was never done, and nobody knows.
    RequestLost,
    /// Nothing was done, and the system said so.
    Refused(Class),
}

/// All systems of the world; they outlive every process.
pub(super) struct Systems {
    pub(super) crm: Crm,
    pub(super) ledger: Arc<Ledger>,
    random: Random,
    /// False when everything has healed.
    pub(super) faulty: AtomicBool,
    /// The next calls that find the system down.
    down: AtomicU64,
}

impl Systems {
    pub(super) fn new(crm: Crm, ledger: Arc<Ledger>, random: Random) -> Self {
        let (faulty, down) = (AtomicBool::new(true), AtomicU64::new(0));
        Self { crm, ledger, random, faulty, down }
    }

    fn fault(&self, call: &Call) -> Option<Fault> {
        if refuses_for_ever(call) {
            return Some(Fault::Refused(Class::Permanent));
        }
        if !self.faulty.load(Ordering::SeqCst) {
            return None;
        }
        let down = self.down.load(Ordering::SeqCst);
        if down > 0 {
            self.down.store(down - 1, Ordering::SeqCst);
            return Some(Fault::Refused(Class::ConnectionDown));
        }
        match self.random.below(100) {
            0..8 => Some(Fault::AnswerLost),
            8..12 => Some(Fault::RequestLost),
            12..16 => Some(Fault::Refused(Class::Transient)),
            16..19 => Some(Fault::Refused(Class::Throttled)),
            19..21 => Some(Fault::Refused(Class::Locked)),
            21 => {
                self.down.store(self.random.below(4), Ordering::SeqCst);
                Some(Fault::Refused(Class::ConnectionDown))
            }
            _ => None,
        }
    }

    async fn carry_out(&self, client: &str, call: &Call) -> Result<Reply, Failure> {
        let fault = self.fault(call);
        if let Some(Fault::Refused(class)) = fault {
            let wait = (class == Class::Throttled).then(|| self.random.time(Duration::from_secs(20)));
            return Err(Failure { wait, status: Some(503), ..Failure::new(class, "the system said no") });
        }
        let lost = || {
            let reads = call.action.kind().is_some_and(lockstep::connector::ActionKind::is_read);
            let class = if reads { Class::Transient } else { Class::Unknown };
            Err(Failure { done: Done::Perhaps, ..Failure::new(class, "the answer was lost") })
        };
        if matches!(fault, Some(Fault::RequestLost)) {
            return lost();
        }
        self.ledger.done(call);
        let answer = self.crm.call(client, call).await;
        if matches!(fault, Some(Fault::AnswerLost)) { lost() } else { answer }
    }
}

/// One customer whose tasks nobody may write.
fn refuses_for_ever(call: &Call) -> bool {
    let Action::Create { object, fields } = &call.action else { return false };
    &**object == "Task" && fields.get("Ref__c").is_some_and(|key| key.to_string().ends_with("bad"))
}

/// The way of one process to the systems.
pub(super) struct Line {
    pub(super) systems: Arc<Systems>,
    pub(super) life: Arc<Life>,
    pub(super) random: Random,
}

impl Gateway for Line {
    fn call<'a>(&'a self, client: &'a str, call: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>> {
        async move {
            tokio::time::sleep(self.random.time(WAY)).await;
            // A process that is gone sends nothing any more.
            self.life.point().await;
            let answer = self.systems.carry_out(client, call).await;
            tokio::time::sleep(self.random.time(WAY)).await;
            if !self.life.goes_on() {
                pending::<()>().await;
            }
            answer
        }
        .boxed()
    }

    fn abilities(&self, client: &str, connection: &str) -> Option<Arc<Abilities>> {
        self.systems.crm.abilities(client, connection)
    }
}
