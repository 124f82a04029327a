//! The stale rule: what an event does that is older than one that was applied to its object already.

use jiff::Timestamp;

/// Where an event stands among those about one object: when it happened, and its rank within that moment.
pub(crate) type Standing = (Timestamp, u32);

/// Why an event that stands at `event` is stale, where the newest that was applied to `object` stands at `applied`.
/// `begun` tells that its run has done something before.
pub(crate) fn overtaken(
    object: &str,
    event: Standing,
    applied: Option<Standing>,
    begun: bool,
) -> Option<String> {
    let (created, _) = applied.filter(|applied| *applied > event)?;
    let rest = if begun { "; what this run has done before stays" } else { "" };
    Some(format!("a newer event about {object}, of {created}, was applied already{rest}"))
}
