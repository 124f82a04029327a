//! Opening a store, whichever kind it is.

use std::sync::Arc;

use super::address::StoreAddress;
use super::contract::Store;
use super::error::StoreError;
use super::postgres::PostgresStore;
use super::sharing::Role;
use super::sqlite::SqliteStore;

/// What for a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To take events and carry runs out: the store is made when it is missing, and brought up to date. An SQLite
    /// store is kept from other such processes.
    Run,
    /// The same, on a store that several processes share, as one of them with a role of its own.
    Share(Role),
    /// To look at it, or to change a little, beside a process that carries runs out. The store must be there.
    Beside,
}

/// Opens the store at `address`.
pub async fn open(address: &StoreAddress, access: Access) -> Result<Arc<dyn Store>, StoreError> {
    match address {
        StoreAddress::Sqlite(path) => {
            let path = path.clone();
            let opening = tokio::task::spawn_blocking(move || SqliteStore::open(&path, access));
            Ok(Arc::new(opening.await.map_err(|_| StoreError::Closed)??))
        }
        StoreAddress::Postgres(address) => Ok(Arc::new(PostgresStore::open(address, access).await?)),
    }
}
