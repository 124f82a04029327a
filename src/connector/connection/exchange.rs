//! One request and its answer: credential, turn, redirects, and what the answer is taken for.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use reqwest::Url;

use super::opened::Connection;
use crate::connector::abilities::Repeat;
use crate::connector::answer::Answer;
use crate::connector::auth::{Asking, Auth, Credential, Grant, Way};
use crate::connector::call::{Action, ActionKind, Call, JobStep, Reply};
use crate::connector::classify::{self, Circumstances, classify};
use crate::connector::commons::Commons;
use crate::connector::failure::{Class, Done, Failure};
use crate::connector::file::Holds;
use crate::connector::limit::Pace;
use crate::connector::manifest::Plan;
use crate::connector::object::Object;
use crate::connector::operation::Operation;
use crate::connector::prelude::Freshness;
use crate::connector::redirect::REDIRECTS_MAX;
use crate::connector::request::{self, Outgoing};
use crate::connector::response::NEXT_URL;
use crate::connector::smtp::{self, NotSent};
use crate::connector::wire::Wire;
use crate::expr::Context;
use crate::value::Value;

impl Connection {
    pub(super) async fn carry_out(&self, call: &Call, plan: Plan<'_>) -> Result<Reply, Failure> {
        let needs = &plan.operation.needs;
        let preludes = self.preludes(needs, call, plan, Freshness::Kept).await?;
        let mut refused: Option<Arc<Grant>> = None;
        loop {
            let credential = self.credential(refused.as_ref()).await?;
            let failure = match self.attempt(call, plan, &preludes, &credential).await {
                Err(failure) if failure.class == Class::Expired => failure,
                other => return other,
            };
            match credential {
                // Once: a credential that is refused when it is new will be refused again.
                Credential::Granted(grant) if refused.is_none() => refused = Some(grant),
                _ => return Err(failure),
            }
        }
    }

    pub(super) async fn attempt(
        &self,
        call: &Call,
        plan: Plan<'_>,
        preludes: &Value,
        credential: &Credential,
    ) -> Result<Reply, Failure> {
        let kept = match credential {
            Credential::Granted(grant) => grant.kept.clone(),
            Credential::Settings => Value::default(),
        };
        let context = self.context(call, plan, &kept, preludes);
        let outgoing = self.request(call, plan, &context, credential)?;
        let circumstances = self.circumstances(call, plan.operation);
        let answer = self.send(outgoing, plan.operation, circumstances, 1).await?;
        self.read(call, plan, &context, &answer, circumstances)
    }

    /// What an answer says when it is a good one, else what went wrong.
    pub(super) fn read(
        &self,
        call: &Call,
        plan: Plan<'_>,
        context: &Context,
        answer: &Answer,
        circumstances: Circumstances,
    ) -> Result<Reply, Failure> {
        let answer = &*plan.operation.response.formed(answer, context);
        let context = context.with("response", answer.to_value());
        if plan.operation.response.is_success(answer, &context) {
            if let Some(remember) = &self.manifest.limits.remember {
                self.last().insert(Arc::clone(&plan.operation.own), remember.read(&context));
            }
            let (id, wire) = (["id".to_owned()], Wire::default());
            let object = plan.object.map_or((&id[..], &wire), |object| (&object.id[..], &object.wire));
            let mut reply =
                plan.operation.response.read(&call.action, object, answer, &context, circumstances)?;
            if let Action::List { job: Some(JobStep::Ask(_)), .. } = &call.action {
                let job = plan.object.and_then(Object::job);
                reply.job = job.map(|job| job.state(&reply.result, &context));
            }
            return Ok(reply);
        }
        let last = self.last().get(&plan.operation.own).cloned();
        let context = context.with("last", last.unwrap_or_default());
        let circumstances =
            Circumstances { readable: plan.operation.response.is_readable(answer), ..circumstances };
        let layers = classify::layers(&plan.operation.errors, &self.manifest.errors);
        let (failure, holds) = classify(answer, &context, &layers, circumstances);
        self.judge(failure, holds, call, plan.operation)
    }

    /// What follows from a failure here: a look-up by address that meets nothing has found nothing, and a throttled call holds the
    /// others back. That a set is as it should be already is the step's to tell from a change.
    pub(super) fn judge(
        &self,
        failure: Failure,
        holds: Holds,
        call: &Call,
        operation: &Operation,
    ) -> Result<Reply, Failure> {
        match failure.class {
            Class::Missing if call.action.kind() == Some(ActionKind::Find) => Ok(Reply::default()),
            Class::Throttled => {
                let wait = self.pace_of(operation, holds).hold(failure.wait);
                Err(Failure { wait: Some(wait), ..failure })
            }
            _ => Err(failure),
        }
    }

    /// What a throttled answer holds back: the operation when it has a rate of its own or the rule says so, else the connection.
    pub(super) fn pace_of(&self, operation: &Operation, holds: Holds) -> &Pace {
        let own = match holds {
            Holds::Operation => self.gates.get(&operation.own),
            Holds::Connection => self.operation_paces.get(&operation.place),
        };
        own.unwrap_or(&self.pace)
    }

    pub(super) fn last(&self) -> MutexGuard<'_, HashMap<Arc<str>, Value>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request in its turn. `turns`: how many of those that the rates allow it takes.
    pub(super) async fn send(
        &self,
        outgoing: Outgoing,
        operation: &Operation,
        circumstances: Circumstances,
        turns: usize,
    ) -> Result<Answer, Failure> {
        self.reach.check(&outgoing.url)?;
        let called_off = self.called_off.load(Ordering::Acquire);
        let commons = self.around.commons.as_deref();
        let slot = self.slots.take(commons.map_or(1, Commons::callers)).await;
        let mut outgoing = Outgoing { timeout: self.timeout.unwrap_or(outgoing.timeout), ..outgoing };
        let mut redirects = if self.manifest.redirects.any() { REDIRECTS_MAX } else { 0 };
        let answer = loop {
            let own = [self.gates.get(&operation.own), self.operation_paces.get(&operation.place)];
            for pace in own.into_iter().flatten().chain([&self.pace]) {
                for _ in 0..turns {
                    pace.turn().await?;
                }
            }
            if self.called_off.load(Ordering::Acquire) != called_off {
                return Err(Failure::new(Class::Throttled, "the connection went down before its turn came"));
            }
            // It may have stood in line for long.
            if let Some(commons) = commons {
                commons.is_sure().await;
            }
            let again = (redirects > 0).then(|| outgoing.clone());
            let answer = if let Some(mailing) = outgoing.mailing.clone() {
                smtp::send(&outgoing, &mailing, &self.reach).await
            } else {
                let sent = self.around.http.send(outgoing, self.manifest.defaults.max_response).await;
                sent.map_err(NotSent::Lost)
            };
            let answer = answer.map_err(|failed| match failed {
                NotSent::Failure(failure) => failure,
                NotSent::Lost(lost) if lost.sent => {
                    Failure { done: Done::Perhaps, ..Failure::new(circumstances.lost(), lost.message) }
                }
                NotSent::Lost(lost) => Failure::new(Class::Transient, lost.message),
            })?;
            match again.and_then(|again| self.manifest.redirects.next(again, &answer, &self.reach)) {
                Some(next) => outgoing = next,
                None => break answer,
            }
            redirects -= 1;
        };
        drop(slot);
        if let Some(usage) = self.manifest.limits.usage.as_ref().and_then(|usage| usage.read(&answer.headers))
        {
            self.used.store(usage.used, Ordering::Relaxed);
            self.quota.store(usage.of, Ordering::Relaxed);
        }
        Ok(answer)
    }

    pub(super) fn way(&self) -> Option<&Way> {
        let auth: &Auth = &self.manifest.auth;
        auth.way(self.config())
    }

    pub(super) async fn credential(&self, refused: Option<&Arc<Grant>>) -> Result<Credential, Failure> {
        let Some(oauth2) = self.way().and_then(Way::oauth2) else { return Ok(Credential::Settings) };
        let context = self.bare_context(Value::Null);
        let asking = Asking {
            oauth2,
            http: &self.around.http,
            reach: &self.reach,
            clock: &self.around.clock,
            redactor: &self.around.redactor,
            timeout: self.timeout,
            context: &context,
            client: &self.client,
            connection: &self.name,
        };
        self.tokens.get(&asking, refused).await.map(Credential::Granted)
    }

    /// What a token's answer would keep, for a preview: the address that the client logs in at stands for the
    /// one that its answer would name.
    pub(super) fn likely_auth(&self) -> Value {
        let Some(oauth2) = self.way().and_then(Way::oauth2) else { return Value::Null };
        let url = self.manifest.settings.first_url(self.config()).unwrap_or_default();
        Value::map(oauth2.kept().map(|name| (Arc::clone(name), Value::from(url))))
    }

    pub(super) fn circumstances(&self, call: &Call, operation: &Operation) -> Circumstances {
        let by_address = call.action.kind() == Some(ActionKind::Find) && operation.facts.single;
        let describes =
            self.manifest.describe.as_ref().is_some_and(|describe| std::ptr::eq(describe, operation));
        let about_record = matches!(
            call.action,
            Action::Get { .. }
                | Action::Update { .. }
                | Action::Delete { .. }
                | Action::Link { .. }
                | Action::Unlink { .. }
                // What is not there is the job.
                | Action::List {
                    job: Some(JobStep::Ask(_) | JobStep::Page(_) | JobStep::End(_) | JobStep::Abort(_)),
                    ..
                }
        );
        let (repeat, has_key) = (operation.facts.repeat, call.idempotency_key.is_some());
        Circumstances {
            repeatable: repeat.is_harmless(has_key),
            keyed: has_key && matches!(repeat, Repeat::HarmlessWithKey(_)),
            renewable: self.way().and_then(Way::oauth2).is_some(),
            about_record: about_record || by_address || describes,
            readable: true,
            now: self.around.clock.now(),
        }
    }

    pub(super) fn request(
        &self,
        call: &Call,
        plan: Plan<'_>,
        context: &Context,
        credential: &Credential,
    ) -> Result<Outgoing, Failure> {
        let base = self.base(context)?;
        let sends = &plan.operation.sends;
        let defaults = &self.manifest.defaults;
        let mut outgoing = match next_url(&call.action) {
            Some(next) => {
                let url = base.join(&next).map_err(|error| Failure::permanent(error.to_string()))?;
                sends.follow(url, defaults, context)?
            }
            None => sends.build(&base, defaults, context)?,
        };
        if let (Some(idempotency), Some(key)) = (&self.manifest.idempotency, &call.idempotency_key)
            && sends.method().is_some_and(|method| idempotency.methods.contains(&method))
        {
            let value = request::header_value(&idempotency.header, key)?;
            outgoing.headers.insert(idempotency.header.clone(), value);
        }
        if let Some(way) = self.way() {
            way.apply(&mut outgoing, credential, context)?;
        }
        Ok(outgoing)
    }

    pub(super) fn base(&self, context: &Context) -> Result<Url, Failure> {
        let text = self.manifest.base_url.eval(context)?.to_text().unwrap_or_default();
        if let Some((_, url)) = self.base.as_ref().filter(|(known, _)| *known == text) {
            return Ok(url.clone());
        }
        Url::parse(&text).ok().filter(Url::has_host).ok_or_else(|| {
            Failure::permanent(format!("`base_url` gave no address that begins with https:// (`{text}`)"))
        })
    }
}

/// The address of the page that is asked for, when the cursor is one.
fn next_url(action: &Action) -> Option<Arc<str>> {
    match action {
        Action::List { cursor: Some(cursor), .. } | Action::Events { cursor: Some(cursor), .. } => {
            cursor.get(NEXT_URL)?.to_text()
        }
        _ => None,
    }
}
