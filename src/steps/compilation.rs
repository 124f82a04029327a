//! What compiling a pipeline brings to light: its mistakes, and its expressions for checks that look at them.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Path};
use crate::expr::{OnNothing, Term, Write};

/// What compiling pipelines brought to light.
#[derive(Debug, Default)]
pub struct Compilation {
    /// What is wrong.
    pub findings: Vec<Diagnostic>,
    /// Every expression that compiled, in the order in which they stand.
    pub expressions: Vec<Compiled>,
}

/// An expression of a pipeline.
#[derive(Debug)]
pub struct Compiled {
    /// The file that it stands in: the pipeline's, or a part's.
    pub file: Arc<str>,
    /// Its place in that file.
    pub path: Path,
    /// What it reads and does.
    pub term: Term,
    /// When a field is written with it.
    pub write: Write,
    /// What it does to a field when it gives nothing.
    pub on_nothing: OnNothing,
}

impl Compiled {
    /// A condition or a script.
    pub(super) fn code(file: &Arc<str>, path: &Path, term: Term) -> Self {
        let (write, on_nothing) = (Write::default(), OnNothing::default());
        Self { file: Arc::clone(file), path: path.clone(), term, write, on_nothing }
    }
}
