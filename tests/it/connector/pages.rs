//! What the pages and the built-in files say is true.

use std::fs;
use std::path::Path;

use lockstep::config::structure::Structure;
use lockstep::connector::{ManifestFile, builtins};
use lockstep::diagnostic::SourceFile;
use pretty_assertions::assert_eq;

use super::*;

#[test]
fn every_manifest_in_the_guide_compiles() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manifest.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert!(blocks.len() >= 7);
    for block in blocks {
        let whole = if block.starts_with("name:") {
            block.to_owned()
        } else {
            format!("name: part\ntitle: Part\n{block}")
        };
        if let Err(faults) = Manifest::read("manifest.md", &whole) {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            panic!("{}\n{block}", faults.join("\n"));
        }
    }
}

#[test]
fn built_in_manifests_fit_the_schema_that_editors_use() {
    for builtin in builtins() {
        let file = Arc::new(SourceFile::new(builtin.name, builtin.text));
        let (document, findings) = lockstep::yaml::parse(&file);
        assert_eq!(findings, [], "{}", builtin.name);
        let findings = Structure::of::<ManifestFile>().check(&document.unwrap());
        assert_eq!(findings, [], "{}", builtin.name);
    }
}
