//! What the references of an expression find, for people.

use super::context::Context;
use super::names::{Reference, ReferenceSeg};
use crate::value::Value;

/// Each path once, with what is there; a path that goes on by a wildcard or a computed index ends before it.
pub(super) fn reads(references: &[Reference], context: &Context) -> Vec<(String, Value)> {
    let mut reads: Vec<(String, Value)> = Vec::new();
    for reference in references {
        let known = reference
            .segments
            .iter()
            .take_while(|segment| matches!(segment, ReferenceSeg::Name(_) | ReferenceSeg::Index(_)))
            .cloned()
            .collect::<Vec<_>>();
        let value = known.iter().try_fold(context.root(), |node, segment| step(node, segment));
        let path = Reference { segments: known.clone(), ..reference.clone() }.path_text();
        if !path.is_empty() && reads.iter().all(|(seen, _)| *seen != path) {
            reads.push((path, value.cloned().unwrap_or_default()));
        }
    }
    reads
}

fn step<'v>(node: &'v Value, segment: &ReferenceSeg) -> Option<&'v Value> {
    match segment {
        ReferenceSeg::Name(name) => node.get(name),
        ReferenceSeg::Index(index) => {
            let items = node.as_list()?;
            let place = usize::try_from(*index)
                .ok()
                .or_else(|| items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?))?;
            items.get(place)
        }
        ReferenceSeg::Any | ReferenceSeg::Deep => None,
    }
}
