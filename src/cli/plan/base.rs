//! What runs now: the versions that the store keeps, another folder, or a revision of git.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::check::{self, Checked, Environments};
use crate::config::{self, FileSet, FileText};
use crate::diagnostic::Color;
use crate::project::Client;
use crate::runtime::check_kept;
use crate::store::{Store, Version};

/// Clients as they run now, or ran.
pub(super) struct Base {
    /// Another folder or revision, which all runs are compared with.
    against: Option<Checked>,
    store: Option<Arc<dyn Store>>,
    /// Clients by the versions that the store keeps; nothing for one that it does not keep, or that cannot be used.
    kept: HashMap<Arc<str>, Option<Arc<Client>>>,
}

impl Base {
    pub(super) fn new(against: Option<Checked>, store: Option<Arc<dyn Store>>) -> Self {
        Self { against, store, kept: HashMap::new() }
    }

    /// True when runs are compared with files that were named, and not with those that they ran with.
    pub(super) fn is_named(&self) -> bool {
        self.against.is_some()
    }

    /// The client of the files that were named.
    pub(super) fn named(&self, client: &str) -> Option<Arc<Client>> {
        self.against.as_ref()?.project.client(client).cloned()
    }

    /// The client with the files that a run has begun with, if the store keeps them.
    pub(super) async fn of_version(
        &mut self,
        client: &str,
        version: &Version,
    ) -> anyhow::Result<Option<Arc<Client>>> {
        if let Some(known) = self.kept.get(&version.0) {
            return Ok(known.clone());
        }
        let Some(store) = &self.store else { return Ok(None) };
        let files = store.files(version).await?;
        let checked = files.and_then(|files| check_kept(&files).ok());
        let found = checked.and_then(|checked| checked.project.client(client).cloned());
        self.kept.insert(Arc::clone(&version.0), found.clone());
        Ok(found)
    }

    /// The client as it ran last.
    pub(super) async fn last(&mut self, client: &str) -> anyhow::Result<Option<Arc<Client>>> {
        if self.is_named() {
            return Ok(self.named(client));
        }
        let Some(store) = &self.store else { return Ok(None) };
        let last = store.last_good().await?.remove(client);
        match last {
            Some(last) => self.of_version(client, &last.version).await,
            None => Ok(None),
        }
    }
}

/// The files that `against` names: a folder with a project, or a revision of the git repository that `root` is in.
pub(super) fn named(against: &str, root: &Path, environments: Environments) -> anyhow::Result<Checked> {
    let folder = Path::new(against);
    let draft = if folder.is_dir() {
        // Else it would be the project that the folder is in.
        anyhow::ensure!(folder.join("pipelines").is_dir(), "{against} holds no `pipelines`");
        config::load(&[folder.to_owned()], &std::env::current_dir()?)?
    } else {
        config::load_kept(&revision(against, root)?)?
    };
    let checked = check::check(draft, environments)?;
    if !checked.broken.is_empty() {
        bail!(
            "{against} has errors, so nothing can be compared with it:\n{}",
            checked.report.render_human(&checked.sources, Color::Plain).trim_end()
        );
    }
    Ok(checked)
}

/// The files of a revision.
fn revision(revision: &str, root: &Path) -> anyhow::Result<FileSet> {
    // What begins with a dash would be an option of git's.
    anyhow::ensure!(!revision.starts_with('-'), "`{revision}` is neither a folder nor a revision of git");
    let listed = git(root, &["ls-tree", "-r", "-z", revision, "--", "pipelines", "connectors"], Vec::new())
        .with_context(|| format!("`{revision}` is neither a folder nor a revision of git"))?;
    let listed = String::from_utf8_lossy(&listed);
    // `100644 blob <hash>\t<path>`; samples beside the files that count may be anything.
    let blobs: Vec<(&str, &str)> = listed
        .split('\0')
        .filter_map(|line| line.split_once('\t'))
        .filter(|(_, path)| [".yaml", ".rhai", ".json"].iter().any(|end| path.ends_with(end)))
        .filter_map(|(facts, path)| Some((facts.split(' ').nth(2)?, path)))
        .collect();
    anyhow::ensure!(!blobs.is_empty(), "there are no `pipelines` in the revision `{revision}`");
    let mut asked = String::new();
    for (hash, _) in &blobs {
        asked.push_str(hash);
        asked.push('\n');
    }
    let answered = git(root, &["cat-file", "--batch"], asked.into_bytes())?;
    let mut rest = answered.as_slice();
    let mut files = Vec::with_capacity(blobs.len());
    for (_, path) in blobs {
        let text = next_blob(&mut rest).with_context(|| format!("git gave no content of {path}"))?;
        if let Ok(text) = std::str::from_utf8(text) {
            files.push(FileText { path: path.into(), text: text.into() });
        }
    }
    Ok(FileSet::of(files))
}

/// The next content of what `git cat-file --batch` answers: `<hash> blob <size>`, a line end, the content, a line end.
fn next_blob<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (head, after) = rest.split_at_checked(end)?;
    let size: usize = std::str::from_utf8(head).ok()?.rsplit(' ').next()?.parse().ok()?;
    let (content, after) = after.get(1..)?.split_at_checked(size)?;
    *rest = after.get(1..)?;
    Some(content)
}

/// What git answers, which is handed `input`.
fn git(root: &Path, arguments: &[&str], input: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(arguments);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().context("git could not be started")?;
    let stdin = child.stdin.take();
    // Beside it: git answers before it has read everything.
    let writer = std::thread::spawn(move || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(&input)));
    let output = child.wait_with_output().context("git could not be waited for")?;
    if !output.status.success() {
        bail!("git: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    // One that has ended well has read what it wanted.
    drop(writer.join());
    Ok(output.stdout)
}
