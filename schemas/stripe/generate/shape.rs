//! The declarations as the file that the catalog reads: one line a field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use crate::Failure;
use crate::declarations::{Declared, Found, Interface, Member, Package, Type};

/// The objects that are described. Of the others an event only tells the name.
const OBJECTS: [&str; 35] = [
    "account",
    "balance_transaction",
    "charge",
    "checkout.session",
    "coupon",
    "credit_note",
    "credit_note_line_item",
    "customer",
    "customer_balance_transaction",
    "discount",
    "dispute",
    "event",
    "invoice",
    "invoice_payment",
    "invoiceitem",
    "item",
    "line_item",
    "payment_intent",
    "payment_link",
    "payment_method",
    "payout",
    "plan",
    "price",
    "product",
    "promotion_code",
    "quote",
    "refund",
    "setup_intent",
    "subscription",
    "subscription_item",
    "subscription_schedule",
    "tax_id",
    "tax_rate",
    "test_helpers.test_clock",
    "webhook_endpoint",
];

/// TypeScript has one kind of number. These names are no whole ones.
const FRACTIONS: [&str; 5] = ["exchange_rate", "height", "length", "weight", "width"];

/// Names of whole numbers that are times, by their ends.
const TIMES: [&str; 22] = [
    "_at",
    "_date",
    "_start",
    "_end",
    "_until",
    "_before",
    "_after",
    "_on",
    "_deadline",
    "_timestamp",
    "_time",
    "created",
    "updated",
    "date",
    "start",
    "end",
    "timestamp",
    "billing_cycle_anchor",
    "next_payment_attempt",
    "next_pending_invoice_item_invoice",
    "due_by",
    "redeem_by",
];

/// How deep fields are described: nothing real nests deeper.
const DEPTH_MAX: usize = 12;

const LEGEND: &str = r#"  "legend": {
    "events": "event type -> the objects that data.object may be; absent where the list of this version is not known",
    "objects": "resource -> its fields by path: dotted, [] marks the elements of an array, {} the values of a map",
    "type": "string, integer, number, boolean, object, array, map, list (paged: object, data, has_more, url), polymorphic (one of any_of), any",
    "nullable": "the value may be null",
    "optional": "the key may be absent",
    "ref": "the value is this resource; of a list, its rows",
    "expandable": "an id; when expanded, this resource",
    "open_enum": "values may be added under the same version",
    "format": "unix-time: seconds; decimal: a decimal number in text"
  },
"#;

/// The file, and what is in it.
pub(crate) struct Schema {
    pub(crate) api_version: String,
    pub(crate) text: String,
    pub(crate) events: usize,
    pub(crate) fields: usize,
}

/// Puts the file together.
pub(crate) fn schema(package: &Package) -> Result<Schema, Failure> {
    let events = events(package);
    let mut text = format!("{{\n  \"api_version\": \"{}\",\n{LEGEND}  \"events\": {{\n", package.api_version);
    let lines = events.iter().map(|(name, objects)| format!("    \"{name}\": {}", list(objects)));
    text.push_str(&lines.collect::<Vec<_>>().join(",\n"));
    text.push_str("\n  },\n  \"objects\": {\n");
    let (mut count, mut objects) = (0, Vec::new());
    for object in OBJECTS {
        let found =
            interface_of(package, object).ok_or_else(|| format!("no interface is the object `{object}`"))?;
        let mut fields = Fields { package, lines: BTreeMap::new() };
        fields.interface(found, "", 0);
        if object == "event" {
            // Its words are the list of events above.
            fields.lines.insert("type".to_owned(), "{\"type\": \"string\"}".to_owned());
        }
        count += fields.lines.len();
        let lines: Vec<String> =
            fields.lines.iter().map(|(path, line)| format!("      \"{path}\": {line}")).collect();
        objects.push(format!("    \"{object}\": {{\n{}\n    }}", lines.join(",\n")));
    }
    text.push_str(&objects.join(",\n"));
    text.push_str("\n  }\n}\n");
    Ok(Schema { api_version: package.api_version.clone(), text, events: events.len(), fields: count })
}

/// The interface of an object that was not deleted.
fn interface_of<'p>(package: &'p Package, object: &str) -> Option<Found<'p>> {
    let mut all = package.files.iter().flat_map(|(file, content)| {
        content.declared.iter().map(move |(name, what)| Found { file, name, what })
    });
    all.find(|found| {
        let is_deleted = found.name.starts_with("Deleted");
        !is_deleted && name_of(found.what).is_some_and(|name| name == object) && !found.name.contains('.')
    })
}

/// The object's name, as its own member `object` says it.
fn name_of(what: &Declared) -> Option<&str> {
    let Declared::Interface(interface) = what else { return None };
    interface.members.iter().find(|member| member.name == "object").and_then(|member| match &member.of {
        Type::Word(word) if word != "list" => Some(word.as_str()),
        _ => None,
    })
}

/// Event types with the objects that they carry.
fn events(package: &Package) -> BTreeMap<String, Vec<String>> {
    let mut events = BTreeMap::new();
    for (file, content) in &package.files {
        for (name, what) in &content.declared {
            let Declared::Interface(interface) = what else { continue };
            if !interface.extends.iter().any(|base| base.last().is_some_and(|base| base == "EventBase")) {
                continue;
            }
            let member = |interface: &Interface, name: &str| {
                interface.members.iter().find(|member| member.name == name).map(|member| member.of.clone())
            };
            let Some(Type::Word(event)) = member(interface, "type") else { continue };
            let data = package.find(file, name, &["Data".to_owned()]);
            let Some(Found { what: Declared::Interface(data), .. }) = data else { continue };
            if let Some(object) = member(data, "object") {
                let fields = Fields { package, lines: BTreeMap::new() };
                events.insert(event, names(fields.resources(file, name, &object)));
            }
        }
    }
    events
}

/// The fields of one object, one line each.
struct Fields<'p> {
    package: &'p Package,
    lines: BTreeMap<String, String>,
}

/// What stands in a line after the type.
#[derive(Default)]
struct Line {
    kind: &'static str,
    more: String,
    /// What is below, and how its path goes on.
    below: Option<(Below, &'static str)>,
}

/// The fields below a field.
enum Below {
    Named(Vec<String>),
    Written(Interface),
}

impl Fields<'_> {
    fn interface(&mut self, found: Found<'_>, path: &str, depth: usize) {
        let Declared::Interface(interface) = found.what else { return };
        for base in &interface.extends {
            if let Some(base) = self.package.find(found.file, found.name, base) {
                self.interface(base, path, depth);
            }
        }
        self.members(found.file, found.name, interface, path, depth);
    }

    fn members(&mut self, file: &Path, scope: &str, interface: &Interface, path: &str, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        for member in &interface.members {
            if is(&member.of, "void") || is(&member.of, "never") {
                continue;
            }
            let here = if path.is_empty() { member.name.clone() } else { format!("{path}.{}", member.name) };
            let (of, nullable) = without_null(&member.of);
            let line = self.line(file, scope, &of, &member.name);
            self.lines.insert(here.clone(), written(&line, nullable, member));
            if let Some((below, step)) = line.below {
                self.below(file, scope, below, &format!("{here}{step}"), depth + 1);
            }
        }
    }

    fn below(&mut self, file: &Path, scope: &str, below: Below, path: &str, depth: usize) {
        match below {
            Below::Named(name) => {
                if let Some(found) = self.package.find(file, scope, &name)
                    && depth <= DEPTH_MAX
                {
                    self.interface(found, path, depth);
                }
            }
            Below::Written(interface) => self.members(file, scope, &interface, path, depth),
        }
    }

    /// The line of a type that is not null.
    fn line(&self, file: &Path, scope: &str, of: &Type, name: &str) -> Line {
        match of {
            Type::Word(_) => words(std::slice::from_ref(of)),
            Type::Union(all) => self.union(file, scope, all, name),
            Type::Members(interface) => match &interface.values {
                Some(values) => self.map(file, scope, values, name),
                None => Line {
                    kind: "object",
                    below: Some((Below::Written(interface.clone()), "")),
                    ..Line::default()
                },
            },
            Type::Named(path, inside) => self.named(file, scope, (path, inside), name),
            Type::Other => Line { kind: "any", ..Line::default() },
        }
    }

    fn named(&self, file: &Path, scope: &str, (path, inside): (&[String], &[Type]), name: &str) -> Line {
        let plain = |kind| Line { kind, ..Line::default() };
        match (path.join(".").as_str(), inside) {
            ("string", _) => plain("string"),
            ("boolean" | "true" | "false", _) => plain("boolean"),
            ("number", _) => number(name),
            ("Decimal", _) => Line { kind: "string", more: ", \"format\": \"decimal\"".into(), below: None },
            ("any" | "unknown", _) => plain("any"),
            ("Array", [element]) => {
                let (of, _) = without_null(element);
                let line = self.line(file, scope, &of, name);
                let more = format!(", \"items\": {{\"type\": \"{}\"{}}}", line.kind, line.more);
                let below = line.below.map(|(below, _)| (below, "[]"));
                Line { kind: "array", more, below }
            }
            ("ApiList", [row]) => {
                let rows = names(self.resources(file, scope, row));
                Line { kind: "list", more: format!(", \"ref\": {}", list(&rows)), below: None }
            }
            _ => match self.package.find(file, scope, path) {
                None => plain("any"),
                Some(found) => match found.what {
                    Declared::Alias(of) => {
                        let (of, _) = without_null(of);
                        // Names inside of it are those of the file that it stands in.
                        let mut line = self.line(found.file, found.name, &of, name);
                        if line.below.is_some() {
                            line.below = None;
                        }
                        line
                    }
                    Declared::Interface(interface) => self.of_interface(found, interface, path, name),
                },
            },
        }
    }

    fn of_interface(&self, found: Found<'_>, interface: &Interface, path: &[String], name: &str) -> Line {
        if let Some(values) = &interface.values {
            return self.map(found.file, found.name, values, name);
        }
        match resource(found) {
            Some(resource) => {
                let more = format!(", \"ref\": {}", list(&names(BTreeSet::from([resource]))));
                Line { kind: "object", more, below: None }
            }
            None => {
                Line { kind: "object", more: String::new(), below: Some((Below::Named(path.to_vec()), "")) }
            }
        }
    }

    fn map(&self, file: &Path, scope: &str, values: &Type, name: &str) -> Line {
        let (of, _) = without_null(values);
        let line = self.line(file, scope, &of, name);
        let more = format!(", \"values\": \"{}\"", line.kind);
        Line { kind: "map", more, below: line.below.map(|(below, _)| (below, ".{}")) }
    }

    fn union(&self, file: &Path, scope: &str, all: &[Type], name: &str) -> Line {
        if all.iter().any(|one| matches!(one, Type::Word(_))) {
            return words(all);
        }
        let has_text = all.iter().any(|one| is(one, "string"));
        let resources = names(self.resources(file, scope, &Type::Union(all.to_vec())));
        match (has_text, resources.is_empty()) {
            (true, false) => {
                Line { kind: "string", more: format!(", \"expandable\": {}", list(&resources)), below: None }
            }
            (false, false) => {
                Line { kind: "polymorphic", more: format!(", \"any_of\": {}", list(&resources)), below: None }
            }
            (true, true) => {
                let other = all.iter().find(|one| !is(one, "string"));
                let line = other.map(|other| self.line(file, scope, other, name)).unwrap_or_default();
                let more = format!(", \"any_of\": {}", list(&["string".to_owned(), line.kind.to_owned()]));
                Line { kind: "polymorphic", more, below: None }
            }
            (false, true) => Line { kind: "any", ..Line::default() },
        }
    }

    /// The objects that a type can be.
    fn resources(&self, file: &Path, scope: &str, of: &Type) -> BTreeSet<Resource> {
        match of {
            Type::Union(all) => all.iter().flat_map(|one| self.resources(file, scope, one)).collect(),
            Type::Named(path, _) => match self.package.find(file, scope, path) {
                Some(Found { file, name, what: Declared::Alias(of) }) => self.resources(file, name, of),
                Some(found) => resource(found).into_iter().collect(),
                None => BTreeSet::new(),
            },
            _ => BTreeSet::new(),
        }
    }
}

/// The name of an object, and whether it is what is left of a deleted one.
type Resource = (String, bool);

fn resource(found: Found<'_>) -> Option<Resource> {
    let last = found.name.rsplit('.').next().unwrap_or_default();
    Some((name_of(found.what)?.to_owned(), last.starts_with("Deleted")))
}

/// Their names, each before what is left of it.
fn names(resources: BTreeSet<Resource>) -> Vec<String> {
    let name = |(object, deleted): Resource| if deleted { format!("deleted_{object}") } else { object };
    resources.into_iter().map(name).collect()
}

fn words(all: &[Type]) -> Line {
    let words: BTreeSet<String> = all
        .iter()
        .filter_map(|one| match one {
            Type::Word(word) => Some(word.clone()),
            _ => None,
        })
        .collect();
    let words: Vec<String> = words.into_iter().collect();
    let open = if all.iter().any(|one| is(one, "OtherString")) { ", \"open_enum\": true" } else { "" };
    Line { kind: "string", more: format!(", \"enum\": {}{open}", list(&words)), below: None }
}

fn number(name: &str) -> Line {
    if name.contains("percent") || FRACTIONS.contains(&name) {
        return Line { kind: "number", ..Line::default() };
    }
    let is_time = TIMES.iter().any(|end| name == *end || (end.starts_with('_') && name.ends_with(end)));
    let more = if is_time { ", \"format\": \"unix-time\"" } else { "" };
    Line { kind: "integer", more: more.into(), below: None }
}

fn is(of: &Type, word: &str) -> bool {
    matches!(of, Type::Named(path, _) if matches!(path.as_slice(), [only] if only == word))
}

/// The type without null, and whether it could be.
fn without_null(of: &Type) -> (Type, bool) {
    let Type::Union(all) = of else { return (of.clone(), false) };
    let rest: Vec<Type> = all.iter().filter(|one| !is(one, "null")).cloned().collect();
    let nullable = rest.len() < all.len();
    match rest.as_slice() {
        [only] => (only.clone(), nullable),
        _ => (Type::Union(rest), nullable),
    }
}

fn written(line: &Line, nullable: bool, member: &Member) -> String {
    let mut text = format!("{{\"type\": \"{}\"", line.kind);
    let nullable = if nullable { ", \"nullable\": true" } else { "" };
    let optional = if member.optional { ", \"optional\": true" } else { "" };
    // Writing into a String cannot fail.
    let _ = write!(text, "{nullable}{optional}{}}}", line.more);
    text
}

fn list(words: &[String]) -> String {
    let words = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>();
    format!("[{}]", words.join(", "))
}
