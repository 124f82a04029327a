//! Refresh tokens in the store, sealed: the side of [`Vault`] that outlives a restart.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use crate::clock::SharedClock;
use crate::connector::{Kept, Origin, Vault, VaultError};
use crate::seal::{STORE_KEY, SealError, Sealer};
use crate::secret::Secret;
use crate::store::{Change, SealedSecret, Store, StoreError};

/// Keeps tokens in the store, sealed with the operator's key.
pub(super) struct StoreVault {
    store: Arc<dyn Store>,
    /// None as long as the operator has given no key.
    sealer: Option<Sealer>,
    clock: SharedClock,
}

impl StoreVault {
    pub(super) fn new(store: Arc<dyn Store>, sealer: Option<Sealer>, clock: SharedClock) -> Self {
        Self { store, sealer, clock }
    }

    fn sealer(&self) -> Result<&Sealer, VaultError> {
        self.sealer.as_ref().ok_or_else(|| {
            VaultError::Locked(format!(
                "its refresh tokens are replaced as they are used, and only the store keeps the newest one: set \
                 {STORE_KEY} (`openssl rand -hex 32`)"
            ))
        })
    }
}

impl Vault for StoreVault {
    fn ready(&self) -> Result<(), VaultError> {
        self.sealer().map(drop)
    }

    fn load<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
    ) -> BoxFuture<'a, Result<Option<Kept>, VaultError>> {
        async move {
            let key = self.sealer()?;
            let Some(sealed) = self.store.secret(client, connection).await.map_err(out_of_reach)? else {
                return Ok(None);
            };
            let opened = key.open(&sealed, &about(client, connection)).map_err(locked)?;
            unpacked(&opened).map(Some).ok_or_else(|| locked(SealError::WrongKey))
        }
        .boxed()
    }

    fn keep<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        kept: Kept,
    ) -> BoxFuture<'a, Result<(), VaultError>> {
        async move {
            let packed = Zeroizing::new([&kept.origin.0[..], kept.token.expose().as_bytes()].concat());
            let sealed = self.sealer()?.seal(&packed, &about(client, connection)).map_err(locked)?;
            let at = self.clock.now();
            let secret = SealedSecret { client: client.into(), connection: connection.into(), sealed, at };
            self.store.commit(vec![Change::SecretKept(secret)]).await.map_err(out_of_reach)
        }
        .boxed()
    }
}

/// What a sealed text is about. Neither name can hold a slash.
fn about(client: &str, connection: &str) -> String {
    format!("refresh token of {client}/{connection}")
}

/// The hash of the token in the settings, then the newest token.
fn unpacked(packed: &[u8]) -> Option<Kept> {
    let (origin, token) = packed.split_first_chunk()?;
    Some(Kept { token: Secret::from(std::str::from_utf8(token).ok()?), origin: Origin(*origin) })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn out_of_reach(failure: StoreError) -> VaultError {
    VaultError::OutOfReach(failure.to_string())
}

fn locked(failure: SealError) -> VaultError {
    VaultError::Locked(failure.to_string())
}
