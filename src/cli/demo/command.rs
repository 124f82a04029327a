//! The command: play the story, show what became of it, stay or end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::club;
use super::harbor;
use super::orchard;
use super::shop;
use super::stage::Stage;
use super::story;
use super::view::{Summary, View};
use crate::cli::output::{Format, say, say_json};
use crate::cli::signals::Signals;
use crate::cli::{ExitCode, runtime};

/// How long running steps may take when the demo ends: its simulators answer at once.
const GRACE: Duration = Duration::from_secs(5);

/// The story is over long before this; a run that is not says so instead of keeping everybody waiting.
const PATIENCE: Duration = Duration::from_mins(3);

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep demo\n  lockstep demo --once --format json")]
pub(in crate::cli) struct Demo {
    /// Ends when all runs have ended
    #[arg(long)]
    once: bool,
    /// The public address, for webhooks; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The address of health, metrics and the API; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    admin: SocketAddr,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Demo {
    pub(in crate::cli) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let code = runtime.block_on(self.perform());
        runtime.shutdown_background();
        code
    }

    async fn perform(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let stage = Stage::set(self.listen, self.admin).await?;
        let whole = async {
            self.show(&stage).await?;
            if !self.once {
                self.tell_where(&stage)?;
                std::future::pending::<()>().await;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            shown = whole => shown?,
            () = signals.next() => {}
        }
        stage.clear(GRACE).await?;
        Ok(ExitCode::Fine)
    }

    /// Plays the story and shows what becomes of it, to its end.
    async fn show(&self, stage: &Stage) -> anyhow::Result<()> {
        let mut view = View::new(stage, self.format == Format::Human);
        view.open(stage)?;
        // It is found out about meanwhile.
        club::opens(stage)?;
        let played = story::play(stage, &mut view).await?;
        orchard::play(stage, &mut view).await?;
        shop::sells(stage, &mut view).await?;
        club::goes_on(stage, &mut view).await?;
        harbor::sells(stage, &mut view).await?;
        tokio::time::timeout(PATIENCE, view.until_all_ended())
            .await
            .context("some runs have not ended: `lockstep demo` without --once lets you look at them")??;
        let summary = Summary::of(stage).await?;
        match self.format {
            Format::Json => say_json(&summary)?,
            Format::Human => say(format_args!("\n{}\n{played}", summary.page()))?,
        }
        Ok(())
    }

    fn tell_where(&self, stage: &Stage) -> anyhow::Result<()> {
        if self.format == Format::Human {
            let addresses = stage.runtime().addresses();
            let hooks = stage.runtime().hooks().join("\n           ");
            say(format_args!(
                "\n  webhooks {hooks}\n  admin    http://{}   (/readyz, /metrics, /api/v1/runs)\n  \
                 look     lockstep runs --store sqlite:{}\n\nCtrl-C ends it",
                addresses.admin,
                stage.store().display()
            ))?;
        }
        Ok(())
    }
}
