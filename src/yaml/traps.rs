//! What an author most likely meant when the text is not YAML: one finding for what stopped the parser.
//!
//! YAML's own traps have a code and a fix each; the rest is `yaml-syntax`, in the author's words.

use std::ops::Range;
use std::sync::Arc;

use granit_parser::{ErrorKind, ScanError};

use super::{SourceFile, Span, quote};
use crate::diagnostic::{Code, Diagnostic, Fix, Place};

/// How far reading came.
pub(super) struct Context {
    /// The last scalar that was read; often the key of the value that is wrong.
    pub(super) last_scalar: Span,
    /// The last key that was read.
    pub(super) last_key: Span,
    /// The last list or map that was read to its end.
    pub(super) last_closed: Span,
    /// The innermost `{` or `[` that is still open.
    pub(super) open_flow: Option<Span>,
}

/// The finding for a text that the parser refuses.
pub(super) fn explain(file: &SourceFile, error: &ScanError, context: &Context) -> Diagnostic {
    let text = file.text();
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let trap = Trap { file, text, at, context };
    trap.tag(error.kind())
        .or_else(|| trap.by_kind(error.kind()))
        .unwrap_or_else(|| trap.at(Code::YamlSyntax, at..trap.char_end(at), error.info()))
}

/// Longer values are not shown in quotes, nor put into them unasked.
const QUOTED_MAX: usize = 120;

struct Trap<'a> {
    file: &'a SourceFile,
    text: &'a str,
    /// Where the parser stopped.
    at: usize,
    context: &'a Context,
}

impl Trap<'_> {
    fn by_kind(&self, kind: &ErrorKind) -> Option<Diagnostic> {
        use ErrorKind as Kind;
        if self.is_indented_by_tab() {
            return Some(self.tab());
        }
        match kind {
            Kind::InvalidTrailingDoubleQuotedScalar | Kind::InvalidTrailingSingleQuotedScalar => {
                Some(self.after_quotes())
            }
            Kind::MappingValueNotAllowed => Some(self.second_colon()),
            Kind::ExpectedFlowMappingSeparator | Kind::ExpectedFlowSequenceSeparator => Some(self.in_flow()),
            Kind::ExpectedBlockMappingKey | Kind::ExpectedBlockSequenceEntry | Kind::InvalidIndentation => {
                Some(self.misplaced())
            }
            Kind::TabNotAllowed
            | Kind::TabInBlockIndentation
            | Kind::TabInIndentation
            | Kind::TabInPlainScalar
            | Kind::TabAtBlockScalarStart => Some(self.tab()),
            Kind::MissingAnchorOrAliasName | Kind::UnknownAnchor => Some(self.alias()),
            Kind::SimpleKeyExpected => Some(self.no_key()),
            Kind::UnexpectedCharacter { character } => Some(self.reserved(*character)),
            Kind::UnclosedQuotedScalar | Kind::InvalidQuotedScalarIndent => Some(self.open_quote()),
            Kind::UnknownQuotedScalarEscape => Some(self.escape()),
            Kind::BlockSequenceEntryNotAllowed => Some(self.dash()),
            Kind::InvalidColonPlacement
            | Kind::UnclosedFlowCollection { .. }
            | Kind::UnexpectedEofFlowSequence
            | Kind::UnexpectedEofFlowMapping
            | Kind::UnexpectedEofImplicitFlowMapping
            | Kind::InvalidFlowScalarIndent => self.open_bracket(),
            Kind::MisplacedFlowCollectionEnd | Kind::MismatchedFlowCollectionEnd { .. } => {
                Some(self.closing_bracket())
            }
            Kind::InvalidBlockScalarHeader => Some(self.block_header()),
            Kind::RecursionLimitExceeded => {
                Some(self.here(Code::YamlLimit, "lists and maps are nested too deeply"))
            }
            _ => None,
        }
    }

    /// `when: !changed("items")`: whatever the parser says, a value that begins with `!` is the cause.
    fn tag(&self, kind: &ErrorKind) -> Option<Diagnostic> {
        let value = self.value();
        if !self.text.get(value.clone())?.starts_with('!') || matches!(kind, ErrorKind::TabInBlockIndentation)
        {
            return None;
        }
        let name =
            value.start..value.start + self.text.get(value.clone())?.find([' ', ',']).unwrap_or(value.len());
        let fact = format!("`{}` is a tag", self.text.get(name.clone())?);
        Some(
            self.at(Code::UnexpectedTag, name, fact)
                .label("an unquoted `!` begins a YAML tag")
                .help(self.way_out(&value))
                .fix(self.in_quotes(&value)),
        )
    }

    fn after_quotes(&self) -> Diagnostic {
        if let Some(begun) = self.begun_above() {
            let after =
                Place::bytes(Arc::clone(self.file.path()), Span::new(self.at, self.char_end(self.at)));
            return self
                .at(Code::TextAfterQuotes, begun, "a text in quotes goes on for lines, and text follows it")
                .label("it begins here, and has no end on this line")
                .related(after, "it ends at the quote before this")
                .help("end it with a quote");
        }
        let value = self.value();
        let help = match (self.apostrophe(&value), self.script(&value)) {
            (Some(text), _) => {
                format!("write {}, or double the quote inside", self.with_key(&value, &quote::quoted(text)))
            }
            (None, Some(script)) => format!(
                "where a script is wanted, write {}; where a text is, put the quotes around all of it",
                self.with_key(&value, &script)
            ),
            (None, None) => self.way_out(&value),
        };
        self.at(
            Code::TextAfterQuotes,
            self.at..value.end.max(self.char_end(self.at)),
            "text follows a value in quotes",
        )
        .label("the value ended at the quote before this")
        .help(help)
    }

    /// The line from the quote that begins the text which ends right before this, when that quote stands on an earlier line.
    fn begun_above(&self) -> Option<Range<usize>> {
        let before = self.text.get(..self.at)?.trim_end();
        let quote = before.chars().next_back().filter(|c| matches!(c, '"' | '\''))?;
        let inside = &before[..before.len() - 1];
        let mut quotes = inside.rmatch_indices(quote).map(|(at, _)| at);
        let start = quotes.find(|at| quote == '\'' || !inside[..*at].ends_with('\\'))?;
        let end = start + inside[start..].find('\n')?;
        Some(start..end)
    }

    /// The text of `'it's'`, where the quote in the middle is an apostrophe.
    fn apostrophe(&self, value: &Range<usize>) -> Option<&str> {
        let written = self.text.get(value.clone())?;
        let inside = written.strip_prefix('\'')?.strip_suffix('\'')?;
        (inside.matches('\'').count() % 2 == 1).then_some(inside)
    }

    /// What `"${a}" && b` means as a script: `a && b`.
    fn script(&self, value: &Range<usize>) -> Option<String> {
        let (first, rest) = self.text.get(value.clone())?.strip_prefix("\"${")?.split_once("}\"")?;
        let is_plain =
            !first.contains(['"', '{', '}']) && !rest.contains(['"', '\'', '#']) && !rest.contains(": ");
        is_plain.then(|| format!("{first}{rest}"))
    }

    fn second_colon(&self) -> Diagnostic {
        let last = self.context.last_scalar.range();
        let scalar = self.text.get(last.clone()).unwrap_or_default();
        if let Some(first_line) = scalar.lines().next().filter(|_| scalar.contains('\n')) {
            let value = last.start..last.start + first_line.len();
            // `a:b` on the line before this one is text, and swallows the next key.
            let tight = first_line.find(':').filter(|_| self.is_line_start(last.start));
            return match tight {
                Some(colon) => self
                    .at(
                        Code::YamlSyntax,
                        value.start + colon..value.start + colon + 1,
                        "no space follows this colon",
                    )
                    .label("without one the line is text and not a key")
                    .help("write a space after the colon"),
                None => self
                    .at(
                        Code::YamlSyntax,
                        self.line_text(),
                        "this key stands deeper than the line above allows",
                    )
                    .label("the line above has a value already")
                    .related(self.place(value), "this value would go on here")
                    .help("indent it as much as the key above"),
            };
        }
        let value = last.start..quote::value_end(self.text, last.start, self.in_flow_now()).max(self.at);
        self.at(Code::ColonInText, self.at..self.at + 1, "a second `: ` in one value")
            .label("a colon and a space separate a key from its value")
            .help(self.way_out(&value))
            .fix(self.in_quotes(&value))
    }

    fn in_flow(&self) -> Diagnostic {
        let last = self.context.last_scalar.range();
        let value = last.start..quote::value_end(self.text, last.start, true);
        let next = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        match next {
            Some(bracket @ ('[' | '{')) if last.end == self.at => self
                .at(Code::BracketInFlow, self.at..self.at + 1, format!("`{bracket}` in an unquoted value"))
                .label("between brackets this begins a list or map of its own")
                .help(self.way_out(&value))
                .fix(self.in_quotes(&value)),
            Some(':') if self.text.get(last.clone()).is_some_and(|scalar| !scalar.contains('\n')) => self
                .at(Code::ColonInText, self.at..self.at + 1, "a second `: ` in one value")
                .label("a colon and a space separate a key from its value")
                .help(self.way_out(&value))
                .fix(self.in_quotes(&value)),
            _ => {
                let finding =
                    self.here(Code::YamlSyntax, "a comma or a closing bracket is missing before this");
                self.with_open_bracket(finding)
                    .help("separate the elements with commas, and close the bracket")
            }
        }
    }

    /// Something stands where the next key or list element should begin.
    fn misplaced(&self) -> Diagnostic {
        let before = self.text.get(self.line_start()..self.at).unwrap_or_default();
        if before.trim_end().ends_with([']', '}']) {
            let closed = self.context.last_closed.start as usize;
            let value = closed..self.value().end;
            return self
                .at(
                    Code::TextAfterQuotes,
                    self.at..value.end.max(self.char_end(self.at)),
                    "text follows a closed bracket",
                )
                .label("the value ended at the bracket before this")
                .help(self.way_out(&value))
                .fix(self.in_quotes(&value));
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let line = self.line_text();
        if !before.trim().is_empty() && !rest.starts_with("- ") && before.trim() != "-" {
            return self.at(
                Code::YamlSyntax,
                self.at..line.end,
                "this does not belong to the value before it",
            );
        }
        let dash = before.trim() == "-" || rest.starts_with("- ");
        let fact = if dash {
            "a list element stands where a key is wanted"
        } else {
            "this line is indented like no line that it could belong to"
        };
        self.at(Code::YamlSyntax, line, fact)
            .label("it fits neither the lines above nor below")
            .help("indent it exactly as much as the lines it belongs to; `- ` only for elements of a list")
    }

    fn tab(&self) -> Diagnostic {
        // The tab is where the parser stopped, or at the beginning of one of the lines that follow.
        let from = self.line_start();
        let lines = self.text.get(from..).unwrap_or_default().split_inclusive('\n');
        let mut start = from;
        let mut indentation = self.at..self.char_end(self.at);
        for line in lines {
            let white = line.len() - line.trim_start_matches([' ', '\t']).len();
            if line.get(..white).is_some_and(|white| white.contains('\t')) {
                indentation = start..start + white;
                break;
            }
            start += line.len();
        }
        self.at(Code::TabIndentation, indentation, "a tab indents this line")
            .label("YAML is indented with spaces")
            .help("replace each tab with two spaces")
    }

    fn alias(&self) -> Diagnostic {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let name = rest.find([' ', ',', ']', '}', '\n', '\r', ':']).unwrap_or(rest.len()).max(1);
        let word = rest.get(..name).unwrap_or_default();
        let sign = rest.chars().next().unwrap_or('*');
        let fact =
            if sign == '&' { format!("`{word}` is an anchor") } else { format!("`{word}` is an alias") };
        let why = if sign == '&' {
            "an unquoted `&` names the value that follows"
        } else if word.len() > 1 {
            "no anchor of this name stands before it"
        } else {
            "an unquoted `*` refers to an anchor"
        };
        self.at(Code::BadAlias, self.at..self.at + name, fact)
            .label(why)
            .help(format!("text that begins with `{sign}` needs quotes: `{}`", quote::quoted(word)))
    }

    fn no_key(&self) -> Diagnostic {
        let line = self.line_text();
        let written = self.text.get(line.clone()).unwrap_or_default();
        if written.starts_with(['*', '&']) {
            return Trap { at: line.start, ..*self }.alias();
        }
        self.at(Code::YamlSyntax, line, "this line is neither a key with its value nor a list element")
            .label("no `: ` follows a key here")
            .help("write `key: value`, or join the line to the value above by indenting it")
    }

    fn reserved(&self, character: char) -> Diagnostic {
        let name =
            if character == '`' { "a backtick".into() } else { format!("`{}`", character.escape_debug()) };
        let finding = self.here(Code::YamlSyntax, format!("a value cannot begin with {name}"));
        if !matches!(character, '@' | '`' | '%') {
            return finding;
        }
        let value = self.value();
        finding.help(self.way_out(&value)).fix(self.in_quotes(&value))
    }

    fn open_quote(&self) -> Diagnostic {
        let from = self.context.last_scalar.end as usize;
        let before = self.text.get(from..self.at).unwrap_or_default();
        let start = before.find(['"', '\'']).map_or(self.at, |offset| from + offset);
        self.at(Code::YamlSyntax, start..self.char_end(start), "a text in quotes is not closed")
            .label("the quote that opens it")
            .help("close it with the same quote on the same line, or indent the lines it goes on in")
    }

    fn escape(&self) -> Diagnostic {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut chars = rest.char_indices();
        while let Some((offset, char)) = chars.next() {
            let Some((_, escaped)) = (char == '\\').then(|| chars.next()).flatten() else { continue };
            if !"0abtnvfre \"/\\N_LPxuU\t\r\n".contains(escaped) {
                let start = self.at + offset;
                return self
                    .at(
                        Code::YamlSyntax,
                        start..start + 1 + escaped.len_utf8(),
                        format!("`\\{escaped}` is not an escape"),
                    )
                    .label("a backslash in double quotes begins an escape")
                    .help("write `\\\\`, or use single quotes, in which a backslash is a backslash");
            }
        }
        self.here(Code::YamlSyntax, "an unknown escape in double quotes")
    }

    fn dash(&self) -> Diagnostic {
        self.at(Code::YamlSyntax, self.at..self.at + 1, "a list cannot begin on the line of its key")
            .label("`- ` begins a list element")
            .help("put each element on a line of its own, write `[a, b]`, or quote the text")
    }

    fn open_bracket(&self) -> Option<Diagnostic> {
        let open = self.context.open_flow?;
        let start = open.start as usize;
        let bracket = self.text.get(start..)?.chars().next()?;
        Some(
            self.at(Code::YamlSyntax, start..start + 1, format!("`{bracket}` is not closed"))
                .related(self.place(self.at..self.char_end(self.at)), "reading stopped here")
                .help("close the bracket, or quote the text if no list or map is meant"),
        )
    }

    fn closing_bracket(&self) -> Diagnostic {
        let finding = self.here(Code::YamlSyntax, "this bracket closes nothing");
        self.with_open_bracket(finding).help("remove it, or open one of the same kind before it")
    }

    fn block_header(&self) -> Diagnostic {
        let value = self.value();
        let line = self.text.get(value.clone()).unwrap_or_default();
        self.at(
            Code::YamlSyntax,
            value.clone(),
            format!("`{}` begins a block of text", line.get(..1).unwrap_or("|")),
        )
        .label("the text of a block begins on the next line")
        .help(self.way_out(&value))
        .fix(self.in_quotes(&value))
    }

    fn with_open_bracket(&self, finding: Diagnostic) -> Diagnostic {
        match self.context.open_flow {
            Some(open) => {
                let start = open.start as usize;
                finding.related(self.place(start..start + 1), "the bracket that is open")
            }
            None => finding,
        }
    }

    /// The whole value that stands on the line where the parser stopped, as far as it can be told.
    fn value(&self) -> Range<usize> {
        let start = quote::value_start(self.text, self.context.last_scalar, self.at);
        start..quote::value_end(self.text, start, self.in_flow_now()).max(start)
    }

    /// What to type: the value in quotes that keep it as it is.
    fn way_out(&self, value: &Range<usize>) -> String {
        let written = self.text.get(value.clone()).unwrap_or_default();
        if written.contains('\n') || written.len() > QUOTED_MAX {
            return "put single quotes around the whole value".into();
        }
        format!("write {}", self.with_key(value, &quote::quoted(written)))
    }

    /// The change that puts a value into quotes. A long one is left to a person, and one of several lines.
    fn in_quotes(&self, value: &Range<usize>) -> Fix {
        let written = self.text.get(value.clone()).unwrap_or_default();
        let mut fix = quote::fix(self.file, value, &quote::quoted(written));
        fix.safe = !written.contains('\n') && written.len() <= QUOTED_MAX;
        fix
    }

    /// The quoted value with its key before it, where `value` is the whole value of a short key.
    fn with_key(&self, value: &Range<usize>, quoted: &str) -> String {
        let key = self.file.slice(self.context.last_key);
        let between = self.text.get(self.context.last_key.end as usize..value.start).unwrap_or_default();
        if between.trim() == ":" && !self.in_flow_now() && key.len() <= 40 {
            format!("`{key}: {quoted}`")
        } else {
            format!("`{quoted}`")
        }
    }

    fn in_flow_now(&self) -> bool {
        self.context.open_flow.is_some()
    }

    fn is_indented_by_tab(&self) -> bool {
        let before = self.text.get(self.line_start()..self.at).unwrap_or_default();
        before.chars().take_while(|char| matches!(char, ' ' | '\t')).any(|char| char == '\t')
    }

    fn line_start(&self) -> usize {
        quote::line_start(self.text, self.at)
    }

    fn is_line_start(&self, at: usize) -> bool {
        let start = quote::line_start(self.text, at);
        self.text.get(start..at).is_some_and(|before| before.trim_start_matches("- ").trim().is_empty())
    }

    /// The text of the line, without indentation and line end.
    fn line_text(&self) -> Range<usize> {
        let start = self.line_start();
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let indentation = line.len() - line.trim_start().len();
        start + indentation..start + line.trim_end().len().max(indentation)
    }

    fn char_end(&self, at: usize) -> usize {
        let next = self.text.get(at..).and_then(|rest| rest.chars().next());
        at + next.filter(|char| !matches!(char, '\n' | '\r')).map_or(0, char::len_utf8)
    }

    fn place(&self, range: Range<usize>) -> Place {
        Place::bytes(Arc::clone(self.file.path()), Span::new(range.start, range.end))
    }

    fn here(&self, code: Code, fact: impl Into<String>) -> Diagnostic {
        self.at(code, self.at..self.char_end(self.at), fact)
    }

    fn at(&self, code: Code, range: Range<usize>, fact: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.place(range), fact)
    }
}
