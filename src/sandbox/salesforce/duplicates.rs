//! Duplicate rules: records that look like one that is there.

use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::org::Org;

/// A rule over one field. Matching ignores case.
#[derive(Debug, Clone)]
pub(super) struct DuplicateRule {
    pub(super) object: String,
    pub(super) field: String,
    /// The rule only warns: the client may save all the same.
    pub(super) allow_save: bool,
}

impl Org {
    /// Refuses a new record that a rule takes for a duplicate. `allowed`: the client wants it saved all the same.
    pub(super) fn no_duplicate(
        &self,
        object: &str,
        fields: &serde_json::Map<String, Json>,
        version: u32,
        allowed: bool,
    ) -> Result<(), ApiError> {
        for rule in self.duplicate_rules.iter().filter(|rule| rule.object == object) {
            let Some(value) = fields.get(&rule.field).and_then(Json::as_str) else { continue };
            let alike = |other: &Json| other.as_str().is_some_and(|other| other.eq_ignore_ascii_case(value));
            let found = self.records.all(object).filter(|record| !record.deleted);
            let found = found.filter(|record| record.fields.get(&rule.field).is_some_and(alike));
            let ids: Vec<&str> = found.filter_map(|record| record.fields.get("Id")?.as_str()).collect();
            let let_pass = ids.is_empty() || (rule.allow_save && allowed);
            if !let_pass {
                return Err(refusal(rule, &ids, version));
            }
        }
        Ok(())
    }
}

/// The key of the detail is misspelt in real answers.
fn refusal(rule: &DuplicateRule, ids: &[&str], version: u32) -> ApiError {
    let (object, message) = (&rule.object, "Use one of these records?");
    let records: Vec<Json> = ids
        .iter()
        .map(|id| {
            json!({"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": {
                "attributes": {"type": object, "url": format!("/services/data/v{version}.0/sobjects/{object}/{id}")},
                "Id": id}})
        })
        .collect();
    let result = json!({"allowSave": rule.allow_save, "duplicateRule": format!("Standard_{object}_Duplicate_Rule"),
        "duplicateRuleEntityType": object, "errorMessage": message, "matchResults": [{"entityType": object,
        "errors": [], "matchEngine": "FuzzyMatchEngine", "matchRecords": records,
        "rule": format!("Standard_{object}_Match_Rule_v1_0"), "size": ids.len(), "success": true}]});
    ApiError::new("DUPLICATES_DETECTED", message).with("duplicateResut", result)
}
