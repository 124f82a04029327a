//! The sandboxed engine: what scripts can do, and how much of it.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};

use rhai::packages::{
    BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, MoreStringPackage, Package,
};
use rhai::{AST, Dynamic, ImmutableString, OptimizationLevel, Scope, Token};

use super::values::{from_dynamic, to_dynamic};
use super::{ambient, check, errors, operators, script};
use crate::expr::context::Context;
use crate::expr::fault::{EvalError, Fault, FaultKind, FaultSeg};
use crate::expr::functions::{ARGUMENTS_MAX, FUNCTIONS};
use crate::value::Value;

/// Operations a script may use; a long condition uses about a hundred.
pub(super) const OPERATIONS_MAX: u64 = 20_000;
/// How deep functions may call each other.
pub(super) const CALLS_MAX: usize = 16;
/// The longest text a script may build, in bytes.
pub(super) const TEXT_MAX: usize = 64 * 1024;
/// The longest list or map a script may hold. `sort` does not count operations, so this bounds it too.
pub(super) const ITEMS_MAX: usize = 1_000;

/// A file of functions that scripts and `transform:` can use.
#[derive(Debug, Clone)]
pub struct Library {
    /// The file's name, for messages.
    pub name: String,
    /// Its text.
    pub source: String,
}

/// The engine with one client's functions. Shared by everything that is compiled with it.
pub(crate) struct Runtime {
    pub(super) engine: rhai::Engine,
    /// The functions of the libraries.
    pub(super) library: AST,
    /// What can be called: names and their numbers of arguments.
    pub(super) callable: Callable,
    /// True when a function of the libraries asks what has changed.
    pub(crate) asks_what_changed: bool,
}

/// True when a script asks what has changed, as far as its text tells: the function reads the old values unnamed.
pub(crate) fn asks_what_changed(source: &str) -> bool {
    source.contains("changed(")
}

/// Names of functions with the numbers of arguments that they take.
#[derive(Debug, Default, Clone)]
pub(super) struct Callable(pub(super) BTreeMap<String, BTreeSet<usize>>);

impl Callable {
    fn add(&mut self, name: &str, arguments: usize) {
        self.0.entry(name.to_owned()).or_default().insert(arguments);
    }
}

impl Runtime {
    /// Builds the engine and compiles the libraries. A fault's path begins with the library's name.
    pub(crate) fn new(libraries: &[Library]) -> Result<Self, Vec<Fault>> {
        let engine = sandbox();
        let mut callable = native(&engine);
        let mut library = AST::empty();
        let mut faults = Vec::new();
        let mut parts = Vec::new();
        for part in libraries {
            match engine.compile(&part.source) {
                Ok(ast) => {
                    for function in ast.iter_functions().filter(|function| !function.name.contains('$')) {
                        callable.add(function.name, function.params.len());
                    }
                    library = library.merge(&ast.clone_functions_only());
                    parts.push((part, ast));
                }
                Err(error) => faults.push(named(errors::syntax(&part.source, &error), part)),
            }
        }
        // Functions of one library may call those of another, so all names are known before any body is checked.
        for (part, ast) in parts {
            faults.extend(
                check::library(&part.source, &ast, &callable).into_iter().map(|fault| named(fault, part)),
            );
        }
        let asks_what_changed = libraries.iter().any(|library| asks_what_changed(&library.source));
        if faults.is_empty() {
            Ok(Self { engine, library, callable, asks_what_changed })
        } else {
            Err(faults)
        }
    }

    /// Calls a function of a library with one value.
    pub(crate) fn call_library(
        &self,
        name: &str,
        value: &Value,
        context: &Context,
    ) -> Result<Value, EvalError> {
        let _entered = ambient::enter(context, &[], []);
        let result = self
            .engine
            .call_fn::<Dynamic>(&mut Scope::new(), &self.library, name, (to_dynamic(value),))
            .map_err(|error| errors::failed(&error))?;
        from_dynamic(&result).map_err(EvalError::Unfit)
    }

    /// Why scripts could not use `name` for a value; `None` when they can.
    pub(crate) fn reserved(&self, name: &str) -> Option<Fault> {
        let usable =
            rhai::is_valid_identifier(name) && self.engine.compile(format!("let {name} = ();")).is_ok();
        (!usable).then(|| {
            Fault::new(
                FaultKind::ReservedName,
                format!("`{name}` cannot be a name: scripts could not use it"),
            )
            .help("use letters, digits and `_`, and no word of Rhai")
        })
    }

    /// True when a library has this function of one argument.
    pub(crate) fn has_library_function(&self, name: &str) -> bool {
        self.library.iter_functions().any(|function| function.name == name && function.params.len() == 1)
    }

    /// True when scripts can call a function of this name.
    pub(crate) fn has_function(&self, name: &str) -> bool {
        self.callable.0.contains_key(name)
    }

    /// The names of the libraries' functions of one argument.
    pub(crate) fn library_functions(&self) -> impl Iterator<Item = &str> {
        let functions = self.library.iter_functions().filter(|function| function.params.len() == 1);
        functions.map(|function| function.name).filter(|name| !name.contains('$'))
    }
}

fn named(fault: Fault, library: &Library) -> Fault {
    fault.under(FaultSeg::Key(library.name.clone()))
}

/// An engine without anything that reaches outside.
///
/// `Engine::new()` would bring `sleep`, which `disable_symbol` does not remove: hence `new_raw` and the packages
/// without the core one.
fn sandbox() -> rhai::Engine {
    let mut engine = rhai::Engine::new_raw();
    engine.register_global_module(BasicFnPackage::new().as_shared_module());
    engine.register_global_module(BasicStringPackage::new().as_shared_module());
    engine.register_global_module(MoreStringPackage::new().as_shared_module());
    engine.register_global_module(BasicArrayPackage::new().as_shared_module());
    engine.register_global_module(BasicMapPackage::new().as_shared_module());
    engine.register_global_module(BasicMathPackage::new().as_shared_module());
    engine.register_global_module(BasicIteratorPackage::new().as_shared_module());
    for symbol in ["eval", "print", "debug"] {
        engine.disable_symbol(symbol);
    }
    free_words(&mut engine);
    resolved(&mut engine);
    engine.set_max_operations(OPERATIONS_MAX);
    engine.set_max_call_levels(CALLS_MAX);
    engine.set_max_expr_depths(64, 32);
    engine.set_max_string_size(TEXT_MAX);
    engine.set_max_array_size(ITEMS_MAX);
    engine.set_max_map_size(ITEMS_MAX);
    engine.set_max_variables(64);
    // Rhai's own operators would come before ours.
    engine.set_fast_operators(false);
    // The syntax tree must hold all that was written, so that all of it is checked.
    engine.set_optimization_level(OptimizationLevel::None);
    engine.on_progress(|operations| {
        (operations % 64 == 0 && ambient::is_late())
            .then(|| format!("it ran longer than {} ms", ambient::TIME_MAX.as_millis()).into())
    });
    operators::register(&mut engine);
    functions(&mut engine);
    script::register(&mut engine);
    engine
}

/// Words that Rhai reserves and does not use, and that data has as names: a part's arguments are `with.customer`.
const FREE_WORDS: [&str; 13] = [
    "with", "case", "default", "go", "match", "module", "new", "package", "public", "shared", "static",
    "super", "use",
];

/// Makes these words names like any other.
#[expect(deprecated, reason = "the hook is called volatile; a test of ours tells when it changes")]
fn free_words(engine: &mut rhai::Engine) {
    engine.on_parse_token(|token, _, _| match token {
        Token::Reserved(word) if FREE_WORDS.contains(&word.as_str()) => Token::Identifier(word),
        other => other,
    });
}

/// Gives scripts the names of their context ([`ambient`]). A variable of the script's own comes first: where its place in the scope
/// is not known beforehand, the scope is asked.
#[expect(deprecated, reason = "the hook is called volatile; tests of ours tell when it changes")]
fn resolved(engine: &mut rhai::Engine) {
    engine.on_var(|name, place, context| {
        let own = place > 0 || context.scope().contains(name);
        Ok(if own { None } else { ambient::variable(name) })
    });
}

/// Offers our functions. Each is registered for texts and for anything, because Rhai has functions of some of these
/// names for texts (its `trim` changes the text in place), and the most exact types are found first.
fn functions(engine: &mut rhai::Engine) {
    let types = [TypeId::of::<Dynamic>(), TypeId::of::<ImmutableString>()];
    for function in FUNCTIONS {
        for count in function.min..=function.max.min(ARGUMENTS_MAX) {
            for choice in 0..1_usize << count {
                let parameters = (0..count).map(|place| types[choice >> place & 1]).collect::<Vec<_>>();
                engine.register_raw_fn(function.name, parameters, move |_, args| {
                    let args = args.iter().map(|arg| from_dynamic(arg)).collect::<Result<Vec<_>, _>>();
                    let context =
                        ambient::context().ok_or_else(|| operators::failure("called outside of a run"))?;
                    let value = function.call(&args.map_err(operators::failure)?, &context);
                    value.map(|value| to_dynamic(&value)).map_err(|unfit| operators::failure(unfit.0))
                });
            }
        }
    }
}

/// Everything that a script can call without defining it.
fn native(engine: &rhai::Engine) -> Callable {
    let mut callable = Callable::default();
    let all = engine.collect_fn_metadata(
        None,
        |function| Some((function.metadata.name.to_string(), function.metadata.num_params)),
        true,
    );
    for (name, arguments) in all {
        callable.add(&name, arguments);
    }
    callable
}
