#![doc = include_str!("short-interval.md")]

use std::time::Duration;

use super::super::view::{Found, View};
use super::Rule;
use crate::config::{Delivery, TriggerFile};
use crate::diagnostic::{Code, Path};
use crate::words::Span;

pub(super) const RULE: Rule = Rule { code: Code::ShortInterval, check };

/// A whole list is seldom read faster than this, and quotas are counted by the day.
const SENSIBLE: Duration = Duration::from_secs(10);

/// Below this it is no interval at all, which is told elsewhere.
const SHORTEST: Duration = Duration::from_secs(1);

fn check(view: &View, found: &mut Found) {
    for file in &view.draft.pipelines {
        let Some(pipeline) = &file.content else { continue };
        let (kind, every) = match &pipeline.trigger {
            TriggerFile::Schedule(schedule) => ("schedule", schedule.every),
            TriggerFile::Stripe(stripe) if stripe.delivery == Delivery::Poll => ("stripe", stripe.every),
            TriggerFile::Stripe(_) | TriggerFile::Webhook(_) | TriggerFile::Lockstep(_) => continue,
        };
        let Some(Span(every)) = every.filter(|every| (SHORTEST..SENSIBLE).contains(&every.0)) else {
            continue;
        };
        let polls = 86_400_000 / every.as_millis().max(1);
        let path = Path::root().key("trigger").key(kind).key("every");
        let finding = found
            .at(file.value(path), format!("every {} is {polls} polls a day", Span(every)))
            .label("each of them is at least one call")
            .help("`every: 1m` is soon enough for most; where seconds count, a webhook is faster and costs nothing");
        found.push(finding);
    }
}
