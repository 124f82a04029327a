//! Mails over SMTP: one connection a mail, each part of the exchange known by its name, so that what failed says whether the mail may be
//! on its way.
//!
//! Until the last dot is sent nothing was taken. After it the server may have taken the mail whatever becomes of its answer: that is a lost
//! answer like any other, and what follows is the operation's `after_unknown`.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap};

use super::answer::Answer;
use super::classify::cut;
use super::failure::{Class, Failure};
use super::file::BodyKind;
use super::http::{Lost, Reach};
use super::mail::Mailing;
use super::request::Outgoing;
use crate::value::Value;

/// A host that does not answer a connection attempt is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A part of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connect,
    Login,
    Sender,
    Recipient,
    Content,
}

/// Why a mail was not given to the server.
#[derive(Debug)]
pub(super) enum NotSent {
    /// It went wrong before anything could be asked, and will again.
    Failure(Failure),
    /// No answer, or half of one.
    Lost(Lost),
}

/// One exchange with a server.
struct Exchange<'a> {
    stage: Stage,
    timeout: Duration,
    mailing: &'a Mailing,
    recipient: Option<&'a Address>,
}

/// Gives one mail to the server. Whatever the server says is an answer, a refusal too.
pub(super) async fn send(outgoing: &Outgoing, mailing: &Mailing, reach: &Reach) -> Result<Answer, NotSent> {
    let mut exchange =
        Exchange { stage: Stage::Connect, timeout: outgoing.timeout, mailing, recipient: None };
    let message = outgoing.body.as_ref().map_or("", |body| &body.text);
    match exchange.carry_out(outgoing, message, reach).await {
        Ok(response) => {
            Ok(exchange.answer(u16::from(response.code()), &response.message().collect::<Vec<_>>().join(" ")))
        }
        Err(Broken::Refused(failure)) => Err(NotSent::Failure(failure)),
        Err(Broken::Silent) => Err(exchange.lost(format!("no answer within {:?}", outgoing.timeout))),
        Err(Broken::Smtp(error)) => match error.status() {
            Some(code) => {
                let said = std::error::Error::source(&error).map(ToString::to_string);
                Ok(exchange.answer(u16::from(code), &said.unwrap_or_default()))
            }
            None => Err(exchange.lost(cut(&error.to_string()))),
        },
    }
}

/// What ends an exchange early.
enum Broken {
    Refused(Failure),
    Silent,
    Smtp(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

impl Exchange<'_> {
    async fn carry_out(
        &mut self,
        outgoing: &Outgoing,
        message: &str,
        reach: &Reach,
    ) -> Result<Response, Broken> {
        let mailing = self.mailing;
        let mut connection = self.connect(&outgoing.url, reach).await?;
        self.stage = Stage::Login;
        if let Some((mechanisms, credentials)) = login(&outgoing.headers, mailing) {
            self.within(connection.auth(mechanisms, &credentials)).await?;
        }
        self.stage = Stage::Sender;
        let from = mailing.envelope.from().cloned();
        self.within(connection.command(Mail::new(from, Vec::new()))).await?;
        self.stage = Stage::Recipient;
        for to in mailing.envelope.to() {
            self.recipient = Some(to);
            self.within(connection.command(Rcpt::new(to.clone(), Vec::new()))).await?;
        }
        self.recipient = None;
        self.within(connection.command(Data)).await?;
        self.stage = Stage::Content;
        let response = self.within(connection.message(message.as_bytes())).await?;
        // It has the mail: how it takes leave matters to nobody.
        let _ = self.within(connection.quit()).await;
        Ok(response)
    }

    /// A connection that is encrypted, unless it may be in clear.
    async fn connect(&self, url: &Url, reach: &Reach) -> Result<AsyncSmtpConnection, Broken> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let implicit = url.scheme() == "smtps";
        let port = url.port().unwrap_or(if implicit { 465 } else { 587 });
        let hello = hello(self.mailing);
        let tls = || TlsParameters::new(host.to_owned());
        let first = if implicit { Some(tls()?) } else { None };
        let connecting =
            AsyncSmtpConnection::connect_tokio1((host, port), Some(CONNECT_TIMEOUT), &hello, first, None);
        let mut connection = self.within(connecting).await?;
        if implicit {
            return Ok(connection);
        }
        if connection.can_starttls() {
            self.within(connection.starttls(tls()?, &hello)).await?;
        } else if !reach.may_go_in_clear(host) {
            // Never in clear because somebody in between left a word out.
            return Err(Broken::Refused(Failure::new(
                Class::ConnectionDown,
                format!("{host} offers no STARTTLS, and mails do not go in clear"),
            )));
        }
        Ok(connection)
    }

    /// Waits for one answer, not for ever.
    async fn within<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Broken> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Broken::Silent),
        }
    }

    fn lost(&self, message: String) -> NotSent {
        NotSent::Lost(Lost { sent: self.stage == Stage::Content, message })
    }

    /// What the server said, as manifests read it.
    fn answer(&self, status: u16, said: &str) -> Answer {
        let (code, text) = enhanced(said);
        let recipient = self.recipient.map(ToString::to_string);
        let body = Value::map([
            ("code", code.map_or(Value::Null, Value::from)),
            ("text", Value::from(cut(text))),
            ("stage", Value::from(self.stage.word())),
            ("recipient", Value::from(recipient)),
            ("id", Value::from(self.mailing.id.as_str())),
        ]);
        Answer { status, headers: HeaderMap::new(), kind: BodyKind::Json, text: body.to_json(), body }
    }
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Login => "login",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Content => "content",
        }
    }
}

/// How we introduce ourselves: by the sender's domain.
fn hello(mailing: &Mailing) -> ClientId {
    match mailing.envelope.from() {
        Some(from) if from.domain().parse::<IpAddr>().is_err() => ClientId::Domain(from.domain().to_owned()),
        _ => ClientId::default(),
    }
}

/// How a login goes, by what would be an HTTP header: a name with a password, or a token of the sender.
fn login(headers: &HeaderMap, mailing: &Mailing) -> Option<(&'static [Mechanism], Credentials)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (kind, credential) = header.split_once(' ')?;
    if kind == "Basic" {
        let pair = String::from_utf8(STANDARD.decode(credential).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        return Some((
            &[Mechanism::Plain, Mechanism::Login],
            Credentials::new(user.to_owned(), password.to_owned()),
        ));
    }
    let sender = mailing.envelope.from()?.to_string();
    Some((&[Mechanism::Xoauth2], Credentials::new(sender, credential.to_owned())))
}

/// The code of three parts (RFC 3463) that many servers put before their text.
fn enhanced(said: &str) -> (Option<&str>, &str) {
    let (first, rest) = said.trim().split_once(' ').unwrap_or((said.trim(), ""));
    let parts: Vec<&str> = first.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.chars().all(|char| char.is_ascii_digit());
    if parts.len() == 3 && parts.iter().all(number) { (Some(first), rest) } else { (None, said.trim()) }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_code_of_three_parts_stands_before_the_text_or_is_not_there() {
        for (said, code, text) in [
            ("5.1.1 no such mailbox", Some("5.1.1"), "no such mailbox"),
            ("no such mailbox", None, "no such mailbox"),
            ("2.0.0", Some("2.0.0"), ""),
            ("10.0.0.1 is not welcome", None, "10.0.0.1 is not welcome"),
            ("", None, ""),
        ] {
            assert_eq!(enhanced(said), (code, text), "{said}");
        }
    }
}
