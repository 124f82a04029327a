//! The condition of a filter selector, compiled: what it compares and how.

use std::borrow::Cow;

use regex::Regex;

use super::eval::{Ground, singular, walk};
use super::model::Segment;
use super::regexp;
use crate::value::Value;

/// A logical expression over the current node and the root.
pub(in crate::expr) enum Filter {
    Or(Vec<Filter>),
    And(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Query),
    Compare(Compare, Operand, Operand),
    Matches { text: Operand, pattern: Pattern, whole: Whole },
}

/// Segments that begin at the root (`$`) or at the current node (`@`).
pub(in crate::expr) struct Query {
    pub(in crate::expr) absolute: bool,
    pub(in crate::expr) segments: Vec<Segment>,
}

/// A comparison operator.
#[derive(Clone, Copy)]
pub(in crate::expr) enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// What stands on a side of a comparison, or is given to a function.
pub(in crate::expr) enum Operand {
    Literal(Value),
    One(Query),
    Length(Box<Operand>),
    Count(Query),
    ValueOf(Query),
}

/// The regular expression of `match()` and `search()`.
pub(in crate::expr) enum Pattern {
    /// Written in the query; `None` when it is not a regular expression, which then matches nothing.
    Fixed(Option<Regex>),
    /// Read from the document, so compiled when it is met.
    Read(Box<Operand>),
}

/// Whether a pattern must cover the whole text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::expr) enum Whole {
    /// `match()`.
    Yes,
    /// `search()`.
    No,
}

impl Filter {
    pub(super) fn holds<'v>(&'v self, ground: &Ground<'v>, current: &'v Value) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.holds(ground, current)),
            Self::And(parts) => parts.iter().all(|part| part.holds(ground, current)),
            Self::Not(part) => !part.holds(ground, current),
            Self::Exists(query) => !query.visit(ground, current, &mut |_| false),
            Self::Compare(operator, left, right) => operator
                .holds(left.value(ground, current).as_deref(), right.value(ground, current).as_deref()),
            Self::Matches { text, pattern, whole } => match text.value(ground, current).as_deref() {
                Some(Value::Text(text)) => pattern.matches(text, *whole, ground, current),
                _ => false,
            },
        }
    }
}

impl Query {
    /// Visits the nodes until `visit` returns false; false when it did.
    fn visit<'v>(
        &self,
        ground: &Ground<'v>,
        current: &'v Value,
        visit: &mut dyn FnMut(&'v Value) -> bool,
    ) -> bool {
        walk(&self.segments, ground, if self.absolute { ground.root } else { current }, visit)
    }
}

impl Compare {
    /// Compares; "nothing" (no node) equals only nothing, and unlike types are never ordered (RFC 9535, 2.3.5.2.2).
    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        match self {
            Self::Eq => equal(left, right),
            Self::Ne => !equal(left, right),
            Self::Lt => less(left, right),
            Self::Gt => less(right, left),
            Self::Le => less(left, right) || equal(left, right),
            Self::Ge => less(right, left) || equal(left, right),
        }
    }
}

fn equal(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => left.same(right),
        _ => false,
    }
}

fn less(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (Some(Value::Text(left)), Some(Value::Text(right))) => left < right,
        (Some(left), Some(right)) => match (left.as_decimal(), right.as_decimal()) {
            (Some(left), Some(right)) => left < right,
            _ => false,
        },
        _ => false,
    }
}

impl Operand {
    fn value<'v>(&'v self, ground: &Ground<'v>, current: &'v Value) -> Option<Cow<'v, Value>> {
        match self {
            Self::Literal(value) => Some(Cow::Borrowed(value)),
            Self::One(query) => singular(&query.segments, if query.absolute { ground.root } else { current })
                .map(Cow::Borrowed),
            Self::Length(operand) => match operand.value(ground, current)?.as_ref() {
                Value::Text(text) => Some(count(text.chars().count())),
                Value::List(items) => Some(count(items.len())),
                Value::Map(map) => Some(count(map.len())),
                _ => None,
            },
            Self::Count(query) => {
                let mut nodes = 0;
                query.visit(ground, current, &mut |_| {
                    nodes += 1;
                    true
                });
                Some(count(nodes))
            }
            Self::ValueOf(query) => {
                let (mut nodes, mut last) = (0, None);
                query.visit(ground, current, &mut |node| {
                    nodes += 1;
                    last = Some(node);
                    nodes < 2
                });
                if nodes == 1 { last.map(Cow::Borrowed) } else { None }
            }
        }
    }
}

fn count(number: usize) -> Cow<'static, Value> {
    Cow::Owned(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)))
}

impl Pattern {
    fn matches<'v>(&'v self, text: &str, whole: Whole, ground: &Ground<'v>, current: &'v Value) -> bool {
        match self {
            Self::Fixed(regex) => regex.as_ref().is_some_and(|regex| regex.is_match(text)),
            Self::Read(operand) => match operand.value(ground, current).as_deref() {
                Some(Value::Text(pattern)) => {
                    regexp::compile(pattern, whole).is_some_and(|regex| regex.is_match(text))
                }
                _ => false,
            },
        }
    }
}
