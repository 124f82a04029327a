//! What is wrong with an expression: a [`Fault`] when it was written so, an [`EvalError`] when the data was so.

use std::fmt;
use std::ops::Range;

use super::json_path::TooManyNodes;
use crate::nearest::Meant;

/// A mistake in a written expression, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place inside the written value, from its top.
    pub path: Vec<FaultSeg>,
    /// The bytes inside the scalar at that place, when a part of a text is meant.
    pub within: Option<Range<usize>>,
    /// What kind of mistake it is.
    pub kind: FaultKind,
    /// What was found, as a lower-case fragment.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The name that was most likely meant by one at that place.
    pub meant: Option<Meant>,
}

/// One step to a place inside a written value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultSeg {
    /// The value under a key of a map.
    Key(String),
    /// The item of a list, from 0.
    Index(usize),
}

/// The kinds of mistakes an expression can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// A JSONPath that does not parse.
    PathSyntax,
    /// A Rhai script that does not parse.
    ScriptSyntax,
    /// A `${` that is never closed, or that holds nothing.
    TemplateSyntax,
    /// A name that the context does not have.
    UnknownVariable,
    /// A function that nobody defined.
    UnknownFunction,
    /// A function called with the wrong number of arguments.
    WrongArguments,
    /// A step that the pipeline does not have.
    UnknownStep,
    /// A step that has not run yet at this place.
    LaterStep,
    /// Something that a step does not give.
    UnknownResult,
    /// A word that a step's outcome can never be.
    UnknownOutcome,
    /// Text that was most likely meant as an expression.
    LooksLikeExpression,
    /// A key beside `from:` or `script:` that is not a modifier.
    UnknownModifier,
    /// A modifier with a value that it cannot have.
    ModifierValue,
    /// Modifiers that cannot stand together.
    ModifierClash,
    /// A value that is empty.
    BlankValue,
    /// A `transform:` that is not a function of one value.
    BadTransform,
    /// A `map:` that is neither a table nor a path to one.
    BadMap,
    /// A name that scripts could not use.
    ReservedName,
    /// A map that could be read as two forms of value expressions, or lacks a part of one.
    BadForm,
    /// Code that is too large or too deeply nested.
    TooComplex,
}

/// Why an expression has no value for the data it met.
///
/// Reads well after `field Amount: `; it names small values, never whole payloads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A function or modifier cannot work with what it was given.
    #[error("{0}")]
    Unfit(String),
    /// A value is required and nothing is there.
    #[error("a value is required, and {from} gave nothing")]
    Required {
        /// What was read.
        from: String,
    },
    /// A `map:` has no entry for a value.
    #[error("`{value}` is not in the map ({known})")]
    NotInMap {
        /// The value that was looked up, shortened.
        value: String,
        /// The first entries of the map.
        known: String,
    },
    /// A condition gave something else than true or false.
    #[error("a condition must be true or false, and this one gave {0}")]
    NotBoolean(&'static str),
    /// A JSONPath looked at more than it may.
    #[error(transparent)]
    Nodes(#[from] TooManyNodes),
    /// A script used more than it may.
    #[error("the script was stopped: {0}")]
    Limit(String),
    /// A script failed by itself (`throw`), or by what it met.
    #[error("{message}{}", Line(*.line))]
    Script {
        /// What happened.
        message: String,
        /// The line of the script, from 1; 0 when it is not known.
        line: usize,
    },
}

/// Names the line of a script beyond its first: most scripts are one line, which needs no number.
struct Line(usize);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 { write!(f, " (line {} of the script)", self.0) } else { Ok(()) }
    }
}

impl Fault {
    /// A mistake in the scalar at hand, all of it.
    pub(super) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { path: Vec::new(), within: None, kind, message: message.into(), help: None, meant: None }
    }

    /// Adds the place inside the scalar's text.
    #[must_use]
    pub(super) fn within(mut self, range: Range<usize>) -> Self {
        self.within = Some(range);
        self
    }

    /// Adds what to write instead.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self.meant = None;
        self
    }

    /// Adds `did you mean`, when one of `known` is near to `name`.
    #[must_use]
    pub(super) fn nearest<'a>(mut self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(meant) = Meant::among(name, known) {
            self = self.meaning(meant);
        }
        self
    }

    /// Adds the name that was most likely meant.
    #[must_use]
    pub(super) fn meaning(mut self, meant: Meant) -> Self {
        self.help = Some(meant.clone().asked().text);
        self.meant = Some(meant);
        self
    }

    /// Moves the place down: the scalar at hand stands under `key`.
    #[must_use]
    pub(super) fn under(mut self, seg: FaultSeg) -> Self {
        self.path.insert(0, seg);
        self
    }

    /// Moves the place inside the text: the part at hand begins at byte `offset` of it.
    #[must_use]
    pub(super) fn shifted(mut self, offset: usize, len: usize) -> Self {
        let range = self.within.unwrap_or(0..len);
        self.within = Some(range.start + offset..range.end + offset);
        self
    }
}

impl From<&str> for FaultSeg {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for FaultSeg {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// A value in a message: short enough to read, never a payload.
pub(super) fn shown(text: &str) -> String {
    const LENGTH_MAX: usize = 40;
    match text.char_indices().nth(LENGTH_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn errors_read_well_after_a_colon() {
        let error = EvalError::NotInMap { value: "past_duee".into(), known: "active, past_due".into() };
        assert_eq!(error.to_string(), "`past_duee` is not in the map (active, past_due)");
        let error = EvalError::Script { message: "x is bad".into(), line: 3 };
        assert_eq!(error.to_string(), "x is bad (line 3 of the script)");
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        assert_eq!(shown(&"é".repeat(50)), format!("{}...", "é".repeat(40)));
        assert_eq!(shown("short"), "short");
    }
}
