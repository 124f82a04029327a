//! The condition of a JSONPath's `[?...]` as terms. Its parts have no places of their own: each stands where the selector does.

use std::ops::Range;

use super::model::{Outlining, Term, What};
use super::path::step;
use crate::expr::json_path::filter::{Compare, Filter, Operand, Pattern, Query};
use crate::expr::json_path::{Segment, Selector};

/// The name of the node that a condition is about.
pub(super) const CURRENT: &str = "@";

/// A condition in the segment that covers these bytes.
pub(super) fn condition(at: &Outlining<'_>, range: &Range<usize>, filter: &Filter) -> Term {
    let all = |parts: &[Filter]| parts.iter().map(|part| condition(at, range, part)).collect();
    let term = |what| at.term(range.clone(), what);
    match filter {
        Filter::Or(parts) => term(What::Or(all(parts))),
        Filter::And(parts) => term(What::And(all(parts))),
        Filter::Not(part) => call(at, range, "!", vec![condition(at, range, part)]),
        Filter::Exists(found) => query(at, range, found),
        Filter::Compare(operator, left, right) => {
            let name = match operator {
                Compare::Eq => "==",
                Compare::Ne => "!=",
                Compare::Lt => "<",
                Compare::Le => "<=",
                Compare::Gt => ">",
                Compare::Ge => ">=",
            };
            call(at, range, name, vec![operand(at, range, left), operand(at, range, right)])
        }
        Filter::Matches { text, pattern, .. } => {
            let mut parts = vec![operand(at, range, text)];
            if let Pattern::Read(read) = pattern {
                parts.push(operand(at, range, read));
            }
            term(What::Other(parts))
        }
    }
}

fn operand(at: &Outlining<'_>, range: &Range<usize>, operand_: &Operand) -> Term {
    match operand_ {
        Operand::Literal(value) => at.term(range.clone(), What::Literal(value.clone())),
        Operand::One(found) => query(at, range, found),
        Operand::Length(of) => call(at, range, "len", vec![operand(at, range, of)]),
        Operand::Count(found) | Operand::ValueOf(found) => {
            at.term(range.clone(), What::Other(vec![query(at, range, found)]))
        }
    }
}

fn call(at: &Outlining<'_>, range: &Range<usize>, name: &str, args: Vec<Term>) -> Term {
    at.term(range.clone(), What::Call { name: name.into(), args })
}

/// What a path inside of the condition reads, of the current node or of the whole document.
fn query(at: &Outlining<'_>, range: &Range<usize>, query: &Query) -> Term {
    let (name, rest) = match query.segments.split_first() {
        _ if !query.absolute => (CURRENT.into(), &*query.segments),
        Some((Segment { descendant: false, selectors, .. }, rest)) => match selectors.as_slice() {
            [Selector::Name(name)] => (name.clone(), rest),
            _ => return at.term(range.clone(), What::Other(Vec::new())),
        },
        _ => return at.term(range.clone(), What::Other(Vec::new())),
    };
    let mut term = at.term(range.clone(), What::Name(name));
    for segment in rest {
        term = step(at, term, segment, range);
    }
    term
}
