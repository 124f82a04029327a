//! Writes the files of a template, and says what comes next.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::super::ExitCode;
use super::super::output::say;
use super::templates::{TEMPLATES, Template};
use crate::config::FILE_KINDS;
use crate::words::Name;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep init --crm salesforce\n  \
                        lockstep init billing-sync --crm http --client acme")]
pub(in crate::cli) struct Init {
    /// The project's folder; made when it does not exist
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The system that payments are told to; `http` is any JSON API
    #[arg(long, value_parser = PossibleValuesParser::new(TEMPLATES.iter().map(|template| template.crm)))]
    crm: String,
    /// The client's name: lower-case letters, digits and hyphens
    #[arg(long, default_value = "example")]
    client: Name,
}

impl Init {
    pub(in crate::cli) fn run(self) -> anyhow::Result<ExitCode> {
        let template = TEMPLATES
            .iter()
            .find(|template| template.crm == self.crm)
            .context("there is no such template")?;
        let client = &*self.client.0;
        let place = self.folder.join("pipelines").join(client);
        if place.exists() {
            bail!("{} is there already; choose another name with --client", place.display());
        }
        let files = filled(template, client);
        for (name, text) in &files {
            write(&place.join(name), text)?;
        }
        for kind in FILE_KINDS {
            write(&self.folder.join("schemas").join(kind.file_name()), &kind.schema())?;
        }
        say(next_steps(&self.folder, &place, &files))?;
        Ok(ExitCode::Fine)
    }
}

fn filled(template: &Template, client: &str) -> Vec<(&'static str, String)> {
    let prefix = client.to_uppercase().replace('-', "_");
    let fill = |text: &str| text.replace("__CLIENT__", client).replace("__PREFIX__", &prefix);
    template.files.iter().map(|(name, text)| (*name, fill(text))).collect()
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} could not be made", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("{} could not be written", path.display()))
}

fn next_steps(folder: &Path, place: &Path, files: &[(&str, String)]) -> String {
    let mut lines = vec![format!("a client to start from is in {}", place.display()), String::new()];
    if folder != Path::new(".") {
        lines.push(format!("  cd {}", folder.display()));
    }
    lines.push("  lockstep validate        checks it; no secret has to be set".to_owned());
    lines.push("  lockstep test            runs its tests".to_owned());
    lines.push("  lockstep run             needs these environment variables:".to_owned());
    let text: String = files.iter().map(|(_, text)| text.as_str()).collect();
    lines.extend(variables(&text).into_iter().map(|name| format!("                             {name}")));
    lines.join("\n")
}

/// The environment variables that a text asks for.
fn variables(text: &str) -> BTreeSet<&str> {
    let names = text.split("\"${").skip(1).filter_map(|rest| rest.split_once("}\"")).map(|(name, _)| name);
    names
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit()))
        .collect()
}
