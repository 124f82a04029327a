//! Connectors: a manifest (YAML) tells how one kind of system is talked to, and this module talks.
//!
//! A step hands a [`Call`] to a [`Gateway`] and gets a [`Reply`] or a [`Failure`], whose [`Class`] is decided
//! here and nowhere else. What may be relied on (can a create be repeated, is a look-up up to date) is read off
//! the manifest as [`Abilities`], so that nothing outside `builtin/` knows a system by name (invariant 8).
//!
//! What may be written in a manifest is [`file`]; [`Manifest::compile`] gives it its meaning, and a
//! [`Connection`] is a manifest with a client's settings. The way of a call is [`Connection::call`]: plan, context,
//! request, credential, pace, HTTP, then the answer is read or classified.
//!
//! It does **not** know runs, pipelines or the journal, never tries again (but for one renewal of an expired
//! credential) and breaks no circuit: it classifies.

mod abilities;
mod address;
mod answer;
mod auth;
mod batch;
mod builtin;
mod call;
mod classify;
mod commons;
mod compile;
mod connection;
mod connections;
mod encode;
mod endpoints;
mod events;
mod expression;
mod failure;
mod fault;
pub mod file;
mod form;
mod gateway;
mod http;
mod job;
mod language;
mod limit;
mod mail;
mod manifest;
mod many;
mod names;
mod object;
mod operation;
mod prelude;
mod preview;
mod quoted;
mod redirect;
mod rename;
mod request;
mod response;
mod rows;
mod sends;
mod settings;
mod smtp;
mod template;
mod webhook;
mod wire;

pub use abilities::{
    ANY_OBJECT, Abilities, AfterUnknown, EventFacts, Finder, IdForm, JobFacts, ObjectFacts, OperationFacts,
    ParamFacts, Repeat, SinceFacts,
};
pub use auth::{Kept, MemoryVault, Origin, Vault, VaultError};
pub use builtin::{Builtin, builtin, builtins};
pub use call::{Action, ActionKind, Call, Fields, JobState, JobStep, Record, Reply, Select, Since};
pub use commons::{CommonPace, CommonTurns, Commons, Spacing, TakenTurns};
pub use connection::{Connection, ConnectionParts, Surroundings};
pub use connections::Connections;
pub use endpoints::{Difference, Endpoints, Registered, Standing, Wanted};
pub use events::{Envelope, EnvelopeError, EventType, Events, Expected, matches_type};
pub use failure::{Class, Done, Failure};
pub use fault::Fault;
pub use file::ManifestFile;
pub use gateway::Gateway;
pub use http::{Http, HttpError};
pub use manifest::{Manifest, Usage};
pub use many::{folded, values_after};
pub use preview::PreparedRequest;
pub use settings::{Setting, Settings};
pub use webhook::{Posted, SignatureError, Webhook};
