//! What a compiled JSONPath is made of.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::filter::Filter;

/// A JSONPath query, ready to be evaluated any number of times.
#[derive(Clone)]
pub struct JsonPath {
    pub(super) source: Arc<str>,
    pub(super) segments: Arc<[Segment]>,
    pub(super) singular: bool,
}

/// Why a text is not a JSONPath of RFC 9535.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PathError {
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// Where in the text, in bytes.
    pub at: usize,
}

/// One step of a query: from each node so far to some of the nodes below it.
#[derive(Clone)]
pub struct Segment {
    /// `..`: below a node at any depth, not only directly.
    pub descendant: bool,
    /// What is selected; several for `['a', 'b']`.
    pub selectors: Vec<Selector>,
    /// The bytes of the query's text that say so, `.` or brackets included.
    pub range: Range<usize>,
}

/// What a segment takes of a node.
#[derive(Clone)]
pub enum Selector {
    /// The member of this name.
    Name(Arc<str>),
    /// The element at this place, from the end when negative.
    Index(i64),
    /// All members or elements.
    Wildcard,
    /// Elements from, to (exclusive) and by a step.
    Slice {
        /// The first place.
        start: Option<i64>,
        /// The place before which to end.
        end: Option<i64>,
        /// How far from one to the next; negative goes backwards, zero selects nothing.
        step: i64,
    },
    /// Those for which a condition holds.
    Filter(FilterSelector),
}

/// The condition of a `[?...]` selector.
#[derive(Clone)]
pub struct FilterSelector(pub(in crate::expr) Arc<Filter>);

impl JsonPath {
    /// The text that was parsed.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// True when the query can give one node at most: names and indexes only.
    pub fn is_singular(&self) -> bool {
        self.singular
    }

    /// The steps of the query, for checks that do not evaluate it.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl fmt::Debug for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonPath({})", self.source)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}
