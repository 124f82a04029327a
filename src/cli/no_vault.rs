//! No place for refresh tokens.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::connector::{Kept, Vault, VaultError};

/// A system that replaces its refresh token would be locked out when nobody keeps the new one, and the store that does is the running
/// process's: such a connection does not open.
pub(super) struct NoVault;

impl Vault for NoVault {
    fn ready(&self) -> Result<(), VaultError> {
        let why =
            "its refresh tokens are kept by `lockstep run` alone, and one that is renewed here would be lost";
        Err(VaultError::Locked(why.into()))
    }

    fn load<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Option<Kept>, VaultError>> {
        ready(self.ready().map(|()| None)).boxed()
    }

    fn keep<'a>(&'a self, _: &'a str, _: &'a str, _: Kept) -> BoxFuture<'a, Result<(), VaultError>> {
        ready(self.ready()).boxed()
    }
}
