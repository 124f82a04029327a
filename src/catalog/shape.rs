//! The shape of an object: its fields as a tree that can be walked step by step, as a path is written.

use indexmap::IndexMap;

use super::version::Catalog;

/// The fields of an object by name.
pub type Fields = IndexMap<String, Field>;

/// What is known of one kind of object.
#[derive(Debug)]
pub struct ObjectShape {
    pub(super) name: String,
    pub(super) fields: Fields,
}

/// What is known of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What its value is.
    pub kind: Kind,
    /// The value may be null.
    pub nullable: bool,
    /// The key may be absent; many such fields are there only when they were expanded.
    pub optional: bool,
    /// How the value is to be read.
    pub format: Option<Format>,
    /// The words that it may be.
    pub words: Option<Words>,
    /// The value is an id; when expanded, it is one of these objects.
    pub expandable: Vec<String>,
}

/// What a field's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// An object with these fields; without any, its fields are not known.
    Object(Fields),
    /// One page of a paged list: `object`, `data`, `has_more`, `url`.
    List(Fields),
    /// A whole object of one of these names.
    Resource(Vec<String>),
    /// A list of such elements.
    Array(Box<Field>),
    /// A map from any text to such values.
    Map(Box<Field>),
    /// One of several kinds, of which no more is known.
    Any,
}

/// How a value is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Whole seconds since 1970.
    UnixTime,
    /// A decimal number in text.
    Decimal,
}

/// The words that a field may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Those that are known.
    pub known: Vec<String>,
    /// Stripe may add further ones under the same version: an unknown word is then no mistake.
    pub open: bool,
}

/// Where one step of a path leads.
#[derive(Debug, Clone, Copy)]
pub enum Walk<'c> {
    /// To a place of a known shape.
    To(Place<'c>),
    /// There is no such field.
    Missing,
    /// Here stands an id; only when expanded it is one of these objects.
    NotExpanded(&'c [String]),
    /// Nothing is known of what lies here, so nothing can be called wrong.
    Unknown,
}

/// A place inside an object, reached by walking.
#[derive(Debug, Clone, Copy)]
pub struct Place<'c> {
    catalog: &'c Catalog,
    at: At<'c>,
}

#[derive(Debug, Clone, Copy)]
enum At<'c> {
    Top(&'c ObjectShape),
    Field(&'c Field),
}

impl ObjectShape {
    /// The name of the object, as its own field `object` says it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The field at a dotted path of this catalog's notation: `items.data[].price.recurring.interval`. Embedded
    /// objects and lists are followed; an id that would have to be expanded first is not.
    pub fn field<'c>(&'c self, catalog: &'c Catalog, path: &str) -> Option<&'c Field> {
        let mut place = self.place(catalog);
        for segment in path.split('.') {
            let name = segment.trim_end_matches("[]");
            place = place.key(name).place()?;
            for _ in 0..(segment.len() - name.len()) / 2 {
                place = place.element().place()?;
            }
        }
        place.field()
    }

    /// The beginning of a walk through this object.
    pub fn place<'c>(&'c self, catalog: &'c Catalog) -> Place<'c> {
        Place { catalog, at: At::Top(self) }
    }
}

impl<'c> Walk<'c> {
    /// The place, when there is one of a known shape.
    pub fn place(self) -> Option<Place<'c>> {
        if let Self::To(place) = self { Some(place) } else { None }
    }
}

impl<'c> Place<'c> {
    /// The version whose shape this is.
    pub fn catalog(self) -> &'c Catalog {
        self.catalog
    }

    /// The field that stands here; `None` at the top of an object.
    pub fn field(self) -> Option<&'c Field> {
        if let At::Field(field) = self.at { Some(field) } else { None }
    }

    /// The step to a key of what stands here.
    pub fn key(self, name: &str) -> Walk<'c> {
        let field = match self.at {
            At::Top(shape) => return self.to(shape.fields.get(name)),
            At::Field(field) => field,
        };
        match &field.kind {
            Kind::Object(fields) | Kind::List(fields) if !fields.is_empty() => self.to(fields.get(name)),
            Kind::Object(_) | Kind::List(_) | Kind::Any => Walk::Unknown,
            Kind::Resource(names) => self.resource_key(names, name),
            Kind::Map(value) => self.to(Some(value)),
            Kind::Text | Kind::Integer | Kind::Number | Kind::Boolean | Kind::Array(_) => not_expanded(field),
        }
    }

    /// The step to an element of the array that stands here.
    pub fn element(self) -> Walk<'c> {
        match self.field().map(|field| &field.kind) {
            Some(Kind::Array(element)) => self.to(Some(element)),
            Some(Kind::Any) => Walk::Unknown,
            _ => Walk::Missing,
        }
    }

    /// The step into an id that has been expanded to one of its objects.
    pub fn expanded(self) -> Walk<'c> {
        let known = self.field().map_or(&[][..], |field| &field.expandable).iter();
        known
            .filter_map(|name| self.catalog.object(name))
            .map(|shape| Walk::To(shape.place(self.catalog)))
            .next()
            .unwrap_or(Walk::Unknown)
    }

    /// The keys that are known here; empty where none are or any is allowed.
    pub fn keys(self) -> Vec<&'c str> {
        let fields = match self.at {
            At::Top(shape) => vec![&shape.fields],
            At::Field(field) => match &field.kind {
                Kind::Object(fields) | Kind::List(fields) => vec![fields],
                Kind::Resource(names) => names
                    .iter()
                    .filter_map(|name| self.catalog.object(name))
                    .map(|shape| &shape.fields)
                    .collect(),
                _ => Vec::new(),
            },
        };
        fields.into_iter().flat_map(IndexMap::keys).map(String::as_str).collect()
    }

    fn to(self, field: Option<&'c Field>) -> Walk<'c> {
        field.map_or(Walk::Missing, |field| Walk::To(Place { at: At::Field(field), ..self }))
    }

    /// A key of an embedded object that may be one of several: there when any of them has it.
    fn resource_key(self, names: &'c [String], key: &str) -> Walk<'c> {
        let mut unknown = false;
        for name in names {
            match self.catalog.object(name) {
                Some(shape) => {
                    if let Some(field) = shape.fields.get(key) {
                        return self.to(Some(field));
                    }
                }
                None => unknown = true,
            }
        }
        if unknown { Walk::Unknown } else { Walk::Missing }
    }
}

fn not_expanded(field: &Field) -> Walk<'_> {
    if field.expandable.is_empty() { Walk::Missing } else { Walk::NotExpanded(&field.expandable) }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn field(object: &str, path: &str) -> Option<&'static Field> {
        let catalog = Catalog::newest();
        catalog.object(object).unwrap().field(catalog, path)
    }

    #[test]
    fn a_path_is_followed_through_lists_objects_and_maps() {
        for (object, path, kind) in [
            ("customer", "email", Kind::Text),
            ("subscription", "items.data[].price.recurring.interval_count", Kind::Integer),
            ("subscription", "items.has_more", Kind::Boolean),
            ("invoice", "lines.data[].pricing.price_details.price", Kind::Text),
            ("customer", "metadata.crm_id", Kind::Text),
            ("price", "currency_options.eur.unit_amount", Kind::Integer),
        ] {
            assert_eq!(field(object, path).map(|field| &field.kind), Some(&kind), "{object} {path}");
        }
    }

    #[test]
    fn what_is_not_there_is_missing() {
        for (object, path) in [
            ("customer", "e_mail"),
            ("subscription", "current_period_end"),
            ("subscription", "items[].price"),
            ("invoice", "customer.email"),
            ("customer", "email.domain"),
        ] {
            assert_eq!(field(object, path), None, "{object} {path}");
        }
    }

    #[test]
    fn the_older_version_has_its_own_shape() {
        let older = Catalog::of("2023-08-16").unwrap();
        let subscription = older.object("subscription").unwrap();
        assert!(subscription.field(older, "current_period_end").is_some());
        assert!(subscription.field(older, "items.data[].current_period_end").is_none());
    }

    #[test]
    fn an_id_is_not_an_object_until_it_is_expanded() {
        let catalog = Catalog::newest();
        let customer = catalog.object("invoice").unwrap().place(catalog).key("customer").place().unwrap();
        assert!(matches!(customer.key("email"), Walk::NotExpanded([name, _]) if name == "customer"));
        let expanded = customer.expanded().place().unwrap();
        assert_eq!(expanded.key("email").place().unwrap().field().unwrap().kind, Kind::Text);
    }

    #[test]
    fn what_is_unknown_is_not_called_missing() {
        let catalog = Catalog::newest();
        let charge = catalog.object("charge").unwrap().place(catalog);
        assert!(matches!(charge.key("source").place().unwrap().key("anything"), Walk::Unknown));
    }

    #[test]
    fn formats_and_words_are_kept() {
        assert_eq!(field("charge", "created").unwrap().format, Some(Format::UnixTime));
        assert_eq!(field("price", "unit_amount_decimal").unwrap().format, Some(Format::Decimal));
        let status = field("subscription", "status").unwrap().words.as_ref().unwrap();
        assert!(status.open && status.known.iter().any(|word| word == "past_due"));
    }
}
