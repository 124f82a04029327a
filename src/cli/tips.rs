//! What clap cannot know of a slip in the command line: tips that are added to its message.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The commands that list without a word, and tell all about one with `show`.
const LOOKING: [&str; 5] = ["events", "runs", "dead", "conflicts", "audit"];

/// The usage error, with what was most likely meant.
pub(super) fn with_tip(mut usage: clap::Error, arguments: &[OsString]) -> clap::Error {
    if let Some(tip) = tip(&usage, arguments) {
        usage.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    usage
}

fn tip(usage: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let command = arguments.get(1)?.to_str().filter(|word| LOOKING.contains(word))?;
    let named = |kind| match usage.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    match usage.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = named(ContextKind::InvalidSubcommand)?;
            let shows_one = word.starts_with("evt_") || word.parse::<i64>().is_ok();
            shows_one.then(|| format!("one is shown with 'lockstep {command} show {word}'"))
        }
        ErrorKind::ArgumentConflict => {
            let action = named(ContextKind::InvalidSubcommand)?;
            Some(format!("options stand behind the word: 'lockstep {command} {action} [OPTIONS]'"))
        }
        _ => None,
    }
}
