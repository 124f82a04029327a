//! What a client's pipelines will cost, from its files alone: calls an event, calls a day, the share of a quota, and how long
//! a backfill takes.
//!
//! It counts what the verbs do (`steps`), step by step, without running any: the least and the most that an event can
//! come to. Left out is what is asked for once an hour (tokens, names of fields), what retries add, and what ends as a
//! conflict or a failure before its time. Begin reading at [`ClientQuota::of`].

mod budget;
mod calls;
mod pipeline;
mod walk;

pub use budget::{Budget, ClientQuota, ConnectionQuota, Jobs, PipelineQuota};
pub use calls::{Calls, Counts};
pub use pipeline::per_event;
