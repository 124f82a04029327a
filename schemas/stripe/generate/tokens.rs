//! TypeScript's declarations as tokens; comments are left out.

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or keyword.
    Word(String),
    /// Text in quotes.
    Text(String),
    /// Any other sign.
    Sign(char),
}

/// Takes a file apart.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        rest = if first.is_whitespace() {
            &rest[first.len_utf8()..]
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("//") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if is_word(first) {
            let len = rest.find(|sign| !is_word(sign)).unwrap_or(rest.len());
            found.push(Token::Word(rest[..len].to_owned()));
            &rest[len..]
        } else if matches!(first, '\'' | '"') {
            let inner = &rest[1..];
            let end = inner.find(first).unwrap_or(inner.len());
            found.push(Token::Text(inner[..end].to_owned()));
            inner.get(end + 1..).unwrap_or_default()
        } else {
            found.push(Token::Sign(first));
            &rest[first.len_utf8()..]
        };
    }
    found
}

fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, '_' | '$')
}
