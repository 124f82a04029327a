//! How a request shows who sends it: static credentials, and access tokens that are fetched and renewed.
//!
//! A token is fetched by one caller while the others wait for the same one; a refresh token that is replaced is
//! kept durably before the access token that came with it is used. Begin reading at [`Auth`].

mod jwt;
mod kind;
mod oauth2;
mod token;
mod vault;

pub(super) use kind::{Auth, Credential, Way};
pub(super) use oauth2::OAuth2;
pub(super) use token::{Asking, Grant, Tokens};
pub use vault::{Kept, MemoryVault, Origin, Vault, VaultError};
