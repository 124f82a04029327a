//! What native functions need of the evaluation they are called in: its context and its deadline.
//!
//! Rhai hands them its own state only. An evaluation runs on one thread from beginning to end, so a thread-local
//! that is set around it says exactly this evaluation's.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::expr::context::Context;

/// How long a script may run: far more than 20,000 operations take, so it only stops what they do not count.
pub(super) const TIME_MAX: Duration = Duration::from_secs(1);

thread_local! {
    static CURRENT: RefCell<Option<Ambient>> = const { RefCell::new(None) };
}

struct Ambient {
    context: Context,
    deadline: Instant,
}

/// Ends the evaluation when it is dropped, also by a panic.
pub(super) struct Entered {
    before: Option<Ambient>,
}

/// Begins an evaluation over `context`.
pub(super) fn enter(context: &Context) -> Entered {
    let ambient = Ambient { context: context.clone(), deadline: Instant::now() + TIME_MAX };
    Entered { before: CURRENT.replace(Some(ambient)) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

/// The context of the evaluation that runs on this thread; `None` outside of one.
pub(super) fn context() -> Option<Context> {
    CURRENT.with_borrow(|current| current.as_ref().map(|ambient| ambient.context.clone()))
}

/// True when the evaluation that runs on this thread has used up its time.
pub(super) fn is_late() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|ambient| Instant::now() > ambient.deadline))
}
