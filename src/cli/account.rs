//! What the account behind a connection has: what there is to ask for, and asking.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::check::{self, objects_named};
use crate::config::{ConnectionSchema, Draft, ObjectSchema, SchemaDraft};
use crate::connector::{Class, Connection};
use crate::diagnostic::Code;

/// A client's folder and one of its connections.
pub(super) type Of = (Arc<str>, Arc<str>);

/// What accounts are to be asked for, and what they said before.
pub(super) struct Wanted {
    objects: BTreeMap<Of, BTreeSet<Arc<str>>>,
    pulled: BTreeMap<Of, ConnectionSchema>,
}

/// What an account said of its objects.
pub(super) struct Described {
    /// The objects whose fields it told.
    pub(super) schema: ConnectionSchema,
    /// Objects whose fields the system tells nobody.
    pub(super) untold: Vec<Arc<str>>,
    /// Objects that the account does not have.
    pub(super) missing: Vec<Arc<str>>,
}

/// Why an account did not say what it has.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// It refused, or could not be reached.
    #[error("{object} could not be described: {message}")]
    Refused {
        /// The object that was asked for.
        object: Arc<str>,
        /// What the system said.
        message: String,
    },
    /// Its answer is not what the manifest's format says.
    #[error("{object} is described in a way that cannot be read: {why}")]
    Unreadable {
        /// The object that was asked for.
        object: Arc<str>,
        /// What is wrong with it.
        why: String,
    },
}

impl Wanted {
    /// What the clients' files name, and what was pulled before. That is taken out of the draft: an older look at the account may
    /// call wrong what is right now.
    pub(super) fn of(draft: &mut Draft) -> Self {
        draft.findings.retain(|finding| finding.code != Code::BadSchema);
        let mut pulled = BTreeMap::new();
        for client in &mut draft.clients {
            for SchemaDraft { connection, content, .. } in std::mem::take(&mut client.schemas) {
                pulled.extend(content.map(|content| ((Arc::clone(&client.folder), connection), content)));
            }
        }
        let manifests = check::manifests(draft);
        let mut objects: BTreeMap<Of, BTreeSet<Arc<str>>> = BTreeMap::new();
        for client in &draft.clients {
            let connections = client.file.content.iter().flat_map(|file| &file.connections);
            for (name, connection) in connections {
                let manifest = manifests.iter().find(|manifest| **manifest.name() == *connection.connector);
                let named = manifest
                    .map(|manifest| objects_named(client, &draft.shared, &name.0, manifest.abilities()));
                objects.insert((Arc::clone(&client.folder), Arc::clone(&name.0)), named.unwrap_or_default());
            }
        }
        // What was asked for once stays asked for.
        for (of, schema) in &pulled {
            let known = schema.objects.keys().map(|name| Arc::from(name.as_str()));
            objects.entry(of.clone()).or_default().extend(known);
        }
        Self { objects, pulled }
    }

    /// The objects to ask for.
    pub(super) fn objects(&self, of: &Of) -> BTreeSet<Arc<str>> {
        self.objects.get(of).cloned().unwrap_or_default()
    }

    /// What was pulled before.
    pub(super) fn pulled(&self, of: &Of) -> Option<&ConnectionSchema> {
        self.pulled.get(of)
    }
}

/// Asks an account for the fields of these objects.
pub(super) async fn describe(
    connection: &Connection,
    objects: BTreeSet<Arc<str>>,
) -> Result<Described, AskError> {
    let connector = connection.manifest().name().to_string();
    let schema = ConnectionSchema { schema: None, connector, objects: BTreeMap::new() };
    let mut described = Described { schema, untold: Vec::new(), missing: Vec::new() };
    for object in objects {
        let fields = match connection.describe(&object).await {
            Ok(Some(fields)) => fields,
            Ok(None) => {
                described.untold.push(object);
                continue;
            }
            Err(failure) if failure.class == Class::Missing => {
                described.missing.push(object);
                continue;
            }
            Err(failure) => return Err(AskError::Refused { object, message: failure.message }),
        };
        let fields = ObjectSchema::of_described(&fields);
        let fields = fields
            .map_err(|error| AskError::Unreadable { object: Arc::clone(&object), why: error.to_string() })?;
        described.schema.objects.insert(object.to_string(), fields);
    }
    Ok(described)
}
