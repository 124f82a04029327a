//! A script as terms.

use std::ops::Range;
use std::sync::Arc;

use rhai::{AST, ASTNode, Dynamic, Expr, FnCallExpr, FnPtr, Position, Stmt};

use super::chains::{Chain, Link, chain};
use super::program::Program;
use super::script::{CALL, Script};
use super::text;
use super::values::from_dynamic;
use crate::expr::outline::{Outlining, Term, What};
use crate::value::Value;

impl Program {
    /// The script as a term.
    pub(in crate::expr) fn outline(&self, at: &Outlining<'_>) -> Term {
        Outline { at, ast: self.ast() }.statements(self.ast().statements())
    }
}

impl Script {
    /// The script as a term. `source` is what it was compiled from.
    pub fn outline(&self, source: &str) -> Term {
        let at = Outlining { source, path: Arc::from([]), offset: 0 };
        Outline { at: &at, ast: self.ast() }.statements(self.ast().statements())
    }
}

struct Outline<'a> {
    at: &'a Outlining<'a>,
    ast: &'a AST,
}

impl Outline<'_> {
    fn term(&self, range: Range<usize>, what: What) -> Term {
        self.at.term(range, what)
    }

    /// A term that begins at a position of Rhai's.
    fn from(&self, position: Position, what: What) -> Term {
        self.term(text::token(self.at.source, position), what)
    }

    fn all(&self) -> Range<usize> {
        0..self.at.source.len()
    }

    fn statements<'s>(&self, statements: impl IntoIterator<Item = &'s Stmt>) -> Term {
        // What Rhai does beforehand for a closure that captures names is nothing that was written.
        let mut terms: Vec<Term> = statements
            .into_iter()
            .filter(|statement| !matches!(statement, Stmt::Noop(_) | Stmt::Share(..)))
            .map(|statement| self.statement(statement))
            .collect();
        match terms.pop() {
            Some(only) if terms.is_empty() => only,
            Some(last) => {
                terms.push(last);
                self.term(self.all(), What::Block(terms))
            }
            None => self.term(self.all(), What::Literal(Value::Null)),
        }
    }

    fn boxed(&self, expr: &Expr) -> Box<Term> {
        Box::new(self.expr(expr))
    }

    fn statement(&self, statement: &Stmt) -> Term {
        match statement {
            Stmt::If(flow, position) => {
                let otherwise =
                    (!flow.branch.is_empty()).then(|| Box::new(self.statements(flow.branch.iter())));
                let condition = self.boxed(&flow.expr);
                let then = Box::new(self.statements(flow.body.iter()));
                self.from(*position, What::If { condition, then, otherwise })
            }
            Stmt::While(flow, position) | Stmt::Do(flow, _, position) => {
                let parts = vec![self.expr(&flow.expr), self.statements(flow.body.iter())];
                self.from(*position, What::Other(parts))
            }
            Stmt::Switch(switch, position) => {
                let on = self.boxed(&switch.0);
                let cases = switch.1.expressions.iter().map(|case| self.expr(&case.rhs)).collect();
                self.from(*position, What::Switch { on, cases })
            }
            Stmt::For(parts, position) => {
                let (name, _, flow) = &**parts;
                let over = self.boxed(&flow.expr);
                let body = Box::new(self.statements(flow.body.iter()));
                self.from(*position, What::For { name: name.name.as_str().into(), over, body })
            }
            Stmt::Var(parts, _, position) => {
                let value = self.boxed(&parts.1);
                self.from(*position, What::Let { name: parts.0.name.as_str().into(), value })
            }
            Stmt::Assignment(parts) => {
                let Chain { base, .. } = chain(&parts.1.lhs);
                let value = self.boxed(&parts.1.rhs);
                match base {
                    Expr::Variable(name, _, position) => {
                        self.from(*position, What::Assign { name: name.1.as_str().into(), value })
                    }
                    _ => self.term(self.all(), What::Other(vec![*value])),
                }
            }
            Stmt::FnCall(call, position) => self.call(None, call, *position),
            Stmt::Block(block) => self.statements(block.iter()),
            Stmt::TryCatch(flow, position) => {
                let parts = vec![self.statements(flow.body.iter()), self.statements(flow.branch.iter())];
                self.from(*position, What::Other(parts))
            }
            Stmt::Expr(expr) => self.expr(expr),
            Stmt::Return(value, _, position) => {
                let value = value.as_ref().map(|value| self.boxed(value));
                self.from(*position, What::Return(value))
            }
            Stmt::BreakLoop(value, _, position) => {
                let value = value.iter().map(|value| self.expr(value)).collect();
                self.from(*position, What::Other(value))
            }
            _ => self.term(self.all(), What::Other(Vec::new())),
        }
    }

    fn expr(&self, expr: &Expr) -> Term {
        let position = expr.start_position();
        match expr {
            Expr::Dot(..) | Expr::Index(..) => self.chain(expr),
            Expr::Variable(name, ..) => self.from(position, What::Name(name.1.as_str().into())),
            Expr::BoolConstant(value, _) => self.from(position, What::Literal(Value::Bool(*value))),
            Expr::IntegerConstant(value, _) => self.from(position, What::Literal(Value::Int(*value))),
            Expr::CharConstant(value, _) => {
                let text = value.to_string();
                self.term(text::quoted(self.at.source, position), What::Literal(Value::Text(text.into())))
            }
            Expr::StringConstant(value, _) => {
                let text = Value::Text(value.as_str().into());
                self.term(text::quoted(self.at.source, position), What::Literal(text))
            }
            Expr::Unit(_) => self.from(position, What::Literal(Value::Null)),
            Expr::InterpolatedString(parts, _) => {
                let parts = parts.iter().map(|part| self.expr(part)).collect();
                self.term(text::quoted(self.at.source, position), What::Text(parts))
            }
            Expr::Array(parts, _) => {
                let parts = parts.iter().map(|part| self.expr(part)).collect();
                self.from(position, What::List(parts))
            }
            Expr::Map(parts, _) => {
                let entries = parts.0.iter();
                let entries = entries.map(|(key, value)| (key.name.as_str().into(), self.expr(value)));
                self.from(position, What::Map(entries.collect()))
            }
            Expr::And(parts, _) => self.parts(parts.iter(), position, What::And),
            Expr::Or(parts, _) => self.parts(parts.iter(), position, What::Or),
            Expr::Coalesce(parts, _) => self.parts(parts.iter(), position, What::First),
            Expr::Stmt(block) => self.statements(block.iter()),
            Expr::FnCall(call, position) | Expr::MethodCall(call, position) => {
                self.call(None, call, *position)
            }
            Expr::DynamicConstant(value, _) => self.constant(value, position),
            _ => self.from(position, What::Other(Vec::new())),
        }
    }

    fn parts<'e>(
        &self,
        parts: impl Iterator<Item = &'e Expr>,
        position: Position,
        what: fn(Vec<Term>) -> What,
    ) -> Term {
        let parts = parts.map(|part| self.expr(part)).collect();
        self.from(position, what(parts))
    }

    fn constant(&self, value: &Dynamic, position: Position) -> Term {
        if let Some(function) = value.read_lock::<FnPtr>() {
            return self.closure(function.fn_name(), 0, position);
        }
        let what = from_dynamic(value).map_or(What::Other(Vec::new()), What::Literal);
        self.from(position, what)
    }

    fn chain(&self, expr: &Expr) -> Term {
        let Chain { base, links } = chain(expr);
        links.iter().fold(self.expr(base), |of, link| match link {
            Link::Name(key, _) => {
                let of = Box::new(of);
                self.term(link.range(self.at.source), What::Member { of, key: (*key).into() })
            }
            Link::Index(Expr::StringConstant(key, _)) => {
                let of = Box::new(of);
                self.term(link.range(self.at.source), What::Member { of, key: key.as_str().into() })
            }
            Link::Index(index) => {
                let index = self.boxed(index);
                self.term(link.range(self.at.source), What::Element { of: Box::new(of), index })
            }
            Link::Method(call, position) => self.call(Some(of), call, *position),
        })
    }

    /// A call; the receiver of a method is its first argument.
    fn call(&self, receiver: Option<Term>, call: &FnCallExpr, position: Position) -> Term {
        if call.name == "curry"
            && let Some(Expr::DynamicConstant(value, _)) = call.args.first()
            && let Some(function) = value.read_lock::<FnPtr>()
        {
            return self.closure(function.fn_name(), call.args.len() - 1, position);
        }
        let name = if call.name == CALL { "call" } else { call.name.as_str() };
        let args = receiver.into_iter().chain(call.args.iter().map(|arg| self.expr(arg))).collect();
        let range = if call.is_operator_call() && position.is_none() {
            self.all()
        } else {
            text::token(self.at.source, position)
        };
        self.term(range, What::Call { name: name.into(), args })
    }

    /// A closure, without the `captured` values that Rhai passes before its own parameters.
    fn closure(&self, name: &str, captured: usize, position: Position) -> Term {
        let mut only = self.ast.clone_functions_only();
        only.retain_functions(|_, _, candidate, _| candidate == name);
        let parameters = only.iter_functions().next().map(|function| {
            let own = function.params.iter().skip(captured);
            own.map(|parameter| Arc::from(*parameter)).collect::<Vec<Arc<str>>>()
        });
        let mut body = Vec::new();
        only.walk(&mut |path| {
            if let [ASTNode::Stmt(statement)] = path {
                body.push(self.statement(statement));
            }
            true
        });
        let body = match body.pop() {
            Some(last) if body.is_empty() => last,
            Some(last) => {
                body.push(last);
                self.from(position, What::Block(body))
            }
            None => self.from(position, What::Literal(Value::Null)),
        };
        let parameters = parameters.unwrap_or_default();
        self.from(position, What::Closure { parameters, body: Box::new(body) })
    }
}
