//! A project in a folder of its own, from one text.

use std::fmt::Write;
use std::fs;

use tempfile::TempDir;

/// A project of the files of one example. `# file: PATH` begins a file (a bare name is in the client's folder); without it, the example is one pipeline of the
/// client `acme`. A `client.yaml` that is left out has the connections that the example speaks of.
pub(crate) fn project(example: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut files = split(example);
    let is_client = |path: &str| path == "pipelines/acme/client.yaml";
    let needs_client = files.iter().any(|(path, _)| path.starts_with("pipelines/acme/"))
        || files.iter().all(|(path, _)| !path.ends_with("client.yaml"));
    if needs_client && !files.iter().any(|(path, _)| is_client(path)) {
        files.push(("pipelines/acme/client.yaml".to_owned(), client(example)));
    }
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn split(example: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in example.split_inclusive('\n') {
        match (line.trim_end().strip_prefix("# file: "), files.last_mut()) {
            (Some(path), _) => files.push((within_project(path), String::new())),
            (None, Some((_, text))) => text.push_str(line),
            (None, None) if line.trim().is_empty() && example.contains("# file: ") => {}
            (None, None) => files.push((format!("pipelines/acme/{}.yaml", name(example)), line.to_owned())),
        }
    }
    files
}

/// A bare name is a file of the client's folder.
fn within_project(path: &str) -> String {
    if path.contains('/') { path.to_owned() } else { format!("pipelines/acme/{path}") }
}

fn name(example: &str) -> &str {
    example.lines().find_map(|line| line.strip_prefix("name: ")).unwrap_or("example")
}

const CONNECTIONS: &[(&str, &str)] = &[
    ("stripe", "{ api_key: \"${ACME_STRIPE_KEY}\", webhook_secrets: [\"${ACME_STRIPE_WHSEC}\"] }"),
    (
        "salesforce",
        "{ login_url: https://acme.my.salesforce.com, client_id: \"${ACME_SF_ID}\", client_secret: \"${ACME_SF_SECRET}\" }",
    ),
    (
        "bitrix24",
        "{ webhook_url: \"${ACME_BITRIX24_WEBHOOK}\", application_tokens: [\"${ACME_BITRIX24_TOKEN}\"] }",
    ),
    ("slack", "{ url: \"${ACME_SLACK_WEBHOOK}\" }"),
    ("http", "{ base_url: https://api.example.com }"),
];

fn client(example: &str) -> String {
    let mut text = "name: acme\nconnections:\n".to_owned();
    for (name, config) in CONNECTIONS.iter().filter(|(name, _)| example.contains(name)) {
        let _ = writeln!(text, "  {name}:\n    connector: {name}\n    config: {config}");
    }
    if text.ends_with("connections:\n") { "name: acme\nconnections: {}\n".to_owned() } else { text }
}
