//! Versions that the store keeps, brought back: for runs that have begun with one, and for clients that fall back.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::clients::{Opener, Running};
use super::files::{check_kept, problems};
use super::rouse::Rouser;
use crate::config::FileSet;
use crate::engine::{Archive, Runnable, Unavailable};
use crate::project::Client;
use crate::store::{Store, StoreError, Version};

/// The versions that a store keeps. They are checked and compiled as files are, by what this lockstep knows.
#[derive(Clone)]
pub(super) struct KeptVersions {
    pub(super) store: Arc<dyn Store>,
    pub(super) opener: Opener,
    /// The environment that clients run in.
    pub(super) env: Option<Arc<str>>,
    /// Calls those that are dormant.
    pub(super) rouser: Rouser,
}

impl KeptVersions {
    /// A client as it was when it passed its checks last, or why that cannot run either.
    pub(super) async fn last_good(
        &self,
        client: &str,
        version: &Version,
    ) -> Result<Result<Running, String>, StoreError> {
        let running = self.open(client, version, |client, with| match with.open(client, None) {
            Ok(running) => running.ok_or_else(|| "is empty".to_owned()),
            Err(problems) => Err(format!("cannot run: {}", problems.join("; "))),
        });
        match running.await {
            Ok(running) => Ok(Ok(running)),
            Err(Unavailable::Gone(why)) => Ok(Err(why)),
            Err(Unavailable::Store(failure)) => Err(failure),
        }
    }

    /// Reads a version, checks it, and opens something of it.
    async fn open<T: Send + 'static>(
        &self,
        client: &str,
        version: &Version,
        open: impl FnOnce(&Client, &Opener) -> Result<T, String> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let files = self.store.files(version).await?;
        let files = files.ok_or_else(|| Unavailable::Gone("is not in the store any more".to_owned()))?;
        let (client, opener, env) = (client.to_owned(), self.opener.clone(), self.env.clone());
        let looked = tokio::task::spawn_blocking(move || {
            if let Some(other) = other_environment(&files, &client, env.as_deref()) {
                return Err(format!("was made for the environment `{other}`"));
            }
            let checked = check_kept(&files).map_err(|error| format!("cannot be read: {error}"))?;
            let Some(passed) = checked.project.client(&client) else {
                let first = problems(&checked.report, &checked.sources, &client)
                    .into_iter()
                    .next()
                    .unwrap_or_default();
                return Err(format!("does not pass the checks of this lockstep any more: {first}"));
            };
            open(passed, &opener)
        });
        let looked = looked.await.unwrap_or_else(|failure| Err(format!("cannot be read: {failure}")));
        looked.map_err(Unavailable::Gone)
    }
}

impl Archive for KeptVersions {
    fn fetch<'a>(
        &'a self,
        client: &'a str,
        pipeline: &'a str,
        version: &'a Version,
    ) -> BoxFuture<'a, Result<Arc<dyn Runnable>, Unavailable>> {
        let name = pipeline.to_owned();
        Box::pin(self.open(client, version, move |client, with| match with.open_earlier(client, &name) {
            Ok(pipeline) => pipeline.ok_or_else(|| "has no such pipeline".to_owned()),
            Err(problems) => Err(format!("cannot run: {}", problems.join("; "))),
        }))
    }

    fn rouse(&self, client: &Arc<str>) {
        self.rouser.call(client);
    }
}

/// The environment that the files were kept in, when that is not `env`: they hold the overlay of one.
fn other_environment<'a>(files: &'a FileSet, client: &str, env: Option<&str>) -> Option<&'a str> {
    let prefix = format!("pipelines/{client}/client.");
    let overlay = |path: &'a str| path.strip_prefix(prefix.as_str())?.strip_suffix(".yaml");
    files.files.iter().filter_map(|file| overlay(&file.path)).find(|overlay| Some(*overlay) != env)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::FileText;

    #[test]
    fn what_was_kept_in_another_environment_is_not_taken() {
        let set = |paths: &[&str]| {
            let file = |path: &&str| FileText { path: (*path).into(), text: "".into() };
            FileSet::of(paths.iter().map(file).collect())
        };
        let base = set(&["pipelines/acme/client.yaml", "pipelines/acme/paid.yaml"]);
        let sandbox = set(&["pipelines/acme/client.yaml", "pipelines/acme/client.sandbox.yaml"]);
        for (files, env, expected) in [
            (&base, None, None),
            (&base, Some("production"), None),
            (&sandbox, Some("sandbox"), None),
            (&sandbox, Some("production"), Some("sandbox")),
            (&sandbox, None, Some("sandbox")),
        ] {
            assert_eq!(other_environment(files, "acme", env), expected, "{env:?}");
        }
    }
}
