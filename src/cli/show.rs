//! `lockstep show`: a pipeline in plain words, for the person who signs its mapping off.

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};

use super::ExitCode;
use super::output::say;
use super::pipeline::{Chosen, choose};
use crate::config::env::{Environment, System};
use crate::project::{Block, COLUMNS, Row};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep show acme-saas/payment-failed\n  \
                        lockstep show acme-saas/payment-failed --format markdown > mapping.md")]
pub(super) struct Show {
    /// The pipeline: `client/name`, or its file
    pipeline: String,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Document,
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
        let Chosen { pipeline, .. } = match choose(&self.pipeline)? {
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
