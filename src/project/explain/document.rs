//! The document: what starts the pipeline, in what order its runs go, and its steps.

use super::super::pipeline::{Pipeline, Trigger};
use super::sentence::{retried, sentence};
use super::table::{BLIND, CALLED, COMPARED, CREATED, GIVEN, KEY, NAMED, Row, Unsaid, row, rows, source};
use crate::config::step::{Key, OnError, StepFile};
use crate::config::{Span, Stale, StaleFile, Verb};

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
        let read = match self.program.reads_first() {
            Some(target) if read.is_empty() => format!(" Each only names its {target}, which is read first."),
            _ => read,
        };
        match &self.trigger {
            Trigger::Events { connection, patterns, polled } => {
                let asked = polled
                    .map_or_else(String::new, |every| format!(" They are asked for every {}.", Span(every)));
                format!("It starts on these events of {connection}: {}.{asked}{read}", patterns.join(", "))
            }
            Trigger::Schedule(schedule) => schedule.to_string(),
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

/// What stands below a step: its mapping, or the steps inside it.
fn inside(verb: &Verb, number: &str, blocks: &mut Vec<Block>) {
    let below = format!("{number}.");
    match verb {
        Verb::Create(create) => {
            let key = match &create.key {
                Some(Key::Fields(fields)) => rows(fields, KEY),
                Some(Key::Value(_)) | None => Vec::new(),
            };
            blocks.push(Block::Mapping(key.into_iter().chain(rows(&create.fields, CREATED)).collect()));
        }
        Verb::Update(update) => blocks.push(Block::Mapping(rows(&update.fields, compared(update.blind)))),
        Verb::Upsert(upsert) => blocks.push(Block::Mapping(rows(&upsert.fields, compared(upsert.blind)))),
        Verb::Call(call) => blocks.push(Block::Mapping(rows(&call.params, CALLED))),
        Verb::Set(fields) => blocks.push(Block::Mapping(rows(fields, NAMED))),
        Verb::Use(part) => {
            blocks.push(Block::Mapping(
                part.with.iter().map(|(name, value)| row(&name.0, value, GIVEN)).collect(),
            ));
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

fn compared(blind: bool) -> Unsaid {
    if blind { BLIND } else { COMPARED }
}
