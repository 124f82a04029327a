//! Addresses: a base, a path in which every value is one escaped segment, and a query.
//!
//! A value cannot add, leave or climb a level of the path: everything but unreserved characters is percent-encoded,
//! and a value that would be an empty, `.` or `..` segment is refused, because servers and clients resolve those
//! even when they are encoded.

use std::fmt::Write as _;

use reqwest::Url;

use super::compile::Compiler;
use super::expression::Expression;
use super::failure::Failure;
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::Value;

/// A compiled path: `/sobjects/${object}/${id}`.
#[derive(Debug)]
pub(super) struct PathTemplate(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Literal(String),
    Value(Expression),
    /// Text that is split at its slashes.
    Split(Expression),
}

impl PathTemplate {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        written: &Value,
        names: &Names,
    ) -> Option<Self> {
        if let Some(segments) = written.as_list() {
            return Self::compile_list(compiler, at, segments, names);
        }
        let Some(text) = written.as_str().filter(|text| text.is_empty() || text.starts_with('/')) else {
            compiler.fault(at, "a path is text that begins with `/`, or a list of segments");
            return None;
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            push_literal(compiler, at, &mut pieces, &rest[..start]);
            let Some(end) = closing(rest, start + 2) else {
                compiler.fault(at, "a `${` is not closed");
                return None;
            };
            let expression = compiler.expression(at, &Value::from(&rest[start..=end]), names)?;
            pieces.push(Piece::Value(expression));
            rest = &rest[end + 1..];
        }
        push_literal(compiler, at, &mut pieces, rest);
        Some(Self(pieces))
    }

    fn compile_list(compiler: &mut Compiler, at: &Path, segments: &[Value], names: &Names) -> Option<Self> {
        let mut pieces = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            let at = at.index(index);
            pieces.push(Piece::Literal("/".into()));
            pieces.push(match segment.as_map().and_then(|map| map.get("segments")) {
                Some(split) => Piece::Split(compiler.expression(&at.key("segments"), split, names)?),
                None => Piece::Value(compiler.expression(&at, segment, names)?),
            });
        }
        Some(Self(pieces))
    }

    /// The escaped path for this call.
    pub(super) fn eval(&self, context: &Context) -> Result<String, Failure> {
        let mut path = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Value(expression) => push_segments(&mut path, &expression.eval(context)?)?,
                Piece::Split(expression) => push_segments(&mut path, &split(&expression.eval(context)?))?,
            }
        }
        let climbs = path.split('/').any(|segment| matches!(segment, "." | ".."));
        if climbs {
            Err(Failure::permanent("a value would change the path of the request"))
        } else {
            Ok(path)
        }
    }
}

fn push_literal(compiler: &mut Compiler, at: &Path, pieces: &mut Vec<Piece>, text: &str) {
    if text.contains(['?', '#']) {
        compiler.fault(at, "a path holds no `?` and no `#`; parameters belong into `query`");
    }
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.to_owned()));
    }
}

/// Where the `}` of the expression stands that begins at `from`: braces and texts inside it are passed over.
fn closing(text: &str, from: usize) -> Option<usize> {
    let mut depth = 0_u32;
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for (offset, char) in text[from..].char_indices() {
        match (quote, char) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == char => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(char),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(from + offset),
            (None, '}') => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A text in the parts between its slashes; anything else as it is.
fn split(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::list(text.split('/').filter(|part| !part.is_empty()).map(Value::from)),
        other => other.clone(),
    }
}

/// Adds a value as one segment, a list as several.
fn push_segments(path: &mut String, value: &Value) -> Result<(), Failure> {
    let one = std::slice::from_ref(value);
    let segments = value.as_list().filter(|segments| !segments.is_empty()).unwrap_or(one);
    for (index, segment) in segments.iter().enumerate() {
        let text = segment
            .to_text()
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Failure::permanent("a value of the request's path is empty"))?;
        if index > 0 {
            path.push('/');
        }
        push_escaped(path, &text);
    }
    Ok(())
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Puts an address together, and makes sure that it still is what was put together.
pub(super) fn join(base: &Url, path: &str, query: &str) -> Result<Url, Failure> {
    let text = format!("{}{path}", base.as_str().trim_end_matches('/'));
    let mut url = Url::parse(&text).map_err(|error| Failure::permanent(format!("no address: {error}")))?;
    // A browser's URL parser resolves `%2e%2e` as well; anything it changed was not meant.
    if url.origin() != base.origin() || !url.as_str().trim_end_matches('/').eq(text.trim_end_matches('/')) {
        return Err(Failure::permanent("a value would change the address of the request"));
    }
    if !query.is_empty() {
        url.set_query(Some(query));
    }
    Ok(url)
}
