//! The fields that records have: those of every portal, and the portal's own.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

/// Lists of values with ids of their own.
pub(super) const MULTIFIELDS: [&str; 4] = ["PHONE", "EMAIL", "WEB", "IM"];

const PERSON: &str = "HONORIFIC NAME SECOND_NAME LAST_NAME POST TYPE_ID:crm_status SOURCE_ID:crm_status SOURCE_DESCRIPTION \
                      COMPANY_ID:crm_company BIRTHDATE:date EXPORT:char";
const ALL: &str = "ASSIGNED_BY_ID:user COMMENTS OPENED:char ORIGINATOR_ID ORIGIN_ID ORIGIN_VERSION UTM_SOURCE UTM_MEDIUM \
                   UTM_CAMPAIGN UTM_CONTENT UTM_TERM ID:integer! CREATED_BY_ID:user! MODIFY_BY_ID:user! DATE_CREATE:datetime! \
                   DATE_MODIFY:datetime!";
const COMPANY: &str = "TITLE COMPANY_TYPE:crm_status INDUSTRY:crm_status REVENUE:double CURRENCY_ID EMPLOYEES:crm_status \
                       BANKING_DETAILS";
const LEAD: &str = "TITLE HONORIFIC NAME SECOND_NAME LAST_NAME STATUS_ID:crm_status SOURCE_ID:crm_status OPPORTUNITY:double \
                    CURRENCY_ID CONTACT_ID:crm_contact COMPANY_ID:crm_company COMPANY_TITLE";
const DEAL: &str = "TITLE TYPE_ID:crm_status STAGE_ID:crm_status CATEGORY_ID:integer OPPORTUNITY:double CURRENCY_ID \
                    IS_MANUAL_OPPORTUNITY:char CONTACT_ID:crm_contact CONTACT_IDS:crm_contact COMPANY_ID:crm_company \
                    BEGINDATE:date CLOSEDATE:date CLOSED:char PROBABILITY:integer LEAD_ID:crm_lead";

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) kind: String,
    pub(super) read_only: bool,
    pub(super) custom: bool,
    pub(super) multiple: bool,
    /// Of an enumeration: ids and texts.
    pub(super) options: Vec<(u64, String)>,
}

/// The fields of each kind of record.
#[derive(Debug)]
pub(super) struct Fields(IndexMap<&'static str, IndexMap<String, Field>>);

impl Default for Fields {
    fn default() -> Self {
        let of = |lists: &[&str]| {
            let mut fields: IndexMap<String, Field> = IndexMap::new();
            for word in lists.iter().flat_map(|list| list.split_whitespace()) {
                let (name, kind) = word.split_once(':').unwrap_or((word, "string"));
                let field = Field {
                    kind: kind.trim_end_matches('!').to_owned(),
                    read_only: kind.ends_with('!'),
                    custom: false,
                    multiple: name.ends_with("_IDS"),
                    options: Vec::new(),
                };
                fields.insert(name.to_owned(), field);
            }
            fields
        };
        let with_values = |mut fields: IndexMap<String, Field>| {
            for name in MULTIFIELDS {
                let kind = "crm_multifield".to_owned();
                let field =
                    Field { kind, read_only: false, custom: false, multiple: true, options: Vec::new() };
                fields.insert(name.to_owned(), field);
            }
            fields
        };
        Self(IndexMap::from([
            ("contact", with_values(of(&[PERSON, ALL]))),
            ("company", with_values(of(&[COMPANY, ALL]))),
            ("lead", with_values(of(&[LEAD, ALL]))),
            ("deal", of(&[DEAL, ALL])),
            ("quote", of(&[DEAL, ALL])),
            ("invoice", of(&[DEAL, ALL])),
        ]))
    }
}

impl Fields {
    /// The kinds of records that there are.
    pub(super) fn kind(&self, name: &str) -> Option<&'static str> {
        self.0.keys().find(|known| known.eq_ignore_ascii_case(name)).copied()
    }

    pub(super) fn of(&self, kind: &str) -> &IndexMap<String, Field> {
        static NONE: std::sync::LazyLock<IndexMap<String, Field>> = std::sync::LazyLock::new(IndexMap::new);
        self.0.get(kind).unwrap_or(&NONE)
    }

    pub(super) fn get(&self, kind: &str, name: &str) -> Option<&Field> {
        self.0.get(kind)?.get(name)
    }

    /// Adds a field of the portal's own; false when there is one of that name.
    pub(super) fn declare(&mut self, kind: &str, name: &str, field: Field) -> bool {
        let Some(fields) = self.0.get_mut(kind) else { return false };
        if fields.contains_key(name) {
            return false;
        }
        fields.insert(name.to_owned(), field);
        true
    }

    /// What `crm.<kind>.fields` answers.
    pub(super) fn described(&self, kind: &str) -> Json {
        let described = self.of(kind).iter().map(|(name, field)| {
            let mut about = json!({
                "type": field.kind, "isRequired": false, "isReadOnly": field.read_only, "isImmutable": false,
                "isMultiple": field.multiple, "isDynamic": field.custom, "title": name,
            });
            if field.custom {
                about["listLabel"] = json!(label(name));
                about["formLabel"] = json!(label(name));
            }
            if field.kind == "enumeration" {
                let items =
                    field.options.iter().map(|(id, text)| json!({"ID": id.to_string(), "VALUE": text}));
                about["items"] = items.collect();
            }
            (name.clone(), about)
        });
        Json::Object(described.collect::<Map<_, _>>())
    }
}

/// `UF_CRM_PAID_UNTIL` as people see it.
fn label(name: &str) -> String {
    name.trim_start_matches("UF_CRM_").replace('_', " ").to_lowercase()
}
