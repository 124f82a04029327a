//! What the server knows: who may send, what it took, what it is to refuse.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::sandbox::calls::Counts;
use crate::sandbox::control::read;
use crate::sandbox::reply::{Reply, Request};
use crate::sandbox::server::Simulator;

/// Mails beyond this are taken but the oldest ones forgotten.
const MAILS_MAX: usize = 10_000;

/// Who may send.
pub(super) const USER: &str = "sandbox";
pub(super) const PASSWORD: &str = "smtp-sandbox-password";

/// The access token of whoever logs in by XOAUTH2.
pub(super) const TOKEN: &str = "smtp-sandbox-token";

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// The address that sent it.
    pub from: String,
    /// The addresses that it goes to.
    pub to: Vec<String>,
    /// Headers and text, with plain line ends.
    pub data: String,
    /// Who was logged in.
    pub login: Option<String>,
    /// Whether it came over TLS.
    pub encrypted: bool,
}

impl Mail {
    /// The value of a header, lines that were folded put together; empty when it is not there.
    pub fn header(&self, name: &str) -> String {
        let head = self.data.split("\n\n").next().unwrap_or_default().replace("\n ", " ");
        let prefix = format!("{}:", name.to_lowercase());
        let line = head.lines().find(|line| line.to_lowercase().starts_with(&prefix));
        line.and_then(|line| line.split_once(':'))
            .map_or_else(String::new, |(_, value)| value.trim().to_owned())
    }

    /// What follows the headers, as it was encoded.
    pub fn text(&self) -> &str {
        self.data.split_once("\n\n").map_or("", |(_, text)| text)
    }
}

/// A part of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The greeting.
    Connect,
    /// The login.
    Login,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// The end of the mail.
    Content,
}

/// Something that the server says instead of taking what it is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Where.
    stage: Stage,
    /// What it says: `450 4.2.0 greylisted`. Nothing: the connection is closed without a word, and at `content` the mail was taken.
    #[serde(default)]
    says: Option<String>,
    /// How often; once when left out.
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

impl Refusal {
    /// Says this at `stage`.
    pub fn at(stage: Stage, says: &str) -> Self {
        Self { stage, says: Some(says.to_owned()), times: once() }
    }

    /// Closes the connection without a word. At the end of the mail: after it was taken.
    pub fn silent(stage: Stage) -> Self {
        Self { stage, says: None, times: once() }
    }

    /// So often instead of once.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    pub(super) fn says(&self) -> Option<&str> {
        self.says.as_deref()
    }
}

/// The server's memory.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    mails: Vec<Mail>,
    taken: u64,
    refusals: Vec<Refusal>,
}

impl Account {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mails(&self) -> Vec<Mail> {
        self.state().mails.clone()
    }

    pub(super) fn keep(&self, mail: Mail) {
        let mut state = self.state();
        if state.mails.len() == MAILS_MAX {
            state.mails.remove(0);
        }
        state.mails.push(mail);
        state.taken += 1;
    }

    pub(super) fn refuse(&self, refusal: Refusal) {
        self.state().refusals.push(refusal);
    }

    /// The refusal that is met at this stage, used up by it.
    pub(super) fn met(&self, stage: Stage) -> Option<Refusal> {
        let mut kept = self.state();
        let at = kept.refusals.iter().position(|refusal| refusal.stage == stage && refusal.times > 0)?;
        kept.refusals[at].times -= 1;
        let refusal = kept.refusals[at].clone();
        kept.refusals.retain(|refusal| refusal.times > 0);
        Some(refusal)
    }
}

/// The page beside the server, for `/_sandbox/`.
impl Simulator for Account {
    fn answer(&self, _: &Request) -> Reply {
        self.refusal(404)
    }

    fn refusal(&self, status: u16) -> Reply {
        Reply::text(status, "mails come over SMTP; here is only /_sandbox/")
    }

    fn records(&self) -> Json {
        json!({ "mails": self.mails() })
    }

    fn counts(&self) -> Counts {
        let taken = self.state().taken;
        Counts { writes: taken, creates: IndexMap::from([("mail".to_owned(), taken)]) }
    }

    fn control(&self, request: &Request) -> Option<Reply> {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/_sandbox/refusals") => Some(read(request, |refusal| self.refuse(refusal))),
            _ => None,
        }
    }
}
