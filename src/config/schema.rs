//! The JSON Schema of every file kind, made from the types and their doc comments.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use super::{ClientFile, ClientOverlay, ConnectionSchema, PartFile, PipelineFile, RulesFile, TestFile};
use crate::connector::ManifestFile;

/// A kind of file, and how its schema is made.
#[derive(Debug, Clone, Copy)]
pub struct FileKind {
    /// Its name: the schema is `schemas/<name>.schema.json`.
    pub name: &'static str,
    /// Which files are of this kind.
    pub files: &'static str,
    make: fn() -> schemars::Schema,
}

/// Every kind of file.
pub const FILE_KINDS: &[FileKind] = &[
    FileKind { name: "client", files: "pipelines/<client>/client.yaml", make: of::<ClientFile> },
    FileKind {
        name: "client-overlay",
        files: "pipelines/<client>/client.<env>.yaml",
        make: of::<ClientOverlay>,
    },
    FileKind { name: "pipeline", files: "pipelines/<client>/<pipeline>.yaml", make: of::<PipelineFile> },
    FileKind { name: "part", files: "*.part.yaml", make: of::<PartFile> },
    FileKind { name: "test", files: "*.test.yaml", make: of::<TestFile> },
    FileKind { name: "rules", files: "pipelines/rules.yaml", make: of::<RulesFile> },
    FileKind { name: "connector", files: "connectors/<name>.yaml", make: of::<ManifestFile> },
    FileKind {
        name: "connection-schema",
        files: "pipelines/<client>/schemas/<connection>.json",
        make: of::<ConnectionSchema>,
    },
];

impl FileKind {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FILE_KINDS.iter().find(|kind| kind.name == name)
    }

    /// The name of the schema's file.
    pub fn file_name(&self) -> String {
        format!("{}.schema.json", self.name)
    }

    /// The schema, as its file holds it. Draft 7, which every editor knows.
    pub fn schema(&self) -> String {
        let mut schema = (self.make)();
        let title = format!("lockstep: {}", self.files);
        if let Some(map) = schema.as_object_mut() {
            map.insert("title".into(), title.into());
            map.shift_insert(1, "$id".into(), format!("urn:lockstep:schema:{}", self.name).into());
        }
        // A tree of plain nodes has no way to fail.
        let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        text.push('\n');
        text
    }
}

fn of<T: JsonSchema>() -> schemars::Schema {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::Value as Json;

    use super::*;

    /// Every property below `node` that says nothing about itself.
    fn silent(node: &Json, at: &str, found: &mut Vec<String>) {
        if let Some(properties) = node.get("properties").and_then(Json::as_object) {
            for (name, property) in properties {
                let describes = |node: &Json| node.get("description").is_some_and(|text| text != "");
                // An alternative that is one key is explained as a whole.
                let is_alternative = properties.len() == 1 && describes(node);
                if !describes(property) && !is_alternative {
                    found.push(format!("{at}.{name}"));
                }
            }
        }
        let children: Vec<(String, &Json)> = match node {
            Json::Object(map) => map.iter().map(|(key, child)| (format!("{at}/{key}"), child)).collect(),
            Json::Array(items) => items.iter().map(|child| (at.to_owned(), child)).collect(),
            _ => Vec::new(),
        };
        for (at, child) in children {
            silent(child, &at, found);
        }
    }

    #[test]
    fn every_property_is_explained() {
        for kind in FILE_KINDS {
            let schema: Json = serde_json::from_str(&kind.schema()).unwrap();
            let mut found = Vec::new();
            silent(&schema, kind.name, &mut found);
            assert_eq!(found, Vec::<String>::new());
            assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
            assert_eq!(schema["$id"], format!("urn:lockstep:schema:{}", kind.name));
        }
    }
}
