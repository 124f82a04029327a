//! What must survive: events, runs, what runs have done, and what they changed.
//!
//! [`Store`] is the seam, and has two sides: SQLite ([`sqlite`]), one file with nothing to install, and PostgreSQL
//! ([`postgres`]). Every method is a batch or a question; none is about a
//! single table, so that a store may lay its tables out as it likes.
//!
//! It guarantees that what it answered is on disk, that changes come to disk in the order in which they were
//! handed over, and that an event is kept once. It does **not** schedule: which run goes next, and what a failure
//! leads to, is the engine's to decide. Begin reading at [`Store`].

mod address;
mod alert;
mod chain;
mod change;
mod columns;
mod contract;
mod erase;
mod error;
mod event;
mod note;
mod open;
mod parts;
mod poll;
pub mod postgres;
mod query;
mod run;
mod sharing;
pub mod sqlite;
mod version;

pub use address::{AddressError, StoreAddress};
pub use alert::{LimitedReport, ToldGroup};
pub use chain::{ChainHead, ChainHeadError, ChainState, Link, Sealable, SealedEntry};
pub use change::{
    AgreedRow, AlertWindow, Applied, Change, CircuitState, ConnectionState, Matter, NewIntent, SealedSecret,
    Settled, UntoldReport,
};
pub use contract::Store;
pub use erase::{Erasable, ErasablePage, Erasing, Erasure, ErasureFilter, Kept};
pub use error::StoreError;
pub use event::{Accepted, EventSeq, NewEvent, NewRun, Source};
pub use note::{ErasableNote, ErasingNotes, NoteId, NoteKind, NotePage};
pub use open::{Access, open};
pub use parts::{PARTS, Part, Parts};
pub use poll::{
    Digest, DueReport, Effect, Find, JobNote, PollEnd, PollId, PollJob, PollName, PollState, PollStep,
    ReportEnd, ReportFilter, ReportRow, Seen, SeenBy, SeenRow, Staged, StagedBy, Tally,
};
pub use query::{
    AuditFilter, AuditRow, CallRow, Counts, EventDetail, EventFilter, EventRow, Origin, PageLimit, RunDetail,
    RunFilter, RunRow,
};
pub use run::{
    Ahead, DueRun, Outcome, Outlook, Place, QueuedRun, READ_AHEAD_BYTES, RunBody, RunId, RunState, Told,
    Version,
};
pub use sharing::{
    Bucket, HandedOver, HeldBack, PaceName, Replica, Role, Sharing, TakenUp, Tenure, Turns, TurnsAsked,
};
pub use version::{GoodClient, LastGood};
