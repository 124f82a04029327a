//! Connections, and statements on them.
//!
//! Nothing is kept in a session: a statement is parsed, bound and executed in one go without a name, and a
//! transaction is all that ties two of them together. So any connection serves as well as another, and a pooler in
//! transaction mode may stand in between.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::PostgresAddress;
use super::fault::Fault;
use super::tls;
use crate::store::StoreError;

/// Connections that answer questions.
const READERS: usize = 6;

/// Connections that write: one for changes, the others for events, tenure, paces and what people change.
const WRITERS: usize = 5;

/// No statement of ours takes seconds. One that has no answer after so long is taken for lost.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// Begins a transaction. A process that is frozen in the middle of one must not keep its locks: it would be taken for dead,
/// and nobody could take over. Said in each transaction, for a session may be somebody else's.
pub(super) const BEGIN: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '4s'";

/// How long a question waits for a free connection.
const FREE: Duration = Duration::from_secs(10);

/// A question is asked so often when connections turn out to be broken: after a restart of the database all that
/// were kept are.
const ASK: u32 = 3;

/// A statement's values, each with its type: nothing is looked up, nothing is prepared.
pub(super) type Values<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// The database.
#[derive(Clone)]
pub(super) struct Db {
    readers: Pool,
    writers: Pool,
    address: Arc<(tokio_postgres::Config, MakeRustlsConnect)>,
    /// Names the store in errors.
    pub(super) store: Arc<str>,
}

impl Db {
    /// Connects to nothing yet.
    pub(super) fn new(address: &PostgresAddress) -> Result<Self, StoreError> {
        let store: Arc<str> = address.to_string().into();
        let unopened = |reason: String| StoreError::Unopened { store: Arc::clone(&store), reason };
        let tls = tls::connector(&address.tls).map_err(unopened)?;
        let pool = |size: usize| {
            let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            let manager = Manager::from_config(address.config.clone(), tls.clone(), config);
            let builder = Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1);
            builder.wait_timeout(Some(FREE)).build()
        };
        let readers = pool(READERS).map_err(|error| unopened(error.to_string()))?;
        let writers = pool(WRITERS).map_err(|error| unopened(error.to_string()))?;
        let address = Arc::new((address.config.clone(), tls.clone()));
        Ok(Self { readers, writers, address, store })
    }

    /// How a connection beside the pools is made.
    pub(super) fn address(&self) -> &(tokio_postgres::Config, MakeRustlsConnect) {
        &self.address
    }

    /// A connection to write on.
    pub(super) async fn writer(&self) -> Result<Link, Fault> {
        self.link(&self.writers).await
    }

    async fn link(&self, pool: &Pool) -> Result<Link, Fault> {
        match pool.get().await {
            Ok(client) => Ok(Link { client: Some(client), store: Arc::clone(&self.store) }),
            Err(PoolError::Closed) => Err(Fault::Said(StoreError::Closed)),
            Err(PoolError::Backend(error)) => Err(Fault::of(&error, &self.store)),
            Err(error) => Err(Fault::Lost(error.to_string())),
        }
    }

    /// Asks. A broken connection is no answer: it is asked again on another one.
    pub(super) async fn rows(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = match self.link(&self.readers).await {
                Ok(mut link) => link.rows(sql, values).await,
                Err(fault) => Err(fault),
            };
            match answer {
                Err(Fault::Lost(_) | Fault::Again) if tries < ASK => {}
                answer => return answer.map_err(|fault| fault.told(&self.store)),
            }
        }
    }

    /// Closes all connections. Questions that are being answered are answered.
    pub(super) fn close(&self) {
        self.readers.close();
        self.writers.close();
    }
}

/// One connection, as long as it is needed. One that broke is not used again.
pub(super) struct Link {
    client: Option<Object>,
    store: Arc<str>,
}

impl Link {
    /// The rows that a statement gives.
    pub(super) async fn rows(&mut self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let result = match &self.client {
            Some(client) => in_time(client.query_typed(sql, values), &self.store).await,
            None => Err(gone()),
        };
        self.kept(result)
    }

    /// Statements without values, in one go: a transaction's begin and end, migrations.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), Fault> {
        let result = match &self.client {
            Some(client) => in_time(client.batch_execute(sql), &self.store).await,
            None => Err(gone()),
        };
        self.kept(result)
    }

    /// The connection, for statements that are sent one after another without waiting for each other's answers.
    /// Tell [`kept`](Self::kept) what came of them.
    pub(super) fn pipe(&self) -> Result<Pipe<'_>, Fault> {
        self.client.as_ref().map(|client| Pipe { client, store: &self.store }).ok_or_else(gone)
    }

    /// Passes a result on. After a lost connection this one is not used any more.
    pub(super) fn kept<T>(&mut self, result: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(Fault::Lost(_)) = &result
            && let Some(client) = self.client.take()
        {
            // Out of the pool, and closed.
            drop(Object::take(client));
        }
        result
    }

    /// Undoes the transaction under way. A connection that cannot even do that is given up, which undoes it too.
    pub(super) async fn roll_back(&mut self) {
        if self.batch("ROLLBACK").await.is_err()
            && let Some(client) = self.client.take()
        {
            drop(Object::take(client));
        }
    }
}

/// A connection on which statements follow one another without waiting.
#[derive(Clone, Copy)]
pub(super) struct Pipe<'a> {
    client: &'a Object,
    store: &'a Arc<str>,
}

impl Pipe<'_> {
    /// The rows that a statement gives.
    pub(super) async fn rows(self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        in_time(self.client.query_typed(sql, values), self.store).await
    }

    /// How many rows a statement has changed.
    pub(super) async fn change(self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        in_time(self.client.execute_typed(sql, values), self.store).await
    }

    /// A statement without values.
    pub(super) async fn batch(self, sql: &str) -> Result<(), Fault> {
        in_time(self.client.batch_execute(sql), self.store).await
    }
}

async fn in_time<T>(
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    store: &Arc<str>,
) -> Result<T, Fault> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => answer.map_err(|error| Fault::of(&error, store)),
        Err(_) => Err(Fault::Lost(format!("no answer within {} s", ANSWER.as_secs()))),
    }
}

fn gone() -> Fault {
    Fault::Lost("the connection broke".into())
}
