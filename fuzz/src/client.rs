//! A client's YAML: the same way, and the client with its connections and one pipeline checked as a whole.

use lockstep::config::env::{Environment, Template};
use lockstep::config::{ClientDraft, ClientFile, ClientOverlay, DraftFile, PipelineFile};

use super::findings::{self, Files};
use super::sample;

/// The file, and after a line `--- overlay ---` one that lies over it.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let checked = checked(text);
    findings::report(&checked.report, &checked.sources);
    for client in checked.project.clients() {
        // A variable's value can never change the structure, whatever it holds.
        let resolved = client.resolve(&Hostile);
        assert!(resolved.is_ok() || client.resolve(&Hostile).is_err(), "the same each time");
    }
    placeholders(text);
    findings::same(&checked, &self::checked(text));
}

/// Variables and files with everything in them that could be taken for YAML, a placeholder or a line end.
struct Hostile;

impl Environment for Hostile {
    fn variable(&self, _: &str) -> Option<String> {
        Some("}: \"${X}\n- [".to_owned())
    }

    fn file(&self, path: &str) -> std::io::Result<String> {
        if path.len().is_multiple_of(2) {
            Ok(path.to_owned())
        } else {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }
}

/// Placeholders anywhere in a text: their faults stand in it, and what is written out is part of it.
fn placeholders(text: &str) {
    match Template::parse(text) {
        Err(fault) => assert!(text.get(fault.range.clone()).is_some_and(|part| part.starts_with("${"))),
        Ok(template) => {
            assert!(template.defaults().all(|default| text.contains(default)));
            let written = template.written_out().map(str::len).sum::<usize>();
            assert!(written <= text.len());
            if !template.has_placeholders() {
                assert_eq!(template.fill(&Hostile), Ok(text.replace("$${", "${")));
            }
        }
    }
}

fn checked(text: &str) -> lockstep::check::Checked {
    let mut files = Files::default();
    let (base, overlay) = match text.split_once("--- overlay ---\n") {
        Some((base, overlay)) => (base, Some(overlay)),
        None => (text, None),
    };
    let file: DraftFile<ClientFile> = files.read("pipelines/acme/client.yaml", "client", base);
    let pipeline: DraftFile<PipelineFile> =
        files.read("pipelines/acme/payment-failed.yaml", "payment-failed", sample::PIPELINE);
    let overlays: Vec<DraftFile<ClientOverlay>> =
        overlay.map(|text| files.read("pipelines/acme/client.test.yaml", "test", text)).into_iter().collect();
    let documents = [&file.document].into_iter().chain(overlays.iter().map(|overlay| &overlay.document));
    documents.flatten().for_each(findings::tree);
    let client = ClientDraft {
        folder: "acme".into(),
        file,
        overlays,
        pipelines: vec![pipeline],
        parts: Vec::new(),
        tests: Vec::new(),
        library: None,
        schemas: Vec::new(),
        whole: true,
    };
    files.check(client, Vec::new())
}
