//! What the commands that look into a store share: which store, what is wanted, and how it is drawn.

mod detail;
mod narrow;
mod store;
mod table;

pub(super) use detail::{audit_lines, run_lines};
pub(super) use narrow::Narrow;
pub(super) use store::{StoreArgs, StoreUrl};
pub(super) use table::{Times, table};
