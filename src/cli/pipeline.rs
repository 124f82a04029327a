//! How commands name one pipeline: `client/name`, or its file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::ExitCode;
use super::output::say;
use crate::check::{self, Environments};
use crate::config;
use crate::diagnostic::Color;
use crate::nearest::{Hint, did_you_mean};
use crate::project::{Client, Pipeline};

/// The pipeline that was named.
pub(super) struct Chosen {
    pub(super) client: Arc<Client>,
    pub(super) pipeline: Arc<Pipeline>,
}

/// Finds a pipeline in the nearest project. Its client must be without errors; otherwise they are shown, and the
/// command ends.
pub(super) fn choose(name: &str) -> anyhow::Result<Result<Chosen, ExitCode>> {
    let here = std::env::current_dir()?;
    let is_file = Path::new(name).is_file();
    let paths = if is_file { vec![Path::new(name).to_path_buf()] } else { Vec::new() };
    let checked = check::check(config::load(&paths, &here)?, Environments::Base)?;
    let (client, pipeline) = if is_file {
        let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let folder = here.join(name).parent().and_then(Path::file_name).map(ToOwned::to_owned);
        let folder =
            folder.and_then(|name| name.into_string().ok()).context("the file is in no client's folder")?;
        (folder, stem.to_owned())
    } else {
        let (client, pipeline) =
            name.split_once('/').context("a pipeline is named `client/name`, or by its file")?;
        (client.to_owned(), pipeline.to_owned())
    };
    if checked.broken.contains(client.as_str()) {
        say(checked.report.render_human(&checked.sources, Color::Styled).trim_end())?;
        return Ok(Err(ExitCode::Found));
    }
    let Some(found) = checked.project.client(&client) else {
        let known = checked.project.clients().map(|client| &**client.name());
        bail!("there is no client `{client}`{}", help(did_you_mean(&client, known)));
    };
    let Some(pipeline_found) = found.pipeline(&pipeline) else {
        let known = found.pipelines.iter().map(|pipeline| &*pipeline.name);
        bail!("`{client}` has no pipeline `{pipeline}`{}", help(did_you_mean(&pipeline, known)));
    };
    Ok(Ok(Chosen { client: Arc::clone(found), pipeline: Arc::clone(pipeline_found) }))
}

fn help(help: Option<Hint>) -> String {
    help.map(|help| format!(": {help}")).unwrap_or_default()
}
