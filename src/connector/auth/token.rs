//! The access token of a connection: fetched once for all callers, kept, and renewed when it is refused.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::oauth2::OAuth2;
use super::vault::Vault;
use crate::clock::SharedClock;
use crate::connector::failure::{Class, Failure};
use crate::connector::http::{Http, Reach};
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
    refresh: Option<Secret>,
    /// A new refresh token that the vault did not take, with what was granted beside it.
    unkept: Option<(Grant, Secret)>,
    refused: Option<(Instant, Failure)>,
}

struct Held {
    grant: Arc<Grant>,
    until: Option<Instant>,
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
        if let Some(held) = &state.grant {
            let lives = held.until.is_none_or(|until| Instant::now() < until);
            if lives && !refused.is_some_and(|refused| Arc::ptr_eq(refused, &held.grant)) {
                return Ok(Arc::clone(&held.grant));
            }
        }
        if let Some((at, failure)) = &state.refused
            && at.elapsed() < REFUSED_FOR
        {
            return Err(failure.clone());
        }
        match self.fetch(asking, &mut state).await {
            Ok(grant) => {
                let until = grant.lifetime.map(|lifetime| Instant::now() + lifetime.saturating_sub(MARGIN));
                let grant = Arc::new(grant);
                state.grant = Some(Held { grant: Arc::clone(&grant), until });
                state.refused = None;
                Ok(grant)
            }
            Err(failure) => {
                state.grant = None;
                state.refused = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    async fn fetch(&self, asking: &Asking<'_>, state: &mut State) -> Result<Grant, Failure> {
        if let Some((grant, token)) = state.unkept.take() {
            return self.keep(asking, state, grant, token).await;
        }
        let refresh = self.refresh(asking, state).await?;
        let now = asking.clock.now();
        let outgoing = asking.oauth2.ask(refresh.as_ref(), asking.context, now)?;
        asking.reach.check(&outgoing.url)?;
        let answer = asking.http.send(outgoing, ANSWER_MAX).await.map_err(|lost| {
            Failure::new(Class::Transient, format!("the token endpoint did not answer: {}", lost.message))
        })?;
        let (grant, rotated) = asking.oauth2.read(&answer, asking.context, now)?;
        asking.redactor.learn(grant.access.expose());
        let replaced = rotated.filter(|new| refresh.as_ref().is_some_and(|old| old.expose() != new.expose()));
        match replaced {
            Some(token) => self.keep(asking, state, grant, token).await,
            None => Ok(grant),
        }
    }

    /// The refresh token to use: the newest that is known.
    async fn refresh(&self, asking: &Asking<'_>, state: &mut State) -> Result<Option<Secret>, Failure> {
        if !asking.oauth2.refreshes() {
            return Ok(None);
        }
        if state.refresh.is_none() {
            let kept = self.vault.load(asking.client, asking.connection).await;
            let kept = kept.map_err(|error| unstored(&error.to_string()))?;
            state.refresh = kept.or_else(|| asking.oauth2.first_refresh(asking.context));
        }
        Ok(state.refresh.clone())
    }

    /// Keeps a new refresh token before its access token is used: a crash in between must not lock the client out.
    async fn keep(
        &self,
        asking: &Asking<'_>,
        state: &mut State,
        grant: Grant,
        token: Secret,
    ) -> Result<Grant, Failure> {
        asking.redactor.learn(token.expose());
        state.refresh = Some(token.clone());
        match self.vault.keep(asking.client, asking.connection, token.clone()).await {
            Ok(()) => Ok(grant),
            Err(error) => {
                state.unkept = Some((grant, token));
                Err(unstored(&error.to_string()))
            }
        }
    }
}

fn unstored(error: &str) -> Failure {
    Failure::new(Class::Transient, format!("the refresh token could not be kept: {error}"))
}
