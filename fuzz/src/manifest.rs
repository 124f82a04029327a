//! A connector's manifest: read, checked among a project's connectors, compiled; what compiles is called.

use std::sync::Arc;

use axum::http::HeaderMap;
use jiff::Timestamp;
use lockstep::config::{ClientDraft, ClientFile, DraftFile};
use lockstep::connector::{Action, Call, Manifest, ManifestFile, Select, Since};
use lockstep::expr::Engine;

use super::findings::{self, Files};
use super::sample;

const CLIENT: &str = "name: acme\nconnections: { crm: { connector: fuzzed, config: { token: abc } } }\n";

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut files = Files::default();
    let manifest: DraftFile<ManifestFile> = files.read("connectors/fuzzed.yaml", "fuzzed", text);
    if let Some(document) = &manifest.document {
        findings::tree(document);
    }
    let content = manifest.content.clone();
    let client = ClientDraft {
        folder: "acme".into(),
        file: files.read::<ClientFile>("pipelines/acme/client.yaml", "client", CLIENT),
        overlays: Vec::new(),
        pipelines: Vec::new(),
        parts: Vec::new(),
        tests: Vec::new(),
        library: None,
        schemas: Vec::new(),
        whole: true,
    };
    let checked = files.check(client, vec![manifest]);
    findings::report(&checked.report, &checked.sources);
    let engine = Engine::new(&[]).expect("no library that could be wrong");
    if let Some(manifest) = content.and_then(|content| Manifest::compile(&content, &engine).ok()) {
        call(manifest);
    }
}

/// Each object and operation is asked for with values that want to be syntax, and gets answers of all kinds.
fn call(manifest: Manifest) {
    let abilities = manifest.abilities().clone();
    let Some(connection) = sample::connection(manifest.into(), sample::map(r#"{"token":"abc"}"#)) else {
        return;
    };
    let hostile = sample::map(r#"{"Name":"' OR ''='\\\n&a[0]=/../?#%\"","Id":7,"Amount":1.50,"None":null}"#);
    let objects = abilities.objects().take(4).flat_map(|(name, _)| {
        let (object, id, fields): (Arc<str>, Arc<str>, _) =
            (name.into(), "../?x=1#&".into(), hostile.clone());
        [
            Action::Find { object: object.clone(), identity: fields.clone(), select: Select::All, limit: 2 },
            Action::List {
                job: None,
                object: object.clone(),
                filter: fields.clone(),
                since: Some(Since { field: "Changed".into(), at: Timestamp::UNIX_EPOCH }),
                select: Select::Fields(vec!["Name".into(), "a b".into()]),
                limit: 100,
                cursor: None,
            },
            Action::Create { object: object.clone(), fields: fields.clone() },
            Action::Update { object, id, fields },
        ]
    });
    let operations = abilities
        .operations()
        .take(4)
        .map(|(name, _)| Action::Operation { name: name.into(), params: hostile.clone().into() });
    for action in objects.chain(operations) {
        let call = Call::new("crm", action);
        // What is refused is refused in words; nothing panics.
        drop(connection.preview(&call));
        for (status, body) in [(200, r#"{"id":1,"records":[{"id":"a"}]}"#), (404, "gone"), (500, "<html>")] {
            drop(connection.read_answer(&call, status, HeaderMap::new(), body.as_bytes()));
        }
    }
}
