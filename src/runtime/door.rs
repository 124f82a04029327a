//! The door of dormant clients: whoever knocks shows that he is who he says, before anybody is called.
//!
//! A stranger knows the addresses of all clients, and a post to each would have a large project opened whole. So the connections
//! of the client that is meant are opened on the side, from a few small files: by them a delivery is proved genuine, and then
//! they are forgotten. A few clients at a time, so that knocking costs no more than a part of the machine.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::clients::Opener;
use super::files::ProjectFiles;
use crate::ingest::{Hooks, Refusal};

/// So many clients have their connections opened on the side at a time.
const AT_ONCE: usize = 2;

/// So many deliveries wait for that; the senders of others are asked to come back.
const WAITING: usize = 64;

/// Opens the connections of dormant clients on the side. Cheap to clone.
#[derive(Clone)]
pub(super) struct Door {
    files: ProjectFiles,
    opener: Opener,
    room: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(files: ProjectFiles, opener: Opener) -> Self {
        let [room, waiting] = [AT_ONCE, WAITING].map(|permits| Arc::new(Semaphore::new(permits)));
        Self { files, opener, room, waiting }
    }

    /// The hooks of a dormant client; nothing when they cannot be opened so: then it is called, and says why.
    pub(super) fn hooks(&self, client: Arc<str>) -> BoxFuture<'static, Result<Option<Hooks>, Refusal>> {
        let door = self.clone();
        async move {
            let _waits = door.waiting.try_acquire().map_err(|_| Refusal::Crowded)?;
            let _has_room = door.room.acquire().await.map_err(|_| Refusal::Crowded)?;
            let (files, opener) = (door.files.clone(), door.opener.clone());
            let hooks = tokio::task::spawn_blocking(move || open(&files, &opener, &client)).await;
            Ok(hooks.unwrap_or_default())
        }
        .boxed()
    }
}

fn open(files: &ProjectFiles, opener: &Opener, client: &Arc<str>) -> Option<Hooks> {
    let checked = files.check_connections(client).ok()?;
    let found = checked.project.clients().find(|found| found.name() == client)?;
    let running = opener.open(found, None).ok()??;
    let mut hooks = Hooks::default();
    hooks.serve(client, running.connections);
    Some(hooks)
}
