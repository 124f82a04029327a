//! What runs `lockstep validate` for others: the GitHub action, the hook of pre-commit, and the form that code scanning
//! reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lockstep::value::Value;
use lockstep::yaml::{Document, SourceFile, parse};
use pretty_assertions::assert_eq;

use crate::example::project;

const BROKEN: &str = "
name: paid
enabled: false
trigger: { stripe: { events: [invoice.payd] } }
steps: [{ set: { a: 1 } }]
";

/// Only a warning.
const DOUBTFUL: &str = "
name: paid
enabled: false
trigger: { stripe: { events: [invoice.paid] } }
steps: [{ set: { a: 1 } }]
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A YAML file of the repository.
fn read(name: &str) -> Value {
    let text = fs::read_to_string(root().join(name)).unwrap();
    let (document, findings) = parse(&std::sync::Arc::new(SourceFile::new(name, text)));
    assert_eq!(findings, []);
    document.as_ref().map(|Document { root, .. }| root.to_value()).unwrap()
}

/// A folder that holds nothing but the binary.
fn binary_folder() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_lockstep")).parent().unwrap().to_owned()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no text `{key}`"))
}

/// Carries the steps of the action out as a runner would: bash, each input in its variable.
fn act(folder: &Path, inputs: &[(&str, &str)]) -> Output {
    let action = read("action.yml");
    let declared = action.get("inputs").and_then(Value::as_map).unwrap();
    let value = |name: &str| {
        let default = declared.get(name).unwrap_or_else(|| panic!("no input {name}"));
        inputs.iter().find(|(input, _)| *input == name).map_or_else(|| text(default, "default"), |(_, it)| it)
    };
    let steps = action.get("runs").and_then(|runs| runs.get("steps")).and_then(Value::as_list).unwrap();
    let mut last = None;
    for step in steps {
        assert_eq!(text(step, "shell"), "bash");
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", text(step, "run")]);
        #[expect(clippy::disallowed_methods, reason = "where the tools of this machine are")]
        let tools = std::env::var("PATH").unwrap();
        let path = format!("{}:{tools}", binary_folder().display());
        command.env_clear().env("PATH", path).current_dir(folder);
        for (name, written) in step.get("env").and_then(Value::as_map).into_iter().flatten() {
            let written = written.as_str().unwrap();
            let input = written.strip_prefix("${{ inputs.").and_then(|rest| rest.strip_suffix(" }}"));
            command.env(&**name, input.map_or("/nowhere", value));
        }
        let output = command.output().unwrap();
        if last.is_none() {
            assert!(output.status.success(), "the binary that is there is taken: {output:?}");
        }
        last = Some(output);
    }
    last.unwrap()
}

fn said(output: &Output) -> (i32, String) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code().unwrap(), text)
}

#[test]
fn the_github_action_annotates_the_lines_and_fails_the_job() {
    let broken = project(BROKEN);
    let annotations = "::warning file=pipelines/acme/paid.yaml,line=3,endLine=3,col=10,endColumn=15,title=disabled-pipeline::`paid` is \
                       switched off, and nothing says why: it never runs%0Ahelp: say in `description` why, and when it comes back; or delete the file\n\
                       ::error file=pipelines/acme/paid.yaml,line=4,endLine=4,col=31,endColumn=43,title=unknown-event::Stripe has no event \
                       `invoice.payd`: API version 2026-10-28.endive does not know it%0Ahelp: did you mean `invoice.paid`?\n\
                       checked 2 files: 1 error, 1 warning\n";
    assert_eq!(said(&act(broken.path(), &[])), (1, annotations.to_owned()));
}

#[test]
fn the_inputs_of_the_github_action_do_what_they_say() {
    let doubtful = project(DOUBTFUL);
    let code = |inputs: &[(&str, &str)]| act(doubtful.path(), inputs).status.code().unwrap();
    assert_eq!(code(&[]), 0);
    assert_eq!(code(&[("deny-warnings", "true")]), 1);
    assert_eq!(code(&[("paths", "pipelines/acme\n$(touch owned)\n")]), 2, "no input is a command");
    assert!(!doubtful.path().join("owned").exists());
    assert_eq!(code(&[("env", "nowhere")]), 2);
    assert_eq!(code(&[("paths", "pipelines/acme/paid.yaml\n"), ("sarif", "found.sarif")]), 0);
    let log = fs::read_to_string(doubtful.path().join("found.sarif")).unwrap();
    assert!(log.contains("\"ruleId\": \"disabled-pipeline\""), "{log}");
    assert_eq!(code(&[("env", "nowhere"), ("sarif", "found.sarif")]), 2);
}

#[test]
fn the_hook_of_pre_commit_checks_the_project() {
    let hooks = read(".pre-commit-hooks.yaml");
    let [hook] = hooks.as_list().unwrap() else { panic!("one hook") };
    assert_eq!((text(hook, "id"), text(hook, "language")), ("lockstep-validate", "rust"));
    assert_eq!(hook.get("pass_filenames"), Some(&Value::Bool(false)));
    let files = regex::Regex::new(text(hook, "files")).unwrap();
    for (path, ours) in [
        ("pipelines/acme/client.yaml", true),
        ("pipelines/rules.yaml", true),
        ("deep/connectors/own.yaml", true),
        ("pipelines/lib.rhai", true),
        ("mypipelines/a.yaml", false),
        ("pipelines/acme/event.json", false),
    ] {
        assert_eq!(files.is_match(path), ours, "{path}");
    }
    let mut words = text(hook, "entry").split(' ');
    for (example, code) in [(BROKEN, 1), (DOUBTFUL, 0)] {
        let project = project(example);
        let program = binary_folder().join(words.clone().next().unwrap());
        let status = Command::new(program).args(words.clone().skip(1)).current_dir(project.path()).output();
        assert_eq!(status.unwrap().status.code(), Some(code));
    }
    assert_eq!(words.next(), Some("lockstep"));
}
