//! `batches:`, how several calls go out as one request.

use schemars::JsonSchema;
use serde::Deserialize;

use super::request::RequestFile;
use crate::written::{Script, Written};

/// How several calls go out as one request, and how its answer is taken apart again: call by call, so that none that was
/// refused hides behind one that was done. The operations that go out like this name it under `batch`. Together go calls of one
/// operation of one object, with equal `params`, and looking by equal fields.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchFile {
    /// How many calls one request takes.
    #[schemars(range(min = 2, max = 1000))]
    pub max: u32,
    /// How many bytes they may have together, written as JSON; 1 MB when left out.
    #[serde(default)]
    pub bytes: Option<u32>,
    /// What it uses of the rate limits.
    #[serde(default)]
    pub cost: BatchCost,
    /// What stands in the request for one call. Sees what the request of its operation sees; `number`, its place in the batch
    /// from 0; and `request`, what its operation would send by itself: `method`, `path`, `query` and `body`, `url` (path and
    /// query) and `form` (the body as a form).
    pub part: Written,
    /// The request. Sees the list of all `parts`, and what the request of the first call would see.
    pub request: RequestFile,
    /// What must hold besides a 2xx status for the answer to be about the calls one by one. When it is not, the request was
    /// refused as a whole: what `errors` say of it holds for all of them. One that was refused for its content is sent again in
    /// halves, until the call that is wrong stands alone.
    #[serde(default)]
    pub success: Option<Script>,
    /// What one call was answered, as if it had been sent by itself: `{ status, body }`, which the `response` and the `errors` of
    /// its operation then read. Sees `number`, the call's own `part`, all `parts`, and `response`. Nothing when the answer does not
    /// mention it: then nobody knows whether it was done.
    pub answer: Written,
}

/// What a batch uses of the rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchCost {
    /// As much as one call.
    #[default]
    One,
    /// As much as its calls would, sent one by one.
    Each,
}
