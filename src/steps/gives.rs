//! What later steps can read of a step, as far as its verb tells: the keys it gives, and the words of its outcome.

use super::given::Outcome;
use crate::config::Verb;
use crate::config::step::{AcceptedClass, OnError, StepFile};
use crate::expr::Known;
use crate::words::NoneFound;

/// Who gives what not all verbs give.
const ELSEWHERE: &[(&str, &str)] = &[
    ("id", "a step on one record"),
    ("object", "a step on an object"),
    ("record", "a step that reads or writes one record"),
    ("records", "a `list`"),
    ("result", "a `call` or a `script`"),
    ("error", "a step with `on_error: continue`"),
];

const NEVER_SKIPPED: &str = "a step without `when` is never skipped";
const NEVER_FAILED: &str = "a failure ends the run: with `on_error: continue` it goes on";
const NEVER_MISSING: &str = "`none` says what zero lead to: with `none: continue` the run goes on";

/// What a step gives.
pub(super) fn of(step: &StepFile) -> Known {
    let (keys, outcomes) = of_verb(&step.verb);
    let mut known = Known {
        giver: format!("{} `{}`", article(step.verb.name()), step.verb.name()),
        keys: std::iter::once("outcome").chain(keys.iter().copied()).collect(),
        holder: keys.iter().find(|key| matches!(**key, "record" | "result")).copied(),
        elsewhere: ELSEWHERE,
        worded: "outcome",
        words: outcomes,
        never: Vec::new(),
    };
    // Whether the author wrote what makes an outcome possible.
    let skipped = step.when.is_some() || matches!(step.verb, Verb::Choose(_));
    let failed = step.on_error == OnError::Continue;
    for (outcome, possible, why) in
        [(Outcome::Skipped, skipped, NEVER_SKIPPED), (Outcome::Failed, failed, NEVER_FAILED)]
    {
        if possible {
            known.words.push(outcome.word());
        } else {
            known.never.push((outcome.word(), why));
        }
    }
    if failed && !known.keys.contains(&"error") {
        known.keys.push("error");
    }
    if matches!(step.verb, Verb::Find(_) | Verb::Get(_)) && !known.words.contains(&Outcome::Missing.word()) {
        known.never.push((Outcome::Missing.word(), NEVER_MISSING));
    }
    known
}

fn article(verb: &str) -> &'static str {
    if verb.starts_with("up") || verb.starts_with("un") { "an" } else { "a" }
}

const ONE_RECORD: &[&str] = &["id", "object", "record"];
const NO_RECORD: &[&str] = &["id", "object"];

/// What a verb gives beside its outcome, and the outcomes it has by itself.
fn of_verb(verb: &Verb) -> (&'static [&'static str], Vec<&'static str>) {
    use Outcome::{Created, Deleted, Done, Found, Missing, Unchanged, Updated};
    let (keys, outcomes): (_, &[Outcome]) = match verb {
        Verb::Find(find) => (ONE_RECORD, looked_up(find.none)),
        Verb::Get(get) => (ONE_RECORD, looked_up(get.none)),
        Verb::List(_) => (&["object", "records"], &[Found]),
        Verb::Create(_) => (ONE_RECORD, &[Created, Found]),
        Verb::Update(_) => (ONE_RECORD, &[Updated, Unchanged]),
        Verb::Upsert(_) => (ONE_RECORD, &[Created, Updated, Unchanged]),
        Verb::Delete(_) => (NO_RECORD, &[Deleted, Missing]),
        Verb::Link(_) | Verb::Unlink(_) => (NO_RECORD, &[Updated, Unchanged]),
        Verb::Call(call) => {
            let found = call.key.iter().map(|_| Found.word());
            let words =
                std::iter::once(Done.word()).chain(found).chain(call.accept.iter().copied().map(accepted));
            let keys =
                if call.accept.is_empty() { &["id", "result"][..] } else { &["id", "result", "error"] };
            return (keys, words.collect());
        }
        Verb::Script(_) => (&["result"], &[Done]),
        Verb::Set(_) | Verb::ForEach(_) | Verb::Choose(_) | Verb::Check(_) | Verb::Use(_) => (&[], &[Done]),
    };
    (keys, outcomes.iter().map(|outcome| outcome.word()).collect())
}

fn looked_up(none: NoneFound) -> &'static [Outcome] {
    match none {
        NoneFound::Continue => &[Outcome::Found, Outcome::Missing],
        NoneFound::Skip | NoneFound::Conflict | NoneFound::Fail | NoneFound::Wait(_) => &[Outcome::Found],
    }
}

/// The outcome of a call whose failure is taken as success.
fn accepted(class: AcceptedClass) -> &'static str {
    match class {
        AcceptedClass::Duplicate => crate::connector::Class::Duplicate.word(),
        AcceptedClass::Missing => crate::connector::Class::Missing.word(),
        AcceptedClass::Permanent => crate::connector::Class::Permanent.word(),
    }
}
