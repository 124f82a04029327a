//! The manifests that are compiled in: files of the same format as a project's own, with no privileges.

use std::sync::{Arc, LazyLock};

use super::fault::Fault;
use super::file::ManifestFile;
use super::manifest::Manifest;
use crate::diagnostic::{Diagnostic, Path, SourceFile, Spot};
use crate::expr::Engine;
use crate::yaml;

/// A manifest that is compiled in.
#[derive(Debug)]
pub struct Builtin {
    /// The connector's name.
    pub name: &'static str,
    /// The file's text.
    pub text: &'static str,
    compiled: LazyLock<Result<Arc<Manifest>, Vec<Fault>>>,
}

macro_rules! builtins {
    ($($name:literal),+ $(,)?) => {
        static BUILTINS: [Builtin; [$($name),+].len()] = [$(Builtin {
            name: $name,
            text: include_str!(concat!("builtin/", $name, ".yaml")),
            compiled: LazyLock::new(|| read(concat!($name, ".yaml"), include_str!(concat!("builtin/", $name, ".yaml")))),
        }),+];
    };
}

// A new connector is a file and a word here.
builtins!("http", "salesforce", "slack", "stripe");

/// All of them, by name.
pub fn builtins() -> &'static [Builtin] {
    &BUILTINS
}

/// The built-in manifest of that name, compiled when it is first asked for.
pub fn builtin(name: &str) -> Option<Arc<Manifest>> {
    BUILTINS.iter().find(|builtin| builtin.name == name)?.manifest().ok().cloned()
}

impl Builtin {
    /// The compiled manifest. A test proves that none has faults.
    pub fn manifest(&self) -> Result<&Arc<Manifest>, &Vec<Fault>> {
        self.compiled.as_ref()
    }
}

/// Reads and compiles a manifest's text. The mistakes of its YAML are faults without a help of their own; `check`
/// draws those of a project's file better.
pub(super) fn read(path: &str, text: &str) -> Result<Arc<Manifest>, Vec<Fault>> {
    let engine = Engine::new(&[]).map_err(|faults| {
        faults.into_iter().map(|fault| Fault::of_expression(&Path::root(), fault)).collect::<Vec<_>>()
    })?;
    let file = Arc::new(SourceFile::new(path, text));
    let (document, findings) = yaml::parse(&file);
    let told = |finding: Diagnostic| match finding.place.spot {
        Spot::Bytes(span) => format!("line {}: {}", file.position(span.start).line, finding.message),
        Spot::File | Spot::Node { .. } => finding.message,
    };
    let mut faults: Vec<Fault> =
        findings.into_iter().map(|finding| Fault::new(Path::root(), told(finding))).collect();
    let Some(document) = document.filter(|_| faults.is_empty()) else { return Err(faults) };
    match yaml::from_node::<ManifestFile>(&document.root) {
        Ok(file) => Manifest::compile(&file, &engine).map(Arc::new),
        Err((at, message)) => {
            faults.push(Fault::new(at, message));
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_built_in_manifest_has_a_fault() {
        let faults: Vec<String> = builtins()
            .iter()
            .filter_map(|builtin| Some((builtin.name, builtin.manifest().err()?)))
            .flat_map(|(name, faults)| faults.iter().map(move |fault| format!("{name}: {fault}")))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
