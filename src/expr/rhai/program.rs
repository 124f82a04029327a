//! A compiled script that gives a value.

use std::sync::Arc;

use rhai::{AST, Dynamic, Scope};

use super::engine::Runtime;
use super::values::from_dynamic;
use super::{ambient, check, errors};
use crate::expr::context::Context;
use crate::expr::fault::{EvalError, Fault, FaultKind};
use crate::expr::names::{Names, Reference};
use crate::value::Value;

/// A script, ready to be run any number of times.
pub(crate) struct Program {
    runtime: Arc<Runtime>,
    ast: AST,
    /// The top-level names it reads: only these are resolved.
    roots: Vec<Arc<str>>,
    references: Vec<Reference>,
}

impl Program {
    /// Compiles a script; all its mistakes at once.
    pub(crate) fn compile(runtime: &Arc<Runtime>, source: &str, names: &Names) -> Result<Self, Vec<Fault>> {
        if source.trim().is_empty() {
            return Err(vec![Fault::new(FaultKind::BlankValue, "the script is empty")]);
        }
        let ast = runtime.engine.compile(source).map_err(|error| vec![errors::syntax(source, &error)])?;
        let found = check::script(source, &ast, names, &runtime.callable);
        if !found.faults.is_empty() {
            return Err(found.faults);
        }
        Ok(Self {
            runtime: Arc::clone(runtime),
            ast: ast.merge(&runtime.library),
            roots: found.roots.iter().map(|root| root.as_str().into()).collect(),
            references: found.references,
        })
    }

    /// The syntax tree, with the libraries' functions.
    pub(super) fn ast(&self) -> &AST {
        &self.ast
    }

    /// The paths of the context that it reads.
    pub(crate) fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Runs the script over `context`.
    pub(crate) fn eval(&self, context: &Context) -> Result<Value, EvalError> {
        let result = self.eval_raw(context)?;
        from_dynamic(&result).map_err(EvalError::Unfit)
    }

    /// Runs a script that must give true or false.
    pub(crate) fn holds(&self, context: &Context) -> Result<bool, EvalError> {
        let result = self.eval_raw(context)?;
        result.as_bool().map_err(|_| EvalError::NotBoolean(super::values::kind(&result)))
    }

    fn eval_raw(&self, context: &Context) -> Result<Dynamic, EvalError> {
        let _entered = ambient::enter(context, &self.roots, []);
        self.runtime
            .engine
            .eval_ast_with_scope::<Dynamic>(&mut Scope::new(), &self.ast)
            .map_err(|error| errors::failed(&error))
    }
}
