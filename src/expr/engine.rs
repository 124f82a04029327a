//! The door to compiling: one engine a client.

use std::fmt;
use std::sync::Arc;

use super::context::Context;
use super::expression::{self, Expr};
use super::fault::{EvalError, Fault};
use super::names::{Names, Reference};
use super::outline::{Outlining, Term};
use super::reads::reads;
use super::rhai::{Library, Program, Runtime, Script};
use crate::value::Value;

/// Compiles conditions, value expressions and scripts with the shared functions and one client's own. Cheap to
/// clone; what it compiled may be used from any thread.
#[derive(Clone)]
pub struct Engine {
    runtime: Arc<Runtime>,
}

/// A condition: a script that gives true or false.
#[derive(Clone)]
pub struct Condition {
    program: Arc<Program>,
    source: Arc<str>,
}

impl Engine {
    /// An engine with the functions of `libraries`. The path of a fault begins with the library's name.
    pub fn new(libraries: &[Library]) -> Result<Self, Vec<Fault>> {
        Ok(Self { runtime: Arc::new(Runtime::new(libraries)?) })
    }

    /// True when a function of the libraries asks what has changed.
    pub fn asks_what_changed(&self) -> bool {
        self.runtime.asks_what_changed
    }

    /// Why `name` cannot be the name of a value (a step id, a variable, a connection); `None` when it can.
    pub fn reserved(&self, name: &str) -> Option<Fault> {
        self.runtime.reserved(name)
    }

    /// Compiles a condition (`when:`, `that:`, `guard:`).
    pub fn condition(&self, source: &str, names: &Names) -> Result<Condition, Vec<Fault>> {
        let program = Program::compile(&self.runtime, source, names)?;
        Ok(Condition { program: Arc::new(program), source: source.into() })
    }

    /// Reads a written value as a value expression.
    pub fn expression(&self, written: &Value, names: &Names) -> Result<Expr, Vec<Fault>> {
        expression::parse(&self.runtime, written, names)
    }

    /// Compiles a script with calls, in which each of `connections` is an object.
    pub fn script(&self, source: &str, names: &Names, connections: &[&str]) -> Result<Script, Vec<Fault>> {
        Script::compile(&self.runtime, source, names, connections)
    }
}

impl Condition {
    /// Whether it holds. Anything but true and false is an error.
    pub fn eval(&self, context: &Context) -> Result<bool, EvalError> {
        self.program.holds(context)
    }

    /// Each path that it reads, with its value: why it held, or not.
    pub fn explain(&self, context: &Context) -> Vec<(String, Value)> {
        reads(self.program.references(), context)
    }

    /// The paths of the context that it reads.
    pub fn references(&self) -> &[Reference] {
        self.program.references()
    }

    /// The condition as a term.
    pub fn outline(&self) -> Term {
        self.program.outline(&Outlining { source: &self.source, path: Arc::from([]), offset: 0 })
    }

    /// The condition as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.source)
    }
}
