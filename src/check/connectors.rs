//! The connectors that a project's connections can be of: the built-in ones and the project's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Draft, DraftFile};
use crate::connector::{self, Builtin, Fault, Manifest, ManifestFile};
use crate::diagnostic::{Code, Diagnostic, Path, Place, SourceFile};
use crate::expr::Engine;

/// The connectors by name.
pub(super) struct Connectors(BTreeMap<Arc<str>, Known>);

/// A connector that there is.
enum Known {
    /// Compiled when something asks for it: most projects use two or three.
    BuiltIn(&'static Builtin),
    /// The project's own: its file, and nothing more when it is broken, so that its users are not told again.
    Own(Arc<SourceFile>, Option<Arc<Manifest>>),
}

impl Known {
    fn manifest(&self) -> Option<&Arc<Manifest>> {
        match self {
            Self::BuiltIn(builtin) => builtin.manifest().ok(),
            Self::Own(_, manifest) => manifest.as_ref(),
        }
    }
}

impl Connectors {
    /// Compiles a project's manifests; what is wrong with them goes to `findings`.
    pub(super) fn of(files: &[DraftFile<ManifestFile>], findings: &mut Vec<Diagnostic>) -> Self {
        let built_in = connector::builtins().iter();
        let mut known: BTreeMap<Arc<str>, Known> =
            built_in.map(|it| (Arc::from(it.name), Known::BuiltIn(it))).collect();
        for file in files {
            if known.contains_key(&file.stem) {
                let fact = format!("there is a built-in connector `{}`", file.stem);
                let help = "give the file and its `name` another name; connections choose by that name";
                findings.push(Diagnostic::new(Code::DuplicateName, file.whole(), fact).help(help));
                continue;
            }
            let own = Known::Own(Arc::clone(&file.file), compile(file, findings));
            known.insert(Arc::clone(&file.stem), own);
        }
        Self(known)
    }

    /// True when there is a connector of this name, be it a broken one.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The manifest of this name; nothing when there is none, or a broken one.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Manifest>> {
        self.0.get(name)?.manifest()
    }

    /// The file of a connector of the project's own; nothing for a built-in one.
    pub(super) fn source(&self, name: &str) -> Option<&Arc<SourceFile>> {
        match self.0.get(name)? {
            Known::Own(file, _) => Some(file),
            Known::BuiltIn(_) => None,
        }
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

/// The connectors that a project's connections can be of, by name; broken ones are left out.
pub fn manifests(draft: &Draft) -> Vec<Arc<Manifest>> {
    let connectors = Connectors::of(&draft.connectors, &mut Vec::new());
    connectors.0.values().filter_map(Known::manifest).cloned().collect()
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
    Diagnostic::new(code, place, fault.message).help_maybe(fault.help).meant(fault.meant)
}
