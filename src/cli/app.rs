//! The list of commands, and how one is carried out.

use std::ffi::OsString;

use anyhow::Context;
use clap::{FromArgMatches, Parser, Subcommand};

use super::audit::Audit;
use super::completions::Completions;
use super::conflicts::Conflicts;
use super::connectors::Connectors;
use super::dead::Dead;
use super::demo::Demo;
use super::dry_run::DryRun;
use super::endpoints::EndpointsCommand;
use super::events::Events;
use super::exit::ExitCode;
use super::init::Init;
use super::plan::Plan;
use super::purge::Purge;
use super::quota::Quota;
use super::reports::Reports;
use super::rules::Rules;
use super::run::Run;
use super::runs::Runs;
use super::sandbox::SandboxCommand;
use super::schema::Schema;
use super::show::Show;
use super::test::Test;
use super::validate::Validate;
use super::{help, output, tips};

/// Keeps Stripe and your CRMs telling the same story, from YAML that is checked like code.
#[derive(Debug, Parser)]
#[command(name = "lockstep", version, propagate_version = true)]
pub(super) struct App {
    #[command(subcommand)]
    command: Command,
}

/// Every command; `help.rs` has them in groups.
#[derive(Debug, Subcommand)]
enum Command {
    /// Writes a client to start from
    Init(Init),
    /// Checks the YAML: everything that can be known before running
    Validate(Validate),
    /// Runs the pipeline tests: `*.test.yaml`
    Test(Test),
    /// Shows what a pipeline would do for an event: each condition, each mapping, each request
    DryRun(DryRun),
    /// Shows what changed YAML would write otherwise, over recorded events; writes nothing
    Plan(Plan),
    /// Shows a pipeline in plain words, its mapping as a table
    Show(Show),
    /// Tells what pipelines will cost: calls an event, the share of a system's quota, how long a backfill takes
    Quota(Quota),
    /// Shows everything at work, with no account anywhere
    Demo(Demo),
    /// Takes webhooks in and carries the pipelines out: production
    Run(Run),
    /// Registers where a system sends its events: one endpoint a connection, with what its pipelines need
    Endpoints(EndpointsCommand),
    /// Starts local simulators of Stripe, Salesforce, HubSpot, ActiveCampaign, Bitrix24, Slack and a mail server
    Sandbox(SandboxCommand),
    /// Lists the events that came in; `show` says what each pipeline made of one, and why
    Events(Events),
    /// Lists runs; `show` says what one called and changed
    Runs(Runs),
    /// Lists runs that failed for good; `retry` tries them again, `dismiss` ends them
    Dead(Dead),
    /// Lists ambiguities that a person has to decide; `resolve` ends them
    Conflicts(Conflicts),
    /// Lists what came of each poll; `show` says why records were passed over
    Reports(Reports),
    /// Lists who changed which field of which record, from what to what, and why; `verify` checks it
    Audit(Audit),
    /// Erases what is old, or what is about somebody, beside a running process
    Purge(Purge),
    /// Tells which systems there are, and what each asks for and can do
    Connectors(Connectors),
    /// Explains what `validate` can find, and what to do about it
    Rules(Rules),
    /// Prints the JSON Schemas of the files, for editors
    Schema(Schema),
    /// Prints a completion script for your shell
    Completions(Completions),
}

impl Command {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Init(command) => command.run(),
            Self::Validate(command) => command.run(),
            Self::Test(command) => command.run(),
            Self::DryRun(command) => command.run(),
            Self::Plan(command) => command.run(),
            Self::Show(command) => command.run(),
            Self::Quota(command) => command.run(),
            Self::Demo(command) => command.run(),
            Self::Run(command) => command.run(),
            Self::Endpoints(command) => command.run(),
            Self::Sandbox(command) => command.run(),
            Self::Events(command) => command.run(),
            Self::Runs(command) => command.run(),
            Self::Dead(command) => command.run(),
            Self::Conflicts(command) => command.run(),
            Self::Reports(command) => command.run(),
            Self::Audit(command) => command.run(),
            Self::Purge(command) => command.run(),
            Self::Connectors(command) => command.run(),
            Self::Rules(command) => command.run(),
            Self::Schema(command) => command.run(),
            Self::Completions(command) => command.run(),
        }
    }
}

/// Carries out what was typed; `arguments` begins with the program's own name.
///
/// Whatever goes wrong is shown here, once, on standard error.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let app = match help::command().try_get_matches_from(&arguments).and_then(|m| App::from_arg_matches(&m)) {
        Ok(app) => app,
        // Also the way in which clap hands out the texts of `--help` and `--version`.
        Err(usage) => {
            let usage = tips::with_tip(usage, &arguments);
            let shown = usage.print();
            return if usage.use_stderr() || shown.is_err() { ExitCode::CouldNot } else { ExitCode::Fine };
        }
    };
    match prepare().and_then(|()| app.command.run()) {
        Ok(code) => code,
        Err(error) if output::is_reader_gone(&error) => ExitCode::Fine,
        Err(error) => {
            let style = anstyle::AnsiColor::Red.on_default().bold();
            output::remark(format_args!("{style}error:{style:#} {error:#}"));
            ExitCode::CouldNot
        }
    }
}

/// What must be there before any command: the one TLS implementation, chosen for the whole process.
fn prepare() -> anyhow::Result<()> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok()
            .context("TLS could not be set up: another provider was installed at the same time")?;
    }
    Ok(())
}
