//! `converge: true`: a case's events in other orders, twice, and with a process that dies between any two calls. All of it
//! must end as the events do in the order in which they are written.
//!
//! Nothing is left to chance: the same case is tried in the same ways each time, so what broke one of them is found again.

use std::sync::Arc;

use super::case::Scene;
use super::crash::Crash;
use super::end_state::EndState;
use super::journal::Memory;
use super::timeline::Timeline;

/// Orders that are tried at most: all of up to five events.
const ORDERS_MAX: usize = 120;

/// Calls before and after which the process dies, at most, for each order in which that is tried.
const CALLS_MAX: usize = 200;

/// What came of trying a case in many ways.
#[derive(Debug, Clone, Default)]
pub struct Tried {
    /// In how many ways it was tried.
    pub ways: usize,
    /// The first way in which it ended otherwise.
    pub diverged: Option<Divergence>,
}

/// A way in which a case ends otherwise than in the order in which it is written.
#[derive(Debug, Clone)]
pub struct Divergence {
    /// What was done otherwise.
    pub way: String,
    /// What is otherwise in the end, a line each.
    pub differences: Vec<String>,
}

/// One arrival of an event, by its number in the case from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// For the first time.
    New(usize),
    /// Once more, the same event.
    Again(usize),
    /// What it says, as another event.
    Twin(usize),
}

/// One way in which events come in.
#[derive(Debug, Clone)]
struct Way {
    arrivals: Vec<Arrival>,
    /// True when all are there before the first is carried out.
    at_once: bool,
    crash: Option<Crash>,
    words: String,
}

/// What came of a way.
struct End {
    state: EndState,
    calls: usize,
    died_at: Option<String>,
}

/// Tries a scene in all ways, up to the first that ends otherwise.
pub(super) async fn converge(scene: &Scene<'_>) -> Tried {
    let count = scene.occasions.len();
    let written =
        in_order(&(0..count).collect::<Vec<_>>(), "in the order in which they are written".to_owned());
    let usual = live(scene, &written).await;
    let mut tried = Tried::default();
    for way in arrivals(count) {
        let end = live(scene, &way).await;
        if differs(&mut tried, &usual, &way, &end) {
            return tried;
        }
    }
    let reversed: Vec<usize> = (0..count).rev().collect();
    let reversed = in_order(&reversed, format!("the events in the order {}", listed(&reversed)));
    for base in if count > 1 { vec![written, reversed] } else { vec![written] } {
        let calls = live(scene, &base).await.calls.min(CALLS_MAX);
        for crash in
            (1..=calls).flat_map(|call| [Crash::Before(call), Crash::After(call), Crash::AtEnd(call)])
        {
            let way = Way { crash: Some(crash), ..base.clone() };
            let end = live(scene, &way).await;
            if differs(&mut tried, &usual, &way, &end) {
                return tried;
            }
        }
    }
    tried
}

/// Counts a way, and notes what is otherwise in its end.
fn differs(tried: &mut Tried, usual: &End, way: &Way, end: &End) -> bool {
    tried.ways += 1;
    let differences = usual.state.differences(&end.state);
    if differences.is_empty() {
        return false;
    }
    let died = end.died_at.as_ref().map(|at| format!("; the process dies {at}")).unwrap_or_default();
    tried.diverged = Some(Divergence { way: format!("{}{died}", way.words), differences });
    true
}

/// Lives through a way, from its beginning.
async fn live(scene: &Scene<'_>, way: &Way) -> End {
    let (crm, memory) = (scene.systems(), Memory::default());
    let rehearsal = scene.rehearsal(&crm, &memory, None);
    let mut timeline = Timeline::new(&rehearsal, way.crash);
    for arrival in &way.arrivals {
        let (number, id) = match arrival {
            Arrival::New(number) | Arrival::Again(number) => (*number, run_id(*number)),
            Arrival::Twin(number) => (*number, format!("{}-twin", run_id(*number)).into()),
        };
        let (occasion, now) = &scene.occasions[number];
        timeline.deliver(&id, occasion, *now);
        if !way.at_once {
            timeline.settle().await;
        }
    }
    timeline.settle().await;
    End { state: EndState::of(&crm), calls: timeline.calls(), died_at: timeline.died_at() }
}

/// The id of the run for the event of this number, from 0.
pub(super) fn run_id(number: usize) -> Arc<str> {
    format!("run-{}", number + 1).into()
}

/// The ways in which nothing fails: other orders, a backlog, events that come twice.
fn arrivals(count: usize) -> Vec<Way> {
    let mut ways: Vec<Way> = orders(count)
        .into_iter()
        .map(|order| in_order(&order, format!("the events in the order {}", listed(&order))))
        .collect();
    let written: Vec<usize> = (0..count).collect();
    let reversed: Vec<usize> = (0..count).rev().collect();
    for order in [&written, &reversed] {
        let words =
            format!("the events in the order {}, all there before the first is carried out", listed(order));
        ways.push(Way { at_once: true, ..in_order(order, words) });
    }
    let all = |kind: fn(usize) -> Arrival| written.iter().copied().map(kind);
    let way = |arrivals: Vec<Arrival>, words: String| Way { arrivals, at_once: false, crash: None, words };
    for number in &written {
        let twice = written.iter().flat_map(|it| {
            [Some(Arrival::New(*it)), (it == number).then_some(Arrival::Twin(*it))].into_iter().flatten()
        });
        let words = format!("event {} twice, under two ids", number + 1);
        ways.push(way(twice.collect(), words));
        let late = all(Arrival::New).chain([Arrival::Twin(*number)]);
        ways.push(way(
            late.collect(),
            format!("event {} once more after all others, under another id", number + 1),
        ));
    }
    let again = all(Arrival::New).chain(all(Arrival::Again));
    ways.push(way(again.collect(), "all events sent once more in the end".to_owned()));
    ways
}

fn in_order(order: &[usize], words: String) -> Way {
    let arrivals = order.iter().copied().map(Arrival::New).collect();
    Way { arrivals, at_once: false, crash: None, words }
}

/// `2, 1, 3`: events as they are counted in the file.
fn listed(order: &[usize]) -> String {
    order.iter().map(|number| (number + 1).to_string()).collect::<Vec<_>>().join(", ")
}

/// Orders other than the one that is written: all of few events; of many the reversed one, those in which two neighbours
/// have changed places, and others spread over all there are.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let written: Vec<usize> = (0..count).collect();
    let total = (1..=count).try_fold(1_usize, usize::checked_mul).unwrap_or(usize::MAX);
    if total <= ORDERS_MAX {
        return (1..total).map(|rank| order_of_rank(count, rank)).collect();
    }
    let mut orders = vec![written.iter().rev().copied().collect::<Vec<_>>()];
    for at in 1..count {
        let mut order = written.clone();
        order.swap(at - 1, at);
        orders.push(order);
    }
    orders.truncate(ORDERS_MAX);
    // Of the others those whose ranks are evenly spread.
    let left = ORDERS_MAX - orders.len();
    let spread = (1..=left).map(|at| order_of_rank(count, (total / (left + 1)).saturating_mul(at)));
    orders.extend(spread);
    orders
}

/// The order of this rank among all orders of so many events, as dictionaries have them.
fn order_of_rank(count: usize, mut rank: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..count).collect();
    let mut order = Vec::with_capacity(count);
    while !left.is_empty() {
        let rest = (1..left.len()).try_fold(1_usize, usize::checked_mul).unwrap_or(usize::MAX);
        let at = (rank / rest).min(left.len() - 1);
        rank -= at * rest;
        order.push(left.remove(at));
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn all_orders_of_few_events_are_tried_and_none_twice() {
        assert_eq!(orders(1), Vec::<Vec<usize>>::new());
        assert_eq!(orders(2), [[1, 0]]);
        assert_eq!(orders(3), [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]);
        let five: BTreeSet<_> = orders(5).into_iter().collect();
        assert_eq!(five.len(), 119);
    }

    #[test]
    fn of_many_events_as_many_orders_are_tried_as_there_is_time_for() {
        for count in [6, 9, 30] {
            let orders = orders(count);
            assert_eq!(orders.len(), ORDERS_MAX, "{count}");
            for order in &orders {
                let events: BTreeSet<_> = order.iter().collect();
                assert_eq!(events.len(), count, "{order:?}");
            }
        }
        assert_eq!(orders(9)[0], [8, 7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(orders(9)[1], [1, 0, 2, 3, 4, 5, 6, 7, 8]);
    }
}
