//! One finding: an author's mistake, with its place and the way out.

use super::{Code, Place};
use crate::nearest::{Hint, Meant};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// It runs, but probably not as it was meant.
    Warning,
    /// It cannot run.
    Error,
}

impl Severity {
    /// The word that output uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A finding. The message says what was found, the label why that is wrong, the help what to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which rule it breaks.
    pub code: Code,
    /// How much it matters: the code's own severity, unless changed.
    pub severity: Severity,
    /// The fact, one line, without a full stop.
    pub message: String,
    /// What stands beside the marked text.
    pub label: Option<String>,
    /// The text that is marked.
    pub place: Place,
    /// Other places that explain it: the first of two equal keys.
    pub related: Vec<Related>,
    /// What to type instead.
    pub help: Option<String>,
    /// The same for programs, where it can be done without thinking about it.
    pub fix: Option<Fix>,
}

/// Changes of files that put a finding right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// True when nothing else can have been meant: `validate --fix` makes it unasked.
    pub safe: bool,
    /// What is put for what. All of it, or nothing.
    pub edits: Vec<Edit>,
}

/// One text for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where it stands, or what it stands in.
    pub place: Place,
    /// As it is written. Nothing is done where this is not found in the place, or more than once.
    pub old: String,
    /// What is put there.
    pub new: String,
}

/// A second place that explains a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there.
    pub message: String,
}

impl Diagnostic {
    /// A finding of `code` at `place`, with the code's own severity.
    pub fn new(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            label: None,
            place,
            related: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// Says beside the marked text why it is wrong.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to type instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// As [`Self::help`], when there is something to say. What was meant in the place of the finding becomes its fix.
    #[must_use]
    pub fn help_maybe(mut self, help: Option<impl Into<Hint>>) -> Self {
        if let Some(Hint { text, meant }) = help.map(Into::into) {
            self.help = Some(text);
            self = self.meant(meant);
        }
        self
    }

    /// Puts what was meant for what was written, in the place of the finding.
    #[must_use]
    pub fn meant(self, meant: Option<Meant>) -> Self {
        let place = self.place.clone();
        match meant {
            Some(Meant { written, meant, clear }) => {
                self.fix(Fix { safe: clear, edits: vec![Edit { place, old: written, new: meant }] })
            }
            None => self,
        }
    }

    /// Says what changes put it right.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// Adds a place that explains the finding.
    #[must_use]
    pub fn related(mut self, place: Place, message: impl Into<String>) -> Self {
        self.related.push(Related { place, message: message.into() });
        self
    }

    /// Overrides how much it matters.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}
