//! What the commands that look into a store share: which store, what is wanted, and how it is drawn.

mod asked;
mod detail;
mod frame;
mod narrow;
mod store;
mod table;

pub(super) use asked::{Asked, Facets, of_change, of_event, of_run};
pub(super) use detail::{audit_lines, erased, nothing_changed, run_lines};
pub(super) use frame::{ListOrShow, Looking};
pub(super) use narrow::{Narrow, moment};
pub(super) use store::{StoreArgs, StoreUrl};
pub(super) use table::{Times, table};
