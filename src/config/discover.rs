//! Which project is meant, and which of its clients and pipelines.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Why a project could not be read: the operator's surroundings, not the author's mistake.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no project at or above a path.
    #[error("no project here: neither {} nor a folder above it holds a folder `pipelines`", .0.display())]
    NoProject(PathBuf),
    /// A path that was named does not exist.
    #[error("{} does not exist", .0.display())]
    NotThere(PathBuf),
    /// A path that was named is no part of a project.
    #[error(
        "{} is neither a project, nor `pipelines`, a client's folder, a file of one, or a file of `connectors`",
        .0.display()
    )]
    NotAPart(PathBuf),
    /// The paths that were named lie in several projects.
    #[error("{} and {} are two projects; name paths of one", .0.display(), .1.display())]
    SeveralProjects(PathBuf, PathBuf),
    /// There is nothing to load.
    #[error("{} holds no client: a client is a folder in `pipelines` with a file `client.yaml`", .0.display())]
    NoClients(PathBuf),
    /// A file or folder could not be read.
    #[error("{} could not be read", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl LoadError {
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::NotThere(path),
            _ => Self::Read { path, source },
        }
    }
}

/// The project that is meant, and how much of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// The folder that holds `pipelines/`.
    pub(super) root: PathBuf,
    /// The clients that were named; all when nothing narrower than the project was.
    pub(super) clients: Option<BTreeMap<String, Wanted>>,
}

/// How much of a client is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These pipeline files, and all that they stand on.
    Pipelines(BTreeSet<PathBuf>),
    /// What its connections are, and nothing that uses them.
    Connections,
}

/// What a path inside a project names.
enum Named {
    Project,
    Client(String),
    Pipeline(String, PathBuf),
}

/// Finds the project of `paths`; with none, the nearest one at or above `here`.
pub(super) fn select(paths: &[PathBuf], here: &Path) -> Result<Selection, LoadError> {
    let Some((first, rest)) = paths.split_first() else {
        return Ok(Selection { root: root_of(here)?, clients: None });
    };
    let (root, named) = locate(first, here)?;
    let mut named = vec![named];
    for path in rest {
        let (other, what) = locate(path, here)?;
        if other != root {
            return Err(LoadError::SeveralProjects(root, other));
        }
        named.push(what);
    }
    Ok(Selection { root, clients: narrow(named) })
}

/// The clients that `named` comes down to; nothing for all of them.
fn narrow(named: Vec<Named>) -> Option<BTreeMap<String, Wanted>> {
    let mut clients = BTreeMap::new();
    for what in named {
        match what {
            Named::Project => return None,
            Named::Client(client) => {
                clients.insert(client, Wanted::Whole);
            }
            Named::Pipeline(client, file) => {
                let wanted = clients.entry(client).or_insert_with(|| Wanted::Pipelines(BTreeSet::new()));
                if let Wanted::Pipelines(files) = wanted {
                    files.insert(file);
                }
            }
        }
    }
    Some(clients)
}

fn locate(path: &Path, here: &Path) -> Result<(PathBuf, Named), LoadError> {
    let full = here.join(path);
    let full = full.canonicalize().map_err(LoadError::read(path))?;
    let root = root_of(&full)?;
    let inside: Vec<&OsStr> = full.strip_prefix(&root).unwrap_or(&full).iter().collect();
    let text = |name: &OsStr| name.to_string_lossy().into_owned();
    let named = match *inside.as_slice() {
        [] => Named::Project,
        [first, ..] if first == "connectors" => Named::Project,
        [first] if first == "pipelines" => Named::Project,
        [first, client] if first == "pipelines" && full.is_dir() => Named::Client(text(client)),
        [first, file] if first == "pipelines" && is_config(file) => Named::Project,
        [first, client, file] if first == "pipelines" && is_pipeline(&text(file)) => {
            Named::Pipeline(text(client), full.clone())
        }
        [first, client, file] if first == "pipelines" && is_config(file) => Named::Client(text(client)),
        _ => return Err(LoadError::NotAPart(path.to_owned())),
    };
    Ok((root, named))
}

fn is_config(file: &OsStr) -> bool {
    Path::new(file).extension().is_some_and(|ending| ending == "yaml" || ending == "rhai")
}

fn is_pipeline(file: &str) -> bool {
    file.strip_suffix(".yaml").is_some_and(|stem| stem != "client" && !stem.contains('.'))
}

/// The project's folder: `path` itself or the nearest one above it that holds `pipelines/`.
pub fn find_root(path: &Path) -> Result<PathBuf, LoadError> {
    root_of(path)
}

fn root_of(path: &Path) -> Result<PathBuf, LoadError> {
    let full = path.canonicalize().map_err(LoadError::read(path))?;
    full.ancestors()
        .find(|folder| folder.join("pipelines").is_dir())
        .map(Path::to_owned)
        .ok_or_else(|| LoadError::NoProject(path.to_owned()))
}

/// `path` as seen from `base`, with `/` between the names: how output names files.
pub(super) fn relative(path: &Path, base: &Path) -> String {
    let shared = path.iter().zip(base.iter()).take_while(|(a, b)| a == b).count();
    if shared <= 1 {
        // Nothing but the root in common: the whole path says more than a row of dots.
        return path.to_string_lossy().replace('\\', "/");
    }
    let up = base.iter().skip(shared).map(|_| "..".to_owned());
    let down = path.iter().skip(shared).map(|name| name.to_string_lossy().into_owned());
    let names: Vec<String> = up.chain(down).collect();
    if names.is_empty() { ".".to_owned() } else { names.join("/") }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pretty_assertions::assert_eq;
    use tempfile::TempDir;

    use super::*;

    fn project() -> (TempDir, PathBuf) {
        let dir = TempDir::new().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("pipelines/acme")).unwrap();
        fs::create_dir_all(root.join("connectors")).unwrap();
        for file in ["pipelines/acme/client.yaml", "pipelines/acme/paid.yaml", "pipelines/a.part.yaml"] {
            fs::write(root.join(file), "").unwrap();
        }
        fs::write(root.join("connectors/x.yaml"), "").unwrap();
        (dir, root)
    }

    fn selected(root: &Path, paths: &[&str]) -> Result<Selection, LoadError> {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        select(&paths, root)
    }

    #[test]
    fn the_nearest_folder_that_holds_pipelines_is_the_project() {
        let (_dir, root) = project();
        for here in ["", "pipelines", "pipelines/acme", "connectors"] {
            assert_eq!(
                select(&[], &root.join(here)).unwrap(),
                Selection { root: root.clone(), clients: None }
            );
        }
    }

    #[test]
    fn paths_narrow_it_down() {
        let (_dir, root) = project();
        for all in ["", ".", "pipelines", "connectors/x.yaml", "pipelines/a.part.yaml"] {
            assert_eq!(selected(&root, &[all]).unwrap().clients, None, "{all}");
        }
        for client in ["pipelines/acme", "pipelines/acme/client.yaml"] {
            let clients = selected(&root, &[client]).unwrap().clients.unwrap();
            assert_eq!(clients.get("acme"), Some(&Wanted::Whole), "{client}");
        }
        let clients = selected(&root, &["pipelines/acme/paid.yaml"]).unwrap().clients.unwrap();
        let files = BTreeSet::from([root.join("pipelines/acme/paid.yaml")]);
        assert_eq!(clients.get("acme"), Some(&Wanted::Pipelines(files)));
        let both = selected(&root, &["pipelines/acme/paid.yaml", "pipelines/acme"]).unwrap();
        assert_eq!(both.clients.unwrap().get("acme"), Some(&Wanted::Whole));
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        let (_dir, root) = project();
        let empty = TempDir::new().unwrap();
        assert!(matches!(select(&[], empty.path()), Err(LoadError::NoProject(_))));
        assert!(matches!(selected(&root, &["pipelines/beta"]), Err(LoadError::NotThere(_))));
        fs::write(root.join("notes.txt"), "").unwrap();
        assert!(matches!(selected(&root, &["notes.txt"]), Err(LoadError::NotAPart(_))));
        let (_other, second) = project();
        let paths = [root.clone(), second];
        assert!(matches!(select(&paths, &root), Err(LoadError::SeveralProjects(..))));
    }

    #[test]
    fn files_are_named_as_seen_from_here() {
        let path = Path::new("/home/ann/project/pipelines/acme/client.yaml");
        for (here, expected) in [
            ("/home/ann/project", "pipelines/acme/client.yaml"),
            ("/home/ann/project/pipelines/acme", "client.yaml"),
            ("/home/ann/other", "../project/pipelines/acme/client.yaml"),
            ("/srv", "/home/ann/project/pipelines/acme/client.yaml"),
        ] {
            assert_eq!(relative(path, Path::new(here)), expected);
        }
    }
}
