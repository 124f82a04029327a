//! Findings as a SARIF 2.1.0 log, the form that code scanning reads.
//!
//! Addresses are relative to the folder in which `lockstep` runs, as GitHub wants them relative to the repository;
//! columns count characters. A finding's fingerprint is made of its rule, its file and the text of its line, so that
//! it is the same one when lines are put in above it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Code, Diagnostic, Fix, Place, Report, Sources, Span};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<Outcome>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Message,
    help: Help,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Help {
    text: &'static str,
    markdown: &'static str,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<Repair>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    #[serde(rename = "physicalLocation")]
    physical: Physical,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fingerprints {
    primary_location_line_hash: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Repair {
    description: Message,
    artifact_changes: Vec<ArtifactChange>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange {
    artifact_location: Artifact,
    replacements: Vec<Replaced>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replaced {
    deleted_region: Region,
    inserted_content: Message,
}

pub(super) fn render(report: &Report, sources: &Sources) -> String {
    let mut codes: Vec<Code> = report.findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let mut seen = BTreeMap::new();
    let results = report.findings.iter().map(|finding| Outcome {
        rule_id: finding.code.as_str(),
        rule_index: codes.binary_search(&finding.code).unwrap_or_default(),
        level: finding.severity.as_str(),
        message: Message { text: told(finding) },
        locations: [location(&finding.place, None, None, sources)],
        related_locations: related(finding, sources),
        partial_fingerprints: fingerprints(finding, sources, &mut seen),
        fixes: finding.fix.as_ref().and_then(|fix| repair(finding, fix, sources)).into_iter().collect(),
    });
    let results = results.collect();
    let rules = codes.into_iter().map(rule).collect();
    let driver = Driver { name: "lockstep", semantic_version: env!("CARGO_PKG_VERSION"), rules };
    let run = Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results };
    let log = Log { schema: SCHEMA, version: "2.1.0", runs: [run] };
    // Plain structs of text and numbers have no way to fail.
    let mut text = serde_json::to_string_pretty(&log).unwrap_or_default();
    text.push('\n');
    text
}

fn rule(code: Code) -> Rule {
    Rule {
        id: code.as_str(),
        short_description: Message { text: code.summary() },
        help: Help { text: code.page(), markdown: code.page() },
        default_configuration: Configuration { level: code.severity().as_str() },
    }
}

/// The fact, why, and what to type: the one text that a reader of alerts sees.
fn told(finding: &Diagnostic) -> String {
    let mut text = finding.message.clone();
    for (between, more) in [(": ", &finding.label), (". Help: ", &finding.help)] {
        if let Some(more) = more {
            // Writing into a String cannot fail.
            let _ = write!(text, "{between}{more}");
        }
    }
    text
}

fn related(finding: &Diagnostic, sources: &Sources) -> Vec<Location> {
    let related = finding.related.iter().zip(1..);
    related.map(|(it, id)| location(&it.place, Some(id), Some(it.message.clone()), sources)).collect()
}

fn location(place: &Place, id: Option<usize>, message: Option<String>, sources: &Sources) -> Location {
    let region = region(&place.file, sources.resolve(place), sources);
    let artifact_location = Artifact { uri: uri(&place.file) };
    let message = message.map(|text| Message { text });
    Location { id, physical: Physical { artifact_location, region }, message }
}

fn region(file: &str, span: Span, sources: &Sources) -> Option<Region> {
    let file = sources.file(file)?;
    let (start, end) = (file.position(span.start), file.position(span.end));
    Some(Region {
        start_line: start.line,
        start_column: start.column,
        end_line: end.line,
        end_column: end.column,
    })
}

fn repair(finding: &Diagnostic, fix: &Fix, sources: &Sources) -> Option<Repair> {
    let change = |it: super::Replacement<'_>| {
        let deleted_region = region(it.file.path(), it.span, sources)?;
        let replaced = Replaced { deleted_region, inserted_content: Message { text: it.text.to_owned() } };
        Some(ArtifactChange {
            artifact_location: Artifact { uri: uri(it.file.path()) },
            replacements: vec![replaced],
        })
    };
    let changes = sources.replacements(fix)?.into_iter().map(change).collect::<Option<Vec<_>>>()?;
    let description = finding.help.clone().unwrap_or_else(|| finding.message.clone());
    Some(Repair { description: Message { text: description }, artifact_changes: changes })
}

/// The rule, the file and the line's text, hashed, and which of several such findings it is.
fn fingerprints(finding: &Diagnostic, sources: &Sources, seen: &mut BTreeMap<String, usize>) -> Fingerprints {
    let line = sources.file(&finding.place.file).map_or("", |file| {
        let line = file.position(sources.resolve(&finding.place).start).line;
        file.text().lines().nth(line - 1).unwrap_or_default().trim()
    });
    let mut hash = Sha256::new();
    for part in [finding.code.as_str(), &finding.place.file, line] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hash = hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let count = seen.entry(hash.clone()).or_default();
    *count += 1;
    Fingerprints { primary_location_line_hash: format!("{hash}:{count}") }
}

/// A path as a relative reference: what is not unreserved there is escaped byte by byte.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pretty_assertions::{assert_eq, assert_ne};
    use serde_json::{Value, json};

    use super::super::{Edit, SourceFile};
    use super::*;

    const FILE: &str = "pipelines/acme/Zoë 1.yaml";

    /// The one result for a mistake in the line `  b: wrnog`.
    fn result(text: &str) -> Value {
        let mut sources = Sources::new();
        sources.add(Arc::new(SourceFile::new(FILE, text)));
        let at = |part: &str| {
            let start = text.find(part).unwrap();
            Place::bytes(FILE, Span::new(start, start + part.len()))
        };
        let fix = Edit { place: at("wrnog"), old: "wrnog".into(), new: "wrong".into() };
        let finding = Diagnostic::new(Code::UnknownWord, at("wrnog"), "`wrnog` is no word")
            .label("unknown word")
            .related(at("é: 1"), "the other one")
            .help("did you mean `wrong`?")
            .fix(Fix { safe: true, edits: vec![fix] });
        let again = finding.clone().severity(super::super::Severity::Warning);
        let log = Report::new(vec![finding, again], &sources).render_sarif(&sources);
        let log: Value = serde_json::from_str(&log).unwrap();
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rule = &run["tool"]["driver"]["rules"][0];
        assert_eq!(rule["id"], "unknown-word");
        assert_eq!(rule["help"]["markdown"], Code::UnknownWord.page());
        assert_eq!(run["results"][1]["level"], "warning");
        let hashes = [0, 1].map(|n| run["results"][n]["partialFingerprints"].clone());
        assert_ne!(hashes[0], hashes[1], "two findings of one line are two");
        run["results"][0].clone()
    }

    #[test]
    fn a_finding_is_a_result_with_its_place_and_its_fix() {
        let mut result = result("é: 1\na:\n  b: wrnog\n");
        let hash = result["partialFingerprints"]["primaryLocationLineHash"].take();
        assert_eq!(hash.as_str().unwrap().len(), 16 + ":1".len());
        let uri = "pipelines/acme/Zo%C3%AB%201.yaml";
        let region = |line, from, to| json!({ "startLine": line, "startColumn": from, "endLine": line, "endColumn": to });
        assert_eq!(
            result,
            json!({
                "ruleId": "unknown-word",
                "ruleIndex": 0,
                "level": "error",
                "message": { "text": "`wrnog` is no word: unknown word. Help: did you mean `wrong`?" },
                "locations": [
                    { "physicalLocation": { "artifactLocation": { "uri": uri }, "region": region(3, 6, 11) } }
                ],
                "relatedLocations": [{
                    "id": 1,
                    "physicalLocation": { "artifactLocation": { "uri": uri }, "region": region(1, 1, 5) },
                    "message": { "text": "the other one" }
                }],
                "partialFingerprints": { "primaryLocationLineHash": null },
                "fixes": [{
                    "description": { "text": "did you mean `wrong`?" },
                    "artifactChanges": [{
                        "artifactLocation": { "uri": uri },
                        "replacements": [
                            { "deletedRegion": region(3, 6, 11), "insertedContent": { "text": "wrong" } }
                        ]
                    }]
                }]
            })
        );
    }

    #[test]
    fn a_finding_is_the_same_one_below_new_lines() {
        let of = |text: &str| result(text)["partialFingerprints"].clone();
        let before = of("é: 1\na:\n  b: wrnog\n");
        assert_eq!(of("# new\n\né: 1\na:\n    b: wrnog\n"), before);
        assert_ne!(of("é: 1\na:\n  c: wrnog\n"), before);
    }
}
