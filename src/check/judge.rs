//! What becomes of a finding: a project says how much its rule matters, a comment excuses it in one place.
//!
//! `# lockstep: allow(code) reason` stands at the end of a line or above it; in a script, behind `//`. Comments that
//! say nothing, or excuse nothing, are findings themselves. What is firm ([`Code::is_firm`]) stays as it is: nothing
//! could run that has it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::view::Found;
use crate::config::RulesFile;
use crate::diagnostic::{Code, Diagnostic, Place, SourceFile, Sources, Span, Spot};
use crate::nearest::did_you_mean;

/// What a comment begins with that is for us.
const MARK: &str = "lockstep:";

/// The judge of all findings of one check.
pub(super) struct Judge<'a> {
    rules: Option<&'a RulesFile>,
    allows: BTreeMap<Arc<str>, Vec<Allow>>,
    /// What is wrong with the comments themselves.
    wrong: Vec<Diagnostic>,
}

/// One code that a comment excuses.
struct Allow {
    code: Code,
    /// Where the comment names it.
    place: Place,
    /// The line that it speaks of, from 1.
    line: usize,
    /// True above the first line of a file: the file as a whole is meant, too.
    is_head: bool,
    used: Cell<bool>,
}

impl<'a> Judge<'a> {
    /// The judge of a project: its rules, and the comments of all its files.
    pub(super) fn of(rules: Option<&'a RulesFile>, sources: &Sources) -> Self {
        let mut judge = Self { rules, allows: BTreeMap::new(), wrong: Vec::new() };
        // Most files have no such comment.
        for file in sources.files().filter(|file| file.text().contains(MARK)) {
            judge.read(file);
        }
        judge
    }

    /// The findings that stay, each as much as it matters here.
    pub(super) fn judge(&self, findings: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
        findings.into_iter().filter_map(|finding| self.verdict(finding, sources)).collect()
    }

    /// What is wrong with the comments themselves.
    pub(super) fn about_comments(&self) -> Vec<Diagnostic> {
        self.wrong.clone()
    }

    /// Comments that excused nothing. To be asked at the end, and only about files of which everything was looked at.
    pub(super) fn unused(&self, was_looked_at: impl Fn(&str) -> bool) -> Vec<Diagnostic> {
        let mut found = Found::new(Code::UnusedAllow);
        let allows =
            self.allows.iter().filter(|(file, _)| was_looked_at(file)).flat_map(|(_, allows)| allows);
        for allow in allows.filter(|allow| !allow.used.get()) {
            let fact = format!("nothing here is a finding of `{}`", allow.code);
            let finding = found.at(allow.place.clone(), fact);
            found.push(finding.label("it excuses nothing").help("take the comment away"));
        }
        found.into_findings()
    }

    fn verdict(&self, finding: Diagnostic, sources: &Sources) -> Option<Diagnostic> {
        if finding.code.is_firm() {
            return Some(finding);
        }
        let level = self.rules.and_then(|rules| rules.level(finding.code));
        let finding = match level {
            Some(level) => finding.severity(level.severity()?),
            None => finding,
        };
        (!self.is_excused(&finding, sources)).then_some(finding)
    }

    fn is_excused(&self, finding: &Diagnostic, sources: &Sources) -> bool {
        let Some(allows) = self.allows.get(&finding.place.file) else { return false };
        let lines = sources.lines(&finding.place);
        let is_whole = matches!(finding.place.spot, Spot::File);
        let mut excused = false;
        for allow in allows.iter().filter(|allow| allow.code == finding.code) {
            if lines.contains(&allow.line) || (is_whole && allow.is_head) {
                allow.used.set(true);
                excused = true;
            }
        }
        excused
    }

    /// Reads the comments of a file.
    fn read(&mut self, file: &Arc<SourceFile>) {
        let mut offset = 0;
        let lines: Vec<&str> = file.text().split_inclusive('\n').collect();
        let is_comment = |line: &&str| {
            let text = line.trim_start();
            text.trim_end().is_empty() || text.starts_with('#') || text.starts_with("//")
        };
        let head = lines.iter().take_while(|line| is_comment(line)).count();
        for (index, line) in lines.iter().enumerate() {
            if let Some((sign, words)) = comment(line) {
                let stands_alone = line.get(..sign).is_some_and(|before| before.trim().is_empty());
                let below = lines.iter().skip(index).take_while(|line| is_comment(line)).count();
                let spoken_of = if stands_alone { index + below } else { index };
                let said = Said {
                    file,
                    text: line.get(words..).unwrap_or_default().trim_end(),
                    offset: offset + words,
                    line: spoken_of + 1,
                    is_head: stands_alone && spoken_of == head,
                };
                self.take(&said);
            }
            offset += line.len();
        }
    }

    /// Takes a comment that is for us.
    fn take(&mut self, said: &Said<'_>) {
        let parts = said.text.trim_start().strip_prefix("allow(").and_then(|rest| rest.split_once(')'));
        let Some((codes, reason)) = parts else {
            let fact = "this comment says nothing that `lockstep` knows";
            let finding = Diagnostic::new(Code::AllowComment, said.place(0..said.text.len()), fact);
            self.wrong.push(finding.help("write `# lockstep: allow(<rule>) <why>`"));
            return;
        };
        if reason.trim().is_empty() {
            let fact = "this comment does not say why the finding is excused";
            let finding = Diagnostic::new(Code::AllowComment, said.place(0..said.text.len()), fact);
            self.wrong.push(finding.label("no reason").help("write the reason behind the bracket"));
        }
        let mut from = said.text.find('(').unwrap_or_default() + 1;
        for written in codes.split(',') {
            let white = written.len() - written.trim_start().len();
            let name = written.trim();
            let place = said.place(from + white..from + white + name.len());
            from += written.len() + 1;
            self.name(said, name, place);
        }
    }

    fn name(&mut self, said: &Said<'_>, name: &str, place: Place) {
        let Ok(code) = name.parse::<Code>() else {
            let known = Code::ALL.iter().filter(|code| !code.is_firm()).map(|code| code.as_str());
            let finding = Diagnostic::new(Code::UnknownRule, place, format!("there is no rule `{name}`"))
                .help("`lockstep rules` lists them")
                .help_maybe(did_you_mean(name, known).map(|hint| hint.text));
            self.wrong.push(finding);
            return;
        };
        if code.is_firm() {
            let fact = format!("`{code}` cannot be excused");
            let finding = Diagnostic::new(Code::UnknownRule, place, fact)
                .label("nothing could run that has such a finding")
                .help("put the finding right, and take the comment away");
            self.wrong.push(finding);
            return;
        }
        let allow = Allow { code, place, line: said.line, is_head: said.is_head, used: Cell::new(false) };
        self.allows.entry(Arc::clone(said.file.path())).or_default().push(allow);
    }
}

/// What a comment says.
struct Said<'a> {
    file: &'a Arc<SourceFile>,
    /// What stands behind the mark.
    text: &'a str,
    /// Where that begins in the file.
    offset: usize,
    /// The line that the comment speaks of, from 1.
    line: usize,
    is_head: bool,
}

impl Said<'_> {
    fn place(&self, range: Range<usize>) -> Place {
        let white = self.text.len() - self.text.trim_start().len();
        let start = range.start.max(white).min(range.end.max(white));
        let span = Span::new(self.offset + start, self.offset + range.end.max(start));
        Place::bytes(Arc::clone(self.file.path()), span)
    }
}

/// Where the sign of a comment that is for us stands in a line, and what follows the mark.
fn comment(line: &str) -> Option<(usize, usize)> {
    let mark = line.find(MARK)?;
    let before = line.get(..mark)?.trim_end_matches([' ', '\t']);
    let sign = before.strip_suffix('#').or_else(|| before.strip_suffix("//"))?;
    let is_apart = sign.is_empty() || sign.ends_with([' ', '\t', '#', '/']);
    is_apart.then(|| (sign.trim_end_matches(['#', '/']).len(), mark + MARK.len()))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    /// What of the findings of `plus-number` on each line of a file stays, and what is said of the comments.
    fn judged(text: &str, rules: &str) -> (Vec<usize>, Vec<String>) {
        let rules: RulesFile = serde_json::from_str(rules).unwrap();
        let mut sources = Sources::new();
        let file = Arc::new(SourceFile::new("a.yaml", text));
        sources.add(Arc::clone(&file));
        let judge = Judge::of(Some(&rules), &sources);
        let starts = text.split_inclusive('\n').scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some(start)
        });
        let place = |at| Place::bytes("a.yaml", Span::new(at, at + 1));
        let findings = starts.map(|at| Diagnostic::new(Code::PlusNumber, place(at), "x")).collect();
        let stays = judge.judge(findings, &sources);
        let line = |finding: &Diagnostic| sources.lines(&finding.place)[0];
        let told = judge.about_comments().into_iter().chain(judge.unused(|_| true));
        let told = told.map(|it| {
            let marked = file.slice(sources.resolve(&it.place));
            format!("{} `{marked}`: {}", it.code, it.message)
        });
        (stays.iter().map(line).collect(), told.collect())
    }

    #[test]
    fn a_comment_excuses_its_line_or_the_one_below() {
        for (text, stays) in [
            ("a\nb # lockstep: allow(plus-number) why\nc\n", &[1, 3][..]),
            ("a\n# lockstep: allow(plus-number) why\nb\nc\n", &[1, 2, 4]),
            ("a\n# lockstep: allow(plus-number) why\n# more\n\nb\nc\n", &[1, 2, 3, 4, 6]),
            ("a\n  // lockstep: allow(blank-value, plus-number) why\nb\n", &[1, 2]),
            ("a\n  #lockstep:allow(plus-number) why\nb\n", &[1, 2]),
            ("a\nb#lockstep: allow(plus-number) why\n", &[1, 2]),
            ("a\nb \"lockstep: allow(plus-number) why\"\n", &[1, 2]),
        ] {
            assert_eq!(judged(text, "{}").0, stays, "{text}");
        }
    }

    #[test]
    fn comments_that_are_wrong_are_told() {
        for (comment, told) in [
            ("allow(plus-number) why", &[][..]),
            (
                "allow(plus-number)",
                &["allow-comment `allow(plus-number)`: this comment does not say why the finding is excused"],
            ),
            (
                "alow(plus-number) why",
                &["allow-comment `alow(plus-number) why`: this comment says nothing that `lockstep` knows"],
            ),
            ("allow(plus-numbr) why", &["unknown-rule `plus-numbr`: there is no rule `plus-numbr`"]),
            (
                "allow(plus-number, unknown-key) why",
                &["unknown-rule `unknown-key`: `unknown-key` cannot be excused"],
            ),
            (
                "allow(unused-part, plus-number) why",
                &["unused-allow `unused-part`: nothing here is a finding of `unused-part`"],
            ),
        ] {
            assert_eq!(judged(&format!("a # lockstep: {comment}\n"), "{}").1, told, "{comment}");
        }
    }

    #[test]
    fn a_project_says_how_much_a_rule_matters() {
        assert_eq!(judged("a\n", r#"{"plus-number": "off"}"#).0, [0; 0]);
        assert_eq!(judged("a\n", r#"{"plus-number": "error"}"#).0, [1]);
        let rules: RulesFile =
            serde_json::from_str(r#"{"plus-number": "error", "unknown-key": "off"}"#).unwrap();
        let sources = Sources::new();
        let judge = Judge::of(Some(&rules), &sources);
        let finding = |code| Diagnostic::new(code, Place::file("a.yaml"), "x");
        let judged = judge.judge(vec![finding(Code::PlusNumber), finding(Code::UnknownKey)], &sources);
        let severities: Vec<&str> = judged.iter().map(|it| it.severity.as_str()).collect();
        assert_eq!(severities, ["error", "error"], "what is firm stays an error");
    }
}
