//! The kinds of authentication.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::oauth2::OAuth2;
use super::token::Grant;
use crate::connector::compile::Compiler;
use crate::connector::expression::Expression;
use crate::connector::failure::Failure;
use crate::connector::fault::Fault;
use crate::connector::file::{AuthFile, ManifestFile};
use crate::connector::request::{Headers, Outgoing};
use crate::connector::template::Template;
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::{Map, Value};

/// How the requests of a manifest show who sends them.
#[derive(Debug)]
pub(in crate::connector) enum Auth {
    /// The first alternative whose settings are all given.
    First(Vec<Choice>),
    /// One way.
    Way(Way),
}

/// One alternative.
#[derive(Debug)]
pub(in crate::connector) struct Choice {
    given: Vec<Arc<str>>,
    way: Way,
}

/// One way to show who sends a request.
#[derive(Debug)]
pub(in crate::connector) enum Way {
    /// Not at all, or by the address itself.
    None,
    Bearer(Expression),
    Basic {
        user: Expression,
        password: Option<Expression>,
    },
    Headers(Headers),
    Query(Template),
    OAuth2(Box<OAuth2>),
}

/// What a connection has in hand to show who it is.
#[derive(Debug, Clone)]
pub(in crate::connector) enum Credential {
    /// What its settings say.
    Settings,
    /// A token that was granted.
    Granted(Arc<Grant>),
}

impl Auth {
    pub(in crate::connector) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: &AuthFile,
        manifest: &ManifestFile,
        names: &Names,
    ) -> Option<Self> {
        let AuthFile::First(choices) = file else {
            return Way::compile(compiler, at, file, names).map(Self::Way);
        };
        let at = at.key("first");
        let mut ways = Vec::new();
        for (index, choice) in choices.iter().enumerate() {
            let at = at.index(index);
            for (given, name) in choice.given.iter().enumerate() {
                if !manifest.config.contains_key(name) {
                    let known = manifest.config.keys().map(|name| &*name.0);
                    let message = format!("`{}` is not a setting of `config`", name.0);
                    let fault = Fault::new(at.key("given").index(given), message);
                    compiler.push(fault.nearest(&name.0, known));
                }
            }
            let given = choice.given.iter().map(|name| Arc::clone(&name.0)).collect();
            if let Some(way) = Way::compile(compiler, &at.key("auth"), &choice.auth, names) {
                ways.push(Choice { given, way });
            }
        }
        Some(Self::First(ways))
    }

    /// The way that a connection of this `config` goes; `None` when its settings are not enough for any.
    pub(in crate::connector) fn way(&self, config: &Map) -> Option<&Way> {
        let is_given = |name: &Arc<str>| config.get(name).is_some_and(|value| !value.is_blank());
        match self {
            Self::Way(way) => Some(way),
            Self::First(choices) => {
                choices.iter().find(|choice| choice.given.iter().all(is_given)).map(|choice| &choice.way)
            }
        }
    }

    /// What a connection has to be given, for a person: `private_key, or client_secret`.
    pub(in crate::connector) fn wanted(&self) -> String {
        let Self::First(choices) = self else { return String::new() };
        let choices: Vec<String> = choices.iter().map(|choice| choice.given.join(" and ")).collect();
        choices.join(", or ")
    }
}

impl Way {
    fn compile(compiler: &mut Compiler, at: &Path, file: &AuthFile, names: &Names) -> Option<Self> {
        Some(match file {
            AuthFile::None | AuthFile::Url => Self::None,
            AuthFile::Bearer(token) => {
                Self::Bearer(compiler.expression(&at.key("bearer"), &token.0, names)?)
            }
            AuthFile::Basic(basic) => {
                let at = at.key("basic");
                Self::Basic {
                    user: compiler.expression(&at.key("user"), &basic.user.0, names)?,
                    password: compiler.optional(&at.key("password"), basic.password.as_ref(), names),
                }
            }
            AuthFile::Headers(headers) => {
                Self::Headers(Headers::compile(compiler, &at.key("headers"), Some(headers), names))
            }
            AuthFile::Query(query) => {
                Self::Query(Template::compile(compiler, &at.key("query"), &query.0, names)?)
            }
            AuthFile::OAuth2(oauth2) => {
                Self::OAuth2(Box::new(OAuth2::compile(compiler, &at.key("oauth2"), oauth2, names)?))
            }
            AuthFile::First(_) => {
                compiler.fault(at, "alternatives cannot stand inside an alternative");
                return None;
            }
        })
    }

    /// The token endpoint's side, when there is one.
    pub(in crate::connector) fn oauth2(&self) -> Option<&OAuth2> {
        if let Self::OAuth2(oauth2) = self { Some(oauth2) } else { None }
    }

    /// What basic authentication sends, before it is encoded: no part of it may be seen.
    pub(in crate::connector) fn basic_pair(&self, context: &Context) -> Option<String> {
        let Self::Basic { user, password } = self else { return None };
        let password = password.as_ref().map(|password| password.read(context)).unwrap_or_default();
        Some(format!("{}:{password}", user.read(context)))
    }

    /// Shows who sends `outgoing`.
    pub(in crate::connector) fn apply(
        &self,
        outgoing: &mut Outgoing,
        credential: &Credential,
        context: &Context,
    ) -> Result<(), Failure> {
        match self {
            Self::None => Ok(()),
            Self::Bearer(token) => {
                let token = token.eval(context)?;
                outgoing.authorize(&format!("Bearer {token}"))
            }
            Self::Basic { user, password } => {
                let user = user.eval(context)?;
                let password =
                    password.as_ref().map_or(Ok(Value::Null), |password| password.eval(context))?;
                outgoing.authorize(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Self::Headers(headers) => headers.add_to(&mut outgoing.headers, context),
            Self::Query(parameters) => outgoing.add_query(&parameters.eval(context)?),
            Self::OAuth2(oauth2) => match credential {
                Credential::Granted(grant) if oauth2.parameter.is_some() => {
                    let token = Value::from(grant.access.expose());
                    outgoing.add_query(&Value::map(
                        oauth2.parameter.iter().map(|name| (Arc::clone(name), token.clone())),
                    ))
                }
                Credential::Granted(grant) => {
                    outgoing.authorize(&format!("{} {}", oauth2.prefix, grant.access.expose()))
                }
                // A preview: there is no token, and none would be shown.
                Credential::Settings => outgoing.authorize(&format!("{} token", oauth2.prefix)),
            },
        }
    }
}
