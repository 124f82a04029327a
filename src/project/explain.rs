//! A pipeline in plain words: the document that a client signs off. Defaults are made explicit, mappings are tables.

use super::pipeline::{Pipeline, Trigger};
use crate::config::step::{AcceptedClass, Key, ManyFound, OnError, Otherwise, StepFile};
use crate::config::{Fields, Match, NoneFound, RetryFile, Span, Stale, StaleFile, Verb, Written};
use crate::value::Value;

/// A part of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Its name.
    Title(String),
    /// A paragraph.
    Text(String),
    /// A numbered step: its number (`2`, `2.1`) and a sentence.
    Step(String, String),
    /// A mapping: one row a field.
    Mapping(Vec<Row>),
}

/// One field of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The field in its system.
    pub field: String,
    /// Where its value comes from.
    pub source: String,
    /// What is made of it on the way.
    pub conversion: String,
    /// What happens when there is no value.
    pub nothing: &'static str,
    /// When it is written.
    pub written: &'static str,
}

/// The columns of a mapping.
pub const COLUMNS: [&str; 5] = ["Field", "Value", "Conversion", "Without a value", "Written"];

impl Row {
    /// The cells, in the order of [`COLUMNS`].
    pub fn cells(&self) -> [&str; 5] {
        [&self.field, &self.source, &self.conversion, self.nothing, self.written]
    }
}

impl Pipeline {
    /// The pipeline in plain words.
    pub fn explain(&self) -> Vec<Block> {
        let mut blocks = vec![Block::Title(self.name.to_string())];
        blocks.extend(self.written.description.clone().map(Block::Text));
        if !self.enabled {
            blocks.push(Block::Text("It is switched off: it is checked, and never runs.".to_owned()));
        }
        blocks.push(Block::Text(self.starts()));
        if let Some(when) = &self.written.when {
            blocks.push(Block::Text(format!("Only when {}; otherwise the run is skipped.", when.0.trim())));
        }
        blocks.push(Block::Text(self.ordered()));
        blocks.push(Block::Text(format!("A run that fails is {}.", retried(&self.written.retry))));
        steps(&self.written.steps, "", &mut blocks);
        blocks
    }

    fn starts(&self) -> String {
        let read = self.written.trigger.read().map_or_else(String::new, |(_, read)| {
            format!(" It is about the {} that is read first: {}.", read.object, source(&read.record.0).0)
        });
        match &self.trigger {
            Trigger::Events { connection, patterns } => {
                format!("It starts on these events of {connection}: {}.{read}", patterns.join(", "))
            }
            Trigger::Reports(reports) => {
                let types: Vec<&str> = reports.events.iter().map(|event| event.as_str()).collect();
                let at_most = reports.at_most.map_or_else(String::new, |rate| {
                    format!(
                        " At most {} in {} start a run; the rest are counted.",
                        rate.count,
                        Span(rate.per)
                    )
                });
                format!("It starts on these reports of lockstep itself: {}.{at_most}", types.join(", "))
            }
        }
    }

    fn ordered(&self) -> String {
        let order = self.written.order.clone().unwrap_or_default();
        let key = order.key.map_or_else(|| "the event's own order key".to_owned(), |key| source(&key.0).0);
        let stale = match order.stale {
            None => "of an event that is older than one already applied, a state is skipped and an occurrence applied"
                .to_owned(),
            Some(StaleFile::All(stale)) => format!("an event that is older than one already applied is {}", stale_word(stale)),
            Some(StaleFile::ByType(types)) => {
                let types: Vec<String> =
                    types.iter().map(|(name, stale)| format!("{name} is {}", stale_word(*stale))).collect();
                format!("of events that are older than one already applied, {}", types.join(", "))
            }
        };
        format!("Runs with an equal key ({key}) go one at a time in the lane {}; {stale}.", self.order.lane)
    }
}

fn stale_word(stale: Stale) -> &'static str {
    match stale {
        Stale::Skip => "skipped",
        Stale::Apply => "applied",
        Stale::Refetch => "read anew",
    }
}

fn retried(retry: &RetryFile) -> String {
    let (first, longest) = (Span(retry.backoff.first), Span(retry.backoff.longest));
    format!(
        "tried up to {} times, after {first} and then ever later, at most {longest} apart",
        retry.attempts
    )
}

fn steps(written: &[StepFile], prefix: &str, blocks: &mut Vec<Block>) {
    for (index, step) in written.iter().enumerate() {
        let number = format!("{prefix}{}", index + 1);
        let when = step.when.as_ref().map_or_else(String::new, |when| format!("When {}: ", when.0.trim()));
        let id = step.id.as_ref().map_or_else(String::new, |id| format!(" Later steps call it `{}`.", id.0));
        let retry =
            step.retry.as_ref().map_or_else(String::new, |retry| format!(" It is {}.", retried(retry)));
        let on_error = match step.on_error {
            OnError::Fail => "",
            OnError::Continue => " If it fails for good, the run goes on.",
        };
        blocks.push(Block::Step(
            number.clone(),
            format!("{when}{}{id}{retry}{on_error}", sentence(&step.verb)),
        ));
        inside(&step.verb, &number, blocks);
    }
}

/// What one step does, with its defaults.
fn sentence(verb: &Verb) -> String {
    match verb {
        Verb::Find(find) => {
            let one = find.object.iter().zip(&find.matching);
            let any = find.any.iter().map(|place| (&place.object, &place.matching));
            let places: Vec<String> = one
                .chain(any)
                .map(|(object, matching)| format!("{object} by {}", matched(matching)))
                .collect();
            format!(
                "Find {}. If there is none, {}; if there are several, {}.",
                places.join(", else "),
                none(find.none),
                many(find.many)
            )
        }
        Verb::Get(get) => {
            format!("Read {} {}. If there is none, {}.", get.object, source(&get.record.0).0, none(get.none))
        }
        Verb::List(list) => format!(
            "Read all {}{}; more than {} are a conflict.",
            list.object,
            if list.matching.is_empty() { String::new() } else { format!(" with {}", pairs(&list.matching)) },
            list.limit
        ),
        Verb::Create(create) => format!("Create {}{}", create.object, keyed(create.key.as_ref())),
        Verb::Update(update) => format!(
            "Update {} {}, {}.",
            update.object,
            source(&update.record.0).0,
            if update.blind { "without reading it first" } else { "writing only what differs" }
        ),
        Verb::Upsert(upsert) => format!(
            "Find {} by {}; create it if there is none, write what differs if there is one{}; several are a conflict.",
            upsert.object,
            matched(&upsert.matching),
            upsert.guard.as_ref().map_or_else(String::new, |guard| format!(" and {} holds", guard.0.trim()))
        ),
        Verb::Delete(delete) => {
            format!(
                "Delete {} {}; one that is gone already is fine.",
                delete.object,
                source(&delete.record.0).0
            )
        }
        Verb::Link(link) => {
            format!(
                "Put {} into {} of {} {}.",
                source(&link.to.0).0,
                link.relation,
                link.object,
                source(&link.record.0).0
            )
        }
        Verb::Unlink(link) => {
            format!(
                "Take {} out of {} of {} {}.",
                source(&link.to.0).0,
                link.relation,
                link.object,
                source(&link.record.0).0
            )
        }
        Verb::Call(call) => {
            let key = call
                .key
                .as_ref()
                .map_or_else(String::new, |key| format!(", once for each {}", source(&key.0).0));
            let accept: Vec<&str> = call.accept.iter().map(|class| accepted(*class)).collect();
            let accept = if accept.is_empty() {
                String::new()
            } else {
                format!(" Taken as success: {}.", accept.join(", "))
            };
            format!("Call {} of {}{key}.{accept}", call.operation, call.connection.0)
        }
        Verb::Script(script) => format!("Run a script of {} lines.", script.0.lines().count()),
        Verb::Set(_) => "Name values for later steps.".to_owned(),
        Verb::ForEach(each) => {
            format!("For each {} of {}, at most 1000:", each.name.0, source(&each.list.0).0)
        }
        Verb::Choose(_) => "Take the first branch that holds:".to_owned(),
        Verb::Check(check) => {
            let ends = match check.otherwise {
                Otherwise::Conflict => "a person decides",
                Otherwise::Skip => "the run is skipped",
                Otherwise::Fail => "the run fails for good",
            };
            let reason =
                check.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", source(&reason.0).0));
            format!("Check that {}; otherwise {ends}{reason}.", check.that.0.trim())
        }
        Verb::Use(part) => format!("Do the steps of the part {}.", part.part),
    }
}

/// What stands below a step: its mapping, or the steps inside it.
fn inside(verb: &Verb, number: &str, blocks: &mut Vec<Block>) {
    let below = format!("{number}.");
    match verb {
        Verb::Create(create) => {
            let key = match &create.key {
                Some(Key::Fields(fields)) => rows(fields),
                Some(Key::Value(_)) | None => Vec::new(),
            };
            blocks.push(Block::Mapping(key.into_iter().chain(rows(&create.fields)).collect()));
        }
        Verb::Update(update) => blocks.push(Block::Mapping(rows(&update.fields))),
        Verb::Upsert(upsert) => blocks.push(Block::Mapping(rows(&upsert.fields))),
        Verb::Call(call) => blocks.push(Block::Mapping(rows(&call.params))),
        Verb::Set(fields) => blocks.push(Block::Mapping(rows(fields))),
        Verb::Use(part) => {
            blocks.push(Block::Mapping(part.with.iter().map(|(name, value)| row(&name.0, value)).collect()));
        }
        Verb::ForEach(each) => steps(&each.steps, &below, blocks),
        Verb::Choose(choose) => {
            for (index, branch) in choose.0.iter().enumerate() {
                let number = format!("{number}.{}", index + 1);
                let when = branch
                    .when
                    .as_ref()
                    .map_or_else(|| "otherwise".to_owned(), |when| format!("when {}", when.0.trim()));
                blocks.push(Block::Step(number.clone(), format!("{when}:")));
                steps(&branch.steps, &format!("{number}."), blocks);
            }
        }
        Verb::Find(_)
        | Verb::Get(_)
        | Verb::List(_)
        | Verb::Delete(_)
        | Verb::Link(_)
        | Verb::Unlink(_)
        | Verb::Script(_)
        | Verb::Check(_) => {}
    }
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

fn rows(fields: &Fields) -> Vec<Row> {
    fields.iter().map(|(name, value)| row(name, value)).collect()
}

fn row(name: &str, written: &Written) -> Row {
    let (source, modifiers) = source(&written.0);
    let has = |key: &str, word: &str| {
        modifiers.and_then(|it| it.get(key)).is_some_and(|value| value.as_str() == Some(word))
    };
    let required = modifiers.and_then(|it| it.get("required")) == Some(&Value::from(true));
    let nothing = match () {
        () if modifiers.is_some_and(|it| it.get("default").is_some()) => "the default",
        () if required => "the run fails",
        () if has("nothing", "clear") => "emptied",
        () => "left alone",
    };
    let written = match () {
        () if has("write", "on_create") => "only into a new record",
        () if has("write", "if_empty") => "only while empty",
        () => "when it differs",
    };
    Row {
        field: name.to_owned(),
        source,
        conversion: modifiers.map(conversion).unwrap_or_default(),
        nothing,
        written,
    }
}

/// Where a value comes from, and the map that holds its modifiers.
fn source(written: &Value) -> (String, Option<&Value>) {
    let Some(map) = written.as_map() else { return (plain(written), None) };
    if let Some(from) = map.get("from") {
        let words = match from.as_list() {
            Some(several) => format!("first of {}", several.iter().map(plain).collect::<Vec<_>>().join(", ")),
            None => plain(from),
        };
        return (words, Some(written));
    }
    if let Some(script) = map.get("script") {
        return (script.to_string().trim().to_owned(), Some(written));
    }
    if let Some(each) = map.get("each") {
        return (format!("a list from {}", plain(each)), Some(written));
    }
    if let Some(literal) = map.get("literal") {
        return (format!("\"{literal}\""), Some(written));
    }
    (written.to_json(), None)
}

/// A path without its `$.`, everything else as it is written.
fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.strip_prefix("$.").map_or_else(|| format!("\"{text}\""), str::to_owned),
        None => value.to_json(),
    }
}

fn conversion(modifiers: &Value) -> String {
    let part = |key: &str, words: &dyn Fn(&Value) -> String| modifiers.get(key).map(words);
    let parts = [
        part("transform", &|value| match value.as_list() {
            Some(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", then "),
            None => value.to_string(),
        }),
        part("money", &|currency| format!("from minor units of {}", plain(currency))),
        part("minor", &|currency| format!("to minor units of {}", plain(currency))),
        part("datetime", &|form| format!("as {form}")),
        part("zone", &|zone| format!("in {zone}")),
        part("map", &|table| match table.as_map() {
            Some(entries) => {
                entries.iter().map(|(from, to)| format!("{from} -> {to}")).collect::<Vec<_>>().join("; ")
            }
            None => format!("by the table {}", plain(table)),
        }),
        part("truncate", &|length| format!("at most {length} characters")),
        part("default", &|value| format!("else {}", plain(value))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
