//! The ways through a pipeline that its file writes down: what its tests have taken, and what none of them has.

use std::sync::Arc;

use super::execute::TRIGGER;
use super::lower::Lowering;
use super::program::{Program, Step, Verb};
use crate::config::step::{self, ManyFound, OnError, StepFile};
use crate::diagnostic::{Path, Place};
use crate::words::NoneFound;

/// A way that a step, or the pipeline's own condition, can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// The step is performed.
    Performed,
    /// Its `when` is false.
    WhenFalse,
    /// What it looks for is not there, and `none` says what follows.
    NoneFound,
    /// There are several of what it looks for, and `many` says what follows.
    ManyFound,
    /// What an upsert finds is not as its `guard` demands.
    GuardFails,
    /// What a `check` demands does not hold.
    CheckFails,
    /// It fails, and the run goes on.
    GoesOn,
    /// The branch of this number of a `choose` is taken, counted from 0.
    Branch(usize),
    /// No branch of a `choose` holds.
    NoBranch,
}

impl Way {
    /// What happens on it, after "no test in which": a sentence's end.
    pub fn in_words(self) -> String {
        match self {
            Self::Performed => "the step is performed".to_owned(),
            Self::WhenFalse => "`when` is false".to_owned(),
            Self::NoneFound => "`none` is met".to_owned(),
            Self::ManyFound => "`many` is met".to_owned(),
            Self::GuardFails => "`guard` does not hold".to_owned(),
            Self::CheckFails => "the check does not hold".to_owned(),
            Self::GoesOn => "it fails and the run goes on".to_owned(),
            Self::Branch(number) => format!("branch {} is taken", number + 1),
            Self::NoBranch => "no branch holds".to_owned(),
        }
    }
}

/// A way, whose it is, and where it is written.
#[derive(Debug, Clone)]
pub struct WayAt {
    /// The label of the step, or `trigger`: what an observer is told.
    pub step: Arc<str>,
    /// The way.
    pub way: Way,
    /// Where it is written.
    pub place: Place,
}

impl Program {
    /// All ways that are written, those of parts as often as a part is used.
    pub fn ways(&self) -> Vec<WayAt> {
        let mut ways = Vec::new();
        if let Some(place) = &self.when_at {
            ways.push(WayAt { step: TRIGGER.into(), way: Way::WhenFalse, place: place.clone() });
        }
        collect(&self.steps, &mut ways);
        ways
    }
}

fn collect(steps: &[Step], ways: &mut Vec<WayAt>) {
    for step in steps {
        let at = |(way, place): &(Way, Place)| WayAt {
            step: Arc::clone(&step.label),
            way: *way,
            place: place.clone(),
        };
        ways.extend(step.ways.iter().map(at));
        match &step.verb {
            Verb::ForEach(verb) => collect(&verb.steps, ways),
            Verb::Choose(verb) => verb.0.iter().for_each(|branch| collect(&branch.steps, ways)),
            Verb::Use(verb) => collect(&verb.steps, ways),
            Verb::Find(_)
            | Verb::Get(_)
            | Verb::List(_)
            | Verb::Create(_)
            | Verb::Update(_)
            | Verb::Upsert(_)
            | Verb::Delete(_)
            | Verb::Link(_)
            | Verb::Call(_)
            | Verb::Script(_)
            | Verb::Set(_)
            | Verb::Check(_) => {}
        }
    }
}

impl Lowering<'_> {
    /// The ways of a step, the first of them its being performed. What a look-up does by default is no way of its own, nor is a
    /// call that fails: in a test none does.
    pub(super) fn ways(&self, path: &Path, written: &StepFile) -> Vec<(Way, Place)> {
        let verb = path.key(written.verb.name());
        let mut ways = vec![(Way::Performed, self.key(&verb))];
        if written.when.is_some() {
            ways.push((Way::WhenFalse, self.key(&path.key("when"))));
        }
        if written.on_error == OnError::Continue && !matches!(written.verb, step::Verb::Call(_)) {
            ways.push((Way::GoesOn, self.key(&path.key("on_error"))));
        }
        let none = |none: NoneFound| (none != NoneFound::default()).then_some(Way::NoneFound);
        match &written.verb {
            step::Verb::Find(find) => {
                ways.extend(none(find.none).map(|way| (way, self.key(&verb.key("none")))));
                if find.many != ManyFound::default() {
                    ways.push((Way::ManyFound, self.key(&verb.key("many"))));
                }
            }
            step::Verb::Get(get) => {
                ways.extend(none(get.none).map(|way| (way, self.key(&verb.key("none")))));
            }
            step::Verb::Upsert(upsert) if upsert.guard.is_some() => {
                ways.push((Way::GuardFails, self.key(&verb.key("guard"))));
            }
            step::Verb::Check(_) => ways.push((Way::CheckFails, self.key(&verb.key("that")))),
            step::Verb::Choose(choose) => {
                let branches = (0..choose.0.len()).map(|at| (Way::Branch(at), self.value(&verb.index(at))));
                ways.extend(branches);
                if choose.0.last().is_some_and(|last| last.when.is_some()) {
                    ways.push((Way::NoBranch, self.key(&verb)));
                }
            }
            _ => {}
        }
        ways
    }
}
