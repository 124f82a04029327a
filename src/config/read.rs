//! Text -> tree -> typed file, with everything that is wrong on the way.

use std::sync::{Arc, LazyLock};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::structure::Structure;
use super::{ClientFile, ClientOverlay, PartFile, PipelineFile, RulesFile, TestFile};
use crate::connector::ManifestFile;
use crate::diagnostic::{Code, Diagnostic, Place, Severity, SourceFile};
use crate::yaml::{self, Document};

/// What one kind of file holds.
pub trait FileType: DeserializeOwned + JsonSchema {
    /// The structure of such files, compiled once.
    fn structure() -> &'static Structure;
}

macro_rules! file_types {
    ($($type:ty,)*) => {
        $(impl FileType for $type {
            fn structure() -> &'static Structure {
                static STRUCTURE: LazyLock<Structure> = LazyLock::new(Structure::of::<$type>);
                &STRUCTURE
            }
        })*
    };
}

file_types! { ClientFile, ClientOverlay, PipelineFile, PartFile, TestFile, RulesFile, ManifestFile, }

/// Reads a file. What it says is there only when its structure has no error; the tree also when it has.
pub fn read<T: FileType>(file: &Arc<SourceFile>) -> (Option<Document>, Option<T>, Vec<Diagnostic>) {
    let (document, mut findings) = yaml::parse(file);
    let Some(document) = document else { return (None, None, findings) };
    findings.extend(T::structure().check(&document));
    let is_broken = |finding: &Diagnostic| finding.severity == Severity::Error;
    if findings.iter().any(is_broken) {
        return (Some(document), None, findings);
    }
    match yaml::from_node::<T>(&document.root) {
        Ok(content) => (Some(document), Some(content), findings),
        Err((path, message)) => {
            // The structure allows a little more than the types: what only they refuse is told in their words.
            let place = Place::value(Arc::clone(file.path()), path);
            findings.push(Diagnostic::new(Code::InvalidValue, place, message));
            (Some(document), None, findings)
        }
    }
}
