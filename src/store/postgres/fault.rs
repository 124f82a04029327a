//! What went wrong with the database, and whether it is worth another try.

use std::error::Error as _;
use std::sync::Arc;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// Why a statement or a transaction failed.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The connection broke, or there is none: what was sent last may have been done, or not.
    Lost(String),
    /// The database undid the transaction because of another one: the same again will do.
    Again,
    /// The process's row was swept away, which costs it nothing.
    Swept,
    /// What was taken for granted is not so.
    Assumption(Arc<str>),
    /// It fails the same way every time.
    Said(StoreError),
}

impl Fault {
    /// What an error means to the store that is named so.
    pub(super) fn of(error: &Error, store: &Arc<str>) -> Self {
        let Some(said) = error.as_db_error() else { return Self::without_code(error, store) };
        let code = said.code();
        let reason = format!("{} ({})", said.message(), code.code());
        let store = Arc::clone(store);
        if is_passing(code) {
            return Self::Lost(reason);
        }
        match *code {
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Self::Again,
            SqlState::DISK_FULL => Self::Said(StoreError::Full),
            SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::INSUFFICIENT_PRIVILEGE => {
                Self::Said(StoreError::ReadOnly { store, reason })
            }
            SqlState::INVALID_CATALOG_NAME
            | SqlState::INVALID_PASSWORD
            | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                Self::Said(StoreError::Unopened { store, reason })
            }
            _ => Self::Said(StoreError::Database(reason.into())),
        }
    }

    /// The client's own errors: it does not name their kinds, but their causes tell.
    fn without_code(error: &Error, store: &Arc<str>) -> Self {
        let reason = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        let text = error.to_string();
        if text.starts_with("error deserializing column") {
            return Self::Said(StoreError::Damaged { store: Arc::clone(store), reason });
        }
        let of_tls =
            text.contains("TLS") || text.contains("authentication") || text.contains("configuration");
        if of_tls {
            return Self::Said(StoreError::Unopened { store: Arc::clone(store), reason });
        }
        let io = error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
        if io || error.is_closed() || text.contains("timeout") || text.contains("timed out") {
            return Self::Lost(reason);
        }
        Self::Said(StoreError::Database(reason.into()))
    }

    /// What the store answers.
    pub(super) fn told(self, store: &Arc<str>) -> StoreError {
        match self {
            Self::Lost(reason) => StoreError::Unreachable { store: Arc::clone(store), reason },
            Self::Again | Self::Swept => StoreError::Locked,
            Self::Assumption(what) => StoreError::Assumption(what),
            Self::Said(error) => error,
        }
    }
}

/// The server, or a pooler before it, says that it cannot serve now: it is starting, stopping, full, or has lost
/// the server behind it.
fn is_passing(code: &SqlState) -> bool {
    // Class 08: connection exceptions, which poolers use for servers that they cannot reach.
    code.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
        ]
        .contains(code)
}
