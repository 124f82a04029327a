//! `lockstep validate --fix`: what is put right, what is left to a person, and what becomes of the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use lockstep::check::{Checked, Environments, check};
use lockstep::config;
use lockstep::diagnostic::{Color, Replacement};
use pretty_assertions::assert_eq;

use crate::example::project;

fn fixed(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("lockstep").unwrap();
    let output = command.current_dir(folder).args(["validate", "--fix"]).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn checked(folder: &Path) -> Checked {
    check(config::load(&[], folder).unwrap(), Environments::All).unwrap()
}

const WRONG: &str = r#"
# file: paid.yaml
name: paid
trigger: { stripe: { events: [invoice.payd] } }
when: !object.attempted
retry: { attempts: "3", backoff: 2 s..15m }
steps:
  - id: account
    find:
      object: salesforce.Account
      match: { Stripe_Customer_Id__c: $.object.customer }
      none: wait 1 hour
  - set:
      total: "${mony(object.total, object.currency)}"
      owner: $.steps.acount.record.OwnerId
# file: failed.yaml
name: failed
trigger: { stripe: { events: [invoice.payment_failed] } }
stps:
  - set: { note: Payment failed: late }
"#;

#[test]
fn what_can_be_meant_in_one_way_only_is_put_right() {
    let folder = project(WRONG);
    let (code, shown, told) = fixed(folder.path(), &[]);
    assert_eq!((code, shown.as_str()), (0, "checked 3 files: no findings\n"), "{told}");
    let paid = fs::read_to_string(folder.path().join("pipelines/acme/paid.yaml")).unwrap();
    assert_eq!(
        paid,
        r#"name: paid
trigger: { stripe: { events: [invoice.paid] } }
when: "!object.attempted"
retry: { attempts: 3, backoff: 2s..15m }
steps:
  - id: account
    find:
      object: salesforce.Account
      match: { Stripe_Customer_Id__c: $.object.customer }
      none: wait 1h
  - set:
      total: "${money(object.total, object.currency)}"
      owner: $.steps.account.record.OwnerId
"#
    );
    let failed = fs::read_to_string(folder.path().join("pipelines/acme/failed.yaml")).unwrap();
    assert!(failed.ends_with("steps:\n  - set: { note: \"Payment failed: late\" }\n"), "{failed}");
    assert!(
        told.contains(
            "fixed pipelines/acme/paid.yaml:2: `invoice.payd` is now `invoice.paid` (unknown-event)\n"
        ),
        "{told}"
    );
    assert_eq!(told.lines().count(), 9, "{told}");
    assert_eq!(fixed(folder.path(), &[]), (0, "checked 3 files: no findings\n".into(), String::new()));
}

#[test]
fn what_may_be_meant_otherwise_is_left_to_a_person() {
    for (example, left) in [
        (
            "name: paid\ntrigger: { stripe: { events: [invoice.paid] } }\nif: object.attempted\nsteps: [{ set: { a: 1 } }]\n",
            "unknown-key",
        ),
        (
            "name: paid\ntrigger: { stripe: { events: [invoice.paid] } }\nsteps:\n  - set: { a: $.vars.b }\n",
            "unknown-variable",
        ),
        (
            "name: paid\ntrigger: { stripe: { events: [invoice.pai*] } }\nsteps:\n  - set: { a: 1 }\n  - set: { b: steps.x }\n",
            "looks-like-expression",
        ),
    ] {
        let folder = project(example);
        let (_, shown, told) = fixed(folder.path(), &[]);
        let only_told = told.lines().all(|line| line.starts_with("not looked into any further"));
        assert!(only_told, "nothing was done: {told}");
        assert!(shown.contains(left), "{shown}");
        let after = fs::read_to_string(folder.path().join("pipelines/acme/paid.yaml")).unwrap();
        assert_eq!(after, example);
    }
}

#[test]
fn nothing_but_what_is_wrong_changes_in_a_file() {
    use std::os::unix::fs::PermissionsExt;

    let folder = project(
        "\nname: paid\ntrigger: { stripe: { events: [invoice.paid] } }\nsteps: [{ set: { a: 1 } }]\n",
    );
    let file = folder.path().join("pipelines/acme/paid.yaml");
    let text = "\u{feff}name: paid\r\n# Zoë\r\ntrigger: { stripe: { events: [invoice.payd] } }\r\nsteps: [{ set: { a: é } }]";
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    // A link is written through and stays one.
    let real = folder.path().join("real.yaml");
    fs::rename(&file, &real).unwrap();
    std::os::unix::fs::symlink(&real, &file).unwrap();
    assert_eq!(fixed(folder.path(), &[]).0, 0);
    assert_eq!(fs::read_to_string(&real).unwrap(), text.replace("payd", "paid"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
    let beside = fs::read_dir(real.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 2, "nothing else is left there");
}

#[test]
fn without_it_the_report_says_what_it_would_do() {
    let folder = project(WRONG);
    let output = Command::cargo_bin("lockstep").unwrap().current_dir(folder.path()).arg("validate").output();
    let shown = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(shown.ends_with("`lockstep validate --fix` puts 5 of them right\n"), "{shown}");
}

/// Puts the safe fixes into the files of an example; false when there are none.
fn put_right(folder: &Path, checked: &Checked) -> bool {
    let mut files: BTreeMap<&str, Vec<Replacement<'_>>> = BTreeMap::new();
    let safe =
        checked.report.findings.iter().filter_map(|finding| finding.fix.as_ref()).filter(|fix| fix.safe);
    for edit in safe.filter_map(|fix| checked.sources.replacements(fix)).flatten() {
        files.entry(&**edit.file.path()).or_default().push(edit);
    }
    for (file, edits) in &mut files {
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
        edits.dedup_by_key(|edit| edit.span);
        let mut text = edits[0].file.text().to_string();
        for edit in edits {
            text.replace_range(edit.span.range(), edit.text);
        }
        fs::write(folder.join(file), text).unwrap();
    }
    !files.is_empty()
}

#[test]
fn what_a_fix_says_that_it_puts_right_is_right_afterwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut count = 0;
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path().join("bad.yaml");
        let Ok(example) = fs::read_to_string(&path) else { continue };
        let folder = project(&example);
        let before = checked(folder.path());
        let safe = |checked: &Checked| {
            let all = checked.report.findings.iter();
            all.filter(|finding| finding.fix.as_ref().is_some_and(|fix| fix.safe)).count()
        };
        if !put_right(folder.path(), &before) {
            continue;
        }
        let after = checked(folder.path());
        let shown = || after.report.render_human(&after.sources, Color::Plain);
        assert_eq!(safe(&after), 0, "{}:\n{}", path.display(), shown());
        let expected = before.report.findings.len() - safe(&before);
        assert!(after.report.findings.len() <= expected, "{}:\n{}", path.display(), shown());
        count += 1;
    }
    assert!(count >= 25, "only {count} cases have a safe fix");
}
