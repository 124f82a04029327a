//! Editors complete and explain our files by the JSON Schemas: proved with the language server that they use.

use crate::sandbox_sdk::run;

#[tokio::test(flavor = "multi_thread")]
async fn an_editors_language_server_completes_and_explains_a_pipeline() {
    run("editor.test.mjs", vec![("LOCKSTEP_ROOT", env!("CARGO_MANIFEST_DIR").to_owned())]).await;
}
