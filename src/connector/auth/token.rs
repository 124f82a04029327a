//! The access token of a connection: fetched once for all callers, kept, and renewed when it is refused.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::oauth2::OAuth2;
use super::vault::{Kept, Origin, Vault, VaultError};
use crate::clock::SharedClock;
use crate::connector::failure::{Class, Failure};
use crate::connector::http::{Http, Reach};
use crate::connector::request::Outgoing;
use crate::expr::Context;
use crate::secret::{Redactor, Secret};
use crate::value::Value;

/// A token is renewed so long before it ends: a call that begins with it should also end with it.
const MARGIN: Duration = Duration::from_secs(30);

/// After a refused request for a token the next caller is told the same for so long: many runs that wait for one
/// broken connection must not ask once each, which locks accounts.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// How many bytes a token endpoint's answer may have.
const ANSWER_MAX: usize = 256 * 1024;

/// What a token endpoint granted.
#[derive(Debug)]
pub(in crate::connector) struct Grant {
    pub(super) access: Secret,
    /// What expressions see as `auth`.
    pub(in crate::connector) kept: Value,
    pub(super) lifetime: Option<Duration>,
}

/// What a token is asked for with.
pub(in crate::connector) struct Asking<'a> {
    pub(in crate::connector) oauth2: &'a OAuth2,
    pub(in crate::connector) http: &'a Http,
    pub(in crate::connector) reach: &'a Reach,
    pub(in crate::connector) clock: &'a SharedClock,
    pub(in crate::connector) redactor: &'a Redactor,
    /// How long the endpoint may take, when the connection says so.
    pub(in crate::connector) timeout: Option<Duration>,
    pub(in crate::connector) context: &'a Context,
    pub(in crate::connector) client: &'a str,
    pub(in crate::connector) connection: &'a str,
}

/// The access token of one connection.
pub(in crate::connector) struct Tokens {
    vault: Arc<dyn Vault>,
    // Held while a token is fetched: whoever comes meanwhile waits, and then finds it.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    grant: Option<Held>,
    /// A new refresh token that the vault did not take, with what was granted beside it.
    unkept: Option<(Grant, Kept)>,
    /// When and how a token was refused last; the time is that of [`crate::clock::Clock::elapsed`].
    refused: Option<(Duration, Failure)>,
}

struct Held {
    grant: Arc<Grant>,
    until: Option<Duration>,
}

impl Tokens {
    pub(in crate::connector) fn new(vault: Arc<dyn Vault>) -> Self {
        Self { vault, state: Mutex::new(State::default()) }
    }

    /// A token that lives, and is not the one that was `refused`.
    pub(in crate::connector) async fn get(
        &self,
        asking: &Asking<'_>,
        refused: Option<&Arc<Grant>>,
    ) -> Result<Arc<Grant>, Failure> {
        let mut state = self.state.lock().await;
        let elapsed = asking.clock.elapsed();
        if let Some(held) = &state.grant {
            let lives = held.until.is_none_or(|until| elapsed < until);
            if lives && !refused.is_some_and(|refused| Arc::ptr_eq(refused, &held.grant)) {
                return Ok(Arc::clone(&held.grant));
            }
        }
        if let Some((at, failure)) = &state.refused
            && elapsed.saturating_sub(*at) < REFUSED_FOR
        {
            return Err(failure.clone());
        }
        match self.fetch(asking, &mut state).await {
            Ok(grant) => {
                let until = grant.lifetime.map(|lifetime| elapsed + lifetime.saturating_sub(MARGIN));
                let grant = Arc::new(grant);
                state.grant = Some(Held { grant: Arc::clone(&grant), until });
                state.refused = None;
                Ok(grant)
            }
            Err(failure) => {
                state.grant = None;
                state.refused = Some((asking.clock.elapsed(), failure.clone()));
                Err(failure)
            }
        }
    }

    async fn fetch(&self, asking: &Asking<'_>, state: &mut State) -> Result<Grant, Failure> {
        if let Some((grant, kept)) = state.unkept.take() {
            return self.keep(asking, state, grant, kept).await;
        }
        let refresh = self.refresh(asking).await?;
        match self.ask(asking, state, refresh.as_ref()).await {
            // Another process may have used this token a moment ago, and kept the one that took its place.
            Err(failure) if failure.class == Class::ConnectionDown && refresh.is_some() => {
                let newer = self.refresh(asking).await?;
                let token = |kept: &Option<Kept>| kept.as_ref().map(|kept| kept.token.expose().to_owned());
                if token(&newer) == token(&refresh) {
                    return Err(failure);
                }
                self.ask(asking, state, newer.as_ref()).await
            }
            answer => answer,
        }
    }

    async fn ask(
        &self,
        asking: &Asking<'_>,
        state: &mut State,
        refresh: Option<&Kept>,
    ) -> Result<Grant, Failure> {
        let now = asking.clock.now();
        let outgoing = asking.oauth2.ask(refresh.map(|kept| &kept.token), asking.context, now)?;
        asking.reach.check(&outgoing.url)?;
        let outgoing = Outgoing { timeout: asking.timeout.unwrap_or(outgoing.timeout), ..outgoing };
        let answer = asking.http.send(outgoing, ANSWER_MAX).await.map_err(|lost| {
            Failure::new(Class::Transient, format!("the token endpoint did not answer: {}", lost.message))
        })?;
        let (grant, replaced) = asking.oauth2.read(&answer, asking.context, now)?;
        asking.learn(&grant.access);
        match (refresh, replaced) {
            (Some(old), Some(token)) if old.token.expose() != token.expose() => {
                self.keep(asking, state, grant, Kept { token, origin: old.origin }).await
            }
            _ => Ok(grant),
        }
    }

    /// The refresh token to use: the newest that is known.
    async fn refresh(&self, asking: &Asking<'_>) -> Result<Option<Kept>, Failure> {
        let Some(first) = asking.oauth2.first_refresh(asking.context) else { return Ok(None) };
        let origin = Origin::of(&first);
        let kept = self.vault.load(asking.client, asking.connection).await.map_err(|error| unkept(&error))?;
        if let Some(kept) = &kept {
            asking.learn(&kept.token);
        }
        // Another token in the settings than the kept one descends from: a person has put it there since.
        let kept = kept.filter(|kept| kept.origin == origin);
        Ok(Some(kept.unwrap_or(Kept { token: first, origin })))
    }

    /// Keeps a new refresh token before its access token is used: a crash in between must not lock the client out.
    async fn keep(
        &self,
        asking: &Asking<'_>,
        state: &mut State,
        grant: Grant,
        kept: Kept,
    ) -> Result<Grant, Failure> {
        asking.learn(&kept.token);
        match self.vault.keep(asking.client, asking.connection, kept.clone()).await {
            Ok(()) => Ok(grant),
            Err(error) => {
                state.unkept = Some((grant, kept));
                Err(unkept(&error))
            }
        }
    }
}

impl Asking<'_> {
    /// Blots a token out from now on, and its elders no longer.
    fn learn(&self, token: &Secret) {
        let owner = format!("{}/{}", self.client, self.connection);
        self.redactor.learn_passing(&owner, token.expose());
    }
}

fn unkept(error: &VaultError) -> Failure {
    let class = match error {
        VaultError::OutOfReach(_) => Class::Transient,
        VaultError::Locked(_) => Class::ConnectionDown,
    };
    Failure::new(class, format!("the refresh token could not be kept: {error}"))
}
