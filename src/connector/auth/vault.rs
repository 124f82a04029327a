//! Where refresh tokens outlive a restart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// A vault that cannot be read or written: lower-case fragments without the secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// It is out of reach at the moment.
    #[error("{0}")]
    OutOfReach(String),
    /// It cannot be opened before a person has given the key to it.
    #[error("{0}")]
    Locked(String),
}

/// A refresh token that took the place of the one in the settings.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The newest token.
    pub token: Secret,
    /// Which token of the settings it descends from: when a person puts another one there, that one counts.
    pub origin: Origin,
}

/// The hash of a token in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin(pub [u8; 32]);

impl Origin {
    /// That of `token`.
    pub fn of(token: &Secret) -> Self {
        Self(Sha256::digest(token.expose()).into())
    }
}

/// Keeps the newest refresh token of each connection. Two sides: the store, sealed with `LOCKSTEP_STORE_KEY`, and
/// [`MemoryVault`] for commands that end before a token is replaced.
pub trait Vault: Send + Sync {
    /// Whether tokens can be kept at all: asked before a connection is opened that replaces them.
    fn ready(&self) -> Result<(), VaultError>;

    /// The refresh token that was kept last; `None` before the first replacement.
    fn load<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
    ) -> BoxFuture<'a, Result<Option<Kept>, VaultError>>;

    /// Keeps `kept`; it is on disk when this returns.
    fn keep<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        kept: Kept,
    ) -> BoxFuture<'a, Result<(), VaultError>>;
}

/// Keeps tokens for as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryVault(Mutex<HashMap<(String, String), Kept>>);

impl Vault for MemoryVault {
    fn ready(&self) -> Result<(), VaultError> {
        Ok(())
    }

    fn load<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
    ) -> BoxFuture<'a, Result<Option<Kept>, VaultError>> {
        let key = (client.to_owned(), connection.to_owned());
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        Box::pin(async move { Ok(kept) })
    }

    fn keep<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        kept: Kept,
    ) -> BoxFuture<'a, Result<(), VaultError>> {
        let key = (client.to_owned(), connection.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, kept);
        Box::pin(async { Ok(()) })
    }
}
