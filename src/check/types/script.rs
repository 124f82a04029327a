//! Statements of scripts, and what is known where a condition holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::assume::assume;
use super::infer::{Infer, element_of};
use super::shape::{Kind, Shape};
use crate::expr::{Term, What};

impl Infer<'_> {
    /// What a statement gives.
    pub(super) fn statement(&mut self, term: &Term) -> Shape {
        match &term.what {
            What::If { condition, then, otherwise } => {
                self.condition(condition);
                let then = self.where_holds(condition, true, |this| this.term(then));
                let otherwise = match otherwise {
                    Some(otherwise) => self.where_holds(condition, false, |this| this.term(otherwise)),
                    None => Shape::nothing(),
                };
                then.or(&otherwise)
            }
            What::Block(statements) => {
                let outside = self.scope.locals.len();
                let mut last = Shape::nothing();
                for statement in statements {
                    last = self.term(statement);
                }
                self.scope.locals.truncate(outside);
                if statements.iter().any(returns) { Shape::UNKNOWN } else { last }
            }
            What::Let { name, value } => {
                let shape = self.term(value);
                self.scope.forget(name);
                self.scope.locals.push((Arc::clone(name), shape));
                Shape::nothing()
            }
            What::Assign { value, .. } => {
                self.term(value);
                Shape::nothing()
            }
            What::For { name, over, body } => {
                let list = self.term(over);
                self.inside(name, element_of(&list), |this| this.term(body));
                Shape::nothing()
            }
            What::Switch { on, cases } => {
                self.term(on);
                let loose = std::mem::replace(&mut self.scope.loose, true);
                let shapes: Vec<Shape> = cases.iter().map(|case| self.term(case)).collect();
                self.scope.loose = loose;
                shapes.into_iter().reduce(|a, b| a.or(&b)).unwrap_or(Shape::UNKNOWN)
            }
            What::Return(value) => value.as_ref().map_or_else(Shape::nothing, |value| self.term(value)),
            What::Closure { .. } => {
                self.closure(term, &[]);
                Shape::UNKNOWN
            }
            What::Other(parts) => {
                for part in parts {
                    self.term(part);
                }
                Shape::UNKNOWN
            }
            _ => Shape::UNKNOWN,
        }
    }

    /// A condition inside a script.
    pub(super) fn condition(&mut self, condition: &Term) {
        self.tolerant += 1;
        self.term(condition);
        self.tolerant -= 1;
    }

    /// Looks at something where a condition holds, or does not.
    pub(super) fn where_holds<T>(
        &mut self,
        condition: &Term,
        truth: bool,
        look: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.scope.clone();
        assume(&mut self.scope, condition, truth);
        let result = look(self);
        self.scope = before;
        result
    }

    /// Looks at something that sees one more variable.
    pub(super) fn inside<T>(
        &mut self,
        name: &Arc<str>,
        shape: Shape,
        look: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let facts = self.scope.facts.clone();
        self.scope.forget(name);
        self.scope.locals.push((Arc::clone(name), shape));
        let result = look(self);
        self.scope.locals.pop();
        self.scope.facts = facts;
        result
    }

    /// `all`: parts joined by "and"; else by "or".
    pub(super) fn all_of(&mut self, parts: &[Term], all: bool) -> Shape {
        let before = self.scope.clone();
        let mut known = Some(all);
        for part in parts {
            let shape = self.term(part);
            known = match (known, &shape.kind) {
                (Some(value), _) if value != all => Some(value),
                (_, Kind::Boolean(Some(value))) if *value != all => Some(*value),
                (Some(value), Kind::Boolean(Some(_))) => Some(value),
                _ => None,
            };
            assume(&mut self.scope, part, all);
        }
        self.scope = before;
        Shape::of(Kind::Boolean(known))
    }
}

/// The variables that a script gives another value.
pub(super) fn changing(term: &Term, found: &mut BTreeSet<Arc<str>>) {
    if let What::Assign { name, .. } = &term.what {
        found.insert(Arc::clone(name));
    }
    term.parts().into_iter().for_each(|part| changing(part, found));
}

/// True when a statement may end the script before its last one.
fn returns(term: &Term) -> bool {
    match &term.what {
        What::Return(_) => true,
        What::Closure { .. } => false,
        _ => term.parts().into_iter().any(returns),
    }
}
