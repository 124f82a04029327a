//! `JUnit` XML, as CI systems read it.

use std::borrow::Cow;
use std::fmt::Write;

use super::results::{Case, Results};

/// The results as one XML document: a suite for each pipeline, a test case for each case.
pub(super) fn junit(results: &Results) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all: Vec<&Case> = results.cases.iter().collect();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "<testsuites name=\"lockstep\" {}>", counted(&all));
    for cases in all.chunk_by(|a, b| (&a.client, &a.pipeline) == (&b.client, &b.pipeline)) {
        suite(&mut text, cases);
    }
    text.push_str("</testsuites>\n");
    text
}

fn suite(text: &mut String, cases: &[&Case]) {
    let Some(first) = cases.first() else { return };
    let name = format!("{}/{}", first.client, first.pipeline);
    let _ = writeln!(
        text,
        "  <testsuite name=\"{}\" file=\"{}\" {}>",
        escaped(&name),
        escaped(&first.file),
        counted(cases)
    );
    for case in cases {
        let _ = write!(
            text,
            "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3}\"",
            escaped(&case.name),
            escaped(&name),
            escaped(&case.file),
            case.line,
            case.seconds
        );
        if case.passed {
            text.push_str("/>\n");
            continue;
        }
        let told = format!("{}\nat {}:{}", case.told(), case.file, case.line);
        let message = told.lines().next().unwrap_or_default();
        let _ = writeln!(
            text,
            ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
            escaped(message),
            escaped(&told)
        );
    }
    text.push_str("  </testsuite>\n");
}

fn counted(cases: &[&Case]) -> String {
    let failures = cases.iter().filter(|case| !case.passed).count();
    let seconds: f64 = cases.iter().map(|case| case.seconds).sum();
    let tests = cases.len();
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" time=\"{seconds:.3}\"")
}

/// Text that may stand between tags and in attributes. What XML has no place for (most control characters) is shown by
/// the sign for what cannot be shown.
fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |c: char| !matches!(c, '<' | '>' | '&' | '"' | '\'') && (c >= ' ' || c == '\n') && is_xml(c);
    if text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' => escaped.push_str("&#9;"),
            '\r' => escaped.push_str("&#13;"),
            c if is_xml(c) => escaped.push(c),
            _ => escaped.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Cow::Owned(escaped)
}

/// True for the characters of XML 1.0.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn hostile_texts_stay_text() {
        for (text, shown) in [
            ("a < b && c > \"d\"", "a &lt; b &amp;&amp; c &gt; &quot;d&quot;"),
            ("]]>", "]]&gt;"),
            ("bell \u{7} and \u{0}", "bell \u{fffd} and \u{fffd}"),
            ("tab\tand\r\nline", "tab&#9;and&#13;\nline"),
            ("Zoë \u{1f600}", "Zoë \u{1f600}"),
            ("\u{ffff}", "\u{fffd}"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }
}
