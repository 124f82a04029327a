//! What native functions need of the evaluation they are called in: its context, its deadline and the names of the context
//! that its script reads.
//!
//! Rhai hands them its own state only. An evaluation runs on one thread from beginning to end, so a thread-local
//! that is set around it says exactly this evaluation's.
//!
//! The names of the context are not put into Rhai's scope: what a closure captures of that becomes one shared, locked value, and
//! calling a method of a value while a closure reads another part of it is then refused as a data race. A resolver gives them instead,
//! which Rhai copies (a node that is shared already) and never locks.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rhai::Dynamic;

use super::values::to_dynamic;
use crate::expr::context::Context;

/// How long a script may run: far more than 20,000 operations take, so it only stops what they do not count.
pub(super) const TIME_MAX: Duration = Duration::from_secs(1);

thread_local! {
    static CURRENT: RefCell<Option<Ambient>> = const { RefCell::new(None) };
}

struct Ambient {
    context: Context,
    deadline: Instant,
    variables: Vec<(Arc<str>, Dynamic)>,
}

/// Ends the evaluation when it is dropped, also by a panic.
pub(super) struct Entered {
    before: Option<Ambient>,
}

/// Begins an evaluation over `context`, of a script that reads `roots` of it, and these other variables.
pub(super) fn enter(
    context: &Context,
    roots: &[Arc<str>],
    others: impl IntoIterator<Item = (Arc<str>, Dynamic)>,
) -> Entered {
    let of_context = roots.iter().map(|root| {
        let value = context.root().get(root).map_or(Dynamic::UNIT, to_dynamic);
        (Arc::clone(root), value)
    });
    let variables = of_context.chain(others).collect();
    let ambient = Ambient { context: context.clone(), deadline: Instant::now() + TIME_MAX, variables };
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

/// The variable of this name of the evaluation that runs on this thread.
pub(super) fn variable(name: &str) -> Option<Dynamic> {
    CURRENT.with_borrow(|current| {
        let mut variables = current.iter().flat_map(|ambient| &ambient.variables);
        variables.find(|(known, _)| **known == *name).map(|(_, value)| value.clone())
    })
}

/// True when the evaluation that runs on this thread has used up its time.
pub(super) fn is_late() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|ambient| Instant::now() > ambient.deadline))
}
