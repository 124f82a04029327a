//! Telling other processes that there is something for them, and being told: by NOTIFY, beside all transactions.
//!
//! Nothing depends on it. What was not told is found by looking around.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Config};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::AbortOnDropHandle;

use super::claim::Claim;
use super::db::Db;
use crate::store::Parts;

/// The channel, in the SQL below too.
const CHANNEL: &str = "lockstep";

/// What is gathered before it is told: a database serialises the commits of those who notify.
const GATHER: Duration = Duration::from_millis(10);

/// How long a broken connection is left alone.
const AGAIN: Duration = Duration::from_secs(5);

/// Said when partitions have become free.
const FREE: &str = "free";

/// Tells others.
pub(super) struct Nudger {
    mail: Arc<Mail>,
    _telling: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Mail {
    parts: Mutex<(Parts, bool)>,
    news: Notify,
}

impl Nudger {
    pub(super) fn start(db: &Db) -> Self {
        let mail = Arc::new(Mail::default());
        let telling = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&mail).tell(db.clone())));
        Self { mail, _telling: telling }
    }

    /// There is something new in these partitions.
    pub(super) fn nudge(&self, parts: Parts) {
        self.mail.put(|mail| mail.0 = mail.0.and(parts));
    }

    /// Partitions are free.
    pub(super) fn freed(&self) {
        self.mail.put(|mail| mail.1 = true);
    }
}

impl Mail {
    fn put(&self, change: impl FnOnce(&mut (Parts, bool))) {
        change(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.notify_one();
    }

    async fn tell(self: Arc<Self>, db: Db) {
        loop {
            self.news.notified().await;
            tokio::time::sleep(GATHER).await;
            let (parts, freed) =
                std::mem::take(&mut *self.parts.lock().unwrap_or_else(PoisonError::into_inner));
            let mut words = Vec::new();
            words.extend((!parts.is_empty()).then(|| parts.to_hex()));
            words.extend(freed.then(|| FREE.to_owned()));
            let sql = "SELECT pg_notify('lockstep', word) FROM unnest($1::text[]) AS u (word)";
            if let Err(error) = db.rows(sql, &[(&words, Type::TEXT_ARRAY)]).await {
                tracing::debug!(%error, "nobody was told that there is something new");
            }
        }
    }
}

/// Listens as long as this value lives.
pub(super) struct Listening(
    #[expect(dead_code, reason = "held, to stop the task when it is dropped")] AbortOnDropHandle<()>,
);

impl Listening {
    pub(super) fn start(db: &Db, claim: &Claim) -> Self {
        let (config, tls) = db.address();
        let listening = go_on(config.clone(), tls.clone(), claim.clone());
        Self(AbortOnDropHandle::new(tokio::spawn(listening)))
    }
}

/// What a connection of its own asks for at its start. A pooler refuses that, or forgets it: then there is a pooler, which
/// may give the session to somebody else in the next moment, and nobody listens.
const ASKED: &str = "-c lockstep.session=own";

async fn go_on(mut config: Config, tls: MakeRustlsConnect, claim: Claim) {
    config.options(ASKED);
    loop {
        match listen(&config, tls.clone(), &claim).await {
            Ok(Heard::Broken) => {}
            Ok(Heard::Nothing) => {
                tracing::debug!(
                    "there is a pooler before the database: nobody is notified, and all look around"
                );
                return;
            }
            Err(error) => tracing::debug!(%error, "notifications cannot be listened to"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

enum Heard {
    /// The session would not be this process's own.
    Nothing,
    /// It broke.
    Broken,
}

async fn listen(
    config: &Config,
    tls: MakeRustlsConnect,
    claim: &Claim,
) -> Result<Heard, tokio_postgres::Error> {
    let (client, mut connection) = config.connect(tls).await?;
    let (messages, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let driving = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(told) = message
                && messages.send(told).is_err()
            {
                break;
            }
        }
    }));
    let own = client.query_typed("SELECT current_setting('lockstep.session', true)", &[]).await?;
    if own.first().and_then(|row| row.try_get::<_, Option<&str>>(0).ok().flatten()) != Some("own") {
        return Ok(Heard::Nothing);
    }
    client.batch_execute("LISTEN lockstep").await?;
    // What was told before is found by looking.
    claim.nudged(Parts::ALL);
    while let Some(told) = heard.recv().await {
        match (told.channel(), told.payload()) {
            (CHANNEL, FREE) => claim.look(),
            (CHANNEL, parts) => {
                if let Some(parts) = Parts::from_hex(parts) {
                    claim.nudged(parts);
                }
            }
            _ => {}
        }
    }
    drop(driving);
    Ok(Heard::Broken)
}
