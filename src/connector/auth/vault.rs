//! Where refresh tokens outlive a restart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;

use crate::secret::Secret;

/// A vault that cannot be read or written: a lower-case fragment without the secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct VaultError(pub String);

/// Keeps the newest refresh token of each connection. Two sides: the store, sealed with `LOCKSTEP_STORE_KEY`, and
/// [`MemoryVault`] for commands that end before a token is replaced.
pub trait Vault: Send + Sync {
    /// The refresh token that was kept last; `None` before the first replacement.
    fn load<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
    ) -> BoxFuture<'a, Result<Option<Secret>, VaultError>>;

    /// Keeps `token`; it is on disk when this returns.
    fn keep<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        token: Secret,
    ) -> BoxFuture<'a, Result<(), VaultError>>;
}

/// Keeps tokens for as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryVault(Mutex<HashMap<(String, String), Secret>>);

impl Vault for MemoryVault {
    fn load<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
    ) -> BoxFuture<'a, Result<Option<Secret>, VaultError>> {
        let key = (client.to_owned(), connection.to_owned());
        let token = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        Box::pin(async move { Ok(token) })
    }

    fn keep<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        token: Secret,
    ) -> BoxFuture<'a, Result<(), VaultError>> {
        let key = (client.to_owned(), connection.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, token);
        Box::pin(async { Ok(()) })
    }
}
