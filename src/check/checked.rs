//! The one way from a draft to a project.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::connectors::Connectors;
use super::events::Events;
use super::graph::Graph;
use super::judge::Judge;
use super::made_of::MadeOf;
use super::rules::{RULES, TYPED_RULES};
use super::types::{self, Objects, Typed};
use super::view::{Found, View};
use crate::config::{ClientDraft, ClientFile, ClientOverlay, Draft, DraftFile, Shared};
use crate::diagnostic::{Code, Diagnostic, Path, Report, Severity, SourceFile, Sources};
use crate::expr::{Engine, FaultSeg, Library};
use crate::project::{Client, ClientParts, ConnectionConfig, Pipeline, Project, map_of};
use crate::steps::{ClientScope, Compilation, Heard, finding_of};

/// Which environments a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environments<'a> {
    /// `client.yaml` alone.
    Base,
    /// `client.yaml` under `client.<env>.yaml`; a client without one is taken as it is.
    One(&'a str),
    /// `client.yaml` alone, and under every overlay. The project is that of `client.yaml` alone.
    All,
}

/// Why nothing could be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// An environment was named that no client has.
    #[error("no client has a `client.{0}.yaml`")]
    UnknownEnvironment(String),
}

/// What a check gave.
#[derive(Debug)]
pub struct Checked {
    /// The clients without errors.
    pub project: Project,
    /// What each of them is made of, by name.
    pub made_of: BTreeMap<Arc<str>, MadeOf>,
    /// The clients with errors, by folder name. They must not run; the others can (invariant 6).
    pub broken: BTreeSet<Arc<str>>,
    /// Everything that was found.
    pub report: Report,
    /// The files that nobody could look into any further, because of what was found in them: of a client without a sound
    /// `client.yaml`, all.
    pub unread: Vec<Arc<str>>,
    /// The files, to draw the report with.
    pub sources: Sources,
}

/// Checks a draft: all findings, and a project of the clients that have no errors.
pub fn check(draft: Draft, environments: Environments) -> Result<Checked, CheckError> {
    if let Environments::One(name) = environments {
        let has = |client: &ClientDraft| client.overlays.iter().any(|overlay| &*overlay.stem == name);
        if !draft.clients.iter().any(has) {
            return Err(CheckError::UnknownEnvironment(name.to_owned()));
        }
    }
    let Draft { root, mut sources, mut findings, clients, headless, shared, connectors, whole } = draft;
    let connectors = Connectors::of(&connectors, &mut findings);
    let judge = Judge::of(shared.rules.as_ref().and_then(|file| file.content.as_ref()), &sources);
    findings.extend(judge.about_comments());
    let mut secrets = Vec::new();
    let mut judged = |raw: Vec<Diagnostic>| {
        secrets.extend(raw.iter().filter(|it| it.code == Code::SecretWritten).map(|it| it.place.clone()));
        judge.judge(raw, &sources)
    };
    let mut findings = judged(findings);
    let mut passed = Vec::new();
    let mut made_of = BTreeMap::new();
    let mut broken = BTreeSet::from_iter(headless);
    for draft in &clients {
        let check = ClientCheck { draft, shared: &shared, connectors: &connectors, found_before: &findings };
        let outcome = check.run(environments, &mut judged);
        match outcome.client {
            Some((client, files)) => {
                made_of.insert(Arc::clone(client.name()), files);
                passed.push(Arc::new(client));
            }
            None => {
                broken.insert(Arc::clone(&draft.folder));
            }
        }
        findings.extend(outcome.findings);
    }
    if environments == Environments::All {
        let unused = judge.unused(|file| looked_at(file, &clients, whole));
        findings.extend(judge.judge(unused, &sources));
    }
    for place in &secrets {
        sources.blot(place);
    }
    let report = Report::new(findings, &sources);
    let unread = clients.iter().flat_map(unread).collect();
    Ok(Checked { project: Project::of_checked(root, passed), made_of, broken, report, unread, sources })
}

/// The files of a client whose meaning was not looked at.
fn unread(client: &ClientDraft) -> Vec<Arc<str>> {
    let headless = client.file.content.is_none();
    let pipelines = client.pipelines.iter().map(|it| (&it.path, it.content.is_some()));
    let parts = client.parts.iter().map(|it| (&it.path, it.content.is_some()));
    let tests = client.tests.iter().map(|it| (&it.path, it.content.is_some()));
    let all = std::iter::once((&client.file.path, !headless)).chain(pipelines).chain(parts).chain(tests);
    all.filter(|(_, is_read)| headless || !is_read).map(|(path, _)| Arc::clone(path)).collect()
}

/// True when all was looked at that could find something in a file: the client whose it is, or all of them.
fn looked_at(file: &str, clients: &[ClientDraft], whole: bool) -> bool {
    let of_client = clients.iter().find(|client| {
        let parts = client.parts.iter().map(|part| &part.path);
        let pipelines = client.pipelines.iter().map(|pipeline| &pipeline.path);
        let tests = client.tests.iter().map(|test| &test.path);
        let overlays = client.overlays.iter().map(|overlay| &overlay.path);
        let library = client.library.as_ref().map(|library| library.path());
        let mut all = parts.chain(pipelines).chain(tests).chain(overlays).chain(library);
        *client.file.path == *file || all.any(|path| **path == *file)
    });
    of_client.map_or(whole, |client| client.whole)
}

/// One client under examination.
struct ClientCheck<'a> {
    draft: &'a ClientDraft,
    shared: &'a Shared,
    connectors: &'a Connectors,
    found_before: &'a [Diagnostic],
}

/// What stays of findings, once a project and its comments were asked.
type Judged<'a> = dyn FnMut(Vec<Diagnostic>) -> Vec<Diagnostic> + 'a;

struct Outcome {
    client: Option<(Client, MadeOf)>,
    findings: Vec<Diagnostic>,
}

impl<'a> ClientCheck<'a> {
    fn run(&self, environments: Environments, judged: &mut Judged<'_>) -> Outcome {
        let overlay = match environments {
            Environments::One(name) => self.draft.overlays.iter().find(|overlay| &*overlay.stem == name),
            Environments::Base | Environments::All => None,
        };
        let mut outcome = self.environment(overlay, judged);
        if environments == Environments::All {
            for overlay in &self.draft.overlays {
                outcome.findings.extend(self.environment(Some(overlay), judged).findings);
            }
        }
        outcome
    }

    /// The client in one environment.
    fn environment(&self, overlay: Option<&'a DraftFile<ClientOverlay>>, judged: &mut Judged<'_>) -> Outcome {
        let mut findings = Vec::new();
        let Some(client) = self.laid(overlay, &mut findings) else {
            return Outcome { client: None, findings: judged(findings) };
        };
        let engine = self.engine(&mut findings);
        let bare = View {
            draft: self.draft,
            shared: self.shared,
            overlay,
            client: &client,
            connectors: self.connectors,
            engine: engine.as_ref(),
            graph: None,
        };
        let graph = Graph::of(&bare);
        let view = View { graph: Some(&graph), ..bare };
        for rule in RULES {
            let mut found = Found::new(rule.code);
            (rule.check)(&view, &mut found);
            findings.extend(found.into_findings());
        }
        let made_of = MadeOf::of(&view);
        let mut types = Typed::default();
        let pipelines = self.pipelines(&view, &made_of, &mut findings, &mut types);
        for rule in TYPED_RULES {
            let mut found = Found::new(rule.code);
            (rule.check)(&view, &types, &mut found);
            findings.extend(found.into_findings());
        }
        let findings = judged(findings);
        if self.is_broken(overlay, &findings) {
            return Outcome { client: None, findings };
        }
        let client = self.client(&view, pipelines, Arc::clone(&made_of.whole.version));
        Outcome { client: client.map(|client| (client, made_of)), findings }
    }

    /// The expression engine with the client's functions; nothing when one of its libraries is wrong.
    fn engine(&self, findings: &mut Vec<Diagnostic>) -> Option<Engine> {
        let files: Vec<&Arc<SourceFile>> = self.shared.library.iter().chain(&self.draft.library).collect();
        let libraries: Vec<Library> = files
            .iter()
            .map(|file| Library { name: file.path().to_string(), source: file.text().to_string() })
            .collect();
        let faults = match Engine::new(&libraries) {
            Ok(engine) => return Some(engine),
            Err(faults) => faults,
        };
        for mut fault in faults {
            // The path of a library's fault is the library; its place is in the text.
            let path = match fault.path.first() {
                Some(FaultSeg::Key(name)) => name.clone(),
                _ => continue,
            };
            fault.path.clear();
            findings.push(finding_of(&path.into(), &Path::root(), fault));
        }
        None
    }

    /// The pipelines that are right. What is known of the values in all of them goes to `types`.
    fn pipelines(
        &self,
        view: &View,
        made_of: &MadeOf,
        findings: &mut Vec<Diagnostic>,
        types: &mut Typed,
    ) -> Vec<Arc<Pipeline>> {
        let Some(engine) = view.engine else { return Vec::new() };
        let vars: Vec<Arc<str>> = view.client.vars.keys().map(|name| Arc::clone(&name.0)).collect();
        let mut parts = IndexMap::new();
        for part in view.parts() {
            parts.entry(Arc::clone(&part.stem)).or_insert(part);
        }
        let scope = ClientScope {
            client: &view.draft.folder,
            engine,
            connections: &Arc::new(view.abilities()),
            broken: &view.broken_connections(),
            vars: &vars,
            event: &[],
            object: &[],
            parts: &parts,
            ownership: &view.client.ownership,
            heard: &Arc::new(Heard::by(
                self.draft.pipelines.iter().filter_map(|file| file.content.as_ref()),
                parts.values().filter_map(|part| part.content.as_ref()),
            )),
        };
        let events = Events::of(view);
        let objects = Objects::of(view);
        let files = self.draft.pipelines.iter().zip(&made_of.pipelines);
        files
            .filter_map(|(file, set)| {
                let event = file.content.as_ref().map_or(&[][..], |pipeline| events.keys(&pipeline.trigger));
                let mut out = Compilation::default();
                let version = Arc::clone(&set.version);
                let scope = ClientScope { event, ..scope };
                let pipeline = Pipeline::compile(scope, file, version, &mut out);
                findings.append(&mut out.findings);
                if let Some(written) = &file.content {
                    types::typed(view, &objects, &file.path, written, &out.expressions, types);
                }
                pipeline
            })
            .map(Arc::new)
            .collect()
    }

    /// `client.yaml` with the overlay over it; nothing when one of them could not be read.
    fn laid(
        &self,
        overlay: Option<&DraftFile<ClientOverlay>>,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<ClientFile> {
        let base = self.draft.file.content.as_ref()?;
        let Some(file) = overlay else { return Some(base.clone()) };
        let (client, incomplete) = base.under(file.content.as_ref()?);
        for name in incomplete {
            let path = Path::root().key("connections").key(Arc::clone(&name.0));
            let fact = format!("the connection `{}` has no `connector`", name.0);
            let finding = Diagnostic::new(Code::MissingKey, file.key(path), fact)
                .label("client.yaml does not have this connection")
                .help("add `connector: <name>`, or write the connection into client.yaml");
            findings.push(finding);
        }
        Some(client)
    }

    /// True when an error stands in a file that this environment runs from. A broken test, or another environment,
    /// keeps nobody from running.
    fn is_broken(&self, overlay: Option<&DraftFile<ClientOverlay>>, findings: &[Diagnostic]) -> bool {
        let files: BTreeSet<&str> = self.files(overlay).map(|file| &**file.path()).collect();
        self.found_before
            .iter()
            .chain(findings)
            .any(|it| it.severity == Severity::Error && files.contains(&*it.place.file))
    }

    /// The files that the client runs from.
    fn files<'b>(
        &'b self,
        overlay: Option<&'b DraftFile<ClientOverlay>>,
    ) -> impl Iterator<Item = &'b Arc<SourceFile>> {
        std::iter::once(&self.draft.file.file)
            .chain(overlay.map(|file| &file.file))
            .chain(self.draft.pipelines.iter().map(|file| &file.file))
            .chain(self.draft.parts.iter().chain(&self.shared.parts).map(|file| &file.file))
            .chain(&self.draft.library)
            .chain(&self.shared.library)
    }

    /// The client that can run; nothing when a connector is broken, which is told in the connector's file.
    fn client(&self, view: &View, pipelines: Vec<Arc<Pipeline>>, version: Arc<str>) -> Option<Client> {
        let file = view.client;
        let mut connections = IndexMap::new();
        for (name, connection) in &file.connections {
            let config = ConnectionConfig {
                name: Arc::clone(&name.0),
                manifest: Arc::clone(view.manifest(connection)?),
                config: map_of(connection.config.iter().map(|(key, value)| (key.as_str(), value))),
                rate_limit: connection.rate_limit,
                concurrency: connection.concurrency,
                timeout: connection.timeout.map(|timeout| timeout.0),
                read_only: connection.read_only,
                fields: connection.fields.clone(),
            };
            connections.insert(Arc::clone(&name.0), config);
        }
        Some(Client::of_checked(ClientParts {
            name: Arc::clone(&file.name.0),
            description: file.description.clone(),
            zone: file.timezone.0.clone(),
            vars: map_of(file.vars.iter().map(|(name, value)| (&*name.0, value))),
            connections,
            ownership: file.ownership.clone(),
            pipelines,
            tests: self.draft.tests.clone(),
            engine: view.engine?.clone(),
            version,
        }))
    }
}
