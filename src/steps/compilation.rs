//! What compiling a pipeline brings to light: its mistakes, and its expressions for checks that look at them.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Path};
use crate::expr::Term;

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
}

impl Compiled {
    pub(super) fn new(file: &Arc<str>, path: &Path, term: Term) -> Self {
        Self { file: Arc::clone(file), path: path.clone(), term }
    }
}
