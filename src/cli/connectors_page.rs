//! The tables of a connector's page, from its manifest.

use std::fmt::Write;

use crate::connector::{ANY_OBJECT, ActionKind, Manifest, ObjectFacts};

/// The tables of one connector, as Markdown.
pub(super) fn page(manifest: &Manifest) -> String {
    let mut page = String::new();
    settings(&mut page, manifest);
    objects(&mut page, manifest);
    operations(&mut page, manifest);
    events(&mut page, manifest);
    limits(&mut page, manifest);
    page
}

fn table(page: &mut String, title: &str, head: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    // Writing into a text has no way to fail.
    let _ = writeln!(page, "## {title}\n\n| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> =
            row.iter().map(|cell| cell.trim().replace('\n', " ").replace('|', "\\|")).collect();
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    page.push('\n');
}

fn code<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}

fn settings(page: &mut String, manifest: &Manifest) {
    let rows = manifest.settings().iter().map(|(name, setting)| {
        let mut about = Vec::new();
        about.extend(setting.required.then(|| "required".to_owned()));
        about.extend(setting.secret.then(|| "secret".to_owned()));
        about.extend(setting.default.as_ref().map(|value| format!("default `{value}`")));
        vec![format!("`{name}`"), about.join(", "), setting.description.clone()]
    });
    table(page, "Settings", &["key", "", "what it is"], &rows.collect::<Vec<_>>());
}

fn objects(page: &mut String, manifest: &Manifest) {
    let abilities = manifest.abilities();
    let any = abilities.object(ANY_OBJECT).filter(|_| abilities.any_object());
    let named = abilities.objects().map(|(name, facts)| object(&format!("`{name}`"), facts));
    let rows: Vec<_> = named.chain(any.map(|facts| object("any other", facts))).collect();
    table(
        page,
        "Objects",
        &[
            "object",
            "what it is",
            "id",
            "actions",
            "found by",
            "listed by change of",
            "relations",
            "lists of values",
        ],
        &rows,
    );
}

fn object(name: &str, facts: &ObjectFacts) -> Vec<String> {
    let actions =
        ActionKind::ALL.iter().filter(|kind| facts.action(**kind).is_some()).map(|kind| kind.word());
    let found: Vec<String> = facts
        .finders
        .iter()
        .map(|finder| {
            let fields = finder.by.as_ref().map_or_else(|| "any fields".to_owned(), code);
            if finder.facts.consistent { fields } else { format!("{fields} (lags behind)") }
        })
        .collect();
    let changed = facts.action(ActionKind::List).and_then(|list| list.since.as_ref());
    let changed =
        changed.map(|it| if it.fields.is_empty() { "any field".to_owned() } else { code(&it.fields) });
    let dangerous = facts.actions.iter();
    let dangerous = dangerous.filter_map(|(kind, facts)| Some((kind.word(), facts.dangerous.as_deref()?)));
    let sets = facts.relations.iter().filter_map(|(name, why)| Some((&**name, why.as_deref()?)));
    let warnings: Vec<String> =
        dangerous.chain(sets).map(|(what, why)| format!(" **{what}: {why}.**")).collect();
    vec![
        name.to_owned(),
        format!("{}{}", facts.description.as_deref().unwrap_or_default().trim(), warnings.concat()),
        format!("`{}`", facts.id),
        actions.collect::<Vec<_>>().join(", "),
        found.join("; "),
        changed.unwrap_or_default(),
        code(facts.relations.keys()),
        code(facts.many.keys()),
    ]
}

fn operations(page: &mut String, manifest: &Manifest) {
    let rows = manifest.abilities().operations().map(|(name, facts)| {
        let params = facts.params.iter().map(|param| {
            let required = if param.required { ", required" } else { "" };
            format!("`{}`{required}: {}", param.name, param.description)
        });
        let warning = facts.dangerous.as_ref().map(|why| format!(" **{why}.**")).unwrap_or_default();
        let about = facts.description.as_deref().unwrap_or_default();
        vec![format!("`{name}`"), format!("{about}{warning}"), params.collect::<Vec<_>>().join("<br>")]
    });
    table(page, "Operations", &["operation", "what it does", "parameters"], &rows.collect::<Vec<_>>());
}

fn events(page: &mut String, manifest: &Manifest) {
    let rows = manifest.abilities().events().types.iter().map(|(name, kind)| {
        let object = kind.object.as_ref().map(|object| format!("`{object}`")).unwrap_or_default();
        vec![format!("`{name}`"), object, kind.description.clone().unwrap_or_default()]
    });
    table(page, "Events", &["event", "about", "what it tells"], &rows.collect::<Vec<_>>());
}

fn limits(page: &mut String, manifest: &Manifest) {
    let rates = manifest.rates().iter().map(|rate| vec![format!("{rate}")]);
    let at_once = vec![format!("{} at once", manifest.concurrency())];
    table(page, "Limits", &["calls"], &rates.chain([at_once]).collect::<Vec<_>>());
}
