//! What an author is told, finding by finding, for each kind of mistake.

use std::sync::Arc;

use pretty_assertions::assert_eq;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::Structure;
use crate::config::words::{NoneFound, Rate};
use crate::config::{ClientFile, PipelineFile};
use crate::diagnostic::{Code, Diagnostic, Sources};
use crate::yaml::{Document, Path, SourceFile, parse};

fn read(yaml: &str) -> Document {
    let (document, findings) = parse(&Arc::new(SourceFile::new("x.yaml", yaml)));
    assert_eq!(findings, [], "{yaml}");
    document.unwrap()
}

/// Each finding as `code 'marked text' message | label | help`.
fn told(structure: &Structure, yaml: &str) -> Vec<String> {
    let document = read(yaml);
    let findings = structure.check(&document);
    let mut sources = Sources::new();
    sources.add(document.clone());
    let marked = |finding: &Diagnostic| document.file.slice(sources.resolve(&finding.place)).to_owned();
    findings
        .iter()
        .map(|finding| {
            let help = finding.help.as_deref().unwrap_or("-");
            format!("{} '{}' {} | {help}", finding.code, marked(finding), finding.message)
        })
        .collect()
}

/// All words that a schema can say, in one file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Sample {
    /// A switch. It can be off.
    on: bool,
    #[schemars(range(min = 1, max = 10))]
    count: Option<u8>,
    share: Option<f64>,
    #[schemars(length(min = 2, max = 3))]
    names: Option<Vec<String>>,
    rate: Option<Rate>,
    none: Option<NoneFound>,
    form: Option<Form>,
    either: Option<Either>,
    inner: Option<Inner>,
    #[schemars(regex(pattern = "^[a-z]+$"))]
    lower: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Inner {
    deep: Option<bool>,
    word: Option<Word>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Skip,
    Conflict,
}

/// An enum with words and with content.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum Form {
    Nothing,
    Whole,
    Circle { radius: u32 },
    Square { side: u32 },
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Either {
    Text(String),
    Pair(Pair),
    Other(Other),
    Many(Vec<Pair>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Pair {
    left: u8,
    right: u8,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Other {
    file: String,
}

#[test]
fn a_good_file_has_no_findings() {
    let structure = Structure::of::<Sample>();
    for yaml in [
        "on: true",
        "{ on: false, count: 10, share: 1.5, names: [a, b], rate: 20/s, none: wait 1h }",
        "{ on: true, count: ~, form: ~, either: ~ }",
        "{ on: true, form: whole }",
        "{ on: true, form: { circle: { radius: 3 } } }",
        "{ on: true, either: x }",
        "{ on: true, either: { left: 1, right: 2 } }",
        "{ on: true, either: { file: x } }",
        "{ on: true, either: [{ left: 1, right: 2 }] }",
        "{ on: true, inner: { deep: true, word: skip }, lower: abc }",
    ] {
        assert_eq!(told(&structure, yaml), [""; 0], "{yaml}");
    }
}

#[test]
fn each_mistake_is_told_once_at_its_place() {
    let structure = Structure::of::<Sample>();
    for (yaml, finding) in [
        ("count: 1", "missing-key 'count: 1' `on` is missing in this file | add `on:` (a switch)"),
        (
            "on: true\nnmaes: []",
            "unknown-key 'nmaes' `nmaes` is not a known key of this file | did you mean `names`?",
        ),
        ("onn: true", "unknown-key 'onn' `onn` is not a known key of this file | did you mean `on`?"),
        (
            "on: yes",
            "wrong-type 'yes' `on` must be `true` or `false`, not text | write `true`, without quotes",
        ),
        (
            "on: 'off'",
            "wrong-type ''off'' `on` must be `true` or `false`, not text | write `false`, without quotes",
        ),
        ("on:", "wrong-type 'on' `on` has no value | write a value, or remove the key"),
        (
            "on: true\ncount: '5'",
            "wrong-type ''5'' `count` must be an integer, not text | write `5`, without quotes",
        ),
        (
            "on: true\ncount: 007",
            "wrong-type '007' `count` must be an integer, not text | write `7`: a plus, a leading zero or an underscore makes it text",
        ),
        ("on: true\ncount: 1.5", "wrong-type '1.5' `count` must be an integer, not a number | -"),
        ("on: true\ncount: 11", "invalid-value '11' 11 is out of range | -"),
        ("on: true\nnames: a", "wrong-type 'a' `names` must be a list, not text | put it in brackets: `[a]`"),
        ("on: true\nnames: [a]", "invalid-value '[a]' `names` has 1 element | -"),
        ("on: true\nnames: []", "invalid-value '[]' `names` is empty | -"),
        (
            "on: true\nnames: [a, 1]",
            "wrong-type '1' `names[1]` must be text, not an integer | put it in quotes: `\"1\"`",
        ),
        ("on: true\nrate: 20", "wrong-type '20' `rate` must be text, not an integer | for example `20/s`"),
        (
            "on: true\nrate: 20/w",
            "invalid-format '20/w' `20/w` is not a rate such as 20/s, 100/m or 1/10m | write it like `20/s`",
        ),
        ("on: true\nlower: A", "invalid-format 'A' `A` does not match `^[a-z]+$` | -"),
        (
            "on: true\ninner: { word: skp }",
            "unknown-word 'skp' `skp` is none of the words that may stand here | did you mean `skip`?",
        ),
        (
            "on: true\ninner: { word: never }",
            "unknown-word 'never' `never` is none of the words that may stand here | there is: skip, conflict",
        ),
        (
            "on: true\ndeep: true\ninner:\n  word: skip",
            "unknown-key 'deep' `deep` is not a known key of this file | `deep` belongs into `inner`: indent it more",
        ),
        (
            "on: true\ninner:\n  rate: 1/s",
            "unknown-key 'rate' `rate` is not a known key of `inner` | `rate` belongs beside `inner`: indent it less",
        ),
        (
            "[]",
            "wrong-type '[]' this file must be a map, not a list | write `key: value` lines without the dashes",
        ),
    ] {
        assert_eq!(told(&structure, yaml), [finding], "{yaml}");
    }
}

#[test]
fn of_alternatives_the_one_that_was_meant_is_checked() {
    let structure = Structure::of::<Sample>();
    for (yaml, finding) in [
        (
            "form: { circle: { radius: x } }",
            "wrong-type 'x' `form.circle.radius` must be an integer, not text | -",
        ),
        ("form: { circle: {} }", "missing-key 'circle' `radius` is missing in `form.circle` | add `radius:`"),
        (
            "form: { cicle: { radius: 1 } }",
            "unknown-key 'cicle' `cicle` is not a known key of `form` | did you mean `circle`?",
        ),
        ("form: {}", "one-of 'form' a key is missing in `form` | write one of `circle`, `square`"),
        (
            "form: { circle: { radius: 1 }, square: { side: 1 } }",
            "one-of 'square' `square` stands beside `circle` | keep `circle` or `square`: each takes a place of its own",
        ),
        (
            "form: hole",
            "unknown-word 'hole' `hole` is none of the words that may stand here | did you mean `whole`?",
        ),
        (
            "form: 5",
            "wrong-type '5' `form` must be text or a map, not an integer | put it in quotes: `\"5\"`",
        ),
        (
            "either: { left: 1, rigth: 2 }",
            "unknown-key 'rigth' `rigth` is not a known key of `either` | did you mean `right`?",
        ),
        (
            "either: { file: 1 }",
            "wrong-type '1' `either.file` must be text, not an integer | put it in quotes: `\"1\"`",
        ),
        (
            "either: [{ left: 1 }]",
            "missing-key '{ left: 1 }' `right` is missing in `either[0]` | add `right:`",
        ),
    ] {
        assert_eq!(told(&structure, &format!("on: true\n{yaml}\n")), [finding], "{yaml}");
    }
}

#[test]
fn what_a_schema_of_someone_else_says_is_obeyed() {
    let structure = Structure::new(&json!({
        "type": "object",
        "properties": {
            "kind": { "enum": ["one", "two", 3, null] },
            "ratio": { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 },
            "both": { "allOf": [{ "$ref": "#/definitions/text" }, { "maxLength": 3 }] },
        },
        "patternProperties": { "^x-": { "type": "integer" } },
        "propertyNames": { "pattern": "^[a-z-]+$" },
        "additionalProperties": { "type": "boolean" },
        "definitions": { "text": { "type": "string" }, "loop": { "$ref": "#/definitions/loop" } },
    }));
    assert_eq!(told(&structure, "{ kind: 3, ratio: 0.5, both: abc, x-a: 1, other: true }"), [""; 0]);
    for (yaml, finding) in [
        (
            "kind: four",
            "unknown-word 'four' `four` is none of the words that may stand here | there is: one, two, 3, null",
        ),
        ("ratio: 1", "invalid-value '1' 1 is out of range | -"),
        ("both: abcd", "invalid-value 'abcd' `both` has 4 characters | -"),
        ("both: 1", "wrong-type '1' `both` must be text, not an integer | put it in quotes: `\"1\"`"),
        ("x-a: b", "wrong-type 'b' `x-a` must be an integer, not text | -"),
        ("other: 1", "wrong-type '1' `other` must be `true` or `false`, not an integer | -"),
        ("BIG: true", "invalid-format 'BIG' `BIG` does not match `^[a-z-]+$` | -"),
    ] {
        assert_eq!(told(&structure, yaml), [finding], "{yaml}");
    }
    let anything = Structure::new(
        &json!({ "$ref": "#/definitions/loop", "definitions": { "loop": { "$ref": "#/definitions/loop" } } }),
    );
    assert_eq!(told(&anything, "a: [1, { b: c }]"), [""; 0]);
    assert_eq!(told(&Structure::new(&json!({ "$ref": "elsewhere.json" })), "a: 1"), [""; 0]);
}

#[test]
fn a_part_of_a_document_can_be_checked_by_a_structure_of_its_own() {
    let document = read("connections:\n  stripe:\n    config: { api_kye: x }\n");
    let structure = Structure::new(&json!({
        "type": "object", "properties": { "api_key": { "type": "string" } }, "additionalProperties": false,
    }));
    let path = Path::root().key("connections").key("stripe").key("config");
    let findings = structure.check_at(&document, &path);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].message, "`api_kye` is not a known key of `connections.stripe.config`");
    assert_eq!(structure.check_at(&document, &path.key("missing")), []);
}

#[test]
fn a_step_needs_exactly_one_verb() {
    let structure = Structure::of::<PipelineFile>();
    let step = |step: &str| {
        let yaml = format!("name: x\ntrigger: {{ stripe: {{ events: [a] }} }}\nsteps:\n  - {step}\n");
        told(&structure, &yaml)
    };
    assert_eq!(step("set: { a: 1 }"), [""; 0]);
    assert_eq!(
        step("ste: { a: 1 }"),
        ["unknown-key 'ste' `ste` is not a known key of `steps[0]` | did you mean `set`?"]
    );
    assert_eq!(step("id: a").len(), 1);
    assert_eq!(
        step("{ set: { a: 1 }, script: x }"),
        [
            "one-of 'script' `script` stands beside `set` | keep `set` or `script`, or begin a list element of its own with `- ` on the line where it starts"
        ]
    );
    assert_eq!(
        step("update: { object: a.b, record: $.x }\n    fields: { a: 1 }"),
        [
            "missing-key 'update' `fields` is missing in `steps[0].update` | add `fields:` (what is written)",
            "unknown-key 'fields' `fields` is not a known key of `steps[0]` | `fields` belongs into `update`: indent it more",
        ]
    );
}

#[test]
fn the_files_of_the_language_compile_to_structures() {
    let client = Structure::of::<ClientFile>();
    assert_eq!(told(&client, "name: acme\nconnections: { stripe: { connector: stripe } }\n"), [""; 0]);
    assert_eq!(told(&client, "name: acme\ntimezone: Europe/Londn\nconnections: {}\n").len(), 1);
}

/// The YAML block under a heading of a rule's page.
fn block<'a>(page: &'a str, heading: &str) -> &'a str {
    let after = page.split(&format!("\n## {heading}\n\n```yaml\n")).nth(1).unwrap();
    after.split("```").next().unwrap()
}

#[test]
fn the_pages_of_these_stages_show_what_they_tell_of() {
    let (pipeline, client) = (Structure::of::<PipelineFile>(), Structure::of::<ClientFile>());
    let codes = |yaml: &str| {
        let (document, findings) = parse(&Arc::new(SourceFile::new("x.yaml", yaml)));
        let structure = if yaml.starts_with("# file: client.yaml") { &client } else { &pipeline };
        let more = document.map(|document| structure.check(&document));
        findings.into_iter().chain(more.into_iter().flatten()).map(|finding| finding.code).collect::<Vec<_>>()
    };
    for code in STAGE_CODES {
        assert_eq!(codes(block(code.page(), "Wrong")), [*code], "{code}");
        assert_eq!(codes(block(code.page(), "Right")), [], "{code}");
    }
}

/// The codes that a file can have before its meaning is looked at.
const STAGE_CODES: &[Code] = &[
    Code::YamlSyntax,
    Code::TextAfterQuotes,
    Code::ColonInText,
    Code::UnexpectedTag,
    Code::BracketInFlow,
    Code::CommentCutsText,
    Code::PlusNumber,
    Code::TabIndentation,
    Code::DuplicateKey,
    Code::KeyNotText,
    Code::BadAlias,
    Code::YamlLimit,
    Code::SeveralDocuments,
    Code::UnknownKey,
    Code::MissingKey,
    Code::WrongType,
    Code::UnknownWord,
    Code::OneOf,
    Code::InvalidFormat,
    Code::InvalidValue,
];
