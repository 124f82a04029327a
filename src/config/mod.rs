//! YAML -> typed model. Each file of a project has one type here; what the types allow is the language.
//!
//! The doc comments of these types are the reference that integrators read: they become the JSON Schemas in
//! `schemas/`, an editor's hover text and `lockstep schema`. `config` does not judge what a project means; `check`
//! does. Begin reading at [`pipeline`] and [`step`].

pub mod client;
pub mod connection_schema;
mod discover;
mod draft;
pub mod env;
mod file_set;
mod load;
mod overlay;
pub mod pipeline;
mod read;
mod rules_file;
mod scan;
mod schedule;
mod schema;
pub mod step;
pub mod structure;
pub mod test_file;
mod tree;
pub mod trigger;

pub use crate::{words, written};
pub use client::{ClientFile, ClientOverlay, ConnectionFile, ConnectionOverlay, Owner, SharedOwner};
pub use connection_schema::{ConnectionSchema, FieldKind, FieldSchema, ObjectSchema};
pub use discover::{LoadError, find_root};
pub use draft::{ClientDraft, Draft, DraftFile, SchemaDraft, Shared};
pub use file_set::{FileSet, FileText};
pub use load::{load, load_connections, load_kept};
pub use pipeline::{OrderFile, PartFile, PipelineFile, RetryFile, Stale, StaleFile};
pub use read::{FileType, read};
pub use rules_file::{Level, RulesFile};
pub use scan::scan;
pub use schedule::{Compared, Gone, Keep, ListFile, ReportTo, ScheduleTrigger, SinceFile, Start, UniqueFile};
pub use schema::{FILE_KINDS, FileKind};
pub use step::{StepFile, Verb};
pub use test_file::TestFile;
pub use trigger::{
    Delivery, Listening, LockstepEvent, LockstepTrigger, ReadFile, StripeTrigger, TriggerFile, WebhookTrigger,
};
pub use words::{Backoff, Identifier, Name, NoneFound, ObjectRef, Rate, Span, Times, Zone};
pub use written::{Fields, Match, Script, Written};
