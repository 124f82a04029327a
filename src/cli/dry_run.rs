//! `lockstep dry-run`: what a pipeline would do for an event, without sending anything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::bail;
use clap::Args;
use indexmap::IndexMap;

use super::ExitCode;
use super::block_on::runtime;
use super::given::given;
use super::output::{Format, remark, say, say_json};
use super::pipeline::{Chosen, choose};
use crate::clock::SystemClock;
use crate::config::env::{Environment, System};
use crate::connector::{Call, Connection, ConnectionParts, Failure, Http, MemoryVault, Reply, Surroundings};
use crate::nearest::did_you_mean;
use crate::project::{Client, Trigger};
use crate::rehearsal::{Crm, Memory, Rehearsal, of_file, systems, told, word};
use crate::secret::Redactor;
use crate::steps::{Observer, Sight};
use crate::value::{Map, Value};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep dry-run acme-saas/payment-failed --event event.json\n  \
                        lockstep dry-run acme-saas/payment-failed --event event.json --given records.json\n\n\
                        Nothing is sent. Reads find what --given holds: {\"salesforce.Account\": [{\"Id\": \"001A\", ...}]};\n\
                        everything else is missing.")]
pub(super) struct DryRun {
    /// The pipeline: `client/name`, or its file
    pipeline: String,
    /// A JSON file with the event, as its system sends it
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// A JSON file with the records that reads find: connection and object -> records
    #[arg(long, value_name = "FILE")]
    given: Option<PathBuf>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl DryRun {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Chosen { client, pipeline } = match choose(&self.pipeline)? {
            Ok(chosen) => chosen,
            Err(code) => return Ok(code),
        };
        let occasion = of_file(&client, &pipeline, &self.event)?;
        if let Trigger::Events { connection, patterns, .. } = &pipeline.trigger
            && !pipeline.starts_on(connection, &occasion.kind)
        {
            bail!(
                "`{}` does not start {}/{}: its trigger names {}",
                occasion.kind,
                client.name(),
                pipeline.name,
                patterns.join(", ")
            );
        }
        let crm = systems(&client);
        let named = self.given.as_deref().map_or_else(|| Ok(Vec::new()), |path| give(&crm, path))?;
        let redactor = Redactor::default();
        let watch = Watch {
            connections: connections(&client, &redactor),
            seen: Mutex::default(),
            asked: Mutex::default(),
        };
        let memory = Memory::default();
        let rehearsal = Rehearsal {
            client: &client,
            pipeline: &pipeline,
            crm: &crm,
            memory: &memory,
            observer: Some(&watch),
        };
        let starts = occasion.kind;
        let ending = runtime()?.block_on(rehearsal.run("dry-run".into(), occasion.event, occasion.created));
        let asked = watch.asked.into_inner().unwrap_or_else(PoisonError::into_inner);
        for unused in named.iter().filter(|name| !asked.contains(*name)) {
            remark(unused_in_words(&client, unused));
        }
        let (outcome, reason) = told(ending);
        let seen = watch.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ends =
            Value::map([("outcome", Value::from(word(outcome))), ("reason", Value::from(reason.clone()))]);
        match self.format {
            Format::Json => {
                let told =
                    Value::map([("event", Value::from(starts)), ("seen", seen.into()), ("ends", ends)]);
                say_json(&redactor.redact_value(&told).unwrap_or(told))?;
            }
            Format::Human => {
                let mut text = Vec::new();
                let mut step = String::new();
                for sight in &seen {
                    let here = sight.get("step").map(Value::to_string).unwrap_or_default();
                    if here != step {
                        text.push(format!("\n{here}"));
                        step = here;
                    }
                    text.push(told_to_people(sight));
                }
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                text.push(format!("\nends as {}{reason}", word(outcome)));
                say(redactor.redact(text.join("\n").trim_start_matches('\n')))?;
            }
        }
        Ok(ExitCode::Fine)
    }
}

/// Puts the records of a file into the systems in memory, and gives the names that they stand under.
fn give(crm: &Crm, path: &Path) -> anyhow::Result<Vec<String>> {
    let records = given(path)?;
    for ((connection, object), records) in &records {
        for record in records.values() {
            crm.give(connection, object, record);
        }
    }
    Ok(records.keys().map(|(connection, object)| format!("{connection}.{object}")).collect())
}

/// Why records that were given were of no use.
fn unused_in_words(client: &Client, name: &str) -> String {
    let connection = name.split('.').next().unwrap_or(name);
    if client.connections.contains_key(connection) {
        return format!("note: --given has {name}, and this run asked for none of it");
    }
    let help = did_you_mean(connection, client.connections.keys().map(|known| &**known));
    let help = help.map(|help| format!(": {help}")).unwrap_or_default();
    format!("note: --given has {name}, and {} has no connection `{connection}`{help}", client.name())
}

/// Writes down what the run does.
struct Watch {
    connections: IndexMap<Arc<str>, Result<Connection, String>>,
    seen: Mutex<Vec<Value>>,
    /// Connections and objects that the run turned to.
    asked: Mutex<BTreeSet<String>>,
}

impl Observer for Watch {
    fn saw(&self, step: &str, sight: &Sight<'_>) {
        let sight = match sight {
            Sight::Took(_) => return,
            Sight::Condition { text, holds, values } => Value::map([
                ("condition", Value::from(*text)),
                ("holds", Value::from(*holds)),
                ("values", Value::map(values.iter().map(|(path, value)| (path.as_str(), value.clone())))),
            ]),
            Sight::Mapped { field, trace } => Value::map([
                ("field", Value::from(*field)),
                ("from", Value::from(trace.source.as_str())),
                ("reads", Value::map(trace.reads.iter().map(|(path, value)| (path.as_str(), value.clone())))),
                (
                    "way",
                    Value::list(
                        trace.steps.iter().map(|it| Value::map([(it.name.as_str(), it.value.clone())])),
                    ),
                ),
                (
                    "value",
                    trace.result.clone().unwrap_or_else(|error| Value::from(format!("error: {error}"))),
                ),
            ]),
            Sight::Called { call, answer } => self.request(call, answer),
            Sight::Gave { given, .. } => Value::map([("gave", (*given).clone())]),
        };
        let mut entry = Map::from_iter([("step".into(), Value::from(step))]);
        entry.extend(sight.as_map().cloned().unwrap_or_default());
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(entry.into());
    }
}

impl Watch {
    /// The request as it would be sent, and what it was answered with here.
    fn request(&self, call: &Call, answer: &Result<Reply, Failure>) -> Value {
        if let Some(object) = call.action.object() {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert(format!("{}.{object}", call.connection));
        }
        let prepared = match self.connections.get(&call.connection) {
            Some(Ok(connection)) => connection.preview(call).map_err(|failure| failure.to_string()),
            Some(Err(why)) => Err(why.clone()),
            None => Err("the connection is not there".to_owned()),
        };
        let mut entry = Map::new();
        let connection = self.connections.get(&call.connection).and_then(|opened| opened.as_ref().ok());
        let abilities = connection.map(|connection| connection.manifest().abilities());
        if let Some(why) = abilities.and_then(|abilities| abilities.danger(&call.action)) {
            entry.insert("take_care".into(), Value::from(Arc::clone(why)));
        }
        match prepared {
            Ok(request) => {
                entry.insert("request".into(), Value::from(format!("{} {}", request.method, request.url)));
                let headers =
                    request.headers.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
                entry.insert("headers".into(), Value::map(headers));
                entry.insert("body".into(), Value::from(request.body));
            }
            Err(why) => drop(entry.insert("request".into(), Value::from(format!("cannot be shown: {why}")))),
        }
        let answered = match answer {
            Ok(reply) if call.action.kind().is_some_and(crate::connector::ActionKind::is_read) => {
                let count = reply.records.len() + usize::from(reply.record.is_some());
                if count == 0 {
                    "missing: --given has no such record".to_owned()
                } else {
                    format!("{count} found in --given")
                }
            }
            Ok(_) => "not sent".to_owned(),
            Err(failure) => format!("{}: --given has no such record", failure.class),
        };
        entry.insert("answered".into(), Value::from(answered));
        entry.into()
    }
}

/// The client's connections, for previews. A setting that the environment lacks gets a stand-in: nothing is sent.
fn connections(client: &Client, redactor: &Redactor) -> IndexMap<Arc<str>, Result<Connection, String>> {
    let around = match Http::new() {
        Ok(http) => Surroundings {
            http,
            clock: Arc::new(SystemClock),
            redactor: redactor.clone(),
            vault: Arc::new(MemoryVault::default()),
            commons: None,
        },
        Err(error) => {
            let failed = |name: &Arc<str>| (Arc::clone(name), Err(error.to_string()));
            return client.connections.keys().map(failed).collect();
        }
    };
    let Ok(resolved) = client.resolve(&StandIn) else { return IndexMap::new() };
    let open = |(name, config): (&Arc<str>, &crate::project::ConnectionConfig)| {
        let settings = resolved.configs.get(name).and_then(Value::as_map).cloned().unwrap_or_default();
        let parts = ConnectionParts {
            client: Arc::clone(client.name()),
            name: Arc::clone(name),
            manifest: Arc::clone(&config.manifest),
            config: settings,
            rate_limit: config.rate_limit,
            concurrency: config.concurrency,
            timeout: config.timeout,
            read_only: config.read_only,
            fields: config.fields.clone(),
        };
        let opened = Connection::open(parts, around.clone())
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        (Arc::clone(name), opened)
    };
    client.connections.iter().map(open).collect()
}

/// The machine's environment, with a stand-in for what is not set: an address, which is also good as text.
struct StandIn;

impl Environment for StandIn {
    fn variable(&self, name: &str) -> Option<String> {
        let stand_in = || format!("https://{}.unset.invalid", name.to_lowercase().replace('_', "-"));
        Some(System.variable(name).unwrap_or_else(stand_in))
    }

    fn file(&self, path: &str) -> std::io::Result<String> {
        System.file(path).or_else(|_| Ok("unset".to_owned()))
    }
}

/// One sight in a line, or a few.
fn told_to_people(sight: &Value) -> String {
    let text = |key: &str| sight.get(key).map(Value::to_string).unwrap_or_default();
    let pairs = |key: &str| {
        let pairs = sight.get(key).and_then(Value::as_map).into_iter().flatten();
        pairs.map(|(name, value)| format!("{name} = {}", value.to_json())).collect::<Vec<_>>().join(", ")
    };
    if sight.get("condition").is_some() {
        let holds = if sight.get("holds") == Some(&Value::from(true)) { "holds" } else { "does not hold" };
        return format!("  when {} -> {holds} ({})", text("condition").trim(), pairs("values"));
    }
    if sight.get("field").is_some() {
        let way = sight.get("way").and_then(Value::as_list).unwrap_or_default();
        let way: Vec<String> =
            way.iter()
                .filter_map(Value::as_map)
                .flatten()
                .map(|(name, value)| {
                    if &**name == "value" { value.to_json() } else { format!("{name}: {}", value.to_json()) }
                })
                .collect();
        let value = sight.get("value").map(Value::to_json).unwrap_or_default();
        let way = if way.len() > 1 { format!(" ({})", way.join(" -> ")) } else { String::new() };
        return format!("  {} <- {} = {value}{way}", text("field"), text("from"));
    }
    if sight.get("request").is_some() {
        let body = sight.get("body").filter(|body| !body.is_nothing()).map(|body| format!("\n     {body}"));
        let care = sight.get("take_care").map(|why| format!("\n     take care: {why}")).unwrap_or_default();
        let (request, answered) = (text("request"), text("answered"));
        return format!("  => {request}{}\n     {answered}{care}", body.unwrap_or_default());
    }
    let outcome = sight.at(&["gave", "outcome"]).map(Value::to_string).unwrap_or_default();
    let id = sight.at(&["gave", "id"]).map(|id| format!(" {id}")).unwrap_or_default();
    format!("  {outcome}{id}")
}
