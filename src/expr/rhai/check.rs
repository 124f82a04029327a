//! What a script reads and calls, and whether all of it exists: found by walking the syntax tree, before anything
//! runs, all mistakes at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use rhai::{AST, ASTNode, Expr, FnCallExpr, FnPtr, Position, Stmt};

use super::chains::{Chain, Link, chain};
use super::engine::Callable;
use super::text;
use crate::expr::fault::{Fault, FaultKind};
use crate::expr::functions;
use crate::expr::names::{Names, Reference, ReferenceKind, ReferenceSeg};
use crate::nearest::Meant;

/// What was found in a script.
#[derive(Default)]
pub(super) struct Found {
    pub(super) faults: Vec<Fault>,
    pub(super) references: Vec<Reference>,
    /// The top-level names of the context that the script needs in its scope.
    pub(super) roots: BTreeSet<String>,
    /// Where a method is called of a name of the context.
    pub(super) methods: Vec<Method>,
}

/// A method that is called of a name of the context: of a connection, when that is one.
pub(super) struct Method {
    /// What it is called of.
    pub(super) of: String,
    pub(super) name: String,
    /// The bytes of its name.
    pub(super) range: Range<usize>,
    pub(super) args: Vec<Argument>,
}

/// What is known of an argument before anything runs.
pub(super) enum Argument {
    /// A text that is written out.
    Text(String),
    /// A map that is written out.
    Map(Vec<Entry>),
    /// Anything else.
    Other,
}

/// An entry of a map that is written out.
pub(super) struct Entry {
    pub(super) name: String,
    /// The bytes of the name.
    pub(super) range: Range<usize>,
    /// The paths of the context that its value is computed of; `None` when variables of the script have a part in it.
    pub(super) references: Option<Vec<Reference>>,
}

/// Checks a script against the names at its place. `callable` is what exists beside its own functions.
pub(super) fn script(source: &str, ast: &AST, names: &Names, callable: &Callable) -> Found {
    let mut walk = Walk::new(source, ast, Some(names), callable);
    walk.statements(ast.statements());
    walk.functions(ast);
    walk.found
}

/// Checks the functions of a library, which see their own arguments only.
pub(super) fn library(source: &str, ast: &AST, callable: &Callable) -> Vec<Fault> {
    let mut walk = Walk::new(source, ast, None, callable);
    for statement in ast.statements().iter().filter(|statement| !matches!(statement, Stmt::Noop(_))) {
        let message = "a library holds functions only (`fn name(argument) { ... }`)";
        walk.found.faults.push(
            Fault::new(FaultKind::ScriptSyntax, message).within(text::token(source, statement.position())),
        );
    }
    walk.functions(ast);
    walk.found.faults
}

/// Functions that Rhai knows without their being registered.
const KEYWORDS: [&str; 7] = ["type_of", "is_def_var", "is_def_fn", "is_shared", "Fn", "call", "curry"];

struct Walk<'a> {
    source: &'a str,
    /// The context's names; `None` inside a library.
    names: Option<&'a Names>,
    callable: &'a Callable,
    /// Functions of the script itself.
    own: BTreeMap<String, BTreeSet<usize>>,
    /// Variables of the script, innermost block last.
    locals: Vec<Vec<String>>,
    /// Closures that were met, with the names of the context that they capture.
    closures: VecDeque<(String, BTreeSet<String>, Vec<String>)>,
    /// True since a variable of the script, or a function of its own, was met.
    own_met: bool,
    found: Found,
}

/// How the value of an expression is used: decides whether a reference is `whole`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Compared, computed with, put into a text, given out.
    Leaf,
    /// Given to something that may read its fields.
    Whole,
}

impl<'a> Walk<'a> {
    fn new(source: &'a str, ast: &AST, names: Option<&'a Names>, callable: &'a Callable) -> Self {
        let mut own = BTreeMap::<_, BTreeSet<usize>>::new();
        for function in ast.iter_functions() {
            own.entry(function.name.to_owned()).or_default().insert(function.params.len());
        }
        Self {
            source,
            names,
            callable,
            own,
            locals: vec![Vec::new()],
            closures: VecDeque::new(),
            own_met: false,
            found: Found::default(),
        }
    }

    /// Walks the bodies of the script's functions, then those of closures, innermost last.
    fn functions(&mut self, ast: &AST) {
        let named = ast.iter_functions().filter(|function| !is_closure(function.name));
        for function in named {
            let parameters = function.params.iter().map(|name| (*name).to_owned()).collect();
            self.body(ast, function.name, function.params.len(), parameters);
        }
        while let Some((name, captured, around)) = self.closures.pop_front() {
            let Some(function) = ast.iter_functions().find(|function| function.name == name) else {
                continue;
            };
            let parameters = function.params.iter().filter(|name| !captured.contains(**name));
            let parameters = parameters.map(|name| (*name).to_owned()).chain(around).collect();
            self.body(ast, &name, function.params.len(), parameters);
        }
    }

    fn body(&mut self, ast: &AST, name: &str, count: usize, parameters: Vec<String>) {
        let outside = std::mem::replace(&mut self.locals, vec![parameters]);
        // Rhai tells the functions' bodies only by walking a whole tree.
        let mut only = ast.clone_functions_only();
        only.retain_functions(|_, _, candidate, parameters| candidate == name && parameters == count);
        only.walk(&mut |path| {
            if let [ASTNode::Stmt(statement)] = path {
                self.statement(statement);
            }
            true
        });
        self.locals = outside;
    }

    fn statements(&mut self, statements: &[Stmt]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn block<'s>(&mut self, statements: impl IntoIterator<Item = &'s Stmt>, variables: Vec<String>) {
        self.locals.push(variables);
        for statement in statements {
            self.statement(statement);
        }
        self.locals.pop();
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::If(flow, _) | Stmt::While(flow, _) | Stmt::Do(flow, ..) => {
                self.expr(&flow.expr, Use::Leaf);
                self.block(flow.body.iter(), Vec::new());
                self.block(flow.branch.iter(), Vec::new());
            }
            Stmt::Switch(switch, _) => {
                self.expr(&switch.0, Use::Leaf);
                for case in &switch.1.expressions {
                    self.expr(&case.lhs, Use::Leaf);
                    self.expr(&case.rhs, Use::Leaf);
                }
            }
            Stmt::For(parts, _) => {
                let (name, counter, flow) = &**parts;
                self.expr(&flow.expr, Use::Whole);
                let counter = counter.iter().map(|counter| counter.name.to_string());
                self.block(flow.body.iter(), std::iter::once(name.name.to_string()).chain(counter).collect());
            }
            Stmt::Var(parts, ..) => {
                self.expr(&parts.1, Use::Whole);
                self.declare(parts.0.name.to_string());
            }
            Stmt::Assignment(parts) => {
                self.assigned(&parts.1.lhs);
                self.expr(&parts.1.rhs, Use::Whole);
            }
            Stmt::FnCall(call, position) => self.call(call, *position, 0),
            Stmt::Block(block) => self.block(block.iter(), Vec::new()),
            Stmt::TryCatch(flow, _) => {
                self.block(flow.body.iter(), Vec::new());
                let caught = match &flow.expr {
                    Expr::Variable(name, ..) => vec![name.1.to_string()],
                    _ => Vec::new(),
                };
                self.block(flow.branch.iter(), caught);
            }
            Stmt::Expr(expr) | Stmt::BreakLoop(Some(expr), ..) | Stmt::Return(Some(expr), ..) => {
                self.expr(expr, Use::Leaf);
            }
            // Captures are met where the closure is; the others hold no expression.
            _ => {}
        }
    }

    fn declare(&mut self, name: String) {
        if let Some(scope) = self.locals.last_mut() {
            scope.push(name);
        }
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().flatten().any(|local| local == name)
    }

    /// The left side of `=`: a variable of the script, never the context.
    fn assigned(&mut self, left: &Expr) {
        let Chain { base, links } = chain(left);
        if let Expr::Variable(name, _, position) = base
            && !self.is_local(&name.1)
            && self.names.is_some_and(|names| names.has(&name.1))
        {
            let message = format!("`{}` cannot be changed", name.1);
            self.found.faults.push(
                Fault::new(FaultKind::ScriptSyntax, message)
                    .within(text::token(self.source, *position))
                    .help("compare with `==`, or keep a value of your own with `let`"),
            );
            return;
        }
        self.chain(base, &links, Use::Leaf);
    }

    fn expr(&mut self, expr: &Expr, used: Use) {
        match expr {
            Expr::Variable(..) | Expr::Dot(..) | Expr::Index(..) => {
                let Chain { base, links } = chain(expr);
                self.chain(base, &links, used);
            }
            Expr::InterpolatedString(parts, _) => self.each(parts, Use::Leaf),
            Expr::Array(parts, _) => self.each(parts, used),
            Expr::Map(parts, _) => self.each(parts.0.iter().map(|(_, value)| value), used),
            Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => {
                self.each(parts.iter(), used);
            }
            Expr::Stmt(block) => self.block(block.iter(), Vec::new()),
            Expr::FnCall(call, position) | Expr::MethodCall(call, position) => self.call(call, *position, 0),
            Expr::DynamicConstant(value, _) => {
                if let Some(function) = value.read_lock::<FnPtr>() {
                    self.closure(function.fn_name(), &[]);
                }
            }
            _ => {}
        }
    }

    fn each<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>, used: Use) {
        for expr in exprs {
            self.expr(expr, used);
        }
    }

    fn chain(&mut self, base: &Expr, links: &[Link<'_>], used: Use) {
        let steps = links.iter().map_while(Link::segment).collect::<Vec<_>>();
        let reads_on = steps.len() < links.len();
        match base {
            Expr::Variable(name, _, position) if !self.is_local(&name.1) => {
                let used = if reads_on { Use::Whole } else { used };
                self.reference(&name.1, *position, &steps, &links[..steps.len()], used);
            }
            Expr::Variable(..) | Expr::ThisPtr(_) => self.own_met = true,
            other => self.expr(other, Use::Whole),
        }
        if let (Expr::Variable(name, ..), Some(Link::Method(call, position))) = (base, links.first())
            && !self.is_local(&name.1)
        {
            let args = call.args.iter().map(|arg| self.argument(arg)).collect();
            let range = text::token(self.source, *position);
            let (of, name) = (name.1.to_string(), call.name.to_string());
            self.found.methods.push(Method { of, name, range, args });
        }
        for link in links {
            match link {
                Link::Index(index) => self.expr(index, Use::Leaf),
                Link::Method(call, position) => self.call(call, *position, 1),
                Link::Name(..) => {}
            }
        }
    }

    fn argument(&mut self, arg: &Expr) -> Argument {
        match arg {
            Expr::StringConstant(text, _) => Argument::Text(text.to_string()),
            Expr::Map(parts, _) => {
                let entries = parts.0.iter().map(|(name, value)| Entry {
                    name: name.name.to_string(),
                    range: text::token(self.source, name.pos),
                    references: self.computed_of(value),
                });
                Argument::Map(entries.collect())
            }
            _ => Argument::Other,
        }
    }

    /// The paths of the context that a value is computed of, as far as they alone make it. A look ahead: nothing is found by it.
    fn computed_of(&mut self, value: &Expr) -> Option<Vec<Reference>> {
        let met = std::mem::replace(&mut self.own_met, false);
        let (found, closures) = (std::mem::take(&mut self.found), self.closures.len());
        self.expr(value, Use::Leaf);
        let ahead = std::mem::replace(&mut self.found, found);
        let own = std::mem::replace(&mut self.own_met, met) || self.closures.len() > closures;
        self.closures.truncate(closures);
        (!own && ahead.methods.is_empty()).then_some(ahead.references)
    }

    fn reference(
        &mut self,
        name: &str,
        position: Position,
        steps: &[ReferenceSeg],
        links: &[Link<'_>],
        used: Use,
    ) {
        let token = text::token(self.source, position);
        let Some(names) = self.names else {
            let message = format!("`{name}` is not known here");
            let fault = Fault::new(FaultKind::UnknownVariable, message).within(token);
            self.found.faults.push(fault.help("a function sees its arguments only: pass it in"));
            return;
        };
        let rest: Vec<&str> = steps.iter().take(2).map_while(named).collect();
        if let Some(missing) = names.check(name, &rest) {
            let place = missing.segment.checked_sub(1).and_then(|link| links.get(link));
            let range = place.map_or(token, |link| link.range(self.source));
            self.found.faults.push(missing.fault.within(range));
            return;
        }
        self.found.roots.insert(name.to_owned());
        let end = links.last().map_or(token.end, |link| link.end(self.source));
        self.found.references.push(Reference {
            path: Vec::new(),
            range: token.start..end,
            kind: ReferenceKind::Rhai,
            segments: std::iter::once(ReferenceSeg::Name(name.into())).chain(steps.iter().cloned()).collect(),
            whole: used == Use::Whole,
        });
    }

    /// A call; `receiver` is 1 for a method, whose object is an argument too.
    fn call(&mut self, call: &FnCallExpr, position: Position, receiver: usize) {
        if call.name == "curry"
            && let Some(Expr::DynamicConstant(value, _)) = call.args.first()
            && let Some(function) = value.read_lock::<FnPtr>()
        {
            self.closure(function.fn_name(), &call.args[1..]);
            return;
        }
        if !call.is_operator_call() && call.name != "contains" {
            self.callee(call, position, receiver);
        }
        self.compared(call);
        let used = if call.is_operator_call() || is_scalar(&call.name) { Use::Leaf } else { Use::Whole };
        self.each(call.args.iter(), used);
    }

    /// A path of the context beside a word, or a list of words, that it is compared with.
    fn compared(&mut self, call: &FnCallExpr) {
        if matches!(call.name.as_str(), "==" | "!=") {
            call.args.iter().for_each(|side| self.single_character(side));
        }
        let Some(names) = self.names else { return };
        let (path, words) = match (call.name.as_str(), call.args.as_slice()) {
            // Rhai turns `x in list` into `contains(list, x)`.
            ("contains", [Expr::Array(words, _), path]) => (path, words.iter().collect::<Vec<_>>()),
            ("==" | "!=", [path, word]) => match path {
                Expr::StringConstant(..) => (word, vec![path]),
                _ => (path, vec![word]),
            },
            _ => return,
        };
        let Chain { base: Expr::Variable(root, ..), links } = chain(path) else { return };
        if self.is_local(&root.1) {
            return;
        }
        let segments: Option<Vec<ReferenceSeg>> = links.iter().map(Link::segment).collect();
        let Some(segments) = segments else { return };
        let mut whole: Vec<&str> = vec![root.1.as_str()];
        whole.extend(segments.iter().map_while(named));
        if whole.len() != segments.len() + 1 {
            return;
        }
        for word in words {
            if let Expr::StringConstant(text, position) = word
                && let Some(fault) = names.check_word(&whole, text)
            {
                self.found.faults.push(fault.within(text::quoted(self.source, *position)));
            }
        }
    }

    /// `'a'` is no text in Rhai, and equals none.
    fn single_character(&mut self, side: &Expr) {
        let Expr::CharConstant(character, position) = side else { return };
        let message = format!("`'{character}'` is a single character, and no text equals it");
        self.found.faults.push(
            Fault::new(FaultKind::ScriptSyntax, message)
                .within(text::quoted(self.source, *position))
                .help(format!("text stands in double quotes: `\"{character}\"`")),
        );
    }

    fn callee(&mut self, call: &FnCallExpr, position: Position, receiver: usize) {
        let name = call.name.as_str();
        let given = call.args.len() + receiver;
        let known = self.own.get(name).or_else(|| self.callable.0.get(name));
        let is_variable = self.is_local(name);
        self.own_met |= self.own.contains_key(name);
        let fault = match known {
            _ if KEYWORDS.contains(&name) || is_variable => return,
            Some(counts) if counts.contains(&given) => return,
            Some(counts) => {
                let counts = counts.iter().map(|count| count.saturating_sub(receiver).to_string());
                let takes = counts.collect::<Vec<_>>().join(" or ");
                let noun = if takes == "1" { "argument" } else { "arguments" };
                let message = format!("`{name}` takes {takes} {noun}, not {}", call.args.len());
                Fault::new(FaultKind::WrongArguments, message)
            }
            None => {
                let ours = functions::FUNCTIONS.iter().map(|function| function.name);
                let near = Meant::among(name, ours).or_else(|| {
                    let others = self.callable.0.keys().chain(self.own.keys()).map(String::as_str);
                    Meant::among(name, others.filter(|name| rhai::is_valid_identifier(name)))
                });
                let fault = Fault::new(FaultKind::UnknownFunction, format!("there is no function `{name}`"));
                match near {
                    Some(near) => fault.meaning(near),
                    None => fault,
                }
            }
        };
        self.found.faults.push(fault.within(text::token(self.source, position)));
    }

    /// Remembers a closure: what it captures of the context are references of its body, the rest are variables.
    fn closure(&mut self, name: &str, captured: &[Expr]) {
        let names = captured.iter().filter_map(|expr| match expr {
            Expr::Variable(name, ..) => Some(name.1.to_string()),
            _ => None,
        });
        let (local, context): (Vec<_>, Vec<_>) = names.partition(|name| self.is_local(name));
        self.closures.push_back((name.to_owned(), context.into_iter().collect(), local));
    }
}

/// The name of a step of a path; nothing for an index.
fn named(segment: &ReferenceSeg) -> Option<&str> {
    match segment {
        ReferenceSeg::Name(name) => Some(name),
        _ => None,
    }
}

fn is_closure(name: &str) -> bool {
    name.starts_with("anon$")
}

/// True for functions that read no fields of what they are given.
fn is_scalar(name: &str) -> bool {
    const READS_FIELDS: [&str; 5] = ["recurring", "mrr", "worst_status", "join", "sum"];
    functions::find(name).is_some() && !READS_FIELDS.contains(&name)
}
