//! The graph of one client.

use super::super::view::View;
use super::{Node, hears, writes};

/// The pipelines of one client that are switched on, with what they hear and write.
pub(in crate::check) struct Graph<'a> {
    pub(in crate::check) nodes: Vec<Node<'a>>,
}

impl<'a> Graph<'a> {
    pub(in crate::check) fn of(view: &View<'a>) -> Self {
        let files = view.draft.pipelines.iter();
        let nodes = files.filter_map(|file| {
            let written = file.content.as_ref().filter(|written| written.enabled)?;
            let (hears, writes) = (hears::of(view, written), writes::of(view, file, written));
            Some(Node { file, written, hears, writes })
        });
        Self { nodes: nodes.collect() }
    }
}
