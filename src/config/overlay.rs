//! `client.<env>.yaml` laid over `client.yaml`.

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::{ClientFile, ClientOverlay, ConnectionFile, ConnectionOverlay, Identifier};
use crate::value::Value;

impl ClientFile {
    /// The client as it is in one environment: maps key by key, anything else replaced. Also names the connections
    /// that only the overlay has and that therefore lack a connector; they are left out.
    pub fn under(&self, overlay: &ClientOverlay) -> (Self, Vec<Identifier>) {
        let mut client = self.clone();
        if let Some(zone) = &overlay.timezone {
            client.timezone = zone.clone();
        }
        lay_values(&mut client.vars, &overlay.vars);
        let mut incomplete = Vec::new();
        for (name, over) in &overlay.connections {
            match client.connections.entry(name.clone()) {
                Entry::Occupied(mut base) => base.get_mut().take_from(over),
                Entry::Vacant(place) => match &over.connector {
                    Some(connector) => place.insert(ConnectionFile::new(connector)).take_from(over),
                    None => incomplete.push(name.clone()),
                },
            }
        }
        (client, incomplete)
    }
}

impl ConnectionFile {
    fn new(connector: &str) -> Self {
        Self {
            connector: connector.to_owned(),
            config: IndexMap::new(),
            rate_limit: None,
            concurrency: None,
            timeout: None,
            read_only: false,
            fields: IndexMap::new(),
        }
    }

    fn take_from(&mut self, over: &ConnectionOverlay) {
        if let Some(connector) = &over.connector {
            self.connector.clone_from(connector);
        }
        lay_values(&mut self.config, &over.config);
        self.rate_limit = over.rate_limit.or(self.rate_limit);
        self.concurrency = over.concurrency.or(self.concurrency);
        self.timeout = over.timeout.or(self.timeout);
        for (object, words) in &over.fields {
            self.fields.entry(object.clone()).or_default().extend(words.clone());
        }
    }
}

fn lay_values<K: Clone + Eq + std::hash::Hash>(base: &mut IndexMap<K, Value>, over: &IndexMap<K, Value>) {
    for (key, value) in over {
        let laid = base.get(key).map_or_else(|| value.clone(), |old| lay(old, value));
        base.insert(key.clone(), laid);
    }
}

fn lay(base: &Value, over: &Value) -> Value {
    let (Value::Map(below), Value::Map(above)) = (base, over) else { return over.clone() };
    let mut map = (**below).clone();
    for (key, value) in above.iter() {
        let laid = map.get(key).map_or_else(|| value.clone(), |old| lay(old, value));
        map.insert(key.clone(), laid);
    }
    map.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pretty_assertions::assert_eq;

    use super::*;
    use crate::yaml::{self, SourceFile};

    fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
        let file = Arc::new(SourceFile::new("client.yaml", text));
        yaml::from_node(&yaml::parse(&file).0.unwrap().root).unwrap()
    }

    #[test]
    fn maps_are_laid_key_by_key_and_the_rest_is_replaced() {
        let base: ClientFile = read(
            "name: acme\nvars: { status: { a: 1, b: 2 }, list: [1, 2] }\n\
             connections: { crm: { connector: salesforce, config: { url: x, id: y }, concurrency: 8 } }",
        );
        let overlay: ClientOverlay = read(
            "vars: { status: { b: 3 }, list: [4] }\n\
             connections: { crm: { config: { url: z } }, slack: { connector: slack }, lost: { concurrency: 2 } }",
        );
        let (laid, incomplete) = base.under(&overlay);
        let vars = Value::map(laid.vars.into_iter().map(|(name, value)| (name.0, value)));
        assert_eq!(vars.to_json(), r#"{"status":{"a":1,"b":3},"list":[4]}"#);
        let crm = &laid.connections[0];
        assert_eq!(crm.config["url"], Value::from("z"));
        assert_eq!(crm.config["id"], Value::from("y"));
        assert_eq!(crm.concurrency, Some(8));
        assert_eq!(laid.connections.len(), 2);
        assert_eq!(incomplete, [Identifier("lost".into())]);
    }
}
