//! `for_each`: steps once for each element of a list.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::calls::At;
use super::ending::Ending;
use super::execute::{Execution, Seen, Stop};
use super::given::{Given, Outcome};
use super::mapping::Operand;
use super::program::Step;
use super::reads::Reads;
use super::run::World;
use super::together::Wave;
use crate::connector::Class;
use crate::value::Value;

/// A list is worked off within one run, so it has an end (invariant 7).
const ELEMENTS_MAX: usize = 1_000;

/// So many iterations are under way side by side: as many as the largest batch of any system.
const TOGETHER: usize = 200;

/// Of so many elements that failed it is told why.
const TOLD: usize = 5;

/// `for_each`, ready to be performed.
#[derive(Debug)]
pub(super) struct ForEach {
    pub(super) list: Operand,
    pub(super) name: Arc<str>,
    pub(super) steps: Vec<Step>,
    /// True when the elements have nothing to do with each other, and what they ask of a system goes together.
    pub(super) batch: bool,
}

/// How an iteration ended.
struct Ended {
    /// The number of its element.
    number: usize,
    ending: Result<(), Stop>,
    reads: Reads,
    seen: Seen,
    /// True when it met another iteration's record.
    again: bool,
}

impl ForEach {
    /// What the steps of one iteration give is visible in that iteration only.
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let list = run.eval(at, "in", &self.list)?;
        let elements = match &list {
            Value::Null => &[],
            Value::List(elements) => elements.as_slice(),
            other => return Err(at.refuse(format!("in: a list is needed, and this is {}", other.kind()))),
        };
        if elements.len() > ELEMENTS_MAX {
            let words = format!("{} elements, and a loop takes at most {ELEMENTS_MAX}", elements.len());
            return Err(run.conflict(at, None, words, Vec::new()));
        }
        if self.batch && elements.len() > 1 {
            self.together(at, run, elements).await?;
        } else {
            self.in_turn(at, run, elements).await?;
        }
        Ok(Given::new(Outcome::Done).into())
    }

    async fn in_turn(&self, at: &At<'_>, run: &mut Execution<'_>, elements: &[Value]) -> Result<(), Stop> {
        let outside = run.context.clone();
        for (number, element) in elements.iter().enumerate() {
            run.context = outside.with(&self.name, element.clone());
            let ended = run.steps(&self.steps, &prefix(at, number)).await;
            if ended.is_err() {
                run.context = outside;
                return ended;
            }
        }
        run.context = outside;
        Ok(())
    }

    /// Side by side. An element that fails does not keep the others from being done; what it ended with is the run's end, after that.
    async fn together(&self, at: &At<'_>, run: &mut Execution<'_>, elements: &[Value]) -> Result<(), Stop> {
        let mut stops: Vec<(usize, Stop)> = Vec::new();
        let numbers: Vec<usize> = (0..elements.len()).collect();
        for lot in numbers.chunks(TOGETHER) {
            let again = self.wave(at, run, elements, lot, &mut stops).await;
            // Those that met each other, until each has had its turn; such as keep meeting go one by one.
            let mut left = again;
            while !left.is_empty() {
                let again = self.wave(at, run, elements, &left, &mut stops).await;
                if again.len() < left.len() {
                    left = again;
                    continue;
                }
                for number in std::mem::take(&mut left) {
                    self.wave(at, run, elements, &[number], &mut stops).await;
                }
            }
            if stops.iter().any(|(_, stop)| urgency(stop) > Urgency::Over) {
                break;
            }
        }
        stops.sort_by_key(|(number, _)| *number);
        ending(stops, elements.len())
    }

    /// The iterations of these elements, side by side. Gives those that met another one's record and have to start again.
    async fn wave(
        &self,
        at: &At<'_>,
        run: &mut Execution<'_>,
        elements: &[Value],
        numbers: &[usize],
        stops: &mut Vec<(usize, Stop)>,
    ) -> Vec<usize> {
        let wave = Wave::default();
        let begun: Vec<Reads> = numbers.iter().map(|_| run.reads.beside()).collect();
        let ended = {
            let (run, wave) = (&*run, &wave);
            let iterations = numbers.iter().zip(begun).enumerate().map(|(lane, (&number, reads))| {
                let element = elements.get(number).cloned().unwrap_or_default();
                self.iteration(at, run, wave, (lane, number), element, reads)
            });
            wave.drive(&run.world.client.name, run.world.gateway, iterations.collect()).await
        };
        let mut again = Vec::new();
        for Ended { number, ending, reads, seen, again: once_more } in ended {
            run.reads.outdated(reads);
            run.seen.add(&seen);
            match ending {
                Err(_) if once_more => again.push(number),
                Err(stop) => stops.push((number, stop)),
                Ok(()) => {}
            }
        }
        again
    }

    fn iteration<'b>(
        &'b self,
        at: &'b At<'_>,
        run: &'b Execution<'_>,
        wave: &'b Wave,
        (lane, number): (usize, usize),
        element: Value,
        reads: Reads,
    ) -> BoxFuture<'b, Ended> {
        async move {
            let way = wave.lane(lane, run.world.gateway, run.world.journal);
            let world = World { gateway: &way, journal: &way, ..*run.world };
            let context = run.context.with(&self.name, element);
            let mut iteration = Execution {
                program: run.program,
                run: run.run,
                world: &world,
                context,
                reads,
                seen: Seen::default(),
            };
            let ending = iteration.steps(&self.steps, &prefix(at, number)).await;
            let Execution { reads, seen, .. } = iteration;
            Ended { number, ending, reads, seen, again: wave.starts_again(lane) }
        }
        .boxed()
    }
}

/// What the calls of one iteration are named by.
fn prefix(at: &At<'_>, number: usize) -> String {
    format!("{}[{number}].", at.call)
}

/// What of several endings has to be heeded first: what another attempt may mend comes before what is over, so that a run is
/// not closed while some of its elements can still be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Skipped,
    Over,
    Waiting,
    Retried,
    Held,
    Interrupted,
}

fn urgency(stop: &Ending) -> Urgency {
    match stop {
        Ending::Succeeded | Ending::Missed | Ending::Skipped { .. } => Urgency::Skipped,
        Ending::Conflict { .. } => Urgency::Over,
        Ending::Failed { failure, .. } => match failure.class {
            Class::Missing | Class::Duplicate | Class::Permanent | Class::Partial => Urgency::Over,
            Class::Throttled
            | Class::Transient
            | Class::Locked
            | Class::Expired
            | Class::ConnectionDown
            | Class::Unknown => Urgency::Retried,
        },
        Ending::Waiting { .. } => Urgency::Waiting,
        Ending::Held { .. } => Urgency::Held,
        Ending::Interrupted { .. } => Urgency::Interrupted,
    }
}

/// The one ending that stands for all: the most urgent, the first of several. In its words stand the others of its kind.
fn ending(stops: Vec<(usize, Stop)>, elements: usize) -> Result<(), Stop> {
    let Some(first) = stops.iter().map(|(_, stop)| urgency(stop)).max() else { return Ok(()) };
    let mut alike = stops.into_iter().filter(|(_, stop)| urgency(stop) == first);
    let Some((number, mut stop)) = alike.next() else { return Ok(()) };
    let others: Vec<(usize, Stop)> = alike.collect();
    let told = |words: &str| {
        let mut parts = vec![format!("{words} (element {} of {elements})", number + 1)];
        let shown = others.iter().take(TOLD - 1);
        parts.extend(shown.map(|(number, other)| format!("element {}: {}", number + 1, in_words(other))));
        if others.len() >= TOLD {
            parts.push(format!("and {} more", others.len() + 1 - TOLD));
        }
        parts.join("; ")
    };
    match &mut *stop {
        Ending::Failed { failure, .. } => failure.message = told(&failure.message),
        Ending::Conflict { reason, .. } => *reason = told(reason),
        Ending::Skipped { reason } if !others.is_empty() => *reason = told(reason),
        _ => {}
    }
    Err(stop)
}

fn in_words(stop: &Ending) -> String {
    match stop {
        Ending::Failed { failure, .. } => failure.to_string(),
        Ending::Conflict { reason, .. }
        | Ending::Skipped { reason }
        | Ending::Waiting { reason, .. }
        | Ending::Interrupted { reason } => reason.clone(),
        Ending::Held { .. } => "another run is at it".to_owned(),
        Ending::Succeeded | Ending::Missed => "done".to_owned(),
    }
}
