//! Calls through connections: against the simulators, and against small servers that answer as a system might.

mod activecampaign;
mod bitrix24;
mod hubspot;
mod jobs;
mod own;
mod pages;
mod salesforce;
mod slack;
mod smtp;
mod stripe;
mod together;
mod traps;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use lockstep::clock::{SharedClock, SystemClock};
use lockstep::connector::{
    Action, Call, Connection, ConnectionParts, Connections, Failure, Fault, Gateway, Http, Manifest,
    MemoryVault, Reply, Select, Surroundings, Vault, builtin,
};
use lockstep::secret::Redactor;
use lockstep::value::{Map, Value};

/// Connections of the client `acme`, as the engine has them.
pub(crate) struct Client {
    connections: Connections,
    around: Surroundings,
    timeout: Option<Duration>,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::with_vault(Arc::new(MemoryVault::default()))
    }

    pub(crate) fn with_vault(vault: Arc<dyn Vault>) -> Self {
        Self::made(vault, Arc::new(SystemClock))
    }

    /// In whose time it is what `clock` says.
    pub(crate) fn at(clock: SharedClock) -> Self {
        Self::made(Arc::new(MemoryVault::default()), clock)
    }

    fn made(vault: Arc<dyn Vault>, clock: SharedClock) -> Self {
        let around = Surroundings {
            http: Http::new().unwrap(),
            clock,
            redactor: Redactor::default(),
            vault,
            commons: None,
        };
        Self { connections: Connections::new(), around, timeout: None }
    }

    /// Opens the one connection `crm`.
    pub(crate) fn open(&self, manifest: Arc<Manifest>, config: &str) -> Arc<Connection> {
        self.try_open(manifest, config).unwrap()
    }

    /// As [`Self::open`], or why it does not open.
    pub(crate) fn try_open(
        &self,
        manifest: Arc<Manifest>,
        config: &str,
    ) -> Result<Arc<Connection>, Vec<Fault>> {
        let parts = ConnectionParts {
            client: "acme".into(),
            name: "crm".into(),
            manifest,
            config: map(config),
            rate_limit: None,
            concurrency: None,
            timeout: self.timeout,
            read_only: false,
            fields: [("Account", [("stripe_id", "Stripe_Customer_Id__c")])]
                .into_iter()
                .map(|(object, words)| {
                    let words = words.into_iter().map(|(word, field)| (word.to_owned(), field.to_owned()));
                    (object.to_owned(), words.collect())
                })
                .collect(),
        };
        let connection = Connection::open(parts, self.around.clone())?;
        self.connections.replace([("acme".into(), vec![connection.into()])]);
        Ok(self.connections.get("acme", "crm").unwrap())
    }

    /// As [`Self::open`], of a built-in connector.
    pub(crate) fn open_builtin(&self, name: &str, config: &str) -> Arc<Connection> {
        self.open(builtin(name).unwrap(), config)
    }

    pub(crate) async fn call(&self, action: Action) -> Result<Reply, Failure> {
        self.connections.call("acme", &Call::new("crm", action)).await
    }

    pub(crate) async fn call_with(&self, action: Action, params: &str, key: &str) -> Result<Reply, Failure> {
        let call =
            Call { params: json(params), idempotency_key: Some(key.into()), ..Call::new("crm", action) };
        self.connections.call("acme", &call).await
    }
}

pub(crate) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap()
}

pub(crate) fn map(text: &str) -> Map {
    json(text).as_map().unwrap().clone()
}

pub(crate) fn find(object: &str, identity: &str) -> Action {
    Action::Find { object: object.into(), identity: map(identity), select: Select::All, limit: 2 }
}

pub(crate) fn get(object: &str, id: &str) -> Action {
    Action::Get { object: object.into(), id: id.into(), select: Select::All }
}

pub(crate) fn list(object: &str, filter: &str, limit: u32, cursor: Option<Value>) -> Action {
    Action::List {
        job: None,
        object: object.into(),
        filter: map(filter),
        since: None,
        select: Select::All,
        limit,
        cursor,
    }
}

pub(crate) fn create(object: &str, fields: &str) -> Action {
    Action::Create { object: object.into(), fields: map(fields) }
}

pub(crate) fn update(object: &str, id: &str, fields: &str) -> Action {
    Action::Update { object: object.into(), id: id.into(), fields: map(fields) }
}

pub(crate) fn delete(object: &str, id: &str) -> Action {
    Action::Delete { object: object.into(), id: id.into() }
}

pub(crate) fn operation(name: &str, params: &str) -> Action {
    Action::Operation { name: name.into(), params: json(params) }
}

/// The field `name` of a record.
pub(crate) fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}
