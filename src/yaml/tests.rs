//! What reading a file gives: the tree, the traps with their fixes, the limits; and that no text makes it panic.

use std::fmt::Write;
use std::sync::Arc;

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::{Data, Document, Node, Part, Path, SourceFile, parse};
use crate::diagnostic::{Code, Color, Diagnostic, Report, Source, Sources};

fn read(text: &str) -> (Option<Document>, Vec<Diagnostic>) {
    parse(&Arc::new(SourceFile::new("x.yaml", text)))
}

/// The value of a text without findings, as JSON.
fn json(text: &str) -> String {
    let (document, findings) = read(text);
    assert_eq!(findings, [], "{text}");
    document.unwrap().root.to_value().to_json()
}

/// Each finding as `code 'marked text' | help`.
fn told(text: &str) -> Vec<String> {
    let file = Arc::new(SourceFile::new("x.yaml", text));
    let (_, findings) = parse(&file);
    let mut sources = Sources::new();
    sources.add(Arc::clone(&file));
    let line = |finding: &Diagnostic| {
        let marked = file.slice(sources.resolve(&finding.place)).to_owned();
        format!("{} '{marked}' | {}", finding.code, finding.help.as_deref().unwrap_or("-"))
    };
    findings.iter().map(line).collect()
}

#[test]
fn text_becomes_values() {
    for (yaml, value) in [
        ("", "null"),
        ("# nothing but a comment\n", "null"),
        ("a: 1\nb: [x, 1.50, true, ~, '1']\n", r#"{"a":1,"b":["x",1.50,true,null,"1"]}"#),
        ("a: yes\nb: 007\nc: 1e3\nd: 2026-01-01\n", r#"{"a":"yes","b":"007","c":"1e3","d":"2026-01-01"}"#),
        ("a: |\n  x\n    y\nb: >-\n  x\n  y\n", r#"{"a":"x\n  y\n","b":"x y"}"#),
        ("a: !!str 12\nb: !!int 3\n", r#"{"a":"12","b":3}"#),
        ("12: a\ntrue: b\n~: c\n\"*\": d\n", r#"{"12":"a","true":"b","~":"c","*":"d"}"#),
        ("---\na: 1\n...\n", r#"{"a":1}"#),
        ("\u{feff}a: 1\r\nb:\r\n  - x\r\n", r#"{"a":1,"b":["x"]}"#),
    ] {
        assert_eq!(json(yaml), value, "{yaml:?}");
    }
}

#[test]
fn anchors_are_shared_and_merges_fill_what_is_not_written() {
    assert_eq!(json("a: &a { x: 1 }\nb: *a\n"), r#"{"a":{"x":1},"b":{"x":1}}"#);
    assert_eq!(
        json("base: &base { x: 1, y: 2 }\nmore: &more { y: 3, z: 4 }\nall:\n  <<: [*base, *more]\n  x: 0\n"),
        r#"{"base":{"x":1,"y":2},"more":{"y":3,"z":4},"all":{"x":0,"y":2,"z":4}}"#
    );
    assert_eq!(json("'<<': 1\n"), r#"{"<<":1}"#, "in quotes it is a key like any other");
    assert_eq!(told("a: &a [1]\nb: { <<: *a }\n"), ["bad-alias '1' | -"]);
    assert_eq!(told("a: &a [*a]\n"), ["bad-alias '*a' | -"]);
}

#[test]
fn the_traps_of_yaml_have_a_finding_with_a_fix_each() {
    for (yaml, finding) in [
        (
            r#"when: "items" in previous"#,
            r#"text-after-quotes 'in previous' | write `when: '"items" in previous'`"#,
        ),
        (
            "when: \"${a}\" && b",
            r"text-after-quotes '&& b' | where a script is wanted, write `when: a && b`; where a text is, put the quotes around all of it",
        ),
        ("a: 'it's'", r#"text-after-quotes 's'' | write `a: "it's"`, or double the quote inside"#),
        ("- x: [a, b] in c", r#"text-after-quotes 'in c' | write `x: "[a, b] in c"`"#),
        ("f: { a: \"x\" + y, b: 1 }", r#"text-after-quotes '+ y' | write `'"x" + y'`"#),
        ("reason: a: b  # c", r#"colon-in-text ':' | write `reason: "a: b"`"#),
        ("- that: x == \"a: b\"", r#"colon-in-text ':' | write `that: 'x == "a: b"'`"#),
        ("{ when: a ? b : c, d: 1 }", r#"colon-in-text ':' | write `"a ? b : c"`"#),
        ("when: !x", r#"unexpected-tag '!x' | write `when: "!x"`"#),
        ("when: !x && !y", r#"unexpected-tag '!x' | write `when: "!x && !y"`"#),
        ("when: !changed(\"a\")", r#"unexpected-tag '!changed("a")' | write `when: '!changed("a")'`"#),
        (
            "f: { a: !x }",
            r#"unexpected-tag '!x' | write `"!x"` for this text, or `"${!x}"` for what the script gives"#,
        ),
        ("a: !map [x]", "unexpected-tag '!map' | remove it: tags mean nothing here"),
        ("a: { b: ${!x} }", r#"bracket-in-flow '{' | write `"${!x}"`"#),
        ("a: { from: $.a[0].b, money: gbp }", r#"bracket-in-flow '[' | write `"$.a[0].b"`"#),
        ("a: { from: $.a[b }", r#"bracket-in-flow '[' | write `"$.a[b"`"#),
        ("a: [$.a[0], $.b]", r#"bracket-in-flow '[' | write `"$.a[0]"`"#),
        ("a: { t: money(x, y), b: 1 }", r#"bracket-in-flow 'money(x' | write `"money(x, y)"`"#),
        ("a: {{ x }}", r#"key-not-text '{ x }' | write `"${x}"` for what a script gives"#),
        ("phone: +49123", r#"plus-number '+49123' | write `"+49123"`"#),
        ("a:\n\tb: 1", "tab-indentation '\t' | replace each tab with two spaces"),
        ("a: b\n \tc: 1", "tab-indentation ' \t' | replace each tab with two spaces"),
        ("a: 1\nb: 2\na: 3", "duplicate-key 'a' | remove one of the two, or rename it"),
        ("a: *", r#"bad-alias '*' | text that begins with `*` needs quotes: `"*"`"#),
        ("*: a", r#"bad-alias '*' | text that begins with `*` needs quotes: `"*"`"#),
        ("a: [*.paid]", r#"bad-alias '*.paid' | text that begins with `*` needs quotes: `"*.paid"`"#),
        (
            "a: 1\n---\nb: 2",
            "several-documents '---' | remove the `---`, or move what follows it to a file of its own",
        ),
        ("a: @b", r#"yaml-syntax '@' | write `a: "@b"`"#),
        (
            "a: \"C:\\dir\"",
            r"yaml-syntax '\d' | write `\\`, or use single quotes, in which a backslash is a backslash",
        ),
        (
            "a: [1, 2\nb: 3",
            "yaml-syntax '[' | close the bracket, or quote the text if no list or map is meant",
        ),
        ("a:b\nc: d", "yaml-syntax ':' | write a space after the colon"),
    ] {
        assert_eq!(told(yaml), [finding], "{yaml}");
    }
}

#[test]
fn a_comment_that_cuts_a_value_is_told_and_an_ordinary_one_is_not() {
    for (yaml, finding) in [
        (
            r#"when: object.x == " #1""#,
            r#"comment-cuts-text '#1"' | if it belongs to the value, write `'object.x == " #1"'`"#,
        ),
        ("reason: order #5", r#"comment-cuts-text '#5' | if it belongs to the value, write `"order #5"`"#),
        (
            "reason: order #${object.number}",
            r#"comment-cuts-text '#${object.number}' | if it belongs to the value, write `"order #${object.number}"`"#,
        ),
        (
            "script: f(a, # b)",
            r#"comment-cuts-text '# b)' | if it belongs to the value, write `"f(a, # b)"`"#,
        ),
        ("when: a && # b", r#"comment-cuts-text '# b' | if it belongs to the value, write `"a && # b"`"#),
        (
            "set: #{ a: 1 }",
            r##"comment-cuts-text '#{ a: 1 }' | if it belongs to the value, write `"#{ a: 1 }"`"##,
        ),
    ] {
        assert_eq!(told(yaml), [finding], "{yaml}");
    }
    for yaml in [
        "when: object.x > 1 # only large ones",
        "when: object.x > 1 # (see the contract)",
        "width: 5\" # inches",
        "none: wait 1h      # skip | conflict",
        "a: [b, c] # 2 of them",
        "a: b#5",
        "a: b #todo",
        "steps: # what is done",
    ] {
        assert_eq!(told(yaml), [""; 0], "{yaml}");
    }
}

#[test]
fn what_was_most_likely_meant_is_in_the_tree() {
    let (document, findings) = read("when: !x && !y\nname: a\nname: b\n");
    assert_eq!(findings.first().map(|finding| finding.code), Some(Code::UnexpectedTag));
    assert!(document.is_none(), "the second tag is not where a value may be");
    let (document, findings) = read("when: !x\nname: a\nname: b\n");
    assert_eq!(findings.len(), 2);
    let root = document.unwrap().root;
    assert_eq!(root.get("when").and_then(Node::as_str), Some("!x"));
    assert_eq!(root.get("name").and_then(Node::as_str), Some("a"));
}

#[test]
fn bombs_depth_and_size_have_limits() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    assert_eq!(codes(&bomb), [Code::YamlLimit]);
    let flow = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(codes(&flow(100)), []);
    assert_eq!(codes(&flow(101)), [Code::YamlLimit]);
    let mut block = String::new();
    for depth in 0..101 {
        writeln!(block, "{:depth$}a:", "").unwrap();
    }
    assert_eq!(codes(&block), [Code::YamlLimit]);
    // Levels that only aliases add count as well: everything that walks the tree recurses.
    let half = flow(60);
    let hidden = format!("a: &a {half}\nb: {}*a{}\n", "[".repeat(60), "]".repeat(60));
    assert_eq!(codes(&hidden), [Code::YamlLimit]);
    assert_eq!(codes(&"a".repeat((16 << 20) + 1)), [Code::YamlLimit]);
}

fn codes(text: &str) -> Vec<Code> {
    read(text).1.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_map_of_many_keys_finds_equal_ones_too() {
    let mut text = String::new();
    for key in 0..5000 {
        writeln!(text, "k{key}: 1").unwrap();
    }
    text += "k7: 2\n";
    let (document, findings) = read(&text);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code, Code::DuplicateKey);
    assert_eq!(document.unwrap().root.as_map().map(<[_]>::len), Some(5000));
}

#[test]
fn paths_lead_to_keys_and_values_and_broken_ones_to_the_nearest_place() {
    let text = "top:\n  - name: x\n    list: [1, 'two']\n  - |\n    block\nempty:\nalias: &a [1]\nuse: *a\n";
    let document = read(text).0.unwrap();
    let top = Path::root().key("top");
    let marked = |path: &Path, part| document.file.slice(document.locate(path, part, None)).to_owned();
    for (path, key, value) in [
        (Path::root(), "top:", "top:"),
        (top.clone(), "top", "- name: x"),
        (top.index(0), "name: x", "name: x"),
        (top.index(0).key("name"), "name", "x"),
        (top.index(0).key("list"), "list", "[1, 'two']"),
        (top.index(0).key("list").index(1), "'two'", "'two'"),
        (top.index(1), "block", "block"),
        (Path::root().key("empty"), "empty", "empty"),
        (Path::root().key("use"), "use", "*a"),
        // What does not exist is best told at the last place that does.
        (top.index(0).key("missing").key("deeper"), "name: x", "name: x"),
        (top.index(0).key("list").index(9), "list", "list"),
        (Path::root().key("missing"), "top:", "top:"),
    ] {
        assert_eq!(
            (marked(&path, Part::Key), marked(&path, Part::Value)),
            (key.into(), value.into()),
            "{path}"
        );
    }
    assert_eq!(document.node(&top.index(0).key("name")).and_then(Node::as_str), Some("x"));
    assert!(document.node(&top.key("name")).is_none());
}

/// A text that is YAML nearly always, before it is changed.
const WHOLE: &str = r#"name: x
when: 'a in ["b"]' # c
trigger: { stripe: { events: [a.*, b] } }
base: &base { x: 1, y: "é \u00e9 \" z" }
steps:
  - <<: *base
    script: |
      let x = #{ a: 1 };

        x.a
  - text: >-
      folded
      text

       more
    plain: one
      two # three
    single: 'it''s
      here'
"#;

fn changed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[-:#&*!|>'\"%@`{}\\[\\], \t\r\n?~<+=0-9a-z\u{e9}\u{feff}]{1,3}",
        Just(String::new()),
        Just("\n  ".to_owned()),
        Just("<<: *base".to_owned()),
    ];
    prop::collection::vec((0..WHOLE.len(), 0..4_usize, piece), 1..5).prop_map(|changes| {
        changes.into_iter().fold(WHOLE.to_owned(), |mut text, (at, length, piece)| {
            let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            let (start, end) = (boundary(at).unwrap_or(0), boundary(at + length).unwrap_or(0));
            text.replace_range(start..end.max(start), &piece);
            text
        })
    })
}

/// Reads a text, looks everything up in it that can be, and draws all findings.
fn exercise(text: &str) -> Result<(), TestCaseError> {
    let file = Arc::new(SourceFile::new("x.yaml", text));
    let (document, findings) = parse(&file);
    prop_assert!(document.is_some() || !findings.is_empty(), "no document and no finding");
    let mut sources = Sources::new();
    sources.add(Arc::clone(&file));
    if let Some(document) = document {
        sources.add(document.clone());
        visit(&document, &document.root, &Path::root())?;
    }
    for finding in &findings {
        let range = sources.resolve(&finding.place).range();
        prop_assert!(file.text().get(range.clone()).is_some(), "{range:?} in {text:?}");
    }
    let report = Report::new(findings, &sources);
    let human = report.render_human(&sources, Color::Plain);
    prop_assert!(report.findings.iter().all(|finding| human.contains(finding.code.as_str())));
    let json = serde_json::from_str::<serde_json::Value>(&report.render_json(&sources));
    prop_assert!(json.is_ok(), "{:?}", json);
    Ok(())
}

fn visit(document: &Document, node: &Node, path: &Path) -> Result<(), TestCaseError> {
    let text = document.file.text();
    for part in [Part::Key, Part::Value] {
        let span = document.locate(path, part, None);
        prop_assert!(text.get(span.range()).is_some(), "{path} {part:?} in {text:?}");
    }
    match &node.data {
        Data::Text(decoded) => {
            for (start, char) in decoded.char_indices() {
                let span = document.locate(path, Part::Value, Some(start..start + char.len_utf8()));
                prop_assert!(text.get(span.range()).is_some(), "{path} at {start} in {text:?}");
            }
        }
        Data::List(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(document, item, &path.index(index))?;
            }
        }
        Data::Map(entries) => {
            for entry in entries.iter() {
                visit(document, &entry.value, &path.key(Arc::clone(&entry.key.name)))?;
            }
        }
        _ => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_text_is_read_or_explained(text in "\\PC{0,80}|[-:#&*!|>'\"{}\\[\\], \t\r\n?a-c\u{e9}]{0,60}") {
        exercise(&text)?;
    }

    #[test]
    fn any_change_of_a_file_is_read_or_explained(text in changed()) {
        exercise(&text)?;
    }
}
