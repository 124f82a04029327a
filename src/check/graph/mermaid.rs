//! The graph as a Mermaid flowchart, which pages of GitHub, GitLab and many editors draw.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::super::connectors::Connectors;
use super::super::view::View;
use super::Graph;
use super::model::{Node, WriteTo};
use crate::config::{Draft, ObjectRef, TriggerFile};

/// The flowchart of each client that can be read, by its folder's name.
pub fn drawings(draft: &Draft) -> BTreeMap<Arc<str>, String> {
    let connectors = Connectors::of(&draft.connectors, &mut Vec::new());
    let clients = draft.clients.iter().filter_map(|client| {
        let view = View {
            draft: client,
            shared: &draft.shared,
            overlay: None,
            client: client.file.content.as_ref()?,
            connectors: &connectors,
            engine: None,
            graph: None,
        };
        Some((Arc::clone(&client.folder), draw(&Graph::of(&view))))
    });
    clients.collect()
}

/// The boxes and arrows of a drawing, each once.
#[derive(Default)]
struct Drawing {
    /// The objects of each connection.
    objects: IndexMap<Arc<str>, IndexSet<Arc<str>>>,
    /// What starts pipelines and is no record.
    others: IndexSet<String>,
    /// From, to and what is on the arrow.
    arrows: IndexMap<(String, String), IndexSet<String>>,
}

/// Records to the left and right, pipelines between them: from what starts a pipeline to it, and on to what it writes.
fn draw(graph: &Graph<'_>) -> String {
    let mut drawing = Drawing::default();
    for node in &graph.nodes {
        drawing.hears(node);
        for write in &node.writes {
            drawing.writes(node, write);
        }
    }
    drawing.text(graph)
}

impl Drawing {
    fn hears(&mut self, node: &Node<'_>) {
        let to = pipeline_id(node);
        if let TriggerFile::Schedule(schedule) = &node.written.trigger
            && schedule.list.is_none()
        {
            self.arrow(id("at", &["set times"]), to, "runs".to_owned());
            self.others.insert("set times".to_owned());
            return;
        }
        for heard in &node.hears {
            let from = if let Some(object) = &heard.object {
                self.record(object)
            } else {
                self.others.insert("lockstep".to_owned());
                id("at", &["lockstep"])
            };
            self.arrow(from, to.clone(), heard.name.to_owned());
        }
    }

    fn writes(&mut self, node: &Node<'_>, write: &WriteTo<'_>) {
        let to = self.record(write.object);
        self.arrow(pipeline_id(node), to, write.verb.to_owned());
    }

    fn record(&mut self, object: &ObjectRef) -> String {
        let objects = self.objects.entry(Arc::clone(&object.connection)).or_default();
        objects.insert(Arc::clone(&object.object));
        id("r", &[&object.connection, &object.object])
    }

    fn arrow(&mut self, from: String, to: String, what: String) {
        self.arrows.entry((from, to)).or_default().insert(what);
    }

    fn text(&self, graph: &Graph<'_>) -> String {
        let mut text = "flowchart LR\n".to_owned();
        // Writing into a String cannot fail.
        for (connection, objects) in &self.objects {
            let _ = writeln!(text, "  subgraph {}[{}]", id("c", &[connection]), label(connection));
            for object in objects {
                let _ = writeln!(text, "    {}[{}]", id("r", &[connection, object]), label(object));
            }
            text.push_str("  end\n");
        }
        for other in &self.others {
            let _ = writeln!(text, "  {}[/{}/]", id("at", &[other]), label(other));
        }
        for node in &graph.nodes {
            let _ = writeln!(text, "  {}([{}])", pipeline_id(node), label(&node.file.stem));
        }
        for ((from, to), what) in &self.arrows {
            let what: Vec<&str> = what.iter().map(String::as_str).collect();
            let _ = writeln!(text, "  {from} -- {} --> {to}", label(&what.join(", ")));
        }
        text
    }
}

fn pipeline_id(node: &Node<'_>) -> String {
    id("p", &[&node.file.stem])
}

/// A name that Mermaid takes for one: what is neither letter nor digit is spelt as its number, so that no two become one.
fn id(kind: &str, names: &[&str]) -> String {
    let mut id = kind.to_owned();
    for name in names {
        id.push('_');
        for char in name.chars() {
            if char.is_ascii_alphanumeric() {
                id.push(char);
            } else {
                let _ = write!(id, "_{}_", u32::from(char));
            }
        }
    }
    id
}

/// A text in quotes; what would end it, or mean something in it, as Mermaid writes it.
fn label(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
    )
}
