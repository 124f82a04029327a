//! `lockstep validate --online`: the accounts behind the connections are asked, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use super::account::{Described, Of, Wanted, describe};
use super::open::{around, open};
use super::output::remark;
use super::runtime;
use crate::check::{self, Checked, Environments};
use crate::config::{self, ClientDraft, Draft, SchemaDraft};
use crate::connector::{Action, Call, Connection, Events, Surroundings};
use crate::diagnostic::{Code, Diagnostic, Path as Place};
use crate::project::{Client, ConnectionConfig};

/// How many accounts are asked at one time.
const AT_ONCE: usize = 8;

/// What came of asking one account.
struct Asked {
    of: Of,
    told: Told,
}

enum Told {
    /// It let us in, and said what it has.
    Fields(Described),
    /// It let us in; what it has is in no manifest's power to tell.
    LetIn,
    /// There is nothing that could be asked without doing something.
    Nothing,
    /// It did not let us in, or could not be reached.
    Not(String),
}

/// Checks a project against what its accounts have now, in place of what was pulled. Clients with errors in their files
/// are not asked for.
pub(super) fn check_online(
    paths: &[PathBuf],
    here: &Path,
    environment: Option<&str>,
) -> anyhow::Result<Checked> {
    let environments = environment.map_or(Environments::Base, Environments::One);
    let mut draft = config::load(paths, here)?;
    let wanted = Wanted::of(&mut draft);
    let offline = check::check(draft, environments)?;
    let around = around()?;
    let asked: Vec<Asked> = runtime()?.block_on(async {
        let connections = offline
            .project
            .clients()
            .flat_map(|client| client.connections.values().map(move |connection| (client, connection)));
        let asking = connections.map(|(client, connection)| ask(client, connection, &wanted, &around));
        stream::iter(asking).buffered(AT_ONCE).collect().await
    });
    let mut draft = config::load(paths, here)?;
    Wanted::of(&mut draft);
    for Asked { of, told } in asked {
        take(&mut draft, &of, told, &wanted, environment);
    }
    Ok(check::check(draft, environments)?)
}

async fn ask(
    client: &Client,
    connection: &ConnectionConfig,
    wanted: &Wanted,
    around: &Surroundings,
) -> Asked {
    let of = (Arc::clone(client.name()), Arc::clone(&connection.name));
    let told = match open(client, connection, around) {
        Ok(opened) => ask_opened(&opened, &of, wanted).await,
        Err(error) => Told::Not(error.to_string()),
    };
    Asked { of, told }
}

async fn ask_opened(connection: &Connection, of: &Of, wanted: &Wanted) -> Told {
    let objects = wanted.objects(of);
    if connection.manifest().describes() && !objects.is_empty() {
        return describe(connection, objects)
            .await
            .map_or_else(|error| Told::Not(error.to_string()), Told::Fields);
    }
    if !connection.manifest().events().is_some_and(Events::lists) {
        return Told::Nothing;
    }
    let one = Action::Events { types: Vec::new(), since: None, limit: 1, cursor: None };
    match connection.call(&Call::new(Arc::clone(&of.1), one)).await {
        Ok(_) => Told::LetIn,
        Err(failure) => Told::Not(failure.message),
    }
}

/// Puts what an account said in the place of what was pulled, and adds what was found wrong.
fn take(draft: &mut Draft, of: &Of, told: Told, wanted: &Wanted, environment: Option<&str>) {
    let (folder, name) = of;
    let Some(client) = draft.clients.iter_mut().find(|client| client.folder == *folder) else { return };
    match told {
        Told::Fields(described) => {
            let changes = wanted.pulled(of).map_or(0, |before| before.differences(&described.schema).len());
            if changes > 0 {
                remark(format_args!(
                    "{folder}.{name}: the account has changed since it was pulled; `lockstep schema diff {folder} {name}` tells how"
                ));
            }
            for object in described.missing {
                let fact = format!("the account behind `{name}` has no object `{object}`");
                let finding = at_connection(client, name, environment, Code::UnknownObject, fact);
                draft
                    .findings
                    .push(finding.help("a pipeline of the client, or a part that it can use, names it"));
            }
            let path = format!("{folder}/schemas/{name}.json").into();
            let content = Some(described.schema);
            client.schemas.push(SchemaDraft { path, connection: Arc::clone(name), content });
        }
        Told::LetIn => {}
        Told::Nothing => remark(format_args!(
            "{folder}.{name} was not asked: its connector has nothing that could be asked without doing something"
        )),
        Told::Not(why) => {
            let fact = format!("the account behind `{name}` could not be asked: {why}");
            let finding = at_connection(client, name, environment, Code::ConnectionConfig, fact);
            draft
                .findings
                .push(finding.help("nothing of this connection was compared with what the account has"));
        }
    }
}

/// A finding where the connection is written: in the overlay, where that names it.
fn at_connection(
    client: &ClientDraft,
    name: &Arc<str>,
    environment: Option<&str>,
    code: Code,
    fact: String,
) -> Diagnostic {
    let at = Place::root().key("connections").key(Arc::clone(name));
    let mut overlays = client.overlays.iter();
    let overlay = overlays.find(|it| Some(&*it.stem) == environment && it.has(&at));
    let place = overlay.map_or_else(|| client.file.key(at.clone()), |overlay| overlay.key(at.clone()));
    Diagnostic::new(code, place, fact)
}
