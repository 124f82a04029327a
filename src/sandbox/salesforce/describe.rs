//! What the org tells about itself: objects, fields, limits, versions.

use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::org::Org;
use super::query::attributes;
use super::schema::{FieldShape, ObjectShape};

/// The versions that answer, oldest and newest.
pub(super) const VERSIONS: (u32, u32) = (31, 68);

pub(super) fn versions() -> Json {
    let (oldest, newest) = VERSIONS;
    let one = |version: u32| {
        json!({"label": format!("Version {version}"), "url": format!("/services/data/v{version}.0"),
               "version": format!("{version}.0")})
    };
    (oldest..=newest).map(one).collect()
}

pub(super) fn resources(version: u32) -> Json {
    let base = format!("/services/data/v{version}.0");
    let names = ["sobjects", "query", "queryAll", "limits", "composite"];
    Json::Object(names.iter().map(|name| ((*name).to_owned(), json!(format!("{base}/{name}")))).collect())
}

impl Org {
    pub(super) fn limits(&self) -> Json {
        let (used, max) = self.usage;
        json!({"DailyApiRequests": {"Max": max, "Remaining": max.saturating_sub(used)},
               "DataStorageMB": {"Max": 5, "Remaining": 5}})
    }

    pub(super) fn describe_all(&self, version: u32) -> Json {
        let objects: Vec<Json> = self.schema.objects().map(|shape| summary(shape, version)).collect();
        json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects})
    }

    pub(super) fn describe(&self, object: &str, version: u32) -> Result<Json, ApiError> {
        let shape = self.shape(object)?;
        let mut described = summary(shape, version);
        let fields: Vec<Json> =
            shape.fields.iter().map(|(name, field)| described_field(name, field)).collect();
        described["fields"] = json!(fields);
        described["recordTypeInfos"] = json!([{"active": true, "available": true, "defaultRecordTypeMapping": true,
            "developerName": "Master", "master": true, "name": "Master", "recordTypeId": "012000000000000AAA"}]);
        described["childRelationships"] = self
            .schema
            .objects()
            .flat_map(|child| child.fields.iter().map(move |(name, field)| (child, name, field)))
            .filter(|(_, _, field)| field.reference_to.contains(&shape.name))
            .map(|(child, name, _)| {
                json!({"childSObject": child.name, "field": name, "cascadeDelete": false, "deprecatedAndHidden": false,
                       "relationshipName": null, "restrictedDelete": false})
            })
            .collect();
        Ok(described)
    }

    /// A record with the fields that are asked for, or all.
    pub(super) fn shown_record(
        &self,
        shape: &ObjectShape,
        id: &str,
        wanted: Option<&[String]>,
        version: u32,
    ) -> Result<Json, ApiError> {
        let record = self.records.live(&shape.name, id).ok_or_else(ApiError::not_found)?;
        let mut row = attributes(shape, record, version);
        let value = |name: &str| record.fields.get(name).cloned().unwrap_or(Json::Null);
        if let Some(wanted) = wanted {
            for name in wanted {
                let (name, _) = shape.field(name).ok_or_else(|| ApiError::no_column(name, &shape.name))?;
                row.insert(name.to_owned(), value(name));
            }
            row.insert("Id".to_owned(), json!(id));
        } else {
            row.extend(shape.fields.keys().map(|name| (name.clone(), value(name))));
        }
        Ok(Json::Object(row))
    }
}

fn summary(shape: &ObjectShape, version: u32) -> Json {
    let base = format!("/services/data/v{version}.0/sobjects/{}", shape.name);
    json!({"name": shape.name, "label": shape.label, "labelPlural": format!("{}s", shape.label),
        "keyPrefix": shape.key_prefix, "custom": shape.name.ends_with("__c"), "createable": true, "updateable": true,
        "deletable": shape.name != "User", "queryable": true, "retrieveable": true, "searchable": true,
        "undeletable": true, "triggerable": true, "replicateable": true, "mergeable": false, "layoutable": true,
        "activateable": false, "customSetting": false, "deprecatedAndHidden": false, "feedEnabled": false,
        "hasSubtypes": false, "isSubtype": false, "mruEnabled": true,
        "urls": {"sobject": base, "describe": format!("{base}/describe"), "rowTemplate": format!("{base}/{{ID}}")}})
}

fn described_field(name: &str, field: &FieldShape) -> Json {
    let label = name.trim_end_matches("__c").replace('_', " ");
    let values = field.picklist_values.iter().map(|value| {
        let default = field.default_value.as_ref().and_then(Json::as_str) == Some(value);
        json!({"value": value, "label": value, "active": true, "defaultValue": default, "validFor": null})
    });
    let length = if field.is_text() { field.length.unwrap_or(255) } else { field.length.unwrap_or(0) };
    let digits = if field.r#type == "int" { 9 } else { 0 };
    json!({"name": name, "label": label, "type": field.r#type, "soapType": soap_type(&field.r#type),
        "length": length, "byteLength": length * 3, "precision": field.precision.unwrap_or(0),
        "scale": field.scale.unwrap_or(0), "digits": digits, "nillable": field.nillable && !field.required,
        "createable": field.createable, "updateable": field.updateable,
        "defaultedOnCreate": field.defaulted_on_create, "defaultValue": field.default_value,
        "calculated": false, "autoNumber": name.ends_with("Number") && !field.createable,
        "externalId": field.external_id, "idLookup": field.id_lookup || field.external_id || name == "Id",
        "unique": field.unique, "caseSensitive": field.case_sensitive, "custom": name.ends_with("__c"),
        "filterable": field.r#type != "textarea" || field.length.is_some_and(|length| length <= 255),
        "sortable": field.r#type != "textarea", "groupable": field.is_text(), "referenceTo": field.reference_to,
        "relationshipName": field.relationship_name, "polymorphicForeignKey": field.reference_to.len() > 1,
        "picklistValues": values.collect::<Vec<_>>(), "restrictedPicklist": field.restricted_picklist,
        "dependentPicklist": false, "controllerName": null, "compoundFieldName": null, "encrypted": false,
        "htmlFormatted": false, "inlineHelpText": null, "nameField": name == "Name", "permissionable": true,
        "deprecatedAndHidden": false, "writeRequiresMasterRead": false, "cascadeDelete": false})
}

fn soap_type(kind: &str) -> &'static str {
    match kind {
        "id" | "reference" => "tns:ID",
        "boolean" => "xsd:boolean",
        "int" => "xsd:int",
        "double" | "currency" | "percent" => "xsd:double",
        "date" => "xsd:date",
        "datetime" => "xsd:dateTime",
        "address" => "urn:address",
        _ => "xsd:string",
    }
}
