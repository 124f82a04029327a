#![doc = include_str!("bad-schedule.md")]

use std::time::Duration;

use super::super::view::{Found, View};
use super::Rule;
use crate::config::{Delivery, DraftFile, Gone, PipelineFile, ScheduleTrigger, Start, TriggerFile};
use crate::diagnostic::{Code, Path};

pub(super) const RULE: Rule = Rule { code: Code::BadSchedule, check };

/// Whatever polls more often than this asks for nothing but trouble.
const SHORTEST: Duration = Duration::from_secs(1);

fn check(view: &View, found: &mut Found) {
    for file in &view.draft.pipelines {
        let Some(pipeline) = &file.content else { continue };
        let trigger = Path::root().key("trigger");
        match &pipeline.trigger {
            TriggerFile::Schedule(schedule) => {
                let path = trigger.key("schedule");
                without_list(file, &path, schedule, found);
                since(file, &path, schedule, found);
                shortest(file, &path, schedule.every.map(|every| every.0), found);
            }
            TriggerFile::Stripe(stripe) => {
                let path = trigger.key("stripe");
                if stripe.delivery == Delivery::Webhook && stripe.every.is_some() {
                    let fact = "events that are posted to us are not asked for";
                    let finding = found
                        .at(file.key(path.key("every")), fact)
                        .label("this line does nothing")
                        .help("write `delivery: poll` beside it, or leave it out");
                    found.push(finding);
                    continue;
                }
                shortest(file, &path, stripe.every.map(|every| every.0), found);
            }
            TriggerFile::Webhook(_) | TriggerFile::Lockstep(_) => {}
        }
    }
}

/// Keys that are about what is listed.
fn without_list(file: &DraftFile<PipelineFile>, path: &Path, schedule: &ScheduleTrigger, found: &mut Found) {
    if schedule.list.is_some() {
        return;
    }
    let keys = [
        ("unique", schedule.unique.is_some()),
        ("only_changed", schedule.only_changed),
        ("gone", schedule.gone != Gone::Ignore),
        ("start", schedule.start != Start::Now),
    ];
    for (key, _) in keys.into_iter().filter(|(_, given)| *given) {
        let finding = found
            .at(file.key(path.key(key)), format!("`{key}` is about what is listed, and nothing is"))
            .help("write `list: { object: <connection>.<object> }`");
        found.push(finding);
    }
}

/// What cannot be told from changes alone.
fn since(file: &DraftFile<PipelineFile>, path: &Path, schedule: &ScheduleTrigger, found: &mut Found) {
    if schedule.list.as_ref().is_none_or(|list| list.since.is_none()) {
        return;
    }
    let keys = [
        ("unique", schedule.unique.is_some(), "which of all records share a value"),
        ("gone", schedule.gone == Gone::Run, "which records are gone"),
    ];
    for (key, _, what) in keys.into_iter().filter(|(_, given, _)| *given) {
        let fact = format!("a list with `since` has only what changed: it does not tell {what}");
        let finding = found
            .at(file.key(path.key(key)), fact)
            .label("this needs the whole list")
            .help("leave `since` out and write `only_changed: true`");
        found.push(finding);
    }
}

fn shortest(file: &DraftFile<PipelineFile>, path: &Path, every: Option<Duration>, found: &mut Found) {
    if every.is_some_and(|every| every < SHORTEST) {
        let finding = found
            .at(file.value(path.key("every")), "nothing is polled more often than every second")
            .help("write `1m`, or as often as the system can stand it");
        found.push(finding);
    }
}
