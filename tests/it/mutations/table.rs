//! The figures by kind.

use std::fmt;

use super::Tried;
use super::run::Verdict;

/// What was tried, found and placed, by kind.
#[derive(Default)]
pub(super) struct Table(Vec<(&'static str, Vec<Tried>)>);

impl Table {
    pub(super) fn add(&mut self, kind: &'static str, tried: Vec<Tried>) {
        self.0.push((kind, tried));
    }

    pub(super) fn kinds(&self) -> usize {
        self.0.len()
    }

    /// The share of mistakes that were found.
    pub(super) fn found(&self) -> f64 {
        share(self.count(|it| *it != Verdict::Missed), self.count(|_| true))
    }

    /// The share of those found that were found where they are.
    pub(super) fn placed(&self) -> f64 {
        share(self.count(|it| *it == Verdict::Placed), self.count(|it| *it != Verdict::Missed))
    }

    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.0.iter().map(|(_, tried)| of(tried, &is)).sum()
    }
}

fn of(tried: &[Tried], is: impl Fn(&Verdict) -> bool) -> usize {
    tried.iter().filter(|it| is(&it.verdict)).count()
}

#[expect(clippy::cast_precision_loss, reason = "some thousands at the most")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:44} {:>6} {:>6} {:>6}", "mistake", "tried", "found", "placed")?;
        for (kind, tried) in &self.0 {
            let (found, placed) =
                (of(tried, |it| *it != Verdict::Missed), of(tried, |it| *it == Verdict::Placed));
            writeln!(f, "{kind:44} {:>6} {found:>6} {placed:>6}", tried.len())?;
        }
        let (all, found) = (self.count(|_| true), self.count(|it| *it != Verdict::Missed));
        writeln!(f, "{:44} {all:>6} {found:>6} {:>6}", "all", self.count(|it| *it == Verdict::Placed))?;
        writeln!(f, "found {:.2} %, placed {:.2} %", 100.0 * self.found(), 100.0 * self.placed())?;
        for (kind, tried) in &self.0 {
            for Tried { shown, verdict } in tried {
                match verdict {
                    Verdict::Placed => {}
                    Verdict::Elsewhere(places) => {
                        writeln!(f, "elsewhere: {kind}: {shown}\n    {}", places.join("\n    "))?;
                    }
                    Verdict::Missed => writeln!(f, "missed: {kind}: {shown}")?,
                }
            }
        }
        Ok(())
    }
}
