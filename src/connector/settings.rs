//! What a connection of a connector has to be told, and whether it was told well.

use std::sync::Arc;

use indexmap::IndexMap;
use regex::Regex;
use reqwest::Url;

use super::compile::Compiler;
use super::fault::Fault;
use super::file::{SettingFile, SettingKind};
use super::http::is_loopback;
use crate::diagnostic::Path;
use crate::nearest::nearest;
use crate::value::{Map, Value};
use crate::words::Identifier;

/// The setting that every connector has: whether requests may go unencrypted to a host that is not this machine.
const ALLOW_HTTP: &str = "allow_http";

/// The settings of a connector, by name.
#[derive(Debug, Default)]
pub struct Settings(IndexMap<Arc<str>, Setting>);

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// What it is and where a person finds it.
    pub description: String,
    /// What kind of value it is.
    pub kind: SettingKind,
    /// True when a connection cannot do without it.
    pub required: bool,
    /// True when nobody may see it.
    pub secret: bool,
    /// What holds when it is left out.
    pub default: Option<Value>,
    /// A value as it might look.
    pub example: Option<Value>,
    one_of: Vec<String>,
    pattern: Option<Regex>,
}

impl Settings {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        files: &IndexMap<Identifier, SettingFile>,
    ) -> Self {
        let mut settings = IndexMap::new();
        for (name, file) in files {
            let at = at.key(Arc::clone(&name.0));
            let setting = Setting::compile(compiler, &at, file);
            settings.insert(Arc::clone(&name.0), setting);
        }
        settings.entry(ALLOW_HTTP.into()).or_insert_with(|| Setting {
            description: "Whether requests may go unencrypted to a host that is not this machine.".into(),
            kind: SettingKind::Boolean,
            required: false,
            secret: false,
            default: Some(Value::Bool(false)),
            example: None,
            one_of: Vec::new(),
            pattern: None,
        });
        Self(settings)
    }

    /// The names and settings, in the manifest's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.0.iter().map(|(name, setting)| (&**name, setting))
    }

    /// The setting of that name.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.0.get(name)
    }

    /// What is wrong with a connection's `config`; paths begin below it. A text that still holds `${...}` (an
    /// environment variable that is not read yet) is taken on trust, and a name that is nearly a setting's stands for it:
    /// that setting is not missing as well.
    pub fn check<'a>(&self, config: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut given = Vec::new();
        let config: Vec<(&str, &Value)> = config.into_iter().collect();
        let clear = config.iter().find(|(name, _)| *name == ALLOW_HTTP).map(|(_, value)| *value);
        // A placeholder may turn out to be true.
        let clear = clear.is_some_and(|value| value.as_bool() == Some(true) || value.as_str().is_some());
        for (name, value) in config {
            let at = Path::root().key(name);
            match self.0.get(name) {
                Some(_) if value.is_nothing() => {}
                Some(setting) => {
                    given.push(name);
                    faults.extend(setting.check(&at, value));
                    faults.extend(setting.check_encryption(&at, value).filter(|_| !clear));
                }
                None => {
                    let names = || self.0.keys().map(|key| &**key);
                    let fault = Fault::new(at, format!("`{name}` is not a setting of this connector"));
                    faults.push(fault.nearest(name, names()));
                    given.extend(nearest(name, names()));
                }
            }
        }
        for (name, setting) in self.0.iter().filter(|(name, _)| !given.contains(&&***name)) {
            if setting.required && setting.default.is_none() {
                let fault = Fault::new(Path::root(), format!("the setting `{name}` is missing"));
                faults.push(fault.help(setting.description.clone()));
            }
        }
        faults
    }

    /// `config` with the defaults of what it leaves out, and addresses without a slash at their end.
    pub(super) fn complete(&self, config: &Map) -> Map {
        let mut complete = config.clone();
        for (name, setting) in &self.0 {
            if let (SettingKind::Url, Some(Value::Text(url))) = (setting.kind, complete.get(name)) {
                let url = url.trim_end_matches('/').into();
                complete.insert(Arc::clone(name), Value::Text(url));
            }
            let given = complete.get(name).is_some_and(|value| !value.is_nothing());
            if let (false, Some(default)) = (given, &setting.default) {
                complete.insert(Arc::clone(name), default.clone());
            }
        }
        complete
    }

    /// The hosts that the connection's own settings name.
    pub(super) fn hosts(&self, config: &Map) -> Vec<String> {
        let urls = self.0.iter().filter(|(_, setting)| setting.kind == SettingKind::Url);
        urls.filter_map(|(name, _)| {
            Url::parse(config.get(name)?.as_str()?).ok()?.host_str().map(str::to_owned)
        })
        .collect()
    }

    /// The first address that the connection's settings name.
    pub(super) fn first_url<'a>(&self, config: &'a Map) -> Option<&'a str> {
        let mut urls = self.0.iter().filter(|(_, setting)| setting.kind == SettingKind::Url);
        urls.find_map(|(name, _)| config.get(name)?.as_str())
    }

    /// Every text of `config` that nobody may see: that of the settings that are secret, and what addresses hold for
    /// whoever asks there (`https://user:password@host`).
    pub(super) fn secrets(&self, config: &Map) -> Vec<Arc<str>> {
        let secret = self.0.iter().filter(|(_, setting)| setting.secret);
        let secret = secret.filter_map(|(name, _)| config.get(name)).flat_map(texts);
        let urls = config.values().filter_map(|value| Url::parse(value.as_str()?).ok());
        secret.chain(urls.flat_map(|url| user_info(&url))).collect()
    }

    /// True when requests may go unencrypted to any host.
    pub(super) fn allows_http(config: &Map) -> bool {
        config.get(ALLOW_HTTP).and_then(Value::as_bool).unwrap_or(false)
    }
}

/// The user and the password in an address, each alone and as basic authentication sends them.
fn user_info(url: &Url) -> Vec<Arc<str>> {
    let (user, password) =
        (percent_decoded(url.username()), percent_decoded(url.password().unwrap_or_default()));
    let parts = match (user.is_empty(), password.is_empty()) {
        (true, true) => return Vec::new(),
        // A key alone stands in the place of the user.
        (_, true) => vec![user.clone(), format!("{user}:")],
        (_, false) => vec![password.clone(), format!("{user}:{password}")],
    };
    parts.into_iter().map(Arc::from).collect()
}

/// Text without its percent-encoding; what is none stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All texts in a value.
fn texts(value: &Value) -> Vec<Arc<str>> {
    match value {
        Value::List(items) => items.iter().flat_map(texts).collect(),
        Value::Map(map) => map.values().flat_map(texts).collect(),
        scalar => scalar.to_text().into_iter().collect(),
    }
}

impl Setting {
    fn compile(compiler: &mut Compiler, at: &Path, file: &SettingFile) -> Self {
        let setting = Self {
            description: file.description.clone(),
            kind: file.kind,
            required: file.required,
            secret: file.secret,
            default: file.default.clone(),
            example: file.example.clone(),
            one_of: file.one_of.clone(),
            pattern: file
                .pattern
                .as_ref()
                .and_then(|pattern| compiler.whole_regex(&at.key("pattern"), pattern)),
        };
        for (key, value) in [("default", &file.default), ("example", &file.example)] {
            for fault in value.iter().filter_map(|value| setting.check(&at.key(key), value)) {
                compiler.push(fault);
            }
        }
        if file.secret && file.default.is_some() {
            compiler.fault(&at.key("default"), "a secret has no default");
        }
        setting
    }

    fn check(&self, at: &Path, value: &Value) -> Option<Fault> {
        if value.as_str().is_some_and(|text| text.contains("${")) {
            return None;
        }
        let wrong = |expected: &str| {
            // The value itself is not shown: it may be a secret in the wrong place.
            Some(
                Fault::new(at.clone(), format!("expected {expected}, found {}", value.kind()))
                    .help(&*self.description),
            )
        };
        match (self.kind, value) {
            (SettingKind::Text, _) => match value.to_text() {
                Some(text) => self.check_text(at, &text),
                None => wrong("text"),
            },
            (SettingKind::Url, Value::Text(text)) => self.check_url(at, text),
            (SettingKind::Url, _) => wrong("an address"),
            (SettingKind::Integer, Value::Int(_)) | (SettingKind::Boolean, Value::Bool(_)) => None,
            (SettingKind::Integer, _) => wrong("a whole number"),
            (SettingKind::Boolean, _) => wrong("true or false"),
            (SettingKind::List, Value::List(items)) => {
                items.iter().enumerate().find_map(|(index, item)| match item.to_text() {
                    Some(text) => self.check_text(&at.index(index), &text),
                    None => wrong("a list of texts"),
                })
            }
            (SettingKind::List, _) => wrong("a list of texts"),
            (SettingKind::Map, Value::Map(map)) if map.values().all(|value| value.to_text().is_some()) => {
                None
            }
            (SettingKind::Map, _) => wrong("a map of texts"),
        }
    }

    fn check_text(&self, at: &Path, text: &str) -> Option<Fault> {
        if text.contains("${") {
            return None;
        }
        let fault = |message: String| Some(Fault::new(at.clone(), message).help(&*self.description));
        if text.trim().is_empty() {
            return fault("the setting is empty".into());
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|allowed| allowed == text) {
            return fault(format!("expected one of {}", self.one_of.join(", ")));
        }
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
            return fault("the value does not look as it should".into());
        }
        None
    }

    /// Secrets would travel in clear to such an address.
    fn check_encryption(&self, at: &Path, value: &Value) -> Option<Fault> {
        let text = value.as_str().filter(|text| self.kind == SettingKind::Url && !text.contains("${"))?;
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "http")?;
        let elsewhere = url.host_str().is_some_and(|host| !is_loopback(host));
        let message = "requests to another machine must be https, not http";
        let help = "`allow_http: true` beside it allows requests in clear, secrets included";
        elsewhere.then(|| Fault::new(at.clone(), message).help(help))
    }

    fn check_url(&self, at: &Path, text: &str) -> Option<Fault> {
        let fault = |message: &str| Some(Fault::new(at.clone(), message).help(&*self.description));
        match Url::parse(text) {
            Ok(url) if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() => {
                fault("expected an address that begins with https://")
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                fault("the address must not have a `?` or `#`")
            }
            Ok(_) => self.check_text(at, text),
            Err(_) => fault("expected an address that begins with https://"),
        }
    }
}
