//! The one task that decides which run goes next. It owns all that is in memory about runs, waits for nothing but
//! its own mail, and leaves reading, writing and carrying out to tasks that report back to it.

//!
//! `task` holds its state and its loop, `begin` what it sets off, `hear` what it learns, `end` what becomes of a run, `share`
//! what it has of the work.

mod arrivals;
mod begin;
mod end;
mod hear;
mod share;
mod task;

pub(super) use task::{Arrived, Doors, Scheduler};
