#![doc = include_str!("unordered-update.md")]

use super::super::graph::{Happening, Node};
use super::super::view::{Found, View};
use super::Rule;
use crate::config::{Stale, StaleFile};
use crate::diagnostic::{Code, Path};

pub(super) const RULE: Rule = Rule { code: Code::UnorderedUpdate, check };

fn check(view: &View, found: &mut Found) {
    let Some(graph) = view.graph else { return };
    for node in &graph.nodes {
        // An object that is read when the run begins is the newest, whichever event told of it.
        let writes = node.writes.iter().find(|write| matches!(write.verb, "update" | "upsert"));
        let Some(write) = writes.filter(|_| node.written.trigger.read().is_none()) else { continue };
        let Some((path, name)) = applied(node) else { continue };
        let finding = found
            .at(node.file.value(path), format!("an older `{name}` is applied over a newer one"))
            .label("events do not come in the order in which they happened")
            .related(write.place(), "what is written would go back to an older state")
            .help("leave `stale` out (older states are skipped), or write `refetch`");
        found.push(finding);
    }
}

/// The event that tells of a state and is applied however old it is, and where that is written.
fn applied<'a>(node: &'a Node<'_>) -> Option<(Path, &'a str)> {
    let stale = node.written.order.as_ref()?.stale.as_ref()?;
    let at = Path::root().key("order").key("stale");
    let mut states = node.hears.iter().filter(|heard| heard.happening == Happening::Updated);
    match stale {
        StaleFile::All(Stale::Apply) => states.next().map(|heard| (at, heard.name)),
        StaleFile::All(_) => None,
        StaleFile::ByType(words) => states.find_map(|heard| {
            let (name, stale) = words.get_key_value(heard.name).or_else(|| words.get_key_value("*"))?;
            (*stale == Stale::Apply).then(|| (at.key(name.as_str()), heard.name))
        }),
    }
}
