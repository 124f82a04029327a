//! What people and programs are shown of the store: events, runs, dead letters, conflicts and the audit.
//!
//! One shape each, in JSON, for the commands (`lockstep runs --format json`) and the admin address (`/api/v1/runs`),
//! so that what is scripted against one works against the other. It reads and never writes. Begin at [`Listings`].

mod listings;
mod since;
mod views;

pub use listings::{ListingError, Listings, NotFound};
pub use since::{SinceError, since};
pub use views::{
    AuditView, CallView, ChangeView, EventDetailView, EventView, ReportView, RunBrief, RunDetailView, RunView,
};
