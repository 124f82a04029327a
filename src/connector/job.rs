//! A listing that a system makes in the background: begun, asked after, read page by page, thrown away.

use std::sync::Arc;
use std::time::Duration;

use super::abilities::JobFacts;
use super::call::{JobState, JobStep};
use super::compile::Compiler;
use super::expression::Expression;
use super::file::{JobFile, OperationFile};
use super::operation::{Operation, Role, uses};
use crate::diagnostic::Path;
use crate::expr::Context;
use crate::value::Value;

/// How long a job may take unless the manifest says otherwise.
const WITHIN: Duration = Duration::from_hours(24);

/// No job is waited for longer: systems throw away what nobody has read for days.
const WITHIN_MAX: Duration = Duration::from_hours(7 * 24);

/// How a system lists in the background.
#[derive(Debug)]
pub(super) struct Job {
    start: Operation,
    ask: Operation,
    page: Operation,
    end: Option<Operation>,
    abort: Option<Operation>,
    done: Vec<String>,
    failed: Vec<String>,
    why: Option<Expression>,
    pub(super) facts: Arc<JobFacts>,
}

impl Job {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        (file, list): (&JobFile, &OperationFile),
        role: &Role<'_>,
    ) -> Option<Self> {
        if role.object.is_empty() {
            compiler.fault(at, "only the records of an object are listed by a job");
        }
        if file.done.is_empty() {
            compiler.fault(&at.key("done"), "no word says that it is done");
        }
        for (index, word) in file.failed.iter().enumerate().filter(|(_, word)| file.done.contains(word)) {
            compiler.fault(&at.key("failed").index(index), format!("`{word}` says that it is done"));
        }
        if file.within.is_some_and(|within| within.0 > WITHIN_MAX) {
            compiler.fault(&at.key("within"), "more than a week");
        }
        if list.since.is_some() && !uses(&file.start, "since") {
            compiler
                .fault(&at.key("start"), "the list is narrowed by `since`, which this request does not use");
        }
        let begun = role.names.clone().with("job");
        let later = Role { names: &begun, ..*role };
        let mut part = |key: &str, file: &OperationFile, role: &Role<'_>| {
            let at = at.key(key);
            if file.job.is_some() {
                compiler.fault(&at.key("job"), "a job is not listed by another one");
                return None;
            }
            Operation::compile(compiler, &at, file, role)
        };
        let start = part("start", &file.start, role);
        let (ask, page) = (part("ask", &file.ask, &later), part("page", &file.page, &later));
        let end = file.end.as_deref().map(|end| part("end", end, &later));
        let abort = file.abort.as_deref().map(|abort| part("abort", abort, &later));
        let answered = begun.clone().with("response");
        let why = compiler.optional(&at.key("why"), file.why.as_ref(), &answered);
        let facts = JobFacts {
            named: file.named,
            within: file.within.map_or(WITHIN, |within| within.0),
            ends: file.end.is_some(),
            daily: file.daily,
            selects: uses(&file.start, "select"),
            reads_params: uses(&file.start, "params"),
        };
        Some(Self {
            start: start?,
            ask: ask?,
            page: page?,
            end: end.flatten(),
            abort: abort.flatten(),
            done: file.done.clone(),
            failed: file.failed.clone(),
            why,
            facts: Arc::new(facts),
        })
    }

    /// What a step of it is carried out with; nothing where the system has none.
    pub(super) fn operation(&self, step: &JobStep) -> Option<&Operation> {
        match step {
            JobStep::Start => Some(&self.start),
            JobStep::Ask(_) => Some(&self.ask),
            JobStep::Page(_) => Some(&self.page),
            JobStep::End(_) => self.end.as_ref(),
            JobStep::Abort(_) => self.abort.as_ref(),
        }
    }

    /// All that it sends.
    pub(super) fn operations(&self) -> impl Iterator<Item = &Operation> {
        [&self.start, &self.ask, &self.page].into_iter().chain(&self.end).chain(&self.abort)
    }

    /// How far it is, by the system's word for it.
    pub(super) fn state(&self, word: &Value, context: &Context) -> JobState {
        let word = word.to_text().unwrap_or_default();
        let is = |words: &[String]| words.iter().any(|known| **known == *word);
        if is(&self.done) {
            return JobState::Done;
        }
        if !is(&self.failed) {
            return JobState::UnderWay;
        }
        let why = self.why.as_ref().and_then(|why| why.read(context).to_text());
        JobState::Failed { word, why: why.filter(|why| !why.trim().is_empty()) }
    }
}
