//! `mail:` of an operation, in the place of `request:`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::Span;
use crate::written::Written;

/// How a system is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Requests over HTTP.
    #[default]
    Http,
    /// Mails over SMTP. `base_url` is `smtps://host:465`, encrypted from the start, or `smtp://host:587`, encrypted by STARTTLS, which
    /// must succeed unless the host is this machine or the connection says `allow_http: true`. Of `auth`, `basic` is a login by name and
    /// password, and a token (`bearer`, `oauth2`) one by XOAUTH2 as the sender.
    ///
    /// An answer reads like one over HTTP: `response.status` is the code of SMTP, 250 for a mail that was taken, and `response.body` has
    /// `code` (of three parts, `5.1.1`, where the server gives it), `text`, `stage` (`connect`, `login`, `sender`, `recipient`, `content`),
    /// `recipient` (who was refused) and `id` (the mail's Message-ID).
    Smtp,
}

/// A mail, as data. An address is text, or a map of `address` and `name`; where there may be several, a list of such. Nothing that an
/// expression gives can begin another header or name a further recipient: line breaks in a subject or a name become blanks, and
/// what is no address is refused. To all or to nobody: when one recipient is refused, nothing is sent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailFile {
    /// Who sends it.
    pub from: Written,
    /// Who gets it.
    pub to: Written,
    /// Who gets a copy.
    #[serde(default)]
    pub cc: Option<Written>,
    /// Who gets a copy that the others do not see.
    #[serde(default)]
    pub bcc: Option<Written>,
    /// Where an answer is to go.
    #[serde(default)]
    pub reply_to: Option<Written>,
    /// The subject.
    pub subject: Written,
    /// The text. Every mail has one.
    pub text: Written,
    /// What its Message-ID is made from: equal for each attempt of one mail, so that a second copy can be known. `$.idempotency_key`
    /// when left out.
    #[serde(default)]
    pub id: Option<Written>,
    /// Further headers, a map.
    #[serde(default)]
    pub headers: Option<Written>,
    /// How long each part of the exchange may take; the time of `defaults` when left out.
    #[serde(default)]
    pub timeout: Option<Span>,
}
