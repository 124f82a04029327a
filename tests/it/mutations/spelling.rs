//! Names that lost a letter.

use std::ops::Range;
use std::sync::LazyLock;

use lockstep::yaml::Node;
use regex::Regex;

use super::Kind;
use super::client::{Client, Item, Mistake, Page, Scalar};

pub(super) const KINDS: &[Kind] = &[
    ("a letter dropped in a path", path_letter),
    ("a letter dropped in a script's path", script_letter),
    ("a letter dropped in a step's id", step_letter),
    ("a letter dropped in a variable or set name", variable_letter),
    ("a misspelt event", event),
    ("a misspelt word of the language", enum_word),
    ("a misspelt key of the language", language_key),
    ("a misspelt modifier", modifier),
    ("a misspelt verb", verb),
    ("a misspelt function", function),
    ("a misspelt connection", connection),
    ("a misspelt object", object),
    ("a misspelt operation or relation", operation),
    ("a misspelt part", part),
    ("a misspelt argument of a part", argument),
    ("a misspelt connector", connector),
    ("a misspelt owner", owner),
    ("a misspelt time zone", zone),
    ("a misspelt field of the account", account_field),
    ("a misspelt option of the account", option),
    ("a misspelt word in a condition", condition_word),
    ("a misspelt word in a table", table_word),
    ("a misspelt pipeline of a test", tested_pipeline),
];

/// A name without its middle letter; short ones have other names too near.
pub(super) fn dropped(name: &str) -> Option<String> {
    let middle = name.len() / 2;
    (name.len() >= 4 && name.is_ascii()).then(|| format!("{}{}", &name[..middle], &name[middle + 1..]))
}

/// The file with the word at `range` a letter shorter.
fn drop_letter(page: &Page, range: Range<usize>) -> Option<Mistake> {
    let with = dropped(page.raw(&range))?;
    Some(page.edit(range, &with))
}

/// The bytes of a scalar's text, without its quotes.
pub(super) fn inner(page: &Page, node: &Node) -> Range<usize> {
    let range = node.span.range();
    let quoted = page.raw(&range).starts_with(['"', '\'']);
    if quoted { range.start + 1..range.end - 1 } else { range }
}

fn values(page: &Page, is: impl Fn(&Item) -> bool) -> Vec<Mistake> {
    let items = page.items();
    let meant = items.iter().filter(|item| item.entry.value.as_str().is_some() && is(item));
    meant.filter_map(|item| drop_letter(page, inner(page, &item.entry.value))).collect()
}

fn keys(page: &Page, is: impl Fn(&Item) -> bool) -> Vec<Mistake> {
    let items = page.items();
    items
        .iter()
        .filter(|item| is(item))
        .filter_map(|item| drop_letter(page, item.entry.key.span.range()))
        .collect()
}

static PATH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$(?:\.[A-Za-z_]\w*|\[\d+\]|\[\*\])+").unwrap());
static NAMES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:object|steps|set|vars|with|line|left|item)(?:\.[A-Za-z_]\w*|\[\d+\])+\(?").unwrap()
});

/// True where a script or a text with scripts stands.
fn is_script(scalar: &Scalar) -> bool {
    matches!(scalar.trail.last(), Some(&("when" | "that" | "guard" | "script"))) || scalar.raw.contains("${")
}

/// Each path of a file, with its segments and the bytes of the last.
fn paths<'p>(page: &'p Page, of: &Regex, is: impl Fn(&Scalar) -> bool) -> Vec<(Vec<&'p str>, Range<usize>)> {
    let mut found = Vec::new();
    if page.is_client() || page.is_test() {
        return found;
    }
    for scalar in page.scalars().iter().filter(|scalar| is(scalar)) {
        for path in of.find_iter(scalar.raw) {
            let whole = path.as_str();
            // A method ends the path before it.
            let cut = if whole.ends_with('(') { whole.rfind('.').unwrap_or(0) } else { whole.len() };
            let text = &whole[..cut];
            let Some(dot) = text.rfind('.') else { continue };
            let last = text[dot + 1..].split('[').next().unwrap_or_default();
            let start = scalar.range.start + path.start();
            let segments = page.raw(&(start..start + text.len())).trim_start_matches("$.").split(['.', '[']);
            let at = start + dot + 1;
            found.push((segments.filter(|segment| !segment.ends_with(']')).collect(), at..at + last.len()));
        }
    }
    found
}

/// True when it is known what the last name of a path is a name of. What nobody described can be called anything.
fn is_known(client: &Client, page: &Page, path: &[&str]) -> bool {
    if path.contains(&"metadata") {
        return false;
    }
    match path {
        ["object", ..] => {
            client
                .pages
                .iter()
                .filter(|it| it.is_pipeline())
                .any(|it| it.path == page.path && is_described(client, it))
                || page.path.ends_with(".part.yaml")
        }
        ["steps", id, "record", _, ..] => {
            let objects = client.objects_of_step(id);
            !objects.is_empty() && objects.iter().all(|object| client.knows(object))
        }
        _ => false,
    }
}

/// True when the trigger's object has known fields.
fn is_described(client: &Client, page: &Page) -> bool {
    let trigger = page.root().get("trigger").unwrap();
    let list = trigger.get("schedule").and_then(|schedule| schedule.get("list")?.get("object")?.as_str());
    let webhook =
        trigger.get("webhook").and_then(|webhook| webhook.get("events")?.as_list()?.first()?.as_str());
    let connection = trigger.get("webhook").and_then(|webhook| webhook.get("connection")?.as_str());
    match (list, webhook, connection) {
        (Some(object), ..) => client.knows(object),
        (_, Some(event), Some(connection)) => {
            event.split_once('.').is_some_and(|(object, _)| client.knows(&format!("{connection}.{object}")))
        }
        _ => trigger.get("stripe").is_some(),
    }
}

fn path_letter(client: &Client, page: &Page) -> Vec<Mistake> {
    let found = paths(page, &PATH, |_| true);
    found
        .into_iter()
        .filter(|(path, _)| is_known(client, page, path))
        .filter_map(|(_, at)| drop_letter(page, at))
        .collect()
}

fn script_letter(client: &Client, page: &Page) -> Vec<Mistake> {
    let found = paths(page, &NAMES, is_script);
    found
        .into_iter()
        .filter(|(path, _)| is_known(client, page, path))
        .filter_map(|(_, at)| drop_letter(page, at))
        .collect()
}

fn step_letter(_: &Client, page: &Page) -> Vec<Mistake> {
    static STEP: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bsteps\.(\w+)").unwrap());
    let scalars = page.scalars();
    let expressions = scalars.iter().filter(|it| !page.is_test() && (is_script(it) || it.raw.contains("$.")));
    let found = expressions.flat_map(|scalar| {
        STEP.captures_iter(scalar.raw).map(|found| {
            let id = found.get(1).unwrap().range();
            scalar.range.start + id.start..scalar.range.start + id.end
        })
    });
    found.filter_map(|at| drop_letter(page, at)).collect()
}

fn variable_letter(_: &Client, page: &Page) -> Vec<Mistake> {
    let all = paths(page, &PATH, |_| true).into_iter().chain(paths(page, &NAMES, is_script));
    all.filter(|(path, _)| matches!(path[..], ["vars" | "set" | "with", _]))
        .filter_map(|(_, at)| drop_letter(page, at))
        .collect()
}

fn event(_: &Client, page: &Page) -> Vec<Mistake> {
    let scalars = page.scalars();
    let events = scalars.iter().filter(|scalar| {
        let of_trigger = matches!(scalar.trail[..], ["trigger", _, "events", "[]"]);
        of_trigger || (page.is_test() && scalar.trail.ends_with(&["event", "type"]))
    });
    events.filter_map(|scalar| drop_letter(page, inner(page, scalar.node))).collect()
}

fn enum_word(_: &Client, page: &Page) -> Vec<Mistake> {
    const KEYS: [&str; 12] = [
        "none", "many", "else", "on_error", "write", "nothing", "keep", "gone", "start", "datetime",
        "report", "outcome",
    ];
    values(page, |item| {
        let is_ours = KEYS.contains(&&*item.entry.key.name) && !item.trail.contains(&"vars");
        is_ours
            && item
                .entry
                .value
                .as_str()
                .is_some_and(|word| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    })
}

/// True inside of maps whose keys are the author's, or another system's.
fn is_free(trail: &[&str]) -> bool {
    const FREE: [&str; 13] = [
        "fields",
        "params",
        "match",
        "with",
        "vars",
        "key",
        "config",
        "set",
        "where",
        "ownership",
        "given",
        "event",
        "takes",
    ];
    trail.iter().any(|key| FREE.contains(key))
}

fn language_key(_: &Client, page: &Page) -> Vec<Mistake> {
    // The names of connections, and of objects in `given`, are the author's.
    keys(page, |item| {
        let is_name = matches!(item.trail.last(), Some(&("connections" | "listing")));
        !is_free(&item.trail) && !is_name && !is_verb(item)
    })
}

fn modifier(_: &Client, page: &Page) -> Vec<Mistake> {
    const MODIFIERS: [&str; 10] =
        ["money", "minor", "datetime", "transform", "default", "truncate", "zone", "write", "nothing", "map"];
    keys(page, |item| {
        let map = item.maps.last().unwrap();
        let is_form = map.get("from").is_some() || map.get("script").is_some();
        is_form && MODIFIERS.contains(&&*item.entry.key.name)
    })
}

fn is_verb(item: &Item) -> bool {
    const VERBS: [&str; 15] = [
        "find", "get", "list", "create", "update", "delete", "upsert", "link", "unlink", "call", "script",
        "set", "for_each", "choose", "check",
    ];
    item.trail.ends_with(&["steps", "[]"]) && VERBS.contains(&&*item.entry.key.name)
}

fn verb(_: &Client, page: &Page) -> Vec<Mistake> {
    keys(page, is_verb)
}

fn function(_: &Client, page: &Page) -> Vec<Mistake> {
    static CALLED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[^.\w](money|minor|upper|lower|trim|join|sum|date|datetime|today|worst_status|first_name|last_name)\(").unwrap()
    });
    let scalars = page.scalars();
    let expressions = scalars.iter().filter(|scalar| !page.is_test() && is_script(scalar));
    let called = expressions.flat_map(|scalar| {
        CALLED.captures_iter(scalar.raw).map(|found| {
            let name = found.get(1).unwrap().range();
            scalar.range.start + name.start..scalar.range.start + name.end
        })
    });
    let mut found: Vec<Mistake> = called.filter_map(|at| drop_letter(page, at)).collect();
    found.extend(values(page, |item| &*item.entry.key.name == "transform"));
    found
}

fn connection(_: &Client, page: &Page) -> Vec<Mistake> {
    named(page, |text| text.find('.').unwrap_or(text.len()), |key| key == "object" || key == "connection")
}

fn object(client: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    let objects = items.iter().filter(|item| &*item.entry.key.name == "object" && !is_free(&item.trail));
    objects
        .filter_map(|item| {
            let name = item.entry.value.as_str()?;
            let (connection, object) = name.split_once('.')?;
            // A system that has any object is asked by what was pulled of it.
            let range = inner(page, &item.entry.value);
            let _ = (client, object);
            drop_letter(page, range.start + connection.len() + 1..range.end)
        })
        .collect()
}

/// The beginning, up to `end`, of what stands under such keys.
fn named(page: &Page, end: fn(&str) -> usize, is: fn(&str) -> bool) -> Vec<Mistake> {
    let items = page.items();
    let meant = items.iter().filter(|item| is(&item.entry.key.name) && !is_free(&item.trail));
    meant
        .filter_map(|item| {
            let length = end(item.entry.value.as_str()?);
            let range = inner(page, &item.entry.value);
            drop_letter(page, range.start..range.start + length)
        })
        .collect()
}

fn operation(_: &Client, page: &Page) -> Vec<Mistake> {
    named(page, str::len, |key| key == "operation" || key == "relation")
}

fn part(_: &Client, page: &Page) -> Vec<Mistake> {
    named(page, str::len, |key| key == "part")
}

fn argument(_: &Client, page: &Page) -> Vec<Mistake> {
    keys(page, |item| item.trail.ends_with(&["use", "with"]))
}

fn connector(_: &Client, page: &Page) -> Vec<Mistake> {
    named(page, str::len, |key| key == "connector")
}

fn owner(_: &Client, page: &Page) -> Vec<Mistake> {
    let scalars = page.scalars();
    let owners = scalars.iter().filter(|scalar| scalar.trail.first() == Some(&"ownership"));
    owners.filter_map(|scalar| drop_letter(page, inner(page, scalar.node))).collect()
}

fn zone(_: &Client, page: &Page) -> Vec<Mistake> {
    named(page, str::len, |key| key == "timezone")
}

/// The entries that name fields of an object whose fields were pulled, with the object.
pub(super) fn account_fields<'a>(client: &Client, page: &'a Page) -> Vec<(Item<'a>, String)> {
    let items = page.items().into_iter().filter(|_| !page.is_test());
    let named = items.filter_map(|item| {
        let map = match item.trail[..] {
            [.., "find" | "create" | "update" | "upsert", "fields" | "match" | "key"]
            | [.., "find", "any", "[]", "match"]
            | [.., "find" | "upsert", "match", "[]"] => item.maps.get(item.maps.len() - 2)?,
            _ => return None,
        };
        let object = map.get("object")?.as_str()?.to_owned();
        client.pulled(&object).map(|_| (item, object))
    });
    named.collect()
}

fn account_field(client: &Client, page: &Page) -> Vec<Mistake> {
    let fields = account_fields(client, page);
    fields.iter().filter_map(|(item, _)| drop_letter(page, item.entry.key.span.range())).collect()
}

fn option(client: &Client, page: &Page) -> Vec<Mistake> {
    let fields = account_fields(client, page);
    let chosen = fields.iter().filter(|(item, object)| {
        let field = client.pulled(object).and_then(|object| object.fields.get(&*item.entry.key.name));
        let options = field.and_then(|field| field.options.as_ref());
        options.is_some_and(|options| options.iter().any(|option| item.entry.value.as_str() == Some(option)))
    });
    chosen.filter_map(|(item, _)| drop_letter(page, inner(page, &item.entry.value))).collect()
}

/// Comparisons with words of which it is known what they can be: outcomes, types, Stripe's enumerations.
fn condition_word(_: &Client, page: &Page) -> Vec<Mistake> {
    static COMPARED: LazyLock<Regex> = LazyLock::new(|| {
        let known = "outcome|object|type|billing_reason|mode|payment_status";
        Regex::new(&format!(r#"\b(?:steps\.\w+|event|object)\.(?:{known}) [!=]= \\?"([\w.]+)\\?""#)).unwrap()
    });
    let scalars = page.scalars();
    let expressions = scalars.iter().filter(|scalar| !page.is_test() && is_script(scalar));
    let words = expressions.flat_map(|scalar| {
        COMPARED.captures_iter(scalar.raw).map(|found| {
            let word = found.get(1).unwrap().range();
            scalar.range.start + word.start..scalar.range.start + word.end
        })
    });
    words.filter_map(|at| drop_letter(page, at)).collect()
}

/// Keys of tables over Stripe's subscription states.
fn table_word(_: &Client, page: &Page) -> Vec<Mistake> {
    const STATES: [&str; 8] = [
        "trialing",
        "active",
        "past_due",
        "unpaid",
        "paused",
        "canceled",
        "incomplete",
        "incomplete_expired",
    ];
    keys(page, |item| {
        let is_table = matches!(item.trail[..], ["vars", _] | [.., "map"]);
        // A table that nothing looks things up in by a state is not one of states.
        is_table && STATES.contains(&&*item.entry.key.name)
    })
}

fn tested_pipeline(_: &Client, page: &Page) -> Vec<Mistake> {
    values(page, |item| page.is_test() && item.trail.is_empty() && &*item.entry.key.name == "pipeline")
}
