//! The JSON Schemas of the files, for editors and other tools.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::cli::ExitCode;
use crate::cli::output::{remark, say};
use crate::config::{FILE_KINDS, FileKind};
use crate::nearest::did_you_mean;

#[derive(Debug, Args)]
pub(super) struct Files {
    /// The kind of file: client, client-overlay, pipeline, part, test, connector or connection-schema; all kinds are listed without it
    #[arg(conflicts_with_all = ["write", "check"])]
    kind: Option<String>,
    /// Writes every schema into this folder
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Compares the schemas in this folder with what they should be; exit code 1 when one differs
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    check: Option<PathBuf>,
}

impl Files {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match (&self.kind, &self.write, &self.check) {
            (Some(kind), ..) => print(kind),
            (_, Some(folder), _) => write(folder),
            (_, _, Some(folder)) => check(folder),
            _ => list(),
        }
    }
}

fn print(name: &str) -> anyhow::Result<ExitCode> {
    let kind = FileKind::named(name).with_context(|| {
        let known = FILE_KINDS.iter().map(|kind| kind.name);
        let help = did_you_mean(name, known).map(|help| format!("; {help}")).unwrap_or_default();
        format!("`{name}` is no kind of file{help}")
    })?;
    say(kind.schema().trim_end())?;
    Ok(ExitCode::Fine)
}

fn list() -> anyhow::Result<ExitCode> {
    for kind in FILE_KINDS {
        say(format_args!("{:<16}{}", kind.name, kind.files))?;
    }
    Ok(ExitCode::Fine)
}

fn write(folder: &Path) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(folder).with_context(|| format!("{} could not be made", folder.display()))?;
    for kind in FILE_KINDS {
        let path = folder.join(kind.file_name());
        fs::write(&path, kind.schema())
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    Ok(ExitCode::Fine)
}

fn check(folder: &Path) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::Fine;
    for kind in FILE_KINDS {
        let path = folder.join(kind.file_name());
        let text =
            fs::read_to_string(&path).with_context(|| format!("{} could not be read", path.display()))?;
        if text != kind.schema() {
            remark(format_args!("{} is out of date", path.display()));
            code = ExitCode::Found;
        }
    }
    if code == ExitCode::Found {
        remark(format_args!("lockstep schema --write {} brings them up to date", folder.display()));
    }
    Ok(code)
}
