//! Files -> [`Draft`]: every file of a project read and taken apart, all mistakes collected.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::discover::{LoadError, Selection, Wanted, relative, select};
use super::read::{FileType, read};
use super::tree::{Disk, Entry, Kept, Tree};
use super::{ClientDraft, ClientFile, ConnectionSchema, Draft, DraftFile, FileSet, SchemaDraft, Shared};
use crate::connector::ManifestFile;
use crate::diagnostic::{Code, Diagnostic, Place, SourceFile, Sources, Span};

/// Reads the project that `paths` name (with none, the nearest one at or above `here`). Files are named as seen
/// from `here`. A file with mistakes stops no other.
pub fn load(paths: &[PathBuf], here: &Path) -> Result<Draft, LoadError> {
    let selection = select(paths, here)?;
    let here = here.canonicalize().map_err(LoadError::read(here))?;
    Loader::new(&Disk, here).project(selection)
}

/// Reads what the connections of one client of the project at `root` are: its `client.yaml`, what lies over it, and the project's
/// connectors. It costs the same however large the client and the project are.
pub fn load_connections(root: &Path, client: &str, here: &Path) -> Result<Draft, LoadError> {
    let here = here.canonicalize().map_err(LoadError::read(here))?;
    let folder = Entry { path: root.join("pipelines").join(client), name: client.into(), is_folder: true };
    Loader::new(&Disk, here).connections(root, &folder)
}

/// Reads a project from files that were kept; they are named as seen from its root.
pub fn load_kept(files: &FileSet) -> Result<Draft, LoadError> {
    let selection = Selection { root: PathBuf::new(), clients: None };
    Loader::new(&Kept::new(files), PathBuf::new()).project(selection)
}

/// What a file of a client's folder is, by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Client,
    Overlay(&'a str),
    Part(&'a str),
    Test(&'a str),
    Pipeline(&'a str),
    Library,
    /// Looks like one of ours, and is none.
    Stray,
    /// Samples, notes, whatever else.
    Other,
}

pub(super) fn kind_of(name: &str) -> Kind<'_> {
    let Some(stem) = name.strip_suffix(".yaml") else {
        return match name.rsplit_once('.') {
            _ if name == "lib.rhai" => Kind::Library,
            Some((_, "yml" | "rhai")) => Kind::Stray,
            _ => Kind::Other,
        };
    };
    match stem.rsplit_once('.') {
        None if stem == "client" => Kind::Client,
        None => Kind::Pipeline(stem),
        Some(("client", environment)) => Kind::Overlay(environment),
        Some((stem, "part")) => Kind::Part(stem),
        Some((stem, "test")) => Kind::Test(stem),
        Some(_) => Kind::Stray,
    }
}

/// The folder of a client in which [`ConnectionSchema`]s stand.
pub(super) const SCHEMAS: &str = "schemas";

/// The connection that a file of [`SCHEMAS`] is about; nothing for a file of another kind.
pub(super) fn schema_of(name: &str) -> Option<&str> {
    name.strip_suffix(".json")
}

/// The text of a file.
struct Text {
    file: Arc<SourceFile>,
    /// False when a part of it is no text.
    is_whole: bool,
}

struct Loader<'a> {
    tree: &'a dyn Tree,
    here: PathBuf,
    sources: Sources,
    findings: Vec<Diagnostic>,
    headless: Vec<Arc<str>>,
}

impl<'a> Loader<'a> {
    fn new(tree: &'a dyn Tree, here: PathBuf) -> Self {
        Self { tree, here, sources: Sources::new(), findings: Vec::new(), headless: Vec::new() }
    }

    fn project(mut self, selection: Selection) -> Result<Draft, LoadError> {
        let pipelines = selection.root.join("pipelines");
        let mut shared = Shared::default();
        let mut clients = Vec::new();
        for entry in self.tree.entries(&pipelines)? {
            if !entry.is_folder {
                self.shared_file(&entry, &mut shared)?;
                continue;
            }
            let wanted = match &selection.clients {
                None => &Wanted::Whole,
                Some(named) => match named.get(&*entry.name) {
                    Some(wanted) => wanted,
                    None => continue,
                },
            };
            clients.extend(self.client(&entry, wanted)?);
        }
        let connectors = self.connectors(&selection.root.join("connectors"))?;
        if clients.is_empty() && self.findings.is_empty() {
            return Err(LoadError::NoClients(pipelines));
        }
        let Self { sources, findings, headless, .. } = self;
        let whole = selection.clients.is_none();
        Ok(Draft { root: selection.root, sources, findings, clients, headless, shared, connectors, whole })
    }

    fn connections(mut self, root: &Path, folder: &Entry) -> Result<Draft, LoadError> {
        let client = self.client(folder, &Wanted::Connections)?;
        let clients = client.ok_or_else(|| LoadError::NoClients(folder.path.clone()))?;
        let connectors = self.connectors(&root.join("connectors"))?;
        let Self { sources, findings, headless, .. } = self;
        Ok(Draft {
            root: root.to_owned(),
            sources,
            findings,
            clients: vec![clients],
            headless,
            shared: Shared::default(),
            connectors,
            whole: false,
        })
    }

    /// A file that stands beside the clients.
    fn shared_file(&mut self, entry: &Entry, shared: &mut Shared) -> Result<(), LoadError> {
        match kind_of(&entry.name) {
            Kind::Part(stem) => shared.parts.push(self.read(&entry.path, stem)?),
            Kind::Library => shared.library = Some(self.library(&entry.path)?),
            Kind::Pipeline("rules") => shared.rules = Some(self.read(&entry.path, "rules")?),
            Kind::Other => {}
            _ => self.stray(
                entry,
                "only parts, `lib.rhai` and `rules.yaml` stand here",
                "move it into a client's folder",
            ),
        }
        Ok(())
    }

    /// The project's own connectors; most projects have none.
    fn connectors(&mut self, folder: &Path) -> Result<Vec<DraftFile<ManifestFile>>, LoadError> {
        let mut connectors = Vec::new();
        if !self.tree.has_folder(folder) {
            return Ok(connectors);
        }
        for entry in self.tree.entries(folder)?.iter().filter(|entry| !entry.is_folder) {
            match kind_of(&entry.name) {
                Kind::Pipeline(stem) => connectors.push(self.read(&entry.path, stem)?),
                Kind::Other => {}
                _ => self.stray(entry, "connectors are called `<name>.yaml`", "rename it"),
            }
        }
        Ok(connectors)
    }

    /// A folder beside the others; nothing when it is not a client.
    fn client(&mut self, folder: &Entry, wanted: &Wanted) -> Result<Option<ClientDraft>, LoadError> {
        let files = self.tree.entries(&folder.path)?;
        let Some(file) = self.client_file(folder, &files)? else { return Ok(None) };
        let mut client = ClientDraft {
            folder: Arc::clone(&folder.name),
            file,
            overlays: Vec::new(),
            pipelines: Vec::new(),
            parts: Vec::new(),
            tests: Vec::new(),
            library: None,
            schemas: Vec::new(),
            whole: matches!(wanted, Wanted::Whole),
        };
        if *wanted == Wanted::Connections {
            for entry in files.iter().filter(|entry| !entry.is_folder) {
                if let Kind::Overlay(environment) = kind_of(&entry.name) {
                    client.overlays.push(self.read(&entry.path, environment)?);
                }
            }
            return Ok(Some(client));
        }
        for entry in &files {
            if entry.is_folder && &*entry.name == SCHEMAS {
                client.schemas = self.schemas(entry)?;
            } else if entry.is_folder {
                self.nested(entry)?;
            } else {
                self.client_part(&mut client, entry, wanted)?;
            }
        }
        Ok(Some(client))
    }

    fn client_file(
        &mut self,
        folder: &Entry,
        files: &[Entry],
    ) -> Result<Option<DraftFile<ClientFile>>, LoadError> {
        if let Some(entry) = files.iter().find(|entry| kind_of(&entry.name) == Kind::Client) {
            return self.read(&entry.path, "client").map(Some);
        }
        let ours = |entry: &&Entry| !entry.is_folder && kind_of(&entry.name) != Kind::Other;
        if let Some(entry) = files.iter().find(ours) {
            self.headless.push(Arc::clone(&folder.name));
            // Read, so that the finding has a line to point to.
            let Text { file, .. } = self.text(&entry.path)?;
            self.sources.add(Arc::clone(&file));
            let fact = format!("the folder `{}` has no client.yaml", folder.name);
            let place = Place::file(Arc::clone(file.path()));
            let help = if files.iter().any(|entry| &*entry.name == "client.yml") {
                "rename `client.yml` to `client.yaml`".to_owned()
            } else {
                format!(
                    "add a client.yaml beside it, with `name: {}` and its `connections:`; \
                     `lockstep init example --crm http` writes one to copy from",
                    folder.name
                )
            };
            self.findings.push(
                Diagnostic::new(Code::MissingClient, place, fact)
                    .label("files of a client stand here")
                    .help(help),
            );
        }
        Ok(None)
    }

    fn client_part(
        &mut self,
        client: &mut ClientDraft,
        entry: &Entry,
        wanted: &Wanted,
    ) -> Result<(), LoadError> {
        let path = &entry.path;
        match kind_of(&entry.name) {
            Kind::Overlay(environment) => client.overlays.push(self.read(path, environment)?),
            Kind::Part(stem) => client.parts.push(self.read(path, stem)?),
            Kind::Library => client.library = Some(self.library(path)?),
            Kind::Test(stem) if client.whole => client.tests.push(self.read(path, stem)?),
            Kind::Pipeline(stem) => {
                let is_wanted = match wanted {
                    Wanted::Whole => true,
                    Wanted::Connections => false,
                    Wanted::Pipelines(files) => files.contains(path),
                };
                if is_wanted {
                    client.pipelines.push(self.read(path, stem)?);
                }
            }
            Kind::Stray => {
                let help = "files are called `<pipeline>.yaml`, `<part>.part.yaml`, `<name>.test.yaml`, \
                            `client.<env>.yaml` or `lib.rhai`";
                self.stray(entry, "no kind of file is called so", help);
            }
            Kind::Client | Kind::Test(_) | Kind::Other => {}
        }
        Ok(())
    }

    /// What is known of the accounts behind a client's connections.
    fn schemas(&mut self, folder: &Entry) -> Result<Vec<SchemaDraft>, LoadError> {
        let mut schemas = Vec::new();
        for entry in self.tree.entries(&folder.path)?.iter().filter(|entry| !entry.is_folder) {
            if let Some(connection) = schema_of(&entry.name) {
                schemas.push(self.schema(&entry.path, connection)?);
            } else if kind_of(&entry.name) != Kind::Other {
                let label = "only what `lockstep schema pull` writes stands here";
                self.stray(entry, label, "move it up into the client's folder");
            }
        }
        Ok(schemas)
    }

    fn schema(&mut self, path: &Path, connection: &str) -> Result<SchemaDraft, LoadError> {
        let Text { file, is_whole } = self.text(path)?;
        self.sources.add(Arc::clone(&file));
        let content = match ConnectionSchema::parse(file.text()) {
            Ok(schema) => Some(schema),
            Err(bad) => {
                if is_whole {
                    let fact = format!("this is not what `lockstep schema pull` writes: {}", bad.message);
                    let place = Place::bytes(Arc::clone(file.path()), bad.span);
                    let finding = Diagnostic::new(Code::BadSchema, place, fact)
                        .help(format!("pull it again: `lockstep schema pull <client> {connection}`"));
                    self.findings.push(finding);
                }
                None
            }
        };
        Ok(SchemaDraft { path: Arc::clone(file.path()), connection: connection.into(), content })
    }

    /// A folder inside a client's may hold samples; pipelines in it would never be seen.
    fn nested(&mut self, folder: &Entry) -> Result<(), LoadError> {
        for entry in self.tree.entries(&folder.path)? {
            if !entry.is_folder && !matches!(kind_of(&entry.name), Kind::Other) {
                self.stray(
                    &entry,
                    "folders inside a client's folder are not read",
                    "move it up into the client's folder",
                );
            }
        }
        Ok(())
    }

    fn stray(&mut self, entry: &Entry, label: &str, help: &str) {
        let renamed = entry.name.strip_suffix(".yml").map(|stem| format!("rename it to `{stem}.yaml`"));
        let (label, help) = match &renamed {
            Some(renamed) => ("the files of a project end in `.yaml`", renamed.as_str()),
            None => (label, help),
        };
        let place = Place::file(relative(&entry.path, &self.here));
        let fact = format!("`{}` is not read: {label}", entry.name);
        self.findings.push(Diagnostic::new(Code::StrayFile, place, fact).help(help));
    }

    fn text(&mut self, path: &Path) -> Result<Text, LoadError> {
        let bytes = self.tree.read(path)?;
        let name = relative(path, &self.here);
        let (text, is_whole) = match String::from_utf8(bytes) {
            Ok(text) => (text, true),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                // In the text as it is shown, a sign of its own stands for what is no character.
                let place = Span::new(valid, valid + char::REPLACEMENT_CHARACTER.len_utf8());
                let fact = "the file is not UTF-8 text";
                let finding = Diagnostic::new(Code::YamlSyntax, Place::bytes(name.as_str(), place), fact)
                    .label("this byte begins no character")
                    .help("store the file as UTF-8");
                self.findings.push(finding);
                (String::from_utf8_lossy(error.as_bytes()).into_owned(), false)
            }
        };
        Ok(Text { file: Arc::new(SourceFile::new(name, text)), is_whole })
    }

    fn library(&mut self, path: &Path) -> Result<Arc<SourceFile>, LoadError> {
        let Text { file, .. } = self.text(path)?;
        self.sources.add(Arc::clone(&file));
        Ok(file)
    }

    /// Reads a YAML file as a `T`.
    fn read<T: FileType>(&mut self, path: &Path, stem: &str) -> Result<DraftFile<T>, LoadError> {
        let Text { file, is_whole } = self.text(path)?;
        // What else is wrong with a text that is not whole would be a guess.
        let (document, content, findings) =
            if is_whole { read::<T>(&file) } else { (None, None, Vec::new()) };
        self.findings.extend(findings);
        match &document {
            Some(document) => self.sources.add(document.clone()),
            None => self.sources.add(Arc::clone(&file)),
        }
        Ok(DraftFile {
            path: Arc::clone(file.path()),
            location: path.to_owned(),
            stem: stem.into(),
            file,
            document,
            content,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pretty_assertions::assert_eq;
    use tempfile::TempDir;

    use super::*;
    use crate::config::FileText;

    #[test]
    fn files_are_told_apart_by_their_names() {
        for (name, kind) in [
            ("client.yaml", Kind::Client),
            ("client.production.yaml", Kind::Overlay("production")),
            ("client.test.yaml", Kind::Overlay("test")),
            ("payment-failed.yaml", Kind::Pipeline("payment-failed")),
            ("payment-failed.test.yaml", Kind::Test("payment-failed")),
            ("find-account.part.yaml", Kind::Part("find-account")),
            ("lib.rhai", Kind::Library),
            ("payment-failed.yml", Kind::Stray),
            ("payment.failed.yaml", Kind::Stray),
            ("functions.rhai", Kind::Stray),
            ("event.json", Kind::Other),
            ("README", Kind::Other),
        ] {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    const CLIENT: &str = "name: acme\nconnections: {}\n";

    #[test]
    fn everything_is_read_in_the_order_of_the_names() {
        let dir = TempDir::new().unwrap();
        write(
            dir.path(),
            &[
                ("pipelines/lib.rhai", "fn a() { 1 }"),
                ("pipelines/find.part.yaml", "steps: [{ set: { a: 1 } }]"),
                ("pipelines/acme/client.yaml", CLIENT),
                ("pipelines/acme/client.sandbox.yaml", "vars: { a: 1 }"),
                ("pipelines/acme/b.yaml", "oops"),
                ("pipelines/acme/a.yaml", "oops"),
                ("pipelines/beta/client.yaml", "name: ["),
                ("pipelines/notes/README.md", ""),
            ],
        );
        let draft = load(&[], dir.path()).unwrap();
        let [acme, beta] = draft.clients.as_slice() else { panic!("two clients: {:?}", draft.clients) };
        assert!(acme.file.content.is_some());
        let names: Vec<&str> = acme.pipelines.iter().map(|file| &*file.path).collect();
        assert_eq!(names, ["pipelines/acme/a.yaml", "pipelines/acme/b.yaml"]);
        assert_eq!(&*acme.overlays[0].stem, "sandbox");
        assert!(
            beta.file.content.is_none(),
            "a broken file is kept, so that its client is known to be broken"
        );
        assert_eq!(draft.shared.parts.len(), 1);
        assert_eq!(draft.sources.len(), 7);
    }

    #[test]
    fn kept_files_are_read_as_those_of_a_disk_are() {
        let dir = TempDir::new().unwrap();
        let files = [
            ("pipelines/lib.rhai", "fn a() { 1 }"),
            ("pipelines/find.part.yaml", "steps: [{ set: { a: 1 } }]"),
            ("pipelines/acme/client.yaml", CLIENT),
            ("pipelines/acme/client.sandbox.yaml", "vars: { a: 1 }"),
            ("pipelines/acme/a.yaml", "oops"),
            ("connectors/own.yaml", "name: own"),
        ];
        write(dir.path(), &files);
        let text = |(path, text): (&str, &str)| FileText { path: path.into(), text: text.into() };
        let kept = load_kept(&FileSet::of(files.map(text).into())).unwrap();
        let read = load(&[], dir.path()).unwrap();
        assert_eq!(kept.findings, read.findings);
        for draft in [&kept, &read] {
            let [acme] = draft.clients.as_slice() else { panic!("one client: {:?}", draft.clients) };
            assert_eq!((acme.overlays.len(), acme.pipelines.len()), (1, 1));
            assert_eq!((draft.shared.parts.len(), draft.connectors.len()), (1, 1));
            assert!(draft.shared.library.is_some());
        }
        let nothing = FileSet::of(vec![text(("connectors/own.yaml", "name: own"))]);
        assert!(
            load_kept(&nothing).is_ok_and(|draft| draft.clients.is_empty() && !draft.findings.is_empty())
        );
    }

    #[test]
    fn a_folder_without_client_yaml_and_files_that_nobody_reads_are_findings() {
        let dir = TempDir::new().unwrap();
        write(
            dir.path(),
            &[
                ("pipelines/acme/client.yaml", CLIENT),
                ("pipelines/acme/paid.yml", ""),
                ("pipelines/acme/more/paid.yaml", ""),
                ("pipelines/beta/paid.yaml", ""),
                ("pipelines/paid.yaml", ""),
            ],
        );
        let draft = load(&[], dir.path()).unwrap();
        let found: Vec<(Code, &str)> =
            draft.findings.iter().map(|finding| (finding.code, &*finding.place.file)).collect();
        assert_eq!(
            found,
            [
                (Code::StrayFile, "pipelines/acme/more/paid.yaml"),
                (Code::StrayFile, "pipelines/acme/paid.yml"),
                (Code::MissingClient, "pipelines/beta/paid.yaml"),
                (Code::StrayFile, "pipelines/paid.yaml"),
            ]
        );
        assert_eq!(draft.headless, [Arc::from("beta")]);
    }

    #[test]
    fn a_project_without_clients_is_an_error() {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("pipelines")).unwrap();
        assert!(matches!(load(&[], dir.path()), Err(LoadError::NoClients(_))));
    }
}
