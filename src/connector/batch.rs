//! A compiled batch: how several calls go out as one request, and how its answer is taken apart.
//!
//! Invariant 10: each call has an answer of its own, which is read as if it had been sent by itself. One that the answer does
//! not mention is one of which nobody knows whether it was done.

use std::sync::Arc;

use indexmap::IndexMap;
use reqwest::Url;

use super::answer::Answer;
use super::compile::Compiler;
use super::expression::{Check, Expression};
use super::failure::Failure;
use super::file::{BatchCost, BatchFile, BodyKind};
use super::prelude;
use super::request::{Defaults, Outgoing, Request};
use super::template::Template;
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::Value;
use crate::words::Identifier;

/// What the calls of one request may have together, unless the manifest says otherwise.
const BYTES_MAX: usize = 1_000_000;

/// A compiled batch.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) max: usize,
    pub(super) bytes: usize,
    cost: BatchCost,
    part: Template,
    /// True when a part is made of what its operation would send by itself.
    pub(super) wraps: bool,
    request: Request,
    success: Option<Check>,
    answer: Expression,
    /// The preludes that it reads.
    pub(super) needs: Vec<Arc<str>>,
}

/// The batches of a manifest, by name.
pub(super) type Batches = IndexMap<Arc<str>, Batch>;

impl Batch {
    /// All batches of a manifest. `names` is what requests see.
    pub(super) fn compile_all(
        compiler: &mut Compiler,
        at: &Path,
        files: &IndexMap<Identifier, BatchFile>,
        defaults: &Defaults,
        names: &Names,
    ) -> Batches {
        let batches = files.iter().filter_map(|(name, file)| {
            let at = at.key(Arc::clone(&name.0));
            Some((Arc::clone(&name.0), Self::compile(compiler, &at, file, defaults, names)?))
        });
        batches.collect()
    }

    fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: &BatchFile,
        defaults: &Defaults,
        names: &Names,
    ) -> Option<Self> {
        let alone = ["method", "path", "query", "url", "body", "form"];
        let of_call = names.clone().with("number").with_keys("request", alone);
        let asking = names.clone().with("parts");
        let answered = asking.clone().with("response");
        let of_answer = answered.clone().with("number").with("part");
        // All of it, so that a mistake in one part does not hide those in another.
        let part = Template::compile(compiler, &at.key("part"), &file.part.0, &of_call);
        let request = Request::compile(compiler, &at.key("request"), &file.request, defaults, &asking);
        let success = compiler.check(&at.key("success"), file.success.as_ref(), &answered);
        let answer = compiler.expression(&at.key("answer"), &file.answer.0, &of_answer);
        if file.max < 2 {
            compiler.fault(&at.key("max"), "a batch of less than two is none");
        }
        let parts = [&file.request.query, &file.request.headers, &file.request.body].into_iter().flatten();
        let written = parts.chain([&file.request.path, &file.part, &file.answer]);
        Some(Self {
            max: usize::try_from(file.max).unwrap_or(usize::MAX),
            bytes: file.bytes.map_or(BYTES_MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            cost: file.cost,
            wraps: file.part.0.to_json().contains("request"),
            part: part?,
            request: request?,
            success,
            answer: answer?,
            needs: prelude::named_in(written.map(|written| &written.0)),
        })
    }

    /// How many turns of the rate limits a request with so many calls takes.
    pub(super) fn turns(&self, calls: usize) -> usize {
        match self.cost {
            BatchCost::One => 1,
            BatchCost::Each => calls,
        }
    }

    /// What stands in the request for the call of this number. `context` is what its own request sees, `alone` what that would be.
    pub(super) fn part(&self, number: usize, context: &Context, alone: Value) -> Result<Value, Failure> {
        self.part.eval(&context.with("number", numbered(number)).with("request", alone))
    }

    /// The request, without what shows who sends it. `context` is what the request of the first call sees, and `parts`.
    pub(super) fn build(
        &self,
        base: &Url,
        defaults: &Defaults,
        context: &Context,
    ) -> Result<Outgoing, Failure> {
        self.request.build(base, defaults, context)
    }

    /// What each call was answered; `None` for one that the answer does not mention. No list at all when the answer is not about
    /// the calls one by one.
    pub(super) fn answers(
        &self,
        parts: &[Value],
        answer: &Answer,
        context: &Context,
    ) -> Option<Vec<Option<Answer>>> {
        let readable = matches!(answer.kind, BodyKind::Json | BodyKind::Empty);
        let holds = self.success.as_ref().is_none_or(|success| success.holds(context));
        if !(answer.is_success() && readable && holds) {
            return None;
        }
        let numbered_parts = parts.iter().enumerate();
        let answers = numbered_parts.map(|(number, part)| {
            let context = context.with("number", numbered(number)).with("part", part.clone());
            of_one(&self.answer.read(&context), answer)
        });
        Some(answers.collect())
    }
}

fn numbered(number: usize) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// The answer to one call, as if it had come by itself.
fn of_one(told: &Value, whole: &Answer) -> Option<Answer> {
    let status = told.get("status").and_then(Value::as_i64).and_then(|status| u16::try_from(status).ok());
    let body = told.get("body").cloned().unwrap_or_default();
    let (kind, text) = match &body {
        Value::Null => (BodyKind::Empty, String::new()),
        body => (BodyKind::Json, body.to_json()),
    };
    Some(Answer { status: status?, headers: whole.headers.clone(), kind, body, text })
}
