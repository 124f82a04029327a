//! Naming what each client is checked from: every file is read, and none is taken apart.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::LoadError;
use super::env::{Environment, Template};
use super::file_set::name;
use super::load::{Kind, SCHEMAS, kind_of, schema_of};
use super::tree::{Disk, Entry, Tree};

/// The client folders of the project at `root`, each with a hash over all that a check of it would read, what is missing
/// of the settings that its files name, and `salt`. While the hash is the same, so is what a check finds. `None` for a
/// folder of which that cannot be told, as it has no client.yaml, or a placeholder that is not written well.
pub fn scan(
    root: &Path,
    environment: &dyn Environment,
    salt: &str,
) -> Result<BTreeMap<Arc<str>, Option<Arc<str>>>, LoadError> {
    let mut shared = Sha256::new();
    add(&mut shared, salt.as_bytes());
    let (connectors, pipelines) = (root.join("connectors"), root.join("pipelines"));
    if Disk.has_folder(&connectors) {
        add_files(&mut shared, &Disk.entries(&connectors)?)?;
    }
    let beside = Disk.entries(&pipelines)?;
    add_files(&mut shared, &beside)?;
    let folders = beside.into_iter().filter(|entry| entry.is_folder);
    folders.map(|folder| Ok((Arc::clone(&folder.name), client(&folder, &shared, environment)?))).collect()
}

fn client(
    folder: &Entry,
    shared: &Sha256,
    environment: &dyn Environment,
) -> Result<Option<Arc<str>>, LoadError> {
    let files = Disk.entries(&folder.path)?;
    let mut hash = shared.clone();
    add_files(&mut hash, &files)?;
    // Folders inside are not read: files of ours in them are findings by their names.
    for nested in files.iter().filter(|entry| entry.is_folder) {
        for entry in Disk.entries(&nested.path)?.iter().filter(|entry| is_ours(entry)) {
            add(&mut hash, nested.name.as_bytes());
            add(&mut hash, entry.name.as_bytes());
        }
        if &*nested.name == SCHEMAS {
            add_schemas(&mut hash, &Disk.entries(&nested.path)?)?;
        }
    }
    let mut has_client = false;
    for entry in files.iter().filter(|entry| !entry.is_folder) {
        let kind = kind_of(&entry.name);
        has_client |= kind == Kind::Client;
        if !matches!(kind, Kind::Client | Kind::Overlay(_)) {
            continue;
        }
        let text = Disk.read(&entry.path)?;
        let Some(template) = std::str::from_utf8(&text).ok().and_then(|text| Template::parse(text).ok())
        else {
            return Ok(None);
        };
        for missing in template.fill(environment).err().into_iter().flatten() {
            add(&mut hash, missing.to_string().as_bytes());
        }
    }
    Ok(has_client.then(|| name(hash)))
}

fn is_ours(entry: &Entry) -> bool {
    !entry.is_folder && kind_of(&entry.name) != Kind::Other
}

fn add_files(hash: &mut Sha256, entries: &[Entry]) -> Result<(), LoadError> {
    for entry in entries.iter().filter(|entry| is_ours(entry)) {
        add(hash, entry.name.as_bytes());
        add(hash, &Disk.read(&entry.path)?);
    }
    // What stands here ends here.
    add(hash, b"");
    Ok(())
}

/// What is known of the accounts behind a client's connections: its mappings are checked against that.
fn add_schemas(hash: &mut Sha256, entries: &[Entry]) -> Result<(), LoadError> {
    for entry in entries.iter().filter(|entry| !entry.is_folder && schema_of(&entry.name).is_some()) {
        add(hash, entry.name.as_bytes());
        add(hash, &Disk.read(&entry.path)?);
    }
    Ok(())
}

/// With its length: no two things run together to the same bytes.
fn add(hash: &mut Sha256, bytes: &[u8]) {
    hash.update(bytes.len().to_le_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use pretty_assertions::assert_eq;

    use super::*;

    /// A machine on which these variables are set.
    struct Variables(BTreeSet<&'static str>);

    impl Environment for Variables {
        fn variable(&self, name: &str) -> Option<String> {
            self.0.contains(name).then(|| "x".to_owned())
        }

        fn file(&self, _: &str) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    const FILES: &[(&str, &str)] = &[
        ("connectors/own.yaml", "a"),
        ("pipelines/lib.rhai", "a"),
        ("pipelines/find.part.yaml", "a"),
        ("pipelines/acme/client.yaml", "key: ${KEY}"),
        ("pipelines/acme/paid.yaml", "a"),
        ("pipelines/acme/samples/event.json", "a"),
        ("pipelines/acme/schemas/crm.json", "a"),
        ("pipelines/beta/client.yaml", "key: ${OTHER:default}"),
        ("pipelines/broken/client.yaml", "key: ${"),
        ("pipelines/headless/paid.yaml", "a"),
    ];

    fn scanned(
        changed: (&str, &str),
        set: &[&'static str],
        salt: &str,
    ) -> BTreeMap<Arc<str>, Option<Arc<str>>> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in FILES.iter().copied().filter(|(path, _)| *path != changed.0).chain([changed]) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        scan(folder.path(), &Variables(set.iter().copied().collect()), salt).unwrap()
    }

    #[test]
    fn a_client_is_named_by_all_that_its_check_would_read() {
        let before = scanned(FILES[0], &["KEY"], "1");
        let told: Vec<(&str, bool)> = before.iter().map(|(name, hash)| (&**name, hash.is_some())).collect();
        assert_eq!(told, [("acme", true), ("beta", true), ("broken", false), ("headless", false)]);
        for (change, set, salt, expected) in [
            (FILES[0], &["KEY"][..], "1", &[][..]),
            (("pipelines/acme/samples/event.json", "b"), &["KEY"], "1", &[]),
            (("pipelines/acme/notes.md", "b"), &["KEY"], "1", &[]),
            (FILES[0], &["KEY", "OTHER"], "1", &[]),
            (("pipelines/acme/paid.yaml", "b"), &["KEY"], "1", &["acme"]),
            (("pipelines/acme/schemas/crm.json", "b"), &["KEY"], "1", &["acme"]),
            (("pipelines/acme/schemas/notes.md", "b"), &["KEY"], "1", &[]),
            (("pipelines/acme/paid.test.yaml", "b"), &["KEY"], "1", &["acme"]),
            (("pipelines/beta/client.sandbox.yaml", "b"), &["KEY"], "1", &["beta"]),
            (("pipelines/beta/samples/paid.yaml", "b"), &["KEY"], "1", &["beta"]),
            (FILES[0], &[], "1", &["acme"]),
            (("connectors/own.yaml", "b"), &["KEY"], "1", &["acme", "beta"]),
            (("pipelines/lib.rhai", "b"), &["KEY"], "1", &["acme", "beta"]),
            (("pipelines/find.part.yaml", "b"), &["KEY"], "1", &["acme", "beta"]),
            (FILES[0], &["KEY"], "2", &["acme", "beta"]),
        ] {
            let after = scanned(change, set, salt);
            let differs = after.iter().filter(|(name, hash)| before[*name] != **hash);
            assert_eq!(differs.map(|(name, _)| &**name).collect::<Vec<_>>(), expected, "{change:?}");
        }
    }
}
