#![doc = include_str!("endless-loop.md")]

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::graph::{Graph, Happening, Heard, Identity, Node, Order, WriteTo};
use super::super::view::{Found, View};
use super::Rule;
use crate::config::step::Key;
use crate::config::{ObjectRef, Written};
use crate::diagnostic::Code;
use crate::value::Value;

pub(super) const RULE: Rule = Rule { code: Code::EndlessLoop, check };

/// From a pipeline, by a record that it makes, to a pipeline that starts on it.
struct Edge<'g, 'a> {
    to: usize,
    write: &'g WriteTo<'a>,
}

fn check(view: &View, found: &mut Found) {
    let Some(graph) = view.graph else { return };
    let edges: Vec<Vec<Edge<'_, '_>>> = graph.nodes.iter().map(|node| edges(view, graph, node)).collect();
    let mut told = BTreeSet::new();
    for start in 0..edges.len() {
        let mut way = Vec::new();
        let mut seen = BTreeSet::new();
        if !leads_back(&edges, start, start, &mut way, &mut seen) {
            continue;
        }
        let mut members: Vec<usize> = way.iter().map(|edge| edge.to).collect();
        members.sort_unstable();
        if told.insert(members) {
            report(graph, start, &way, found);
        }
    }
}

/// The shortest way is not needed: any is one that the author has to cut. Gives the edges from `from` to `start`.
fn leads_back<'e, 'g, 'a>(
    edges: &'e [Vec<Edge<'g, 'a>>],
    from: usize,
    start: usize,
    way: &mut Vec<&'e Edge<'g, 'a>>,
    seen: &mut BTreeSet<usize>,
) -> bool {
    for edge in edges.get(from).into_iter().flatten() {
        way.push(edge);
        let is_back = edge.to == start;
        if is_back || (seen.insert(edge.to) && leads_back(edges, edge.to, start, way, seen)) {
            return true;
        }
        way.pop();
    }
    false
}

/// What `node` makes anew in each run, whatever it makes, and who starts on that.
fn edges<'g, 'a>(view: &View, graph: &'g Graph<'a>, node: &'g Node<'a>) -> Vec<Edge<'g, 'a>> {
    let makes = |write: &&WriteTo<'_>| {
        matches!(write.verb, "create" | "upsert")
            && write.order == Order::Always
            && node.hears.iter().any(|heard| is_new_each_time(view, heard, write))
    };
    let mut edges = Vec::new();
    for write in node.writes.iter().filter(makes) {
        for (to, other) in graph.nodes.iter().enumerate() {
            if other.hears.iter().any(|heard| starts(heard, write.object)) {
                edges.push(Edge { to, write });
            }
        }
    }
    edges
}

/// True when a new record of `object` starts a pipeline, whatever it holds.
fn starts(heard: &Heard<'_>, object: &ObjectRef) -> bool {
    heard.object.as_ref() == Some(object)
        && !heard.narrowed
        && matches!(heard.happening, Happening::Created | Happening::Listed)
}

/// True when nothing identifies the record but the id of the one that was heard of: a new one leads to a new one.
fn is_new_each_time(view: &View, heard: &Heard<'_>, write: &WriteTo<'_>) -> bool {
    if heard.narrowed || !matches!(heard.happening, Happening::Created | Happening::Listed) {
        return false;
    }
    let Some(object) = &heard.object else { return false };
    let id = id_field(view, object);
    let is_id = |written: &Written| reads_id(&written.0, &id);
    match write.identity {
        Identity::Key(None) => true,
        Identity::Key(Some(Key::Value(value))) => is_id(value),
        Identity::Key(Some(Key::Fields(fields))) => fields.values().any(is_id),
        Identity::Match(matching) => matching.alternatives().iter().all(|fields| fields.values().any(is_id)),
        Identity::Id => false,
    }
}

/// The field that holds the id of an object's records.
fn id_field(view: &View, object: &ObjectRef) -> Arc<str> {
    let mut connections = view.client.connections.iter();
    let connection = connections.find(|(name, _)| name.0 == object.connection);
    let facts = connection.and_then(|(_, connection)| {
        view.manifest(connection)?.abilities().object(&object.object).map(|it| &it.id)
    });
    facts.filter(|id| !id.is_empty()).map_or_else(|| "id".into(), Arc::clone)
}

/// True for the plain path of the record's own id, alone or in a text.
fn reads_id(written: &Value, id: &str) -> bool {
    let text = match written {
        Value::Map(map) => map.get("from"),
        other => Some(other),
    };
    let Some(text) = text.and_then(Value::as_str) else { return false };
    text == format!("$.object.{id}") || text.contains(&format!("${{object.{id}}}"))
}

fn report(graph: &Graph<'_>, start: usize, way: &[&Edge<'_, '_>], found: &mut Found) {
    let name = |at: usize| graph.nodes.get(at).map_or("", |node| &*node.file.stem);
    let Some((first, rest)) = way.split_first() else { return };
    let names: Vec<&str> = std::iter::once(start).chain(way.iter().map(|edge| edge.to)).map(name).collect();
    let fact = format!("each run leads to the next without end: {}", names.join(" -> "));
    let mut finding = found
        .at(first.write.place(), fact)
        .label(format!("a new {} starts `{}`", first.write.object, name(first.to)))
        .help(
            "cut it: match by what both sides have (an e-mail, an id that is stored on both), or give one of the \
             pipelines a `when` that passes over records that came from here",
        );
    for edge in rest {
        let words = format!("a new {} starts `{}`", edge.write.object, name(edge.to));
        finding = finding.related(edge.write.place(), words);
    }
    found.push(finding);
}
