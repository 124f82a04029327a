//! One sentence for each verb, with its defaults.

use super::table::source;
use crate::config::step::{
    AcceptedClass, CallStep, CheckStep, FindStep, Key, LinkStep, ListStep, ManyFound, Otherwise, UpdateStep,
    UpsertStep,
};
use crate::config::{Fields, Match, NoneFound, RetryFile, Span, Verb, Written};

/// What one step does.
pub(super) fn sentence(verb: &Verb) -> String {
    match verb {
        Verb::Find(find) => of_find(find),
        Verb::Get(get) => {
            format!("Read {} {}. If there is none, {}.", get.object, source(&get.record.0).0, none(get.none))
        }
        Verb::List(list) => of_list(list),
        Verb::Create(create) => format!("Create {}{}", create.object, keyed(create.key.as_ref())),
        Verb::Update(update) => of_update(update),
        Verb::Upsert(upsert) => of_upsert(upsert),
        Verb::Delete(delete) => {
            let record = source(&delete.record.0).0;
            format!("Delete {} {record}; one that is gone already is fine.", delete.object)
        }
        Verb::Link(link) => linked("Put", "into", link),
        Verb::Unlink(link) => linked("Take", "out of", link),
        Verb::Call(call) => of_call(call),
        Verb::Script(script) => format!("Run a script of {} lines.", script.0.lines().count()),
        Verb::Set(_) => "Name values for later steps.".to_owned(),
        Verb::ForEach(each) => {
            let together = if each.batch { ", side by side" } else { "" };
            format!("For each {} of {}, at most 1000{together}:", each.name.0, source(&each.list.0).0)
        }
        Verb::Choose(_) => "Take the first branch that holds:".to_owned(),
        Verb::Check(check) => of_check(check),
        Verb::Use(part) => format!("Do the steps of the part {}.", part.part),
    }
}

fn of_find(find: &FindStep) -> String {
    let one = find.object.iter().zip(&find.matching);
    let any = find.any.iter().map(|place| (&place.object, &place.matching));
    let places: Vec<String> =
        one.chain(any).map(|(object, matching)| format!("{object} by {}", matched(matching))).collect();
    let (none, many) = (none(find.none), many(find.many));
    format!("Find {}. If there is none, {none}; if there are several, {many}.", places.join(", else "))
}

fn of_list(list: &ListStep) -> String {
    let with =
        if list.matching.is_empty() { String::new() } else { format!(" with {}", pairs(&list.matching)) };
    format!("Read all {}{with}; more than {} are a conflict.", list.object, list.limit)
}

fn of_update(update: &UpdateStep) -> String {
    let way = if update.blind { "without reading it first" } else { "writing only what differs" };
    format!("Update {} {}, {way}.", update.object, source(&update.record.0).0)
}

fn of_upsert(upsert: &UpsertStep) -> String {
    let (object, matching) = (&upsert.object, matched(&upsert.matching));
    if upsert.blind {
        return format!(
            "Create or update {object} by {matching}, without reading it first: the system itself decides which, and every \
             field is written each time."
        );
    }
    let guard =
        upsert.guard.as_ref().map_or_else(String::new, |guard| format!(" and {} holds", guard.0.trim()));
    format!(
        "Find {object} by {matching}; create it if there is none, write what differs if there is one{guard}; several are \
         a conflict."
    )
}

fn linked(verb: &str, preposition: &str, link: &LinkStep) -> String {
    let (to, record) = (source(&link.to.0).0, source(&link.record.0).0);
    format!("{verb} {to} {preposition} {} of {} {record}.", link.relation, link.object)
}

fn of_call(call: &CallStep) -> String {
    let key =
        call.key.as_ref().map_or_else(String::new, |key| format!(", once for each {}", source(&key.0).0));
    let accept: Vec<&str> = call.accept.iter().map(|class| accepted(*class)).collect();
    let accept = match &*accept {
        [] => String::new(),
        some => format!(" Taken as success: {}.", some.join(", ")),
    };
    format!("Call {} of {}{key}.{accept}", call.operation, call.connection.0)
}

fn of_check(check: &CheckStep) -> String {
    let ends = match check.otherwise {
        Otherwise::Conflict => "a person decides",
        Otherwise::Skip => "the run is skipped",
        Otherwise::Fail => "the run fails for good",
    };
    let reason =
        check.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", source(&reason.0).0));
    format!("Check that {}; otherwise {ends}{reason}.", check.that.0.trim())
}

/// How often a failure is tried again.
pub(super) fn retried(retry: &RetryFile) -> String {
    let (first, longest) = (Span(retry.backoff.first), Span(retry.backoff.longest));
    format!(
        "tried up to {} times, after {first} and then ever later, at most {longest} apart",
        retry.attempts
    )
}

fn keyed(key: Option<&Key>) -> String {
    match key {
        Some(Key::Fields(fields)) => {
            format!(", once for each {}. If it exists, nothing is written.", pairs(fields))
        }
        Some(Key::Value(value)) => {
            format!(", once for each {}, which lockstep remembers.", source(&value.0).0)
        }
        None => ". Nothing says what makes it the same one again.".to_owned(),
    }
}

fn none(none: NoneFound) -> String {
    match none {
        NoneFound::Continue => "the run goes on".to_owned(),
        NoneFound::Skip => "the run is skipped".to_owned(),
        NoneFound::Conflict => "a person decides".to_owned(),
        NoneFound::Fail => "the run fails for good".to_owned(),
        NoneFound::Wait(time) => format!("the run waits up to {}, then fails", Span(time)),
    }
}

fn many(many: ManyFound) -> &'static str {
    match many {
        ManyFound::Conflict => "a person decides",
        ManyFound::Skip => "the run is skipped",
        ManyFound::Fail => "the run fails for good",
        ManyFound::First => "the first is taken",
    }
}

fn accepted(class: AcceptedClass) -> &'static str {
    match class {
        AcceptedClass::Duplicate => "it exists already",
        AcceptedClass::Missing => "there is no such record",
        AcceptedClass::Permanent => "the system refuses it",
    }
}

fn matched(matching: &Match) -> String {
    matching.alternatives().iter().map(pairs).collect::<Vec<_>>().join(", else by ")
}

fn pairs(fields: &Fields) -> String {
    let pair = |(name, value): (&String, &Written)| format!("{name} = {}", source(&value.0).0);
    fields.iter().map(pair).collect::<Vec<_>>().join(" and ")
}
