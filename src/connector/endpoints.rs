//! Where a system is told to send its events: exactly one endpoint a connection.
//!
//! [`Endpoints::look`] tells how the system's endpoints stand to what is wanted; [`Endpoints::register`] and
//! [`Endpoints::change`] are what may follow. Nothing here decides whether it should.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::call::{Action, ActionKind, Call, Fields, Record, Select};
use super::compile::Compiler;
use super::connection::Connection;
use super::expression::{Check, Expression};
use super::failure::Failure;
use super::file::{EndpointsFile, ManifestFile};
use crate::diagnostic::Path;
use crate::expr::{Context, Frame, Names};
use crate::nearest::did_you_mean;
use crate::secret::Secret;
use crate::value::{Map, Value};
use crate::written;

/// So many records are looked through at most: no system has as many endpoints.
const ENDPOINTS_MAX: usize = 1000;

/// How many are asked for at once.
const PAGE: u32 = 100;

/// How a connector's endpoints are kept.
#[derive(Debug)]
pub struct Endpoints {
    object: Arc<str>,
    ours: Check,
    fields: Vec<(Arc<str>, Expression)>,
    on_create: Vec<(Arc<str>, Expression)>,
    on_update: Vec<(Arc<str>, Expression)>,
    present: Vec<(Arc<str>, Expression)>,
    secret: Option<Expression>,
    most: Option<usize>,
}

/// What is wanted of a connection's endpoint.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where events are to go.
    pub url: String,
    /// The types that are needed.
    pub events: BTreeSet<Arc<str>>,
    /// `<client>/<connection>`.
    pub mark: String,
}

/// How the system's endpoints stand to what is wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// None is this connection's.
    Absent {
        /// Those of others, when the system allows no more.
        full: Option<Vec<Arc<str>>>,
    },
    /// One is.
    Present {
        /// Its id.
        id: Arc<str>,
        /// What is to be changed.
        differs: Vec<Difference>,
        /// What differs and cannot be changed.
        fixed: Vec<Difference>,
    },
    /// Several are: each event would come several times.
    Several {
        /// Their ids.
        ids: Vec<Arc<str>>,
    },
}

/// A field that is not as it is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The field.
    pub field: Arc<str>,
    /// What it holds.
    pub found: Value,
    /// What it is to hold.
    pub wanted: Value,
}

/// An endpoint that was made.
#[derive(Debug)]
pub struct Registered {
    /// Its id.
    pub id: Arc<str>,
    /// By what its events are signed, where the system tells.
    pub secret: Option<Secret>,
}

impl Endpoints {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: Option<&EndpointsFile>,
        manifest: &ManifestFile,
        config: &Names,
    ) -> Option<Self> {
        let file = file?;
        if !manifest.objects.contains_key(&file.object) {
            let help = did_you_mean(&file.object, manifest.objects.keys().map(String::as_str));
            let help = help.map_or_else(String::new, |help| format!(": {help}"));
            compiler.fault(&at.key("object"), format!("`{}` is not one of `objects`{help}", file.object));
        }
        let names = config.clone().with("url").with("events").with("mark");
        let with_endpoint = names.clone().with("endpoint");
        let mut read = |key: &str, fields: &written::Fields, names: &Names| -> Vec<(Arc<str>, Expression)> {
            let expressions = fields.iter().filter_map(|(name, written)| {
                let at = at.key(key).key(name.as_str());
                Some((Arc::from(name.as_str()), compiler.expression(&at, &written.0, names)?))
            });
            expressions.collect()
        };
        let fields = read("fields", &file.fields, &names);
        let on_create = read("on_create", &file.on_create, &names);
        let on_update = read("on_update", &file.on_update, &names);
        let present = read("present", &file.present, &with_endpoint);
        Some(Self {
            object: file.object.as_str().into(),
            ours: compiler.check(&at.key("ours"), Some(&file.ours), &with_endpoint)?,
            fields,
            on_create,
            on_update,
            present,
            secret: compiler.optional(&at.key("secret"), file.secret.as_ref(), &with_endpoint),
            most: file.most,
        })
    }

    /// The actions of its object that there must be.
    pub(super) fn needs() -> [ActionKind; 3] {
        [ActionKind::List, ActionKind::Create, ActionKind::Update]
    }

    /// The kind of record that an endpoint is.
    pub fn object(&self) -> &Arc<str> {
        &self.object
    }

    /// How many endpoints the system allows.
    pub fn most(&self) -> Option<usize> {
        self.most
    }

    /// Looks how the endpoints of the connection's account stand to what is wanted.
    pub async fn look(&self, connection: &Connection, wanted: &Wanted) -> Result<Standing, Failure> {
        let all = self.all(connection).await?;
        let context = context(connection, wanted);
        let is_ours = |endpoint: &&Record| {
            self.ours.holds(&context.with("endpoint", endpoint.fields.clone())) && endpoint.id.is_some()
        };
        let ours: Vec<&Record> = all.iter().filter(is_ours).collect();
        let ids = |records: &[&Record]| records.iter().filter_map(|record| record.id.clone()).collect();
        match ours.as_slice() {
            [] => {
                let full = self.most.is_some_and(|most| all.len() >= most);
                Ok(Standing::Absent { full: full.then(|| ids(&all.iter().collect::<Vec<_>>())) })
            }
            [one] => {
                let id = one.id.clone().unwrap_or_default();
                let changeable = self.fields.iter().chain(&self.on_update);
                let differs = self.compare(changeable, &one.fields, &context)?;
                let fixed = self.compare(self.on_create.iter(), &one.fields, &context)?;
                Ok(Standing::Present { id, differs, fixed })
            }
            several => Ok(Standing::Several { ids: ids(several) }),
        }
    }

    /// Makes the endpoint that is wanted.
    pub async fn register(&self, connection: &Connection, wanted: &Wanted) -> Result<Registered, Failure> {
        let context = context(connection, wanted);
        let mut fields = Map::new();
        for (name, expression) in self.fields.iter().chain(&self.on_create) {
            let value = expression.eval(&context)?;
            if !value.is_nothing() {
                fields.insert(Arc::clone(name), value);
            }
        }
        let reply = self.call(connection, |object| Action::Create { object, fields }).await?;
        let id = reply.id.unwrap_or_default();
        let context = context.with("endpoint", reply.record.unwrap_or_default());
        let secret = self.secret.as_ref().and_then(|secret| secret.read(&context).to_text());
        Ok(Registered { id, secret: secret.map(|secret| Secret::from(&*secret)) })
    }

    /// Changes what differs.
    pub async fn change(
        &self,
        connection: &Connection,
        id: &Arc<str>,
        differs: &[Difference],
    ) -> Result<(), Failure> {
        let fields: Fields = differs.iter().map(|it| (Arc::clone(&it.field), it.wanted.clone())).collect();
        let id = Arc::clone(id);
        self.call(connection, |object| Action::Update { object, id, fields }).await.map(drop)
    }

    async fn call(
        &self,
        connection: &Connection,
        action: impl FnOnce(Arc<str>) -> Action,
    ) -> Result<super::Reply, Failure> {
        connection.call(&Call::new(Arc::clone(connection.name()), action(Arc::clone(&self.object)))).await
    }

    async fn all(&self, connection: &Connection) -> Result<Vec<Record>, Failure> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let page = |object| Action::List {
                job: None,
                object,
                filter: Map::new(),
                since: None,
                select: Select::All,
                limit: PAGE,
                cursor: cursor.take(),
            };
            let reply = self.call(connection, page).await?;
            all.extend(reply.records);
            cursor = reply.next;
            if cursor.is_none() {
                return Ok(all);
            }
            if all.len() > ENDPOINTS_MAX {
                return Err(Failure::permanent(format!(
                    "the account has more than {ENDPOINTS_MAX} endpoints"
                )));
            }
        }
    }

    fn compare<'a>(
        &self,
        fields: impl Iterator<Item = &'a (Arc<str>, Expression)>,
        endpoint: &Value,
        context: &Context,
    ) -> Result<Vec<Difference>, Failure> {
        let mut differs = Vec::new();
        for (field, expression) in fields {
            let wanted = expression.eval(context)?;
            let seen = context.with("endpoint", endpoint.clone());
            let elsewhere = self.present.iter().find(|(name, _)| name == field);
            let found = elsewhere.map_or_else(
                || endpoint.get(field).cloned().unwrap_or_default(),
                |(_, expression)| expression.read(&seen),
            );
            if !wanted.is_nothing() && !agrees(&wanted, &found) {
                differs.push(Difference { field: Arc::clone(field), found, wanted });
            }
        }
        Ok(differs)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { field, found, wanted } = self;
        let (Some(found), Some(wanted)) = (found.as_list(), wanted.as_list()) else {
            return write!(f, "{field}: {} -> {}", found.to_json(), wanted.to_json());
        };
        let lacks = |these: &[Value], those: &[Value], sign: char| {
            let mut line = String::new();
            for one in these.iter().filter(|one| !those.iter().any(|other| other.same(one))) {
                line.extend([' ', sign]);
                line.push_str(&one.to_string());
            }
            line
        };
        write!(f, "{field}:{}{}", lacks(wanted, found, '+'), lacks(found, wanted, '-'))
    }
}

/// What expressions see.
fn context(connection: &Connection, wanted: &Wanted) -> Context {
    let root = Value::map([
        ("config", Value::from(connection.config().clone())),
        ("url", Value::from(wanted.url.as_str())),
        ("events", Value::list(wanted.events.iter().map(|name| Value::from(Arc::clone(name))))),
        ("mark", Value::from(wanted.mark.as_str())),
    ]);
    // No expression here has a use for the time.
    Context::new(root, Frame::new(Timestamp::UNIX_EPOCH, TimeZone::UTC))
}

/// Whether `found` is what is wanted: lists in any order, of maps what is wanted of them.
fn agrees(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::List(wanted), Value::List(found)) => {
            let within = |these: &[Value], those: &[Value]| {
                these.iter().all(|one| those.iter().any(|other| agrees(one, other)))
            };
            within(wanted, found) && within(found, wanted)
        }
        (Value::Map(wanted), found) => {
            wanted.iter().all(|(key, value)| found.get(key).is_some_and(|found| agrees(value, found)))
        }
        (wanted, found) => wanted.same(found),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_wanted_is_there_in_any_order_and_beside_other_things() {
        for (wanted, found, agree) in [
            (r#"["a", "b"]"#, r#"["b", "a"]"#, true),
            (r#"["a"]"#, r#"["a", "b"]"#, false),
            (r#"{"mark": "x"}"#, r#"{"mark": "x", "by": "hand"}"#, true),
            (r#"{"mark": "x"}"#, "{}", false),
            (r#"{"mark": "x"}"#, "null", false),
            ("false", "false", true),
            (r#""a""#, "null", false),
        ] {
            assert_eq!(agrees(&json(wanted), &json(found)), agree, "{wanted} and {found}");
        }
    }

    #[test]
    fn a_difference_of_lists_names_what_comes_and_what_goes() {
        let difference = |found: &str, wanted: &str| {
            Difference { field: "events".into(), found: json(found), wanted: json(wanted) }.to_string()
        };
        assert_eq!(difference(r#"["a", "b"]"#, r#"["b", "c"]"#), "events: +c -a");
        assert_eq!(difference("null", r#""x""#), r#"events: null -> "x""#);
    }
}
