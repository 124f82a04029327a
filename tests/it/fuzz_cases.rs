//! Every file of the fuzz targets' corpora, through the functions that the fuzzer calls: what was found once stays
//! mended, and a change that breaks a property is seen without a fuzzer (fuzz/README.md).

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
#[expect(
    clippy::expect_used,
    unreachable_pub,
    reason = "written for a crate of its own, in which a panic is a finding"
)]
mod fuzz;

/// Gives each file of the target's corpus to `check`.
fn all_of(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut failed = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::read(&path).unwrap();
        files += 1;
        if catch_unwind(|| check(&data)).is_err() {
            failed.push(path);
        }
    }
    assert!(files >= 10, "{files} files in {}", folder.display());
    assert!(failed.is_empty(), "a property does not hold of {failed:?}");
}

macro_rules! targets {
    ($($target:ident: $test:ident,)*) => {
        $(#[test]
        fn $test() {
            all_of(stringify!($target), fuzz::$target::check);
        })*
    };
}

targets! {
    pipeline: a_pipeline_file_gives_findings_whatever_it_holds,
    client: a_client_file_gives_findings_whatever_it_holds,
    manifest: a_manifest_gives_findings_whatever_it_holds_and_may_be_called_when_it_has_none,
    webhook: a_body_is_an_event_without_card_data_or_refused,
    signature: nothing_is_accepted_that_was_not_signed,
    json_path: a_path_is_refused_at_its_place_or_selects,
    script: a_script_stays_within_its_limits,
    answer: an_answer_is_a_reply_or_a_failure_with_a_class,
}
