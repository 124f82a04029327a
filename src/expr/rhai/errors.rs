//! Rhai's errors in the words of this project.

use rhai::{EvalAltResult, ParseError, ParseErrorType};

use super::engine::{CALLS_MAX, ITEMS_MAX, OPERATIONS_MAX, TEXT_MAX};
use super::values::kind_of_name;
use super::{foreign, text};
use crate::expr::fault::{EvalError, Fault, FaultKind};

/// A script that does not parse.
pub(super) fn syntax(source: &str, error: &ParseError) -> Fault {
    let place = text::token(source, error.position());
    if let Some(fault) = foreign::explain(source, &place, error.err_type()) {
        return fault;
    }
    let (kind, message) = match error.err_type() {
        ParseErrorType::ExprTooDeep
        | ParseErrorType::LiteralTooLarge(..)
        | ParseErrorType::TooManyFunctions => (FaultKind::TooComplex, lowered(&error.err_type().to_string())),
        ParseErrorType::Reserved(word) => {
            (FaultKind::ReservedName, format!("`{word}` is a word of its own in Rhai, and cannot be a name"))
        }
        ParseErrorType::UnexpectedEOF => (FaultKind::ScriptSyntax, "the script ends too early".to_owned()),
        other => (FaultKind::ScriptSyntax, lowered(&other.to_string())),
    };
    Fault::new(kind, message).within(place)
}

fn lowered(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A script that failed while it ran.
pub(super) fn failed(error: &EvalAltResult) -> EvalError {
    let line = error.position().line().unwrap_or(0);
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => match failed(inner) {
            // The line inside a function is the one that helps; if it is not known, that of the call.
            EvalError::Script { message, line: 0 } => EvalError::Script { message, line },
            other => other,
        },
        EvalAltResult::ErrorTooManyOperations(_) => {
            EvalError::Limit(format!("it needs more than {OPERATIONS_MAX} operations"))
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            EvalError::Limit(format!("its functions call each other more than {CALLS_MAX} deep"))
        }
        EvalAltResult::ErrorTooManyVariables(_) => EvalError::Limit("it has too many variables".to_owned()),
        EvalAltResult::ErrorDataTooLarge(what, _) => EvalError::Limit(too_large(what)),
        EvalAltResult::ErrorTerminated(why, _) => EvalError::Limit(why.to_string()),
        _ => EvalError::Script { message: message(error), line },
    }
}

/// What a script may not hold, in Rhai's words: `Size of array/BLOB`, `Length of string`, `Size of object map`.
fn too_large(what: &str) -> String {
    if what.contains("string") {
        return format!("a text in it is longer than {} KB", TEXT_MAX / 1024);
    }
    let (holder, parts) = if what.contains("map") { ("map", "entries") } else { ("list", "items") };
    format!(
        "a {holder} that it reads or makes has more than {ITEMS_MAX} {parts}, the most that a script can hold"
    )
}

fn message(error: &EvalAltResult) -> String {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => value.to_string(),
        EvalAltResult::ErrorMismatchDataType(wanted, actual, _) => {
            let wanted = if wanted == "bool" { "true or false" } else { kind_of_name(wanted) };
            format!("{wanted} is needed here, and this is {}", kind_of_name(actual))
        }
        EvalAltResult::ErrorFunctionNotFound(signature, _) => not_callable(signature),
        EvalAltResult::ErrorIndexingType(types, _) => {
            let of = types.split(" [").next().unwrap_or(types);
            format!("{} has nothing inside that could be read", kind_of_name(of))
        }
        EvalAltResult::ErrorFor(_) => "only a list can be looped over".to_owned(),
        EvalAltResult::ErrorArithmetic(words, _) => lowered(words),
        EvalAltResult::ErrorDotExpr(words, _) => unreadable(words),
        other => {
            // Rhai's own words, without the place that is told apart.
            let mut plain = other.to_string();
            if let Some(at) = plain.rfind(" (line ") {
                plain.truncate(at);
            }
            lowered(&plain)
        }
    }
}

/// `lower (array)` -> "`lower` cannot work with a list".
fn not_callable(signature: &str) -> String {
    let Some((name, types)) = signature.split_once('(') else {
        return format!("`{signature}` cannot be called so");
    };
    let kinds = types.trim_end_matches(')').split(',').map(str::trim).filter(|name| !name.is_empty());
    let kinds = kinds.map(|name| kind_of_name(name.trim_start_matches("&mut "))).collect::<Vec<_>>();
    match kinds.as_slice() {
        [] => format!("`{}` cannot be called without arguments", name.trim()),
        kinds => format!("`{}` cannot work with {}", name.trim(), kinds.join(" and ")),
    }
}

/// `Unknown property 'x' - a getter is not registered for type 'string'` -> "text has no `x`".
fn unreadable(words: &str) -> String {
    let mut quoted = words.split('\'').skip(1).step_by(2);
    match (quoted.next(), quoted.next()) {
        (Some(name), Some(of)) => format!("{} has no `{name}`", kind_of_name(of)),
        _ => lowered(words),
    }
}
