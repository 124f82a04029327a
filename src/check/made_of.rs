//! What clients and pipelines are made of, file by file.

use std::sync::Arc;

use super::view::View;
use super::walk;
use crate::config::{ClientDraft, DraftFile, FileSet, FileText, PartFile, PipelineFile, StepFile, Verb};
use crate::diagnostic::{Path, SourceFile};

/// What a client is made of, in one environment.
#[derive(Debug, Clone)]
pub struct MadeOf {
    /// All files that it runs from.
    pub whole: FileSet,
    /// What each of its pipelines is made of, by file name: its own file, the parts that it uses, and what every
    /// pipeline of the client stands on. A change elsewhere leaves it as it was.
    pub pipelines: Vec<FileSet>,
}

impl MadeOf {
    pub(super) fn of(view: &View) -> Self {
        let base = base(view);
        let pipelines = view.draft.pipelines.iter();
        let of_pipeline = |file| {
            let mut files = base.clone();
            files.push(pipeline(view.draft, file));
            files.extend(
                parts_of(view, file).into_iter().map(|(part, is_own)| self::part(view, part, is_own)),
            );
            FileSet::of(files)
        };
        let each = pipelines.clone().map(of_pipeline).collect();
        let mut all = base.clone();
        all.extend(pipelines.map(|file| pipeline(view.draft, file)));
        all.extend(view.draft.parts.iter().map(|file| part(view, file, true)));
        all.extend(view.shared.parts.iter().map(|file| part(view, file, false)));
        Self { whole: FileSet::of(all), pipelines: each }
    }
}

/// What every pipeline of a client stands on. The project's own connectors are those of all its connections, whether a
/// pipeline uses them or not: `client.yaml` names them, and is checked as a whole when it is read again.
fn base(view: &View) -> Vec<FileText> {
    let folder = &view.draft.folder;
    let mut files = vec![text(format!("pipelines/{folder}/client.yaml"), &view.draft.file.file)];
    files.extend(
        view.overlay
            .map(|overlay| text(format!("pipelines/{folder}/client.{}.yaml", overlay.stem), &overlay.file)),
    );
    files.extend(view.draft.library.as_ref().map(|file| text(format!("pipelines/{folder}/lib.rhai"), file)));
    files.extend(view.shared.library.as_ref().map(|file| text("pipelines/lib.rhai".to_owned(), file)));
    files.extend(view.shared.rules.as_ref().map(|file| text("pipelines/rules.yaml".to_owned(), &file.file)));
    let mut own: Vec<&str> = view.client.connections.values().map(|it| &*it.connector).collect();
    own.sort_unstable();
    own.dedup();
    let sources = own.into_iter().filter_map(|name| Some((name, view.connectors.source(name)?)));
    files.extend(sources.map(|(name, file)| text(format!("connectors/{name}.yaml"), file)));
    files
}

/// The parts that a pipeline uses, directly or through others; true for the client's own.
fn parts_of<'a>(view: &View<'a>, file: &DraftFile<PipelineFile>) -> Vec<(&'a DraftFile<PartFile>, bool)> {
    let mut found: Vec<(&DraftFile<PartFile>, bool)> = Vec::new();
    let mut open = file.content.iter().flat_map(|content| used(&content.steps)).collect::<Vec<_>>();
    while let Some(name) = open.pop() {
        if found.iter().any(|(part, _)| part.stem == name) {
            continue;
        }
        let named = |parts: &'a [DraftFile<PartFile>]| parts.iter().find(|part| part.stem == name);
        let own = named(&view.draft.parts).map(|part| (part, true));
        let Some((part, is_own)) = own.or_else(|| named(&view.shared.parts).map(|part| (part, false))) else {
            continue;
        };
        open.extend(part.content.iter().flat_map(|content| used(&content.steps)));
        found.push((part, is_own));
    }
    found
}

/// The parts that steps name.
fn used(steps: &[StepFile]) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    walk::steps(steps, &Path::root(), &mut |_, step| {
        if let Verb::Use(part) = &step.verb {
            names.push(Arc::clone(&part.part.0));
        }
    });
    names
}

fn pipeline(client: &ClientDraft, file: &DraftFile<PipelineFile>) -> FileText {
    text(format!("pipelines/{}/{}.yaml", client.folder, file.stem), &file.file)
}

fn part(view: &View, file: &DraftFile<PartFile>, is_own: bool) -> FileText {
    let path = if is_own {
        format!("pipelines/{}/{}.part.yaml", view.draft.folder, file.stem)
    } else {
        format!("pipelines/{}.part.yaml", file.stem)
    };
    text(path, &file.file)
}

fn text(path: String, file: &SourceFile) -> FileText {
    FileText { path: path.into(), text: Arc::clone(file.text()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pretty_assertions::assert_eq;

    use super::*;
    use crate::check::{Environments, check};
    use crate::config::load_kept;

    const FILES: &[(&str, &str)] = &[
        ("connectors/own.yaml", include_str!("../connector/builtin/http.yaml")),
        ("pipelines/lib.rhai", "fn everyones() { 1 }"),
        ("pipelines/find.part.yaml", "steps:\n  - use: { part: log }\n"),
        ("pipelines/other.part.yaml", "steps:\n  - set: { other: true }\n"),
        (
            "pipelines/acme/client.yaml",
            "name: acme\nconnections:\n  stripe: { connector: stripe, config: { api_key: \"${K}\" } }\n  \
             crm: { connector: own, config: { base_url: https://crm.example } }\n",
        ),
        ("pipelines/acme/client.sandbox.yaml", "vars: { a: 1 }\n"),
        ("pipelines/acme/client.production.yaml", "vars: { a: 2 }\n"),
        ("pipelines/acme/log.part.yaml", "steps:\n  - set: { logged: false }\n"),
        (
            "pipelines/acme/paid.yaml",
            "name: paid\ntrigger: { stripe: { events: [charge.succeeded] } }\nsteps:\n  - use: { part: find }\n",
        ),
        (
            "pipelines/acme/refund.yaml",
            "name: refund\ntrigger: { stripe: { events: [charge.refunded] } }\nsteps:\n  - set: { seen: true }\n",
        ),
        (
            "pipelines/acme/paid.test.yaml",
            "pipeline: paid\ncases:\n  - name: it is noted\n    event: { type: charge.succeeded }\n    expect: { outcome: succeeded }\n",
        ),
    ];

    /// What the client is made of when one file says something else.
    fn made_of(changed: &[(&str, &str)]) -> (MadeOf, BTreeMap<Arc<str>, Arc<str>>) {
        let changed: BTreeMap<&str, &str> = changed.iter().copied().collect();
        let file = |(path, text): &(&str, &str)| FileText {
            path: (*path).into(),
            text: changed
                .get(path)
                .map_or_else(|| text.replace("name: http", "name: own"), ToString::to_string)
                .into(),
        };
        let draft = load_kept(&FileSet::of(FILES.iter().map(file).collect())).unwrap();
        let mut checked = check(draft, Environments::One("sandbox")).unwrap();
        assert_eq!(checked.report.errors(), 0, "{:?}", checked.report.findings);
        let pipelines = &checked.project.client("acme").unwrap().pipelines;
        let versions = pipelines.iter().map(|it| (Arc::clone(&it.name), Arc::clone(&it.version))).collect();
        (checked.made_of.remove("acme").unwrap(), versions)
    }

    fn paths(set: &FileSet) -> Vec<&str> {
        set.files.iter().map(|file| &*file.path).collect()
    }

    #[test]
    fn a_pipeline_is_made_of_its_file_its_parts_and_what_all_stand_on() {
        let (made_of, versions) = made_of(&[]);
        let base =
            ["connectors/own.yaml", "pipelines/acme/client.sandbox.yaml", "pipelines/acme/client.yaml"];
        let of_paid =
            ["pipelines/acme/log.part.yaml", "pipelines/acme/paid.yaml", "pipelines/find.part.yaml"];
        assert_eq!(paths(&made_of.pipelines[0]), [&base[..], &of_paid, &["pipelines/lib.rhai"]].concat());
        let of_refund = ["pipelines/acme/refund.yaml", "pipelines/lib.rhai"];
        assert_eq!(paths(&made_of.pipelines[1]), [&base[..], &of_refund].concat());
        assert_eq!(made_of.whole.files.len(), FILES.len() - 2, "all but the test and the other environment");
        let expected = [("paid", 0), ("refund", 1)]
            .map(|(name, at)| (Arc::from(name), Arc::clone(&made_of.pipelines[at].version)));
        assert_eq!(versions, expected.into());
    }

    #[test]
    fn a_change_touches_what_is_made_of_it_and_nothing_else() {
        let (_, before) = made_of(&[]);
        for (path, text, expected) in [
            (
                "pipelines/acme/client.yaml",
                FILES[4].1.replace("crm.example", "crm2.example"),
                &["paid", "refund"][..],
            ),
            ("pipelines/acme/client.sandbox.yaml", "vars: { a: 3 }\n".to_owned(), &["paid", "refund"]),
            ("pipelines/acme/client.production.yaml", "vars: { a: 3 }\n".to_owned(), &[]),
            ("pipelines/lib.rhai", "fn everyones() { 2 }".to_owned(), &["paid", "refund"]),
            ("pipelines/find.part.yaml", "steps:\n  - set: { found: true }\n".to_owned(), &["paid"]),
            ("pipelines/acme/log.part.yaml", "steps:\n  - set: { logged: 1 }\n".to_owned(), &["paid"]),
            ("pipelines/other.part.yaml", "steps:\n  - set: { other: 1 }\n".to_owned(), &[]),
            ("pipelines/acme/refund.yaml", FILES[9].1.replace("seen", "done"), &["refund"]),
            (
                "connectors/own.yaml",
                format!("{}# more\n", FILES[0].1.replace("name: http", "name: own")),
                &["paid", "refund"],
            ),
        ] {
            let (_, after) = made_of(&[(path, &text)]);
            let changed: Vec<&str> = before
                .iter()
                .filter(|(name, version)| after[*name] != **version)
                .map(|(name, _)| &**name)
                .collect();
            assert_eq!(changed, expected, "{path}");
        }
    }

    #[test]
    fn what_was_kept_of_a_pipeline_passes_its_checks_as_the_same_version() {
        let (made_of, versions) = made_of(&[]);
        for (set, name) in made_of.pipelines.iter().zip(["paid", "refund"]) {
            let checked = check(load_kept(set).unwrap(), Environments::One("sandbox")).unwrap();
            let client = checked.project.client("acme").unwrap();
            assert_eq!(client.pipeline(name).unwrap().version, versions[name]);
            assert_eq!(client.pipelines.len(), 1);
        }
        let checked = check(load_kept(&made_of.whole).unwrap(), Environments::One("sandbox")).unwrap();
        assert_eq!(checked.project.client("acme").unwrap().version, made_of.whole.version);
    }
}
