//! The connectors that a project's connections can be of: the built-in ones and the project's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Draft, DraftFile};
use crate::connector::{self, Fault, Manifest, ManifestFile};
use crate::diagnostic::{Code, Diagnostic, Path, Place};
use crate::expr::Engine;

/// The connectors by name; nothing for one whose manifest is broken, so that its users are not told again.
pub(super) struct Connectors(BTreeMap<Arc<str>, Option<Arc<Manifest>>>);

impl Connectors {
    /// Compiles a project's manifests; what is wrong with them goes to `findings`.
    pub(super) fn of(files: &[DraftFile<ManifestFile>], findings: &mut Vec<Diagnostic>) -> Self {
        let built_in = connector::builtins().iter();
        let mut known: BTreeMap<Arc<str>, Option<Arc<Manifest>>> =
            built_in.map(|it| (Arc::from(it.name), it.manifest().ok().cloned())).collect();
        for file in files {
            if known.contains_key(&file.stem) {
                let fact = format!("there is a built-in connector `{}`", file.stem);
                let help = "give the file and its `name` another name; connections choose by that name";
                findings.push(Diagnostic::new(Code::DuplicateName, file.whole(), fact).help(help));
                continue;
            }
            known.insert(Arc::clone(&file.stem), compile(file, findings));
        }
        Self(known)
    }

    /// The connector of this name: `None` when there is none, `Some(None)` when its manifest is broken.
    pub(super) fn get(&self, name: &str) -> Option<Option<&Arc<Manifest>>> {
        self.0.get(name).map(Option::as_ref)
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

/// The connectors that a project's connections can be of, by name; broken ones are left out.
pub fn manifests(draft: &Draft) -> Vec<Arc<Manifest>> {
    let connectors = Connectors::of(&draft.connectors, &mut Vec::new());
    connectors.0.into_values().flatten().collect()
}

fn compile(file: &DraftFile<ManifestFile>, findings: &mut Vec<Diagnostic>) -> Option<Arc<Manifest>> {
    let manifest = file.content.as_ref()?;
    let at = Path::root().key("name");
    if manifest.name.0 != file.stem {
        let fact = format!("`{}` is not the name of its file, `{}`", manifest.name, file.stem);
        let help = format!("write `name: {}`, or rename the file", file.stem);
        findings.push(Diagnostic::new(Code::NameDiffers, file.value(at), fact).help(help));
    }
    // Without libraries there is nothing in an engine that could be wrong.
    let engine = Engine::new(&[]).ok()?;
    match Manifest::compile(manifest, &engine) {
        Ok(compiled) => Some(Arc::new(compiled)),
        Err(faults) => {
            let faults = faults.into_iter();
            findings.extend(faults.map(|fault| finding(Code::BadManifest, fault, |path| file.value(path))));
            None
        }
    }
}

/// A connector's fault as a finding; `place` knows the file that its path is a path of.
pub(super) fn finding(code: Code, fault: Fault, place: impl FnOnce(Path) -> Place) -> Diagnostic {
    let mut place = place(fault.path);
    if let Some(range) = fault.within {
        place = place.within(range);
    }
    Diagnostic::new(code, place, fault.message).help_maybe(fault.help)
}
