//! The one task that decides which run goes next. It owns all that is in memory about runs, waits for nothing but
//! its own mail, and leaves reading, writing and carrying out to tasks that report back to it.

//!
//! `task` holds its state and its loop, `begin` what it sets off, `hear` what it learns, `end` what becomes of a run.

mod begin;
mod end;
mod hear;
mod task;

pub(super) use task::{Doors, Scheduler};
