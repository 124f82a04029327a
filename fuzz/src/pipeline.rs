//! A pipeline's YAML: from text to a tree, to a typed file, to a compiled pipeline of a client.

use lockstep::config::{ClientDraft, DraftFile, PipelineFile};

use super::findings::{self, Files};
use super::sample;

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let checked = checked(text);
    findings::report(&checked.report, &checked.sources);
    findings::same(&checked, &self::checked(text));
}

fn checked(text: &str) -> lockstep::check::Checked {
    let mut files = Files::default();
    let file = files.read("pipelines/acme/client.yaml", "client", sample::CLIENT);
    let pipeline: DraftFile<PipelineFile> = files.read("pipelines/acme/fuzzed.yaml", "fuzzed", text);
    if let Some(document) = &pipeline.document {
        findings::tree(document);
    }
    let client = ClientDraft {
        folder: "acme".into(),
        file,
        overlays: Vec::new(),
        pipelines: vec![pipeline],
        parts: Vec::new(),
        tests: Vec::new(),
        library: None,
        schemas: Vec::new(),
        whole: true,
    };
    files.check(client, Vec::new())
}
