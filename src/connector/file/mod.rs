//! What may be written in a connector manifest.
//!
//! The doc comments of these types are the reference (`docs/manifest.md` is a guided tour of it): they become
//! `schemas/connector.schema.json`, an editor's hover text and `lockstep schema connector`. These types hold what
//! was written and judge nothing; [`Manifest::compile`](super::Manifest::compile) gives them their meaning.

mod auth;
mod batch;
mod endpoints;
mod errors;
mod events;
mod job;
mod mail;
mod manifest;
mod object;
mod operation;
mod request;
mod setting;

pub use auth::{AuthChoiceFile, AuthFile, BasicFile, JwtFile, OAuth2File, TokenRequestFile};
pub use batch::{BatchCost, BatchFile};
pub use endpoints::EndpointsFile;
pub use errors::{BodyKind, ErrorsFile, Holds, RuleFile, StatusRange, Statuses, Words};
pub use events::{
    DeliveryBody, EventRankFile, EventTypeFile, EventsFile, ExpectFile, SignatureEncoding, SignatureFile,
    SignatureScheme, SignedPart, StagesFile, WebhookFile,
};
pub use job::JobFile;
pub use mail::{MailFile, Transport};
pub use manifest::{
    Amounts, DefaultsFile, IdempotencyFile, LanguageFile, LimitsFile, ListLiteralFile, ManifestFile,
    PreludeFile, UsageFile,
};
pub use object::{FieldFile, ManyFile, ObjectFile};
pub use operation::{OperationFile, ParamFile, ParamKind, RepeatFile};
pub use request::{Encoding, Method, RequestFile, ResponseFile, RowFormat};
pub use setting::{SettingFile, SettingKind};
