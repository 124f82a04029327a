//! `lockstep rules`: what `lockstep validate` can find, and what to do about it.

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::ExitCode;
use super::output::{Format, say, say_json};
use crate::diagnostic::Code;
use crate::nearest::nearest;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep rules\n  lockstep rules unknown-event")]
pub(super) struct Rules {
    /// The rule to explain; all are listed without it
    code: Option<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One rule, for programs.
#[derive(Serialize)]
struct Entry {
    code: &'static str,
    severity: &'static str,
    summary: String,
}

impl Rules {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(name) = &self.code {
            let code = name.parse::<Code>().ok().with_context(|| {
                let near = nearest(name, Code::ALL.iter().map(|code| code.as_str()));
                let help = near.map_or_else(
                    || "`lockstep rules` lists them".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                format!("there is no rule `{name}`; {help}")
            })?;
            say(code.page().trim_end())?;
            return Ok(ExitCode::Fine);
        }
        let mut rules: Vec<Entry> = Code::ALL.iter().map(|code| entry(*code)).collect();
        rules.sort_by_key(|rule| rule.code);
        match self.format {
            Format::Json => say_json(&rules)?,
            Format::Human => {
                let width = rules.iter().map(|rule| rule.code.len()).max().unwrap_or(0) + 2;
                for Entry { code, severity, summary } in rules {
                    say(format_args!("{code:width$}{severity:9}{summary}"))?;
                }
            }
        }
        Ok(ExitCode::Fine)
    }
}

fn entry(code: Code) -> Entry {
    Entry { code: code.as_str(), severity: code.severity().as_str(), summary: code.summary() }
}
