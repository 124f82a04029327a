//! Unquoted values that are YAML and most likely not what was meant.

use std::sync::Arc;

use super::{SourceFile, Span, quote, scalar};
use crate::diagnostic::{Code, Diagnostic, Place};

/// Keys whose value is a script: a comment behind one is no surprise, a cut one is.
pub(super) const SCRIPT_KEYS: &[&str] = &["when", "that", "guard", "script"];

/// One unquoted scalar and what surrounds it.
pub(super) struct Plain<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) text: &'a str,
    pub(super) span: Span,
    /// The key whose value it is; none for a key or a list element.
    pub(super) key: Option<&'a str>,
    /// True between `{` and `}`, or `[` and `]`.
    pub(super) in_flow: bool,
}

impl Plain<'_> {
    /// What is suspicious about the scalar; of several suspicions the first.
    pub(super) fn suspect(&self) -> Option<Diagnostic> {
        if scalar::is_plus_number(self.text) {
            return Some(self.plus());
        }
        let by_comma = if self.in_flow { self.cut_by_comma() } else { None };
        by_comma.or_else(|| self.cut_by_comment())
    }

    fn plus(&self) -> Diagnostic {
        let fact = format!("`{}` is text here, and a number to other readers of YAML", self.text);
        self.at(Code::PlusNumber, self.span, fact)
            .label("digits behind a plus, without quotes")
            .help(format!("write `{}`", quote::quoted(self.text)))
            .fix(quote::fix(self.file, &self.span.range(), &quote::quoted(self.text)))
    }

    /// `{ at: f(a, b) }` is a map of two keys, the second of which is `b)`.
    fn cut_by_comma(&self) -> Option<Diagnostic> {
        let start = self.span.start as usize;
        let source = self.file.text();
        let comma = source.get(self.span.end as usize..)?.trim_start().starts_with(',');
        let compares = self.text.contains("==") || self.text.contains("!=") || self.text.contains('+');
        if !comma || !(opens(self.text, '(', ')') || compares && odd_quotes(self.text)) {
            return None;
        }
        let value = source.get(start..quote::value_end(source, start, true)).unwrap_or(self.text);
        Some(
            self.at(Code::BracketInFlow, self.span, format!("`{}` is cut at the comma", self.text))
                .label("between brackets a comma ends an unquoted value")
                .help(format!("write `{}`", quote::quoted(value)))
                .fix(quote::fix(self.file, &(start..start + value.len()), &quote::quoted(value))),
        )
    }

    fn cut_by_comment(&self) -> Option<Diagnostic> {
        let source = self.file.text();
        let behind = source.get(self.span.end as usize..)?;
        let missing = self.span.start == self.span.end;
        // The span of a value that is not there ends at its key, before the colon.
        let behind = if missing { behind.strip_prefix(':')? } else { behind };
        let white = behind.len() - behind.trim_start_matches([' ', '\t']).len();
        // Asked before the line's end is looked for: a line may hold very many values.
        let comment = behind.get(white..).filter(|rest| white > 0 && rest.starts_with('#'))?;
        let comment = comment.lines().next().unwrap_or_default().trim_end();
        let inside = comment.strip_prefix('#')?;
        if !(if missing { inside.starts_with('{') } else { self.goes_on_in(inside) }) {
            return None;
        }
        let start = source.len() - behind.len() + white;
        let written = source.get(self.span.start as usize..start + comment.len()).unwrap_or_default();
        let value = if missing { comment } else { written };
        let fact = if missing { "the value is a comment" } else { "a comment cuts this value short" };
        let at = Span::new(start, start + comment.len());
        Some(
            self.at(Code::CommentCutsText, at, fact)
                .label("` #` begins a comment")
                .help(format!("if it belongs to the value, write `{}`", quote::quoted(value))),
        )
    }

    /// True when the value looks unfinished, or the comment not like one.
    fn goes_on_in(&self, comment: &str) -> bool {
        let next = comment.chars().next();
        let script = self.key.is_some_and(|key| SCRIPT_KEYS.contains(&key));
        odd_quotes(self.text) && comment.contains('"')
            || opens(self.text, '(', ')') && comment.contains(')')
            || opens(self.text, '[', ']') && comment.contains(']')
            || opens(self.text, '{', '}') && comment.contains('}')
            || ["==", "!=", "&&", "||", " +"].iter().any(|operator| self.text.ends_with(operator))
            || next.is_some_and(|next| next.is_ascii_digit() || matches!(next, '$' | '{' | '"' | '\''))
            || script && next.is_some_and(char::is_alphanumeric)
    }

    fn at(&self, code: Code, span: Span, fact: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, Place::bytes(Arc::clone(self.file.path()), span), fact)
    }
}

fn odd_quotes(text: &str) -> bool {
    text.matches('"').count() % 2 == 1
}

/// True when more is opened than closed.
fn opens(text: &str, open: char, close: char) -> bool {
    text.matches(open).count() > text.matches(close).count()
}
