//! `lockstep show`: a pipeline in plain words, for the person who signs its mapping off; or a client as a drawing.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};

use super::ExitCode;
use super::output::say;
use super::pipeline::{Chosen, choose};
use crate::check;
use crate::config;
use crate::config::env::{Environment, System};
use crate::nearest::did_you_mean;
use crate::project::{Block, COLUMNS, Row};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep show acme-saas/payment-failed\n  \
                        lockstep show acme-saas/payment-failed --format markdown > mapping.md\n  \
                        lockstep show acme-saas --graph")]
pub(super) struct Show {
    /// The pipeline: `client/name`, or its file. With `--graph`, the client; the only one when left out
    #[arg(required_unless_present = "graph")]
    pipeline: Option<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Document,
    /// Draws what the client's pipelines hear of and what they write, as a Mermaid flowchart. What scripts and calls change is
    /// not in it
    #[arg(long, conflicts_with = "format")]
    graph: bool,
}

/// The forms of the document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Document {
    /// For a terminal.
    #[default]
    Human,
    /// For a document that is passed on.
    Markdown,
}

impl Show {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Some(pipeline) = self.pipeline.as_deref().filter(|_| !self.graph) else {
            return draw(self.pipeline.as_deref());
        };
        let Chosen { pipeline, .. } = match choose(pipeline)? {
            Ok(chosen) => chosen,
            Err(code) => return Ok(code),
        };
        let draw = match self.format {
            Document::Human => human,
            Document::Markdown => markdown,
        };
        let blocks: Vec<String> = pipeline.explain().iter().filter_map(draw).collect();
        say(blocks.join("\n\n"))?;
        Ok(ExitCode::Fine)
    }
}

/// The drawing of a client, by its folder's name or its path.
fn draw(client: Option<&str>) -> anyhow::Result<ExitCode> {
    let here = std::env::current_dir()?;
    let named: Option<PathBuf> = client.map(PathBuf::from).filter(|path| here.join(path).exists());
    let drawings = check::drawings(&config::load(named.as_slice(), &here)?);
    let name = match (client, named) {
        (Some(name), None) => Some(name.to_owned()),
        _ => None,
    };
    let known = || drawings.keys().map(|name| &**name);
    let drawing = if let Some(name) = &name {
        drawings.get(name.as_str()).with_context(|| {
            let help = did_you_mean(name, known()).map(|help| format!(": {help}")).unwrap_or_default();
            format!("there is no client `{name}`{help}")
        })?
    } else {
        let mut all = drawings.values();
        match (all.next(), all.next()) {
            (Some(only), None) => only,
            (None, _) => bail!("no client could be read: `lockstep validate` says why"),
            _ => bail!("name one of the clients: {}", known().collect::<Vec<_>>().join(", ")),
        }
    };
    say(drawing.trim_end())?;
    Ok(ExitCode::Fine)
}

fn human(block: &Block) -> Option<String> {
    match block {
        Block::Title(title) => Some(title.to_uppercase()),
        Block::Text(text) => Some(text.clone()),
        Block::Step(number, sentence) => Some(format!("{number}. {sentence}")),
        Block::Mapping(rows) if rows.is_empty() => None,
        Block::Mapping(rows) => {
            let mut table = Table::new();
            table
                .load_style(presets::UTF8_HORIZONTAL_ONLY)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width());
            table.set_header(COLUMNS);
            table.add_rows(rows.iter().map(Row::cells));
            Some(table.to_string())
        }
    }
}

/// The columns that a table may take: as many as the shell says that there are (`COLUMNS`), else what most terminals show.
fn width() -> u16 {
    const USUAL: u16 = 120;
    System.variable("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(USUAL)
}

fn markdown(block: &Block) -> Option<String> {
    match block {
        Block::Title(title) => Some(format!("# {title}")),
        Block::Text(text) => Some(text.clone()),
        Block::Step(number, sentence) => Some(format!("**{number}.** {sentence}")),
        Block::Mapping(rows) if rows.is_empty() => None,
        Block::Mapping(rows) => {
            let line = |cells: &[&str]| {
                let cells: Vec<String> =
                    cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
                format!("| {} |", cells.join(" | "))
            };
            let head = [line(&COLUMNS), line(&["---"; 5])];
            Some(
                head.into_iter()
                    .chain(rows.iter().map(|row| line(&row.cells())))
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
        }
    }
}
