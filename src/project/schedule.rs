//! A schedule that passed: when it is, what is listed then, and what starts a run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{DraftFile, Gone, Keep, PipelineFile, ReportTo, ScheduleTrigger, Start};
use crate::cron::Pattern;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::steps::{self, ClientScope, Compilation, Listing};
use crate::words::Span;

/// Times, and what is listed then.
#[derive(Debug)]
pub struct Schedule {
    /// When.
    pub times: Times,
    /// What is listed; nothing for one that only tells the time.
    pub listing: Option<Arc<Listing>>,
    /// Only records that are not as they were.
    pub only_changed: bool,
    /// What becomes of records that are listed no more.
    pub gone: Gone,
    /// What the first poll does.
    pub start: Start,
    /// Where reports go besides the store.
    pub report: Option<ReportTo>,
    /// True when the client itself writes what is listed: then it has to be told apart what somebody else has changed.
    pub written: bool,
}

/// When a schedule is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Times {
    /// So long after the last one began.
    Every(Duration),
    /// By the clocks of the client's zone.
    Cron(Arc<Pattern>),
}

impl Schedule {
    pub(super) fn compile(
        scope: ClientScope<'_>,
        file: &DraftFile<PipelineFile>,
        written: &ScheduleTrigger,
        out: &mut Compilation,
    ) -> Option<Self> {
        let path = Path::root().key("trigger").key("schedule");
        let times = match (&written.every, &written.cron) {
            (Some(every), None) => Some(Times::Every(every.0)),
            (None, Some(cron)) => Some(Times::Cron(Arc::new(cron.0.clone()))),
            (Some(_), Some(_)) => {
                let fact = "a schedule has either `every` or `cron`";
                let finding = Diagnostic::new(Code::BadSchedule, file.key(path.key("cron")), fact)
                    .label("`every` says when already")
                    .help("leave one of them out");
                out.findings.push(finding);
                None
            }
            (None, None) => {
                let fact = "the schedule does not say when it is";
                let finding = Diagnostic::new(Code::BadSchedule, file.value(path.clone()), fact)
                    .help("write `every: 1m`, or `cron: \"0 6 * * 1-5\"` in the client's time zone");
                out.findings.push(finding);
                None
            }
        };
        let listing = match &written.list {
            Some(list) => {
                let unique = written.unique.as_ref();
                steps::listing(scope, &file.path, &path, (list, unique), out).map(|it| Some(Arc::new(it)))
            }
            None => Some(None),
        };
        Some(Self {
            times: times?,
            listing: listing?,
            only_changed: written.only_changed,
            gone: written.gone,
            start: written.start,
            report: written.report,
            written: written.list.as_ref().is_some_and(|list| scope.heard.is_written(&list.object)),
        })
    }
}

/// In plain words, for whoever signs it off.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.times {
            Times::Every(every) => write!(f, "It runs every {}", Span(*every))?,
            Times::Cron(pattern) => {
                write!(f, "It runs at these times of the client's zone: {pattern}")?;
            }
        }
        let Some(listing) = &self.listing else { return f.write_str(".") };
        write!(f, ", for each {} that is listed then", listing.target())?;
        match &listing.since {
            Some((field, overlap)) => write!(
                f,
                " and has changed since by its {field} (asked for again up to {} late)",
                Span(*overlap)
            )?,
            None if self.only_changed => f.write_str(" and is not as the last poll saw it")?,
            None => {}
        }
        f.write_str(".")?;
        if listing.by_job().is_some() {
            f.write_str(" The system lists in the background.")?;
        }
        if let Some(unique) = &listing.unique {
            let kept = match unique.keep {
                Keep::None => "all of them are conflicts",
                Keep::Oldest => "all but the oldest are conflicts",
                Keep::Newest => "all but the newest are conflicts",
            };
            write!(f, " Of records that share what must be unique, {kept}.")?;
        }
        if self.gone == Gone::Run {
            f.write_str(" A record that is listed no more starts a run too.")?;
        }
        match self.start {
            Start::Now => f.write_str(" The first poll takes note of what there is and starts nothing."),
            Start::All => f.write_str(" The first poll starts a run for all that there is."),
        }
    }
}
