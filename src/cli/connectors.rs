//! `lockstep connectors`: which systems there are, and what each can do.

use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use indexmap::{IndexMap, IndexSet};
use serde::Serialize;

use super::ExitCode;
use super::connectors_page;
use super::output::{say, say_json};
use crate::config::{self, LoadError};
use crate::connector::file::SettingKind;
use crate::connector::{ANY_OBJECT, ActionKind, Manifest, ObjectFacts, OperationFacts, builtins};
use crate::{check, nearest};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep connectors\n  lockstep connectors salesforce\n  lockstep connectors bitrix24 --format markdown"
)]
pub(super) struct Connectors {
    /// The connector to describe; all are listed without it
    #[arg(value_name = "NAME")]
    wanted: Option<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: ConnectorsFormat,
}

/// How connectors are described.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ConnectorsFormat {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
    /// For a page: the tables of one connector.
    Markdown,
}

/// What a connector is, and asks for, and can do.
#[derive(Serialize)]
struct Description<'a> {
    name: &'a str,
    title: &'a str,
    #[serde(rename = "description", skip_serializing_if = "Option::is_none")]
    about: Option<&'a str>,
    /// True when it tells of events by webhook.
    sends_events: bool,
    config: Vec<Setting<'a>>,
    objects: Vec<Object<'a>>,
    operations: Vec<Operation<'a>>,
    rate_limits: Vec<String>,
    concurrency: u32,
}

#[derive(Serialize)]
struct Setting<'a> {
    name: &'a str,
    kind: &'static str,
    required: bool,
    secret: bool,
    description: &'a str,
}

#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    id: &'a str,
    actions: Vec<&'static str>,
    /// The fields that records can be looked up by; nothing for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    found_by: Option<Vec<&'a str>>,
    relations: Vec<&'a str>,
    /// Why a person should think before putting something into one of them.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    dangerous: IndexMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct Operation<'a> {
    name: &'a str,
    params: Vec<Param<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dangerous: Option<&'a str>,
}

#[derive(Serialize)]
struct Param<'a> {
    name: &'a str,
    required: bool,
    description: &'a str,
}

impl Connectors {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let manifests = manifests()?;
        let Some(name) = &self.wanted else { return list(&manifests, self.format) };
        let manifest = manifests.iter().find(|manifest| **manifest.name() == **name).with_context(|| {
            let names = manifests.iter().map(|manifest| &**manifest.name());
            let help = nearest::did_you_mean(name, names).map(|help| format!("; {help}")).unwrap_or_default();
            format!("there is no connector `{name}`{help}")
        })?;
        let description = Description::of(manifest);
        match self.format {
            ConnectorsFormat::Json => say_json(&description)?,
            ConnectorsFormat::Human => say(description.lines().join("\n"))?,
            ConnectorsFormat::Markdown => say(connectors_page::page(manifest).trim_end())?,
        }
        Ok(ExitCode::Fine)
    }
}

/// The built-in connectors and, inside of a project, the project's own.
fn manifests() -> anyhow::Result<Vec<Arc<Manifest>>> {
    match config::load(&[], &std::env::current_dir()?) {
        Ok(draft) => Ok(check::manifests(&draft)),
        Err(LoadError::NoProject(_) | LoadError::NoClients(_)) => {
            Ok(builtins().iter().filter_map(|it| it.manifest().ok().cloned()).collect())
        }
        Err(error) => Err(error.into()),
    }
}

fn list(manifests: &[Arc<Manifest>], format: ConnectorsFormat) -> anyhow::Result<ExitCode> {
    match format {
        ConnectorsFormat::Json => {
            say_json(&manifests.iter().map(|it| Description::of(it)).collect::<Vec<_>>())?;
        }
        ConnectorsFormat::Human => {
            for manifest in manifests {
                say(format_args!("{:<16}{}", manifest.name(), manifest.title()))?;
            }
        }
        ConnectorsFormat::Markdown => {
            for manifest in manifests {
                say(connectors_page::page(manifest))?;
            }
        }
    }
    Ok(ExitCode::Fine)
}

impl<'a> Description<'a> {
    fn of(manifest: &'a Manifest) -> Self {
        let abilities = manifest.abilities();
        let any = abilities.object(ANY_OBJECT).filter(|_| abilities.any_object());
        let named = abilities.objects().map(|(name, facts)| object(name, facts));
        Self {
            name: manifest.name(),
            title: manifest.title(),
            about: manifest.description(),
            sends_events: manifest.events().is_some() && manifest.webhook().is_some(),
            config: settings(manifest),
            objects: named.chain(any.map(|facts| object("any other", facts))).collect(),
            operations: abilities.operations().map(|(name, facts)| operation(name, facts)).collect(),
            rate_limits: manifest.rates().iter().map(ToString::to_string).collect(),
            concurrency: manifest.concurrency(),
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", self.name, self.title)];
        lines.extend(self.about.into_iter().flat_map(str::lines).map(|line| format!("  {line}")));
        lines.push("config".to_owned());
        for Setting { name, kind, required, secret, description } in &self.config {
            let required = if *required { ", required" } else { "" };
            let secret = if *secret { ", secret" } else { "" };
            lines.push(format!("  {name} ({kind}{required}{secret})"));
            lines.push(format!("      {description}"));
        }
        if !self.objects.is_empty() {
            lines.push("objects".to_owned());
        }
        for Object { name, id, actions, found_by, relations, dangerous } in &self.objects {
            lines.push(format!("  {name} (id: {id}): {}", actions.join(", ")));
            lines.extend(found_by.iter().map(|by| format!("      found by {}", by.join(", "))));
            if !relations.is_empty() {
                lines.push(format!("      relations {}", relations.join(", ")));
            }
            lines.extend(
                dangerous.iter().map(|(relation, why)| format!("      take care of {relation}: {why}")),
            );
        }
        if !self.operations.is_empty() {
            lines.push("operations".to_owned());
        }
        for Operation { name, params, dangerous } in &self.operations {
            lines.push(format!("  {name}"));
            lines.extend(dangerous.iter().map(|why| format!("      take care: {why}")));
            for Param { name, required, description } in params {
                let required = if *required { " (required)" } else { "" };
                lines.push(format!("      {name}{required}: {description}"));
            }
        }
        lines.push("limits".to_owned());
        lines.extend(self.rate_limits.iter().map(|rate| format!("  {rate}")));
        lines.push(format!("  {} at once", self.concurrency));
        lines
    }
}

fn settings(manifest: &Manifest) -> Vec<Setting<'_>> {
    let settings = manifest.settings().iter();
    settings
        .map(|(name, setting)| Setting {
            name,
            kind: match setting.kind {
                SettingKind::Text => "text",
                SettingKind::Url => "url",
                SettingKind::Integer => "integer",
                SettingKind::Boolean => "boolean",
                SettingKind::List => "list",
                SettingKind::Map => "map",
            },
            required: setting.required,
            secret: setting.secret,
            description: &setting.description,
        })
        .collect()
}

fn object<'a>(name: &'a str, facts: &'a ObjectFacts) -> Object<'a> {
    let has = |kind: &ActionKind| facts.action(*kind).is_some();
    let any = facts.finders.iter().any(|finder| finder.by.is_none());
    let fields = facts.finders.iter().flat_map(|finder| finder.by.iter().flatten()).map(|field| &**field);
    Object {
        name,
        id: &facts.id,
        actions: ActionKind::ALL.iter().filter(|kind| has(kind)).map(|kind| kind.word()).collect(),
        // Two ways to look up may share a field.
        found_by: (!any && !facts.finders.is_empty())
            .then(|| fields.collect::<IndexSet<_>>().into_iter().collect()),
        relations: facts.relations.keys().map(|relation| &**relation).collect(),
        dangerous: facts
            .relations
            .iter()
            .filter_map(|(name, why)| Some((&**name, why.as_deref()?)))
            .collect(),
    }
}

fn operation<'a>(name: &'a str, facts: &'a OperationFacts) -> Operation<'a> {
    let params = facts.params.iter().map(|param| Param {
        name: &param.name,
        required: param.required,
        description: &param.description,
    });
    Operation { name, params: params.collect(), dangerous: facts.dangerous.as_deref() }
}
