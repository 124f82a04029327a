//! Running pipelines without any system: records and a journal in memory, behind the same seams as production.
//!
//! `lockstep test`, `dry-run` and `plan` run the production step code over these. Nothing here talks to a network or a store.
//! Begin reading at [`run_case`], or, for what a change of the files would write otherwise, at [`Story`].

mod case;
mod compare;
mod converge;
mod crash;
mod crm;
mod end_state;
mod event;
mod expect;
mod journal;
mod listing;
mod plan;
mod recall;
mod replay;
mod timeline;
mod witness;

pub use case::{CaseResult, Rehearsal, run_case, systems, told};
pub use compare::{Agreement, Comparison, FieldPair, Pair, shown};
pub use converge::{Divergence, Tried};
pub use crm::{Crm, Write};
pub use event::{EventError, Occasion, of_file, of_kept, of_test};
pub use expect::word;
pub use journal::{Memory, RunJournal};
pub use plan::{Planned, PlannedField, PlannedWrite};
pub use recall::{KeptRun, Recalled, Story, Was};
pub use replay::{Played, Records, play};
pub use witness::{Asked, By, Made, Taken};
