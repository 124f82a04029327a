//! One finding: an author's mistake, with its place and the way out.

use super::{Code, Place};

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

    /// As [`Self::help`], when there is something to say.
    #[must_use]
    pub fn help_maybe(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
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
