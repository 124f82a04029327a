//! The command: every event, every pipeline that starts on it now or with the changed files.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use super::base::{self, Base};
use super::events::{self, Happened, Ran, Seen};
use super::told::{End, Told};
use crate::check::{self, Checked, Environments};
use crate::cli::ExitCode;
use crate::cli::block_on::runtime;
use crate::cli::given::given;
use crate::cli::look::{StoreArgs, moment};
use crate::cli::output::{Format, say, say_json};
use crate::config;
use crate::diagnostic::Color;
use crate::project::{Client, Pipeline, Trigger};
use crate::rehearsal::{EventError, Occasion, Planned, Played, Recalled, Records, Story, Was, of_kept, play};
use crate::store::{EventFilter, Store};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep plan --since 24h\n  lockstep plan new-version/ --store sqlite:/var/lib/lockstep.db --since 7d\n  \
                        lockstep plan --against main --since 24h\n  lockstep plan --against main --events samples/ --given records.json\n\n\
                        Each run is carried out in memory, with the files that it ran with and with the changed ones, over what is kept of what it has\n\
                        read. Nothing is sent and nothing is written; what is not kept is named, and can be given.\n\
                        Exit codes: 0 nothing would be otherwise, 1 something would, or the YAML has errors, 2 could not tell (of some runs too\n\
                        little is kept, and the others would be as they are)."
)]
pub(in crate::cli) struct Plan {
    /// The changed project, its clients or single files; the nearest project when left out
    paths: Vec<PathBuf>,
    /// Only events received since then: 30m, 24h, 7d, 2026-03-01, 2026-03-01T09:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Compares with this project's folder, or with this revision of git, and not with what each run ran with
    #[arg(long, value_name = "DIR|REVISION")]
    against: Option<String>,
    /// Takes events from a JSON file, or from all JSON files of a folder, and not from the store
    #[arg(long, value_name = "PATH", conflicts_with = "since")]
    events: Option<PathBuf>,
    /// A JSON file with the records that reads find, beside what is kept: connection and object -> records
    #[arg(long, value_name = "FILE")]
    given: Option<PathBuf>,
    /// Only of this client
    #[arg(long, value_name = "CLIENT")]
    client: Option<Arc<str>>,
    /// Only of this pipeline
    #[arg(long, value_name = "PIPELINE")]
    pipeline: Option<Arc<str>>,
    /// How many events at most, the newest
    #[arg(long, value_name = "EVENTS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// The environment that clients run in: `client.<NAME>.yaml` over `client.yaml`
    #[arg(long, value_name = "NAME", env = "LOCKSTEP_ENV")]
    env: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Plan {
    pub(in crate::cli) fn run(self) -> anyhow::Result<ExitCode> {
        let here = std::env::current_dir()?;
        let environments = self.env.as_deref().map_or(Environments::Base, Environments::One);
        let changed = check::check(config::load(&self.paths, &here)?, environments)?;
        if changed.report.errors() > 0 {
            match self.format {
                Format::Human => {
                    say(changed.report.render_human(&changed.sources, Color::Styled).trim_end())?;
                }
                Format::Json => say(changed.report.render_json(&changed.sources).trim_end())?,
            }
            return Ok(ExitCode::Found);
        }
        let root = config::find_root(self.paths.first().map_or(here.as_path(), PathBuf::as_path))?;
        let against =
            self.against.as_deref().map(|named| base::named(named, &root, environments)).transpose()?;
        let runtime = runtime()?;
        // Files that are compared over files need no store.
        let needs_store = self.events.is_none() || against.is_none();
        let store = if needs_store { Some(self.store.open_of(&runtime, &root)?) } else { None };
        let told = runtime.block_on(self.plan(&changed, against, store))?;
        match self.format {
            Format::Human => say(told.human())?,
            Format::Json => say_json(&told)?,
        }
        Ok(told.exit_code())
    }

    async fn plan(
        &self,
        changed: &Checked,
        against: Option<Checked>,
        store: Option<Arc<dyn Store>>,
    ) -> anyhow::Result<Told> {
        let given = self.given.as_deref().map_or_else(|| Ok(Records::new()), given)?;
        let (happened, erased) = match (&self.events, &store) {
            (Some(path), _) => (events::of_files(path)?, 0),
            (None, Some(store)) => events::kept(&**store, self.filter(), self.limit as usize).await?,
            (None, None) => (Vec::new(), 0),
        };
        let mut planner = Planner {
            base: Base::new(against, store),
            given,
            pipeline: self.pipeline.clone(),
            told: Told { events: happened.len() + erased, erased, ..Told::default() },
        };
        for event in &happened {
            self.without_client(changed, event, &mut planner.told);
            for client in changed.project.clients().filter(|client| self.is_wanted(client, event)) {
                planner.event(client, event).await?;
            }
        }
        Ok(planner.told)
    }

    /// Runs of a client that is in the store and not in the project, when the whole project is meant.
    fn without_client(&self, changed: &Checked, event: &Happened, told: &mut Told) {
        let Some(client) = event.client.as_ref().filter(|client| changed.project.client(client).is_none())
        else {
            return;
        };
        if self.paths.is_empty() && self.client.as_ref().is_none_or(|wanted| wanted == client) {
            for ran in &event.runs {
                let seen = Seen { client, pipeline: &ran.pipeline, event, ran: Some(ran) };
                told.not_compared(&seen, "its client is not in this project".to_owned());
            }
        }
    }

    fn filter(&self) -> EventFilter {
        EventFilter { client: self.client.clone(), since: self.since, ..EventFilter::default() }
    }

    fn is_wanted(&self, client: &Client, event: &Happened) -> bool {
        let is = |wanted: &Option<Arc<str>>| wanted.as_ref().is_none_or(|wanted| wanted == client.name());
        is(&self.client) && is(&event.client)
    }
}

struct Planner {
    base: Base,
    given: Records,
    pipeline: Option<Arc<str>>,
    told: Told,
}

impl Planner {
    /// One event, for one client: each pipeline that started on it, or would.
    async fn event(&mut self, client: &Arc<Client>, event: &Happened) -> anyhow::Result<()> {
        let mut names: BTreeSet<Arc<str>> = event.runs.iter().map(|ran| Arc::clone(&ran.pipeline)).collect();
        let last = if event.client.is_none() || self.base.is_named() {
            self.base.last(client.name()).await?
        } else {
            None
        };
        for client in [Some(client), last.as_ref()].into_iter().flatten() {
            names.extend(
                client.pipelines.iter().filter(|it| starts(client, it, event)).map(|it| Arc::clone(&it.name)),
            );
        }
        let wanted = self.pipeline.clone();
        for name in names.iter().filter(|name| wanted.as_ref().is_none_or(|wanted| wanted == *name)) {
            let ran = event.runs.iter().find(|ran| ran.pipeline == *name);
            self.pipeline(client, last.as_ref(), name, event, ran).await?;
        }
        Ok(())
    }

    async fn pipeline(
        &mut self,
        client: &Arc<Client>,
        last: Option<&Arc<Client>>,
        name: &Arc<str>,
        event: &Happened,
        ran: Option<&Ran>,
    ) -> anyhow::Result<()> {
        let began = match ran {
            Some(ran) => self.base.of_version(client.name(), &ran.version).await?,
            None => None,
        };
        // What an alert or a poll starts is not told by the event itself: it is started as it was.
        let started = |client: &Client, it: &Pipeline| {
            it.enabled
                && (starts(client, it, event)
                    || (ran.is_some() && !matches!(it.trigger, Trigger::Events { .. })))
        };
        let with = |client: &Arc<Client>| client.pipeline(name).cloned();
        let after = with(client).filter(|it| started(client, it));
        let (before_client, before) = match (last, &began) {
            (Some(last), _) => (Some(Arc::clone(last)), with(last).filter(|it| started(last, it))),
            (None, Some(began)) => (Some(Arc::clone(began)), with(began)),
            (None, None) => (None, None),
        };
        let seen = Seen { client: client.name(), pipeline: name, event, ran };
        if before.is_none() && ran.is_some() && last.is_none() {
            let why = "the store does not keep the version that it ran with, or it passes the checks no more";
            self.told.not_compared(&seen, why.to_owned());
            return Ok(());
        }
        self.told.runs += 1;
        if before.as_ref().map(|it| &it.version) == after.as_ref().map(|it| &it.version) {
            return Ok(());
        }
        let recalled_with = began.as_ref().and_then(|began| Some((began, with(began)?)));
        let both = Both {
            before: before_client.zip(before),
            after: after.map(|after| (Arc::clone(client), after)),
            recalled_with: recalled_with.map(|(client, it)| (Arc::clone(client), it)),
        };
        self.compare(&seen, &both).await
    }

    /// One run, with the files as they were and as they are.
    async fn compare(&mut self, seen: &Seen<'_>, both: &Both) -> anyhow::Result<()> {
        let was = match self.recall(seen, both).await? {
            Recalled::Known(was) => was,
            Recalled::NeverBegan => return Ok(()),
            Recalled::Lost(why) => {
                let why = format!("too little is kept of what it had read to carry it out again: {why}");
                self.told.not_compared(seen, why);
                return Ok(());
            }
        };
        let mut played = [None, None];
        for (side, version) in played.iter_mut().zip([&both.before, &both.after]) {
            if let Some((client, pipeline)) = version {
                let occasion = occasion(client, pipeline, seen.event)?;
                let now = seen.ran.map_or(occasion.created, |ran| ran.received);
                *side = Some(play(client, pipeline, &occasion, now, &was.records).await);
            }
        }
        let [before, after] = played;
        let planned = Planned::of(before.as_ref(), after.as_ref(), &was);
        let end = |played: &Option<Played>| played.as_ref().map(End::of);
        self.told.add(seen, [end(&before), end(&after)], &planned);
        Ok(())
    }

    /// What the run has found, as far as it is known, and what is given.
    async fn recall(&self, seen: &Seen<'_>, both: &Both) -> anyhow::Result<Recalled> {
        let version = both.recalled_with.as_ref().or(both.before.as_ref());
        let (Some(ran), Some((client, pipeline))) = (seen.ran, version) else {
            return Ok(Recalled::Known(Was { records: self.given.clone(), ..Was::default() }));
        };
        let occasion = occasion(client, pipeline, seen.event)?;
        let story = Story { client, pipeline, occasion: &occasion, now: ran.received, kept: &ran.kept };
        let mut recalled = story.recall().await;
        if let Recalled::Known(was) = &mut recalled {
            for (name, given) in &self.given {
                let of = was.records.entry(name.clone()).or_default();
                of.extend(given.iter().map(|(id, record)| (format!("given-{id}").into(), record.clone())));
            }
        }
        Ok(recalled)
    }
}

/// A pipeline with its client, before and after the change, and as the run had it.
struct Both {
    before: Option<(Arc<Client>, Arc<Pipeline>)>,
    after: Option<(Arc<Client>, Arc<Pipeline>)>,
    recalled_with: Option<(Arc<Client>, Arc<Pipeline>)>,
}

/// True when the event starts the pipeline by its trigger.
fn starts(client: &Client, pipeline: &Pipeline, event: &Happened) -> bool {
    let Trigger::Events { connection, .. } = &pipeline.trigger else { return false };
    let over = event.connection.as_ref().is_none_or(|came_over| came_over == connection);
    pipeline.enabled
        && over
        && occasion(client, pipeline, event)
            .is_ok_and(|occasion| pipeline.starts_on(connection, &occasion.kind))
}

fn occasion(client: &Client, pipeline: &Pipeline, event: &Happened) -> Result<Occasion, EventError> {
    let connection = match (&event.connection, &pipeline.trigger) {
        (Some(connection), _) | (None, Trigger::Events { connection, .. }) => Arc::clone(connection),
        (None, Trigger::Schedule(_) | Trigger::Reports(_)) => "lockstep".into(),
    };
    of_kept(client, pipeline, &connection, event.body.clone())
}
