//! A mail: the manifest's data and a call's values become a message and its envelope.
//!
//! Whatever a value holds, it stays what it is: an address is one address, a subject one line. Encoding (RFC 2047, quoted-printable) is the
//! library's; what it would let through is refused or folded here.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, SinglePart};
use lettre::{Address, Message};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

use super::compile::Compiler;
use super::encode::Body;
use super::expression::Expression;
use super::failure::Failure;
use super::file::MailFile;
use super::request::{Defaults, Outgoing};
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::Value;

/// No mail that a pipeline writes is larger, headers and all.
const MAIL_MAX: usize = 1024 * 1024;

/// No mail goes to more.
const RECIPIENTS_MAX: usize = 100;

/// A subject is cut here: longer ones are nobody's to read.
const SUBJECT_MAX: usize = 500;

/// A compiled mail.
#[derive(Debug)]
pub(super) struct Mail {
    from: Expression,
    to: Expression,
    cc: Option<Expression>,
    bcc: Option<Expression>,
    reply_to: Option<Expression>,
    subject: Expression,
    text: Expression,
    id: Expression,
    headers: Option<Expression>,
    timeout: Duration,
}

/// What an SMTP server is told besides the message.
#[derive(Debug, Clone)]
pub(super) struct Mailing {
    pub(super) envelope: Envelope,
    /// The mail's Message-ID.
    pub(super) id: String,
}

impl Mail {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: &MailFile,
        defaults: &Defaults,
        names: &Names,
    ) -> Option<Self> {
        // All of it, so that a mistake in one part does not hide those in another.
        let (from, to) = (
            compiler.expression(&at.key("from"), &file.from.0, names),
            compiler.expression(&at.key("to"), &file.to.0, names),
        );
        let subject = compiler.expression(&at.key("subject"), &file.subject.0, names);
        let text = compiler.expression(&at.key("text"), &file.text.0, names);
        let id = compiler.or_default(&at.key("id"), file.id.as_ref(), "$.idempotency_key", names);
        let mut part = |key: &str, written| compiler.optional(&at.key(key), written, names);
        let (cc, bcc) = (part("cc", file.cc.as_ref()), part("bcc", file.bcc.as_ref()));
        let reply_to = part("reply_to", file.reply_to.as_ref());
        let headers = part("headers", file.headers.as_ref());
        Some(Self {
            from: from?,
            to: to?,
            cc,
            bcc,
            reply_to,
            subject: subject?,
            text: text?,
            id: id?,
            headers,
            timeout: file.timeout.map_or(defaults.timeout, |timeout| timeout.0),
        })
    }

    /// The mail of one call, to be given to the server at `base`.
    pub(super) fn build(&self, base: &Url, context: &Context) -> Result<Outgoing, Failure> {
        let from = one_mailbox("from", &self.from.eval(context)?)?;
        let to = mailboxes("to", &self.to.eval(context)?)?;
        let eval = |part: &Option<Expression>| part.as_ref().map_or(Ok(Value::Null), |it| it.eval(context));
        let (cc, bcc) = (mailboxes("cc", &eval(&self.cc)?)?, mailboxes("bcc", &eval(&self.bcc)?)?);
        if to.is_empty() {
            return Err(refused("to", "names nobody"));
        }
        if to.len() + cc.len() + bcc.len() > RECIPIENTS_MAX {
            return Err(refused("to", &format!("more than {RECIPIENTS_MAX} recipients")));
        }
        let id = message_id(&self.id.eval(context)?, from.email.domain());
        let subject = line(&self.subject.eval(context)?.to_text().unwrap_or_default(), SUBJECT_MAX);
        let mut builder = Message::builder()
            .message_id(Some(id.clone()))
            .date(SystemTime::from(context.frame().now))
            .from(from)
            .subject(subject);
        for (mailboxes, add) in
            [(to, MessageBuilder::to as fn(_, _) -> _), (cc, MessageBuilder::cc), (bcc, MessageBuilder::bcc)]
        {
            builder = mailboxes.into_iter().fold(builder, add);
        }
        let reply_to = eval(&self.reply_to)?;
        if !reply_to.is_blank() {
            builder = builder.reply_to(one_mailbox("reply_to", &reply_to)?);
        }
        builder = add_headers(builder, &eval(&self.headers)?)?;
        let text = self.text.eval(context)?.to_text().unwrap_or_default();
        if text.trim().is_empty() {
            return Err(refused("text", "a mail without text"));
        }
        let message = builder
            .singlepart(SinglePart::plain(text.to_string()))
            .map_err(|error| Failure::permanent(format!("no mail: {error}")))?;
        let formatted = String::from_utf8(message.formatted())
            .map_err(|_| Failure::permanent("no mail: it cannot be written as text"))?;
        if formatted.len() > MAIL_MAX {
            return Err(Failure::permanent(format!("the mail is larger than {MAIL_MAX} bytes")));
        }
        Ok(Outgoing {
            method: Method::POST,
            url: base.clone(),
            headers: HeaderMap::new(),
            body: Some(Body { content_type: "message/rfc822", text: formatted }),
            timeout: self.timeout,
            mailing: Some(Arc::new(Mailing { envelope: message.envelope().clone(), id })),
        })
    }
}

/// Headers that a manifest adds. Those that a mail has anyway are not among them.
fn add_headers(mut builder: MessageBuilder, headers: &Value) -> Result<MessageBuilder, Failure> {
    for (name, value) in headers.as_map().into_iter().flatten().filter(|(_, value)| !value.is_nothing()) {
        let header = HeaderName::new_from_ascii(name.to_string())
            .map_err(|_| refused("headers", &format!("`{}` is not a header's name", name.escape_debug())))?;
        let value = line(&value.to_text().unwrap_or_default(), SUBJECT_MAX);
        builder = builder.raw_header(HeaderValue::new(header, value));
    }
    Ok(builder)
}

/// The same for each attempt of one call; its head says who sent it, for people who look into a mail.
fn message_id(key: &Value, domain: &str) -> String {
    let own = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    let text = key.to_text().unwrap_or_default();
    let mut local: String = text.chars().map(|char| if own(char) { char } else { '.' }).collect();
    while local.contains("..") {
        local = local.replace("..", ".");
    }
    let local = local.trim_matches('.');
    let local = if local.is_empty() { uuid::Uuid::now_v7().to_string() } else { local.to_owned() };
    format!("<{local}@{domain}>")
}

/// Text on one line: whatever would end it is a blank.
fn line(text: &str, max: usize) -> String {
    let words = text.split(|char: char| char.is_control() || char.is_whitespace());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(max).collect()
}

fn mailboxes(what: &str, value: &Value) -> Result<Vec<Mailbox>, Failure> {
    match value {
        value if value.is_blank() => Ok(Vec::new()),
        Value::List(items) => {
            items.iter().filter(|item| !item.is_blank()).map(|item| mailbox(what, item)).collect()
        }
        one => Ok(vec![mailbox(what, one)?]),
    }
}

fn one_mailbox(what: &str, value: &Value) -> Result<Mailbox, Failure> {
    let mut all = mailboxes(what, value)?;
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(refused(what, "exactly one address is wanted")),
    }
}

/// One address. No text names two of them, or a name besides.
fn mailbox(what: &str, value: &Value) -> Result<Mailbox, Failure> {
    let address = value.get("address").filter(|_| value.as_map().is_some()).unwrap_or(value);
    let text = address.to_text().unwrap_or_default();
    let parsed =
        text.trim().parse::<Address>().ok().filter(|address| AsRef::<str>::as_ref(address).is_ascii());
    let Some(email) = parsed else {
        return Err(refused(what, &format!("`{}` is no address", line(&text, 100))));
    };
    let name = value.get("name").and_then(Value::to_text).map(|name| line(&name, 100));
    Ok(Mailbox::new(name.filter(|name| !name.is_empty()), email))
}

fn refused(what: &str, why: &str) -> Failure {
    Failure { fields: vec![what.to_owned()], ..Failure::permanent(format!("{what}: {why}")) }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn nothing_ends_a_line() {
        for (text, expected) in [
            ("Payment\r\nBcc: evil@x.example", "Payment Bcc: evil@x.example"),
            ("  a \t b\u{0}\u{2028}c ", "a b c"),
            ("plain", "plain"),
        ] {
            assert_eq!(line(text, 100), expected);
        }
        assert_eq!(line("abcdef", 3), "abc");
    }

    #[test]
    fn an_address_is_one_address_and_nothing_else() {
        for text in [
            "",
            "ann",
            "ann@x.example, bob@x.example",
            "ann@x.example\r\nRCPT TO:<bob@x.example>",
            "Ann <ann@x.example>",
            "<ann@x.example>",
            "ann@x.example> <bob@x.example",
            "änn@x.example",
        ] {
            assert!(mailbox("to", &Value::from(text)).is_err(), "{text}");
        }
        let named = Value::map(
            [("address", " ann@x.example "), ("name", "Ann\r\nLee")].map(|(key, it)| (key, Value::from(it))),
        );
        let mailbox = mailbox("to", &named).unwrap();
        assert_eq!(mailbox.email.to_string(), "ann@x.example");
        assert_eq!(mailbox.name.as_deref(), Some("Ann Lee"));
    }

    #[test]
    fn a_message_id_is_the_same_for_the_same_key_and_cannot_be_broken_out_of() {
        let id = |key: &str| message_id(&Value::from(key), "acme.example");
        assert_eq!(id("lockstep-0199-steps[2].call"), "<lockstep-0199-steps.2.call@acme.example>");
        assert_eq!(id("a> <b@c"), "<a.b.c@acme.example>");
        assert_ne!(id(""), id(""), "nothing tells them apart, so they are two");
    }
}
