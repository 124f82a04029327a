//! The catalog of one API version, and the list of the versions that are compiled in.

use std::sync::LazyLock;

use indexmap::IndexMap;

use super::read;
use super::shape::ObjectShape;

/// The files of `schemas/stripe/`, oldest first. A new version is a new file and a line here.
const FILES: [(&str, &str); 2] = [
    ("2023-08-16", include_str!("../../schemas/stripe/2023-08-16.json")),
    ("2026-10-28.endive", include_str!("../../schemas/stripe/2026-10-28.endive.json")),
];

/// Each file is parsed when it is first asked for: half a megabyte of JSON is not every command's business.
static CATALOGS: [LazyLock<Catalog>; 2] = [LazyLock::new(|| parsed(0)), LazyLock::new(|| parsed(1))];

#[expect(clippy::expect_used, reason = "the files are compiled in and a test parses each of them")]
fn parsed(index: usize) -> Catalog {
    read::catalog(FILES[index].1).expect("a schema file that is compiled in parses")
}

/// How alike two event types must be for one to be offered in place of the other.
const ALIKE: f64 = 0.7;

/// What is known of one API version of Stripe.
#[derive(Debug)]
pub struct Catalog {
    pub(super) api_version: String,
    pub(super) events: Option<IndexMap<String, EventType>>,
    pub(super) objects: IndexMap<String, ObjectShape>,
}

/// A type of event.
#[derive(Debug, PartialEq, Eq)]
pub struct EventType {
    /// Its name, such as `invoice.paid`.
    pub name: String,
    /// What `data.object` may be, nearly always one object.
    pub objects: Vec<String>,
}

impl Catalog {
    /// The catalog of exactly this API version; `None` when its shape is not known.
    pub fn of(api_version: &str) -> Option<&'static Catalog> {
        let index = FILES.iter().position(|(version, _)| *version == api_version)?;
        Some(&CATALOGS[index])
    }

    /// The newest version that is known.
    pub fn newest() -> &'static Catalog {
        &CATALOGS[CATALOGS.len() - 1]
    }

    /// The versions that are known, oldest first.
    pub fn api_versions() -> impl DoubleEndedIterator<Item = &'static str> + ExactSizeIterator {
        FILES.iter().map(|(version, _)| *version)
    }

    /// The API version that this catalog describes.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// Whether the event types of this version are known. Where they are not, no type can be called wrong.
    pub fn knows_events(&self) -> bool {
        self.events.is_some()
    }

    /// All event types by name; none where they are not known.
    pub fn events(&self) -> impl Iterator<Item = &EventType> {
        self.events.iter().flat_map(IndexMap::values)
    }

    /// The event type of this name.
    pub fn event(&self, name: &str) -> Option<&EventType> {
        self.events.as_ref()?.get(name)
    }

    /// The event types that a pattern of a trigger means: a name, or a name with one `*` that stands for any text
    /// (`customer.*` includes `customer.subscription.created`).
    pub fn events_matching<'c>(&'c self, pattern: &str) -> impl Iterator<Item = &'c EventType> {
        self.events().filter(move |event| matches(pattern, &event.name))
    }

    /// The event type that was probably meant by a name that does not exist.
    pub fn nearest_event(&self, name: &str) -> Option<&str> {
        // `subscription.updated` for `customer.subscription.updated` is the most common slip.
        let tail = format!(".{name}");
        let names = || self.events().map(|event| event.name.as_str());
        names().find(|known| known.ends_with(&tail)).or_else(|| {
            names()
                .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
                .filter(|(likeness, _)| *likeness >= ALIKE)
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(_, known)| known)
        })
    }

    /// The shape of an object, such as `customer` or `checkout.session`.
    pub fn object(&self, name: &str) -> Option<&ObjectShape> {
        self.objects.get(name)
    }

    /// All objects whose shape is known, by name.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectShape> {
        self.objects.values()
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn every_version_parses_and_says_which_it_is() {
        for version in Catalog::api_versions() {
            assert_eq!(Catalog::of(version).unwrap().api_version(), version);
        }
        assert_eq!(Catalog::newest().api_version(), "2026-10-28.endive");
        assert!(Catalog::of("2019-01-01").is_none());
    }

    #[test]
    fn the_newest_version_lists_its_events_and_the_older_one_does_not() {
        assert_eq!(Catalog::newest().events().count(), 275);
        let older = Catalog::of("2023-08-16").unwrap();
        assert!(!older.knows_events());
        assert_eq!(older.event("invoice.paid"), None);
    }

    #[test]
    fn an_event_type_tells_what_it_carries() {
        let event = Catalog::newest().event("charge.refunded").unwrap();
        assert_eq!(event.objects, ["charge"]);
    }

    #[test]
    fn patterns_mean_the_types_they_match() {
        let names = |pattern: &str| {
            Catalog::newest().events_matching(pattern).map(|event| event.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(names("invoice.paid"), ["invoice.paid"]);
        assert_eq!(names("customer.discount.*").len(), 3);
        assert!(names("customer.*").contains(&"customer.subscription.deleted"));
        assert_eq!(names("*").len(), 275);
        assert_eq!(names("invoice.piad"), Vec::<&str>::new());
    }

    #[test]
    fn a_wrong_name_has_a_nearest_one() {
        for (wrong, meant) in [
            ("invoice.payment_faild", Some("invoice.payment_failed")),
            ("subscription.updated", Some("customer.subscription.updated")),
            ("invoices.paid", Some("invoice.paid")),
            ("charge.succeded", Some("charge.succeeded")),
            ("something.else.entirely", None),
        ] {
            assert_eq!(Catalog::newest().nearest_event(wrong), meant, "{wrong}");
        }
    }
}
