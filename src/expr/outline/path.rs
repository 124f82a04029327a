//! A JSONPath as terms.

use std::sync::Arc;

use super::model::{Outlining, Term, What};
use crate::expr::json_path::{JsonPath, Segment, Selector};
use crate::value::Value;

impl JsonPath {
    /// The path as a term; filters are children without more.
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
            term = step(at, term, segment);
        }
        if self.is_singular() { term } else { at.term(whole, What::Nodes(Box::new(term))) }
    }
}

fn step(at: &Outlining<'_>, of: Term, segment: &Segment) -> Term {
    let range = segment.range.clone();
    let of = Box::new(of);
    if segment.descendant {
        return at.term(range, What::Descendants(of));
    }
    match segment.selectors.as_slice() {
        [Selector::Name(key)] => {
            let dots = at.source[range.clone()].bytes().take_while(|byte| *byte == b'.').count();
            at.term(range.start + dots..range.end, What::Member { of, key: Arc::clone(key) })
        }
        [Selector::Index(index)] => {
            let index = Box::new(at.term(range.clone(), What::Literal(Value::Int(*index))));
            at.term(range, What::Element { of, index })
        }
        _ => at.term(range, What::Children(of)),
    }
}
