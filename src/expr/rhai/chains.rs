//! Property chains of Rhai's syntax tree (`object.lines.data[0].id`), read as paths.

use std::ops::Range;

use rhai::{ASTFlags, Expr, FnCallExpr, Position};

use super::text;
use crate::expr::names::ReferenceSeg;

/// A chain: what it begins with, and what is read of it, in order.
pub(super) struct Chain<'a> {
    pub(super) base: &'a Expr,
    pub(super) links: Vec<Link<'a>>,
}

/// One step of a chain.
pub(super) enum Link<'a> {
    /// `.name`
    Name(&'a str, Position),
    /// `[expression]`
    Index(&'a Expr),
    /// `.method(...)`
    Method(&'a FnCallExpr, Position),
}

/// Takes an expression apart; one that is no chain has no links.
pub(super) fn chain(expr: &Expr) -> Chain<'_> {
    let (Expr::Dot(pair, flags, _) | Expr::Index(pair, flags, _)) = expr else {
        return Chain { base: expr, links: Vec::new() };
    };
    let mut chain = chain(&pair.lhs);
    extend(&mut chain.links, matches!(expr, Expr::Dot(..)), &pair.rhs, *flags);
    chain
}

/// Rhai nests chains to the right: the rest of one is the right side, unless the flag says that the chain ends.
fn extend<'a>(links: &mut Vec<Link<'a>>, dotted: bool, right: &'a Expr, flags: ASTFlags) {
    match right {
        Expr::Dot(pair, next, _) | Expr::Index(pair, next, _) if !flags.contains(ASTFlags::BREAK) => {
            links.push(link(dotted, &pair.lhs));
            extend(links, matches!(right, Expr::Dot(..)), &pair.rhs, *next);
        }
        last => links.push(link(dotted, last)),
    }
}

fn link(dotted: bool, expr: &Expr) -> Link<'_> {
    match expr {
        Expr::Property(names, position) if dotted => Link::Name(&names.2, *position),
        Expr::MethodCall(call, position) | Expr::FnCall(call, position) if dotted => {
            Link::Method(call, *position)
        }
        index => Link::Index(index),
    }
}

impl Link<'_> {
    /// The step as part of a reference; `None` for a method, which ends it.
    pub(super) fn segment(&self) -> Option<ReferenceSeg> {
        Some(match self {
            Self::Name(name, _) => ReferenceSeg::Name((*name).into()),
            Self::Index(Expr::StringConstant(name, _)) => ReferenceSeg::Name(name.as_str().into()),
            Self::Index(Expr::IntegerConstant(index, _)) => ReferenceSeg::Index(*index),
            Self::Index(_) => ReferenceSeg::Any,
            Self::Method(..) => return None,
        })
    }

    /// The bytes of the step's own token.
    pub(super) fn range(&self, source: &str) -> Range<usize> {
        match self {
            Self::Name(_, position) | Self::Method(_, position) => text::token(source, *position),
            Self::Index(index) => {
                let start = text::offset(source, index.start_position());
                start..text::constant_end(source, start)
            }
        }
    }

    /// The end of the step with its closing bracket.
    pub(super) fn end(&self, source: &str) -> usize {
        let range = self.range(source);
        match self {
            Self::Index(_) => source[range.end..].find(']').map_or(range.end, |at| range.end + at + 1),
            Self::Name(..) | Self::Method(..) => range.end,
        }
    }
}
