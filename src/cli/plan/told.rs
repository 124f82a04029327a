//! What would be otherwise, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::AnsiColor;
use serde::Serialize;

use super::events::Seen;
use crate::cli::ExitCode;
use crate::rehearsal::{Planned, PlannedField, PlannedWrite, Played, word};
use crate::value::Value;

/// Runs that people are shown at most; `--format json` has them all.
const SHOWN_MAX: usize = 50;

/// What would be otherwise: the JSON form.
#[derive(Debug, Default, Serialize)]
pub(super) struct Told {
    /// Events that were looked at.
    pub(super) events: usize,
    /// Events whose content is erased.
    pub(super) erased: usize,
    /// Runs that were carried out both ways, or whose pipeline is as it was.
    pub(super) runs: usize,
    /// Runs that would come to something else.
    pub(super) differ: usize,
    /// Runs that would come to the same, as far as is known.
    pub(super) uncertain: usize,
    /// Runs that could not be compared, and why.
    pub(super) not_compared: Vec<NotCompared>,
    /// How many writes would be otherwise in a field, by object and field.
    pub(super) fields: BTreeMap<String, usize>,
    /// The runs that would come to something else, and those of which something is not known.
    pub(super) differences: Vec<RunTold>,
}

/// A run that could not be compared.
#[derive(Debug, Serialize)]
pub(super) struct NotCompared {
    client: String,
    pipeline: String,
    event: String,
    #[serde(rename = "type")]
    kind: String,
    run: Option<i64>,
    why: String,
}

/// A run that would come to something else.
#[derive(Debug, Serialize)]
pub(super) struct RunTold {
    pub(super) client: String,
    pub(super) pipeline: String,
    pub(super) event: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) run: Option<i64>,
    /// False for one that would come to the same, as far as is known.
    pub(super) differs: bool,
    /// Nothing for a pipeline that does not start on the event.
    pub(super) before: Option<End>,
    pub(super) after: Option<End>,
    pub(super) writes: Vec<WriteTold>,
    /// What of it is not known.
    pub(super) unknown: Vec<String>,
}

/// How a run ends.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct End {
    outcome: &'static str,
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct WriteTold {
    /// `differs`, `gone` or `new`.
    is: &'static str,
    write: String,
    fields: Vec<FieldTold>,
}

#[derive(Debug, Serialize)]
struct FieldTold {
    field: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl End {
    pub(super) fn of(played: &Played) -> Self {
        Self { outcome: word(played.outcome), reason: played.reason.clone() }
    }
}

impl WriteTold {
    fn of(write: &PlannedWrite) -> Self {
        let field = |it: &PlannedField| FieldTold {
            field: it.field.to_string(),
            before: it.before.clone(),
            after: it.after.clone(),
        };
        Self {
            is: match (write.is_before, write.is_after) {
                (true, true) => "differs",
                (true, false) => "gone",
                (false, _) => "new",
            },
            write: write.write.clone(),
            fields: write.fields.iter().map(field).collect(),
        }
    }
}

impl Told {
    /// Adds what a run would come to, when it is anything else or not all known.
    pub(super) fn add(&mut self, seen: &Seen<'_>, [before, after]: [Option<End>; 2], planned: &Planned) {
        let differs = planned.differs();
        if differs {
            self.differ += 1;
        } else if planned.unknown.is_empty() {
            return;
        } else {
            self.uncertain += 1;
        }
        for write in &planned.writes {
            for field in &write.fields {
                *self.fields.entry(format!("{}.{}", write.object, field.field)).or_default() += 1;
            }
        }
        self.differences.push(RunTold {
            client: seen.client.to_owned(),
            pipeline: seen.pipeline.to_owned(),
            event: seen.event.name.clone(),
            kind: seen.event.kind.clone(),
            run: seen.ran.map(|ran| ran.id),
            differs,
            before,
            after,
            writes: planned.writes.iter().map(WriteTold::of).collect(),
            unknown: planned.unknown.clone(),
        });
    }

    /// Adds a run that cannot be compared.
    pub(super) fn not_compared(&mut self, seen: &Seen<'_>, why: String) {
        self.not_compared.push(NotCompared {
            client: seen.client.to_owned(),
            pipeline: seen.pipeline.to_owned(),
            event: seen.event.name.clone(),
            kind: seen.event.kind.clone(),
            run: seen.ran.map(|ran| ran.id),
            why,
        });
    }

    /// Who compares in a build learns of differences first, and then of what could hide one.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.differ > 0 {
            ExitCode::Found
        } else if self.uncertain > 0 || !self.not_compared.is_empty() {
            ExitCode::CouldNot
        } else {
            ExitCode::Fine
        }
    }

    /// For people.
    pub(super) fn human(&self) -> String {
        let mut text = String::new();
        for run in self.differences.iter().take(SHOWN_MAX) {
            run.human(&mut text);
        }
        let more = self.differences.len().saturating_sub(SHOWN_MAX);
        // Writing into a String cannot fail.
        if more > 0 {
            let _ = writeln!(text, "and {more} runs more; --format json has them all\n");
        }
        if !self.fields.is_empty() {
            let _ = writeln!(text, "fields that would be written otherwise:");
            for (field, count) in &self.fields {
                let _ = writeln!(text, "  {field}: {count}");
            }
            text.push('\n');
        }
        self.human_not_compared(&mut text);
        if self.erased > 0 {
            let _ = writeln!(text, "{} events are erased", self.erased);
        }
        let _ = write!(text, "{} events, {} runs: ", self.events, self.runs);
        let _ = match (self.differ, self.uncertain) {
            (0, 0) if !self.not_compared.is_empty() => {
                write!(text, "nothing would be otherwise in those that could be compared")
            }
            (0, 0) => write!(text, "nothing would be otherwise"),
            (0, some) => {
                write!(text, "nothing that is known would be otherwise, and of {some} not all is known")
            }
            (differ, 0) => write!(text, "{differ} would come to something else"),
            (differ, some) => {
                write!(text, "{differ} would come to something else, and of {some} more not all is known")
            }
        };
        text
    }

    fn human_not_compared(&self, text: &mut String) {
        let mut reasons: BTreeMap<(String, &str), (usize, &str)> = BTreeMap::new();
        for it in &self.not_compared {
            let key = (format!("{}/{}", it.client, it.pipeline), it.why.as_str());
            reasons.entry(key).or_insert((0, &it.event)).0 += 1;
        }
        for ((pipeline, why), (count, event)) in reasons {
            let _ = match count {
                1 => writeln!(text, "{pipeline}  {event} could not be compared: {why}"),
                _ => writeln!(text, "{pipeline}  {count} runs could not be compared, as of {event}: {why}"),
            };
        }
    }
}

impl RunTold {
    fn human(&self, text: &mut String) {
        let run = self.run.map(|run| format!(", run {run}")).unwrap_or_default();
        let _ = writeln!(text, "{}/{}  {} {}{run}", self.client, self.pipeline, self.kind, self.event);
        if self.before.as_ref().map(|end| end.outcome) != self.after.as_ref().map(|end| end.outcome) {
            let said = |end: &Option<End>| {
                end.as_ref().map_or_else(
                    || "not started".to_owned(),
                    |end| match &end.reason {
                        Some(reason) => format!("{} ({reason})", end.outcome),
                        None => end.outcome.to_owned(),
                    },
                )
            };
            line(text, '-', &format!("ends: {}", said(&self.before)));
            line(text, '+', &format!("ends: {}", said(&self.after)));
        }
        for write in &self.writes {
            let (mark, what) = match write.is {
                "gone" => ('-', ", which would not be made any more"),
                "new" => ('+', ", which is not made now"),
                _ => (' ', ""),
            };
            line(text, mark, &format!("{}{what}", write.write));
            for field in &write.fields {
                for (mark, value) in [('-', &field.before), ('+', &field.after)] {
                    if let Some(value) = value {
                        line(text, mark, &format!("    {}: {}", field.field, value.to_json()));
                    }
                }
            }
        }
        for unknown in &self.unknown {
            let _ = writeln!(text, "  not known: {unknown}");
        }
        text.push('\n');
    }
}

/// A marked line, in the mark's colour.
fn line(text: &mut String, mark: char, said: &str) {
    let style = match mark {
        '-' => AnsiColor::Red.on_default(),
        '+' => AnsiColor::Green.on_default(),
        _ => anstyle::Style::new(),
    };
    let _ = writeln!(text, "  {style}{mark} {said}{style:#}");
}
