//! Watching the files of a project: whose have changed, once nothing changes any more for a moment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::EventKind;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::roster::Scope;
use crate::config::LoadError;

/// How long nothing must change: an editor writes a file in several steps, a deployment several files.
const QUIET: Duration = Duration::from_millis(200);

/// What changes without end is looked at all the same after so long.
const QUIET_AWAITED: Duration = Duration::from_secs(5);

/// Why files cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There are none.
    #[error(transparent)]
    Files(#[from] LoadError),
    /// The system does not tell.
    #[error(transparent)]
    System(#[from] notify::Error),
}

/// A watched project. Dropped, it watches no more.
pub struct Watch {
    _watcher: RecommendedWatcher,
    changes: Arc<Changes>,
}

/// What has changed since somebody asked last. Bounded by the names of the project, however many changes there are.
#[derive(Default)]
struct Changes {
    scope: Mutex<Option<Scope>>,
    news: Notify,
}

impl Watch {
    /// Watches the project at `root`. Blocks while its folders are walked.
    pub(super) fn of(root: &Path) -> notify::Result<Self> {
        let changes = Arc::new(Changes::default());
        let (heard, folder) = (Arc::clone(&changes), root.to_owned());
        let mut watcher = notify::recommended_watcher(move |event| heard.hear(&folder, event))?;
        watcher.watch(&root.join("pipelines"), RecursiveMode::Recursive)?;
        // Most projects have none. One that appears is used by a client that changes.
        let connectors = root.join("connectors");
        if connectors.is_dir() {
            watcher.watch(&connectors, RecursiveMode::Recursive)?;
        }
        Ok(Self { _watcher: watcher, changes })
    }

    /// Waits for a change, and then for quiet; tells whose files have changed. Nothing is lost when it is dropped before
    /// it is done.
    pub(super) async fn quiet(&self) -> Scope {
        loop {
            let heard = self.changes.news.notified();
            if self.changes.scope.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
                heard.await;
            }
            let until = Instant::now() + QUIET_AWAITED;
            while Instant::now() < until && timeout(QUIET, self.changes.news.notified()).await.is_ok() {}
            let scope = self.changes.scope.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(scope) = scope {
                return scope;
            }
        }
    }
}

impl Changes {
    /// Called on the watcher's own thread.
    fn hear(&self, root: &Path, event: notify::Result<Event>) {
        let heard = match event {
            // Reading is no change; our own reading would never end.
            Ok(Event { kind: EventKind::Access(_), .. }) => return,
            Ok(event) if event.need_rescan() => Some(Scope::All),
            Ok(event) => {
                event.paths.iter().fold(None, |scope, path| Some(joined(scope, scope_of(root, path))))
            }
            // What was missed is not known.
            Err(_) => Some(Scope::All),
        };
        if let Some(heard) = heard {
            let mut scope = self.scope.lock().unwrap_or_else(PoisonError::into_inner);
            *scope = Some(joined(scope.take(), heard));
            drop(scope);
            self.news.notify_one();
        }
    }
}

/// Whose file this is: a client's, when it stands in its folder or is that folder.
fn scope_of(root: &Path, path: &Path) -> Scope {
    let inside = path.strip_prefix(root.join("pipelines"));
    let mut names = inside.iter().flat_map(|inside| inside.iter());
    let (first, nested) = (names.next().and_then(|name| name.to_str()), names.next().is_some());
    match first {
        Some(name) if nested || !is_shared(name) => Scope::Clients(BTreeSet::from([name.to_owned()])),
        _ => Scope::All,
    }
}

/// True for the files beside the clients that belong to all of them.
fn is_shared(name: &str) -> bool {
    PathBuf::from(name)
        .extension()
        .is_some_and(|ending| ["yaml", "yml", "rhai"].iter().any(|it| ending == *it))
}

fn joined(a: Option<Scope>, b: Scope) -> Scope {
    match (a, b) {
        (None, b) => b,
        (Some(Scope::Clients(mut a)), Scope::Clients(b)) => {
            a.extend(b);
            Scope::Clients(a)
        }
        (Some(_), _) => Scope::All,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn clients<const N: usize>(names: [&str; N]) -> Scope {
        Scope::Clients(names.map(str::to_owned).into())
    }

    #[test]
    fn a_file_belongs_to_its_client_or_to_all() {
        for (path, expected) in [
            ("/project/pipelines/acme/paid.yaml", clients(["acme"])),
            ("/project/pipelines/acme/.paid.yaml.swp", clients(["acme"])),
            ("/project/pipelines/acme", clients(["acme"])),
            ("/project/pipelines/acme.io/client.yaml", clients(["acme.io"])),
            ("/project/pipelines/find.part.yaml", Scope::All),
            ("/project/pipelines/lib.rhai", Scope::All),
            ("/project/pipelines", Scope::All),
            ("/project/connectors/own.yaml", Scope::All),
            ("/project/connectors", Scope::All),
        ] {
            assert_eq!(scope_of(Path::new("/project"), Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn several_changes_are_one() {
        assert_eq!(joined(Some(clients(["a"])), clients(["b", "a"])), clients(["a", "b"]));
        assert_eq!(joined(Some(clients(["a"])), Scope::All), Scope::All);
        assert_eq!(joined(Some(Scope::All), clients(["a"])), Scope::All);
    }

    #[tokio::test]
    async fn changes_are_told_once_they_are_over_and_reading_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("pipelines/acme")).unwrap();
        std::fs::write(root.join("pipelines/acme/client.yaml"), "name: acme").unwrap();
        let watch = Watch::of(&root).unwrap();

        // An editor that writes beside and renames, and a folder that appears with a file in it.
        std::fs::write(root.join("pipelines/acme/.client.yaml.new"), "name: acme").unwrap();
        std::fs::rename(
            root.join("pipelines/acme/.client.yaml.new"),
            root.join("pipelines/acme/client.yaml"),
        )
        .unwrap();
        std::fs::create_dir(root.join("pipelines/beta")).unwrap();
        std::fs::write(root.join("pipelines/beta/client.yaml"), "name: beta").unwrap();
        assert_eq!(watch.quiet().await, clients(["acme", "beta"]));

        // Reading is heard of by the system and is not news: the next thing that is told is the removal.
        std::fs::read(root.join("pipelines/acme/client.yaml")).unwrap();
        std::fs::remove_dir_all(root.join("pipelines/beta")).unwrap();
        assert_eq!(watch.quiet().await, clients(["beta"]));
    }
}
