//! A JSONPath as terms.

use std::ops::Range;
use std::sync::Arc;

use super::filter;
use super::model::{Outlining, Term, What};
use crate::expr::json_path::{FilterSelector, JsonPath, Segment, Selector};
use crate::value::Value;

impl JsonPath {
    /// The path as a term.
    pub(in crate::expr) fn outline(&self, at: &Outlining<'_>) -> Term {
        let whole = 0..at.source.len();
        let mut segments = self.segments().iter();
        let mut term = match segments.next() {
            Some(Segment { descendant: false, selectors, range })
                if matches!(selectors.as_slice(), [Selector::Name(_)]) =>
            {
                let [Selector::Name(name)] = selectors.as_slice() else {
                    return at.term(whole, What::Other(Vec::new()));
                };
                at.term(range.clone(), What::Name(Arc::clone(name)))
            }
            _ => return at.term(whole, What::Other(Vec::new())),
        };
        for segment in segments {
            term = step(at, term, segment, &segment.range);
        }
        if self.is_singular() { term } else { at.term(whole, What::Nodes(Box::new(term))) }
    }
}

/// One segment, which stands at `range` of the text.
pub(super) fn step(at: &Outlining<'_>, of: Term, segment: &Segment, range: &Range<usize>) -> Term {
    let of = Box::new(of);
    let term = |what| at.term(range.clone(), what);
    if segment.descendant {
        return term(What::Descendants(of));
    }
    match segment.selectors.as_slice() {
        [Selector::Name(key)] => {
            let dots = at.source[range.clone()].bytes().take_while(|byte| *byte == b'.').count();
            at.term(range.start + dots..range.end, What::Member { of, key: Arc::clone(key) })
        }
        [Selector::Index(index)] => {
            let index = Box::new(term(What::Literal(Value::Int(*index))));
            term(What::Element { of, index })
        }
        [Selector::Filter(FilterSelector(condition))] => {
            let condition = Box::new(filter::condition(at, range, condition));
            term(What::Filtered { of, condition })
        }
        _ => term(What::Children(of)),
    }
}
