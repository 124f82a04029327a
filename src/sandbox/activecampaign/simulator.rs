//! The simulated account behind HTTP: the key, the rate limit; and the handle that tests and the demo hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::account::{Account, id_of, text_of};
use super::error::ApiError;
use super::router;
use crate::clock::SharedClock;
use crate::sandbox::calls::{Call, Counts};
use crate::sandbox::control;
use crate::sandbox::faults::Faults;
use crate::sandbox::reply::{Reply, Request};
use crate::sandbox::server::{Bound, Server, Simulator};
use crate::sandbox::world::SandboxError;
use crate::value::Value;

/// What the ActiveCampaign simulator is started with.
#[derive(Debug, Clone)]
pub struct ActiveCampaignOptions {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The one API key that is accepted.
    pub api_token: String,
    /// How long it takes until what the GraphQL took can be read.
    pub lag: Duration,
    /// More requests within one second are answered 429. The real account's number is 5; none by default, because a machine that
    /// is busy lets requests arrive in a heap that were sent apart.
    pub per_second: Option<u32>,
}

impl Default for ActiveCampaignOptions {
    fn default() -> Self {
        Self {
            port: 0,
            api_token: "sandbox_api_token".to_owned(),
            lag: Duration::from_secs(2),
            per_second: None,
        }
    }
}

/// The ActiveCampaign simulator.
#[derive(Debug)]
pub struct ActiveCampaign {
    server: Server,
    site: Arc<Site>,
}

impl ActiveCampaign {
    pub(in crate::sandbox) async fn start(
        options: ActiveCampaignOptions,
        clock: SharedClock,
    ) -> Result<Self, SandboxError> {
        let port = options.port;
        let bound = Bound::to(port).await.map_err(|source| SandboxError::Listen {
            simulator: "ActiveCampaign",
            port,
            source,
        })?;
        let site = Arc::new(Site {
            account: Mutex::new(Account::new(Arc::clone(&clock), options.lag)),
            api_token: options.api_token,
            rate: Mutex::new(Rate { per_second: options.per_second, second: (0, 0) }),
        });
        Ok(Self { server: bound.serve(Arc::clone(&site) as Arc<dyn Simulator>, clock), site })
    }

    /// The account's address, without `/api/3`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The key that is accepted.
    pub fn api_token(&self) -> &str {
        &self.site.api_token
    }

    /// What goes wrong on demand.
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// The requests so far, newest last.
    pub fn calls(&self) -> Vec<Call> {
        self.server.calls.all()
    }

    /// What was changed so far. Seeded contacts count too.
    pub fn counts(&self) -> Counts {
        self.site.counts()
    }

    /// The records of a kind (`contact`, `tag`, `ecomOrder`, `recurringPayment`), oldest first: those that can be read by now.
    pub fn records(&self, kind: &str) -> Vec<Value> {
        self.site.records()[kind].as_array().into_iter().flatten().map(Value::from).collect()
    }

    /// Creates a contact by the account's rules; gives its id, or nothing when it is refused.
    pub fn seed(&self, contact: &Value) -> Option<u64> {
        let contact = serde_json::to_value(contact).ok()?;
        self.site.account().add_contact(contact.as_object()?).ok()
    }

    /// Adds a custom field; gives its id.
    pub fn declare(&self, title: &str, perstag: &str, kind: &str) -> u64 {
        self.site.account().declare(title, perstag, kind)
    }

    /// The names of a contact's tags, in the order in which they were put on.
    pub fn tags(&self, email: &str) -> Vec<String> {
        let account = self.site.account();
        let contact = account.contact_of(email);
        let links = account.all("contactTag").filter(|(_, link)| id_of(link, "contact") == contact);
        let tags = links.filter_map(|(_, link)| account.get("tag", id_of(link, "tag")?));
        tags.map(|tag| text_of(tag, "tag")).collect()
    }

    /// A contact's value of the custom field with this tag.
    pub fn value(&self, email: &str, perstag: &str) -> Option<String> {
        let account = self.site.account();
        let contact = account.contact_of(email)?;
        let field = account.first("field", |field| text_of(field, "perstag") == perstag)?;
        let mut values = account.all("fieldValue");
        let (_, value) = values.find(|(_, value)| {
            id_of(value, "contact") == Some(contact) && id_of(value, "field") == Some(field)
        })?;
        Some(text_of(value, "value"))
    }

    /// The orders that counted as bought now, and so started automations: their outer ids.
    pub fn purchases(&self) -> Vec<String> {
        self.site.account().purchases.clone()
    }

    /// How long it takes until what the GraphQL takes from now on can be read.
    pub fn lag(&self, lag: Duration) {
        self.site.account().lag = lag;
    }

    /// More requests within one second are answered 429; `None` takes the limit away.
    pub fn rate_limit(&self, per_second: Option<u32>) {
        self.site.rate().per_second = per_second;
    }

    /// Whether the plan includes deals and tasks.
    pub fn include_deals(&self, included: bool) {
        self.site.account().deals = included;
    }
}

#[derive(Debug)]
struct Site {
    account: Mutex<Account>,
    api_token: String,
    rate: Mutex<Rate>,
}

#[derive(Debug)]
struct Rate {
    per_second: Option<u32>,
    /// The current second, and the requests in it.
    second: (i64, u32),
}

impl Rate {
    /// How many requests are left in this second; none when this one is too many.
    fn left(&mut self, now: i64) -> Option<u32> {
        let limit = self.per_second.unwrap_or(u32::MAX);
        let (second, count) = self.second;
        self.second = if second == now { (now, count + 1) } else { (now, 1) };
        limit.checked_sub(self.second.1)
    }
}

impl Site {
    /// The account as it is by now.
    fn account(&self) -> MutexGuard<'_, Account> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.settle();
        account
    }

    fn rate(&self) -> MutexGuard<'_, Rate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator for Site {
    fn admit(&self, request: &Request) -> Result<(), Reply> {
        // A wrong key is a 403 here.
        if request.header("api-token") == Some(self.api_token.as_str()) {
            Ok(())
        } else {
            Err(ApiError::forbidden("You do not have permission to view this page.").reply())
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        let mut account = self.account();
        let now = account.clock.now().as_second();
        let (left, limit) = {
            let mut rate = self.rate();
            (rate.left(now), rate.per_second.unwrap_or(5))
        };
        let Some(left) = left else { return ApiError::of_status(429).reply() };
        let reply = router::route(&mut account, request).unwrap_or_else(|error| error.reply());
        let left = left.min(limit).to_string();
        reply.header("RateLimit-Limit", limit.to_string()).header("RateLimit-Remaining", left)
    }

    fn refusal(&self, status: u16) -> Reply {
        ApiError::of_status(status).reply()
    }

    fn records(&self) -> Json {
        self.account().everything()
    }

    fn counts(&self) -> Counts {
        self.account().counts.clone()
    }

    /// `POST /_sandbox/records/contact` creates a contact, `PUT /_sandbox/lag` says how late the GraphQL's writes show, `PUT
    /// /_sandbox/rate` how many requests a second are taken, `PUT /_sandbox/plan` whether it includes deals.
    fn control(&self, request: &Request) -> Option<Reply> {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
        Some(match (request.method.as_str(), path.as_slice()) {
            ("POST", ["records", "contact"]) => match serde_json::from_slice(&request.body) {
                Ok(Json::Object(contact)) => match self.account().add_contact(&contact) {
                    Ok(id) => Reply::json(200, &json!({"id": id.to_string()})),
                    Err(error) => error.reply(),
                },
                _ => Reply::json(400, &json!({"error": "the fields of a contact are a JSON object"})),
            },
            ("PUT", ["lag"]) => {
                control::read(request, |lag: Lag| self.account().lag = Duration::from_millis(lag.ms))
            }
            ("PUT", ["rate"]) => {
                control::read(request, |wanted: Wanted| self.rate().per_second = wanted.per_second)
            }
            ("PUT", ["plan"]) => control::read(request, |plan: Plan| self.account().deals = plan.deals),
            _ => return None,
        })
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Lag {
    ms: u64,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    per_second: Option<u32>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    deals: bool,
}
