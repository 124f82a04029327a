//! One connection's endpoint: how it stands, and what is done about it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::Serialize;

use super::secret_file::SecretFile;
use crate::connector::{Connection, Endpoints, Standing, Wanted};

/// What is to become of what differs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Resolve<'a> {
    /// It is shown.
    Show,
    /// It is done; a new endpoint's secret goes into the file.
    Apply { secret_file: Option<&'a Path> },
}

/// What came of one connection.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    /// `<client>/<connection>`.
    connection: String,
    /// Where its events are to go.
    url: String,
    /// The endpoint, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Arc<str>>,
    /// What was found: `right`, `absent`, `differs`, `fixed`, `several`, `unneeded`.
    standing: &'static str,
    /// What differs, a line each.
    changes: Vec<String>,
    /// What was done about it: nothing, `registered`, `changed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<&'static str>,
    /// What a person has to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// Settles the endpoint of one connection; `None` when no pipeline needs one and there is none.
pub(super) async fn settle(
    endpoints: &Endpoints,
    connection: &Connection,
    wanted: &Wanted,
    resolve: Resolve<'_>,
) -> anyhow::Result<Option<Told>> {
    let place = &wanted.mark;
    let standing = endpoints.look(connection, wanted).await;
    let standing = standing.with_context(|| format!("{place}: the endpoints could not be read"))?;
    let told = |standing| Told {
        connection: place.clone(),
        url: wanted.url.clone(),
        id: None,
        standing,
        changes: Vec::new(),
        done: None,
        advice: None,
    };
    Ok(Some(match standing {
        Standing::Absent { .. } if wanted.events.is_empty() => return Ok(None),
        Standing::Present { id, .. } if wanted.events.is_empty() => Told {
            id: Some(id),
            advice: Some("no pipeline needs its events any more: remove it in the system's settings".into()),
            ..told("unneeded")
        },
        Standing::Several { ids } => Told {
            advice: Some(format!(
                "each event comes {} times: remove all but one of {} in the system's settings",
                ids.len(),
                ids.join(", ")
            )),
            ..told("several")
        },
        Standing::Absent { full: Some(others) } => bail!(
            "{place}: the account has {} endpoints already, and the system takes no more. Remove one that nobody needs: {}",
            others.len(),
            others.join(", ")
        ),
        Standing::Absent { full: None } => {
            let changes = wanted.events.iter().map(|name| format!("+{name}")).collect();
            let absent = Told { changes, ..told("absent") };
            match resolve {
                Resolve::Show => absent,
                Resolve::Apply { secret_file } => {
                    register(endpoints, connection, wanted, secret_file, absent).await?
                }
            }
        }
        Standing::Present { id, differs, fixed } => {
            let mut present = Told {
                changes: differs.iter().chain(&fixed).map(ToString::to_string).collect(),
                ..told(if differs.is_empty() { "right" } else { "differs" })
            };
            if let (Resolve::Apply { .. }, false) = (resolve, differs.is_empty()) {
                let changed = endpoints.change(connection, &id, &differs).await;
                changed.with_context(|| format!("{place}: the endpoint {id} could not be changed"))?;
                present.done = Some("changed");
            }
            if !fixed.is_empty() {
                present.standing = "fixed";
                let names: Vec<&str> = fixed.iter().map(|it| &*it.field).collect();
                present.advice = Some(format!(
                    "{} cannot be changed: remove the endpoint in the system's settings, then register it anew",
                    names.join(" and ")
                ));
            }
            Told { id: Some(id), ..present }
        }
    }))
}

async fn register(
    endpoints: &Endpoints,
    connection: &Connection,
    wanted: &Wanted,
    secret_file: Option<&Path>,
    absent: Told,
) -> anyhow::Result<Told> {
    let Some(path) = secret_file else {
        bail!(
            "{}: its signing secret is told once, when it is registered: say where it is to go, --secret-file PATH",
            wanted.mark
        )
    };
    let file = SecretFile::create(path)?;
    let made = endpoints.register(connection, wanted).await;
    let made = made.with_context(|| format!("{}: no endpoint could be registered", wanted.mark))?;
    let advice = match &made.secret {
        Some(secret) => {
            file.keep(secret)?;
            format!("its signing secret is in {}: give it to the connection", path.display())
        }
        None => "the system told no signing secret".to_owned(),
    };
    Ok(Told { id: Some(made.id), done: Some("registered"), advice: Some(advice), ..absent })
}

impl Told {
    /// True when all is as it should be, now.
    pub(super) fn is_settled(&self) -> bool {
        match self.standing {
            "right" => true,
            "absent" | "differs" => self.done.is_some(),
            _ => false,
        }
    }

    /// What a person reads.
    pub(super) fn lines(&self) -> Vec<String> {
        let id = self.id.as_deref().unwrap_or_default();
        let what = match (self.standing, self.done) {
            ("right", _) => format!("{id} is as it should be"),
            ("absent", None) => "would be registered:".to_owned(),
            ("absent", Some(_)) => format!("{id} is registered:"),
            ("several", _) => "has several endpoints".to_owned(),
            ("unneeded", _) => format!("{id} is not needed"),
            (_, Some(_)) => format!("{id} is changed:"),
            (_, None) => format!("{id} would be changed:"),
        };
        let mut lines = vec![format!("{} at {}", self.connection, self.url), format!("  {what}")];
        lines.extend(self.changes.iter().map(|change| format!("    {change}")));
        lines.extend(self.advice.iter().map(|advice| format!("  {advice}")));
        lines
    }
}
