//! The client that the processes run, and its events.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::example;

/// What the webhooks are signed with.
pub(super) const SECRET: &str = "whsec_of_the_crashes";

/// Every way in which something is written: a create that is looked up by its fields, an update, an upsert that two
/// events race for, calls of a script, a create under an idempotency key that only our store remembers, a message that
/// nothing can look up, a listing of several pages before a write, and a poll of several pages that starts a run a record.
const PROJECT: &str = r#"
# file: connectors/counting.yaml
name: counting
title: A CRM that counts
description: It knows no idempotency; what is posted twice is there twice.
config:
  base_url: { type: url, required: true, description: Where it is. }
base_url: $.config.base_url
auth: none
errors:
  rules:
    - { status: 503, class: transient, untouched: true }
objects:
  "*":
    find:
      - request: { method: GET, path: [{ segments: $.object }], query: $.identity }
        response: { records: $.response.body.items, exact: true }
    get:
      request: { method: GET, path: [{ segments: $.object }, $.id] }
      response: { record: $.response.body }
    list:
      request: { method: GET, path: [{ segments: $.object }], query: { merge: [$.filter, { after: $.cursor }] } }
      response: { records: $.response.body.items, next: $.response.body.next }
    create:
      request: { method: POST, path: [{ segments: $.object }], body: $.fields }
      response: { id: $.response.body.id, record: $.response.body }
    update:
      request: { method: PATCH, path: [{ segments: $.object }, $.id], body: $.fields }
operations:
  message:
    description: Tells somebody something.
    message: true
    params:
      to: { description: Whom., required: true }
    request: { method: POST, path: /messages, body: { to: $.params.to } }
# file: connectors/office.yaml
name: office
title: A post office
description: It finds nothing again, and answers a repeat under the same key with the first letter.
config:
  base_url: { type: url, required: true, description: Where it is. }
base_url: $.config.base_url
auth: none
idempotency: { header: Idempotency-Key, valid: 24h, methods: [POST] }
objects:
  letters:
    get:
      request: { method: GET, path: ["letters", $.id] }
      response: { record: $.response.body }
    create:
      request: { method: POST, path: /letters, body: $.fields }
      response: { id: $.response.body.id, record: $.response.body }
# file: pipelines/acme/client.yaml
name: acme
connections:
  stripe:
    connector: stripe
    config:
      api_key: ${CRASH_KEY}
      webhook_secrets: ["${CRASH_SECRET}"]
      api_version: 2026-10-28.endive
  crm: { connector: counting, config: { base_url: "${CRASH_CRM}" } }
  office: { connector: office, config: { base_url: "${CRASH_CRM}" } }
# file: pipelines/acme/task.yaml
name: task
trigger: { stripe: { events: [customer.updated] } }
retry: { attempts: 50, backoff: 20ms..200ms }
steps:
  - id: task
    create: { object: crm.tasks, key: { ref: $.object.id }, fields: { status: open } }
  - update: { object: crm.tasks, record: $.steps.task.id, fields: { status: done, owner: $.object.name } }
  - create: { object: office.letters, key: $.object.id, fields: { to: $.object.id } }
  - call: { connection: crm, operation: message, params: { to: $.object.id } }
# file: pipelines/acme/person.yaml
name: person
trigger: { stripe: { events: [customer.updated] } }
retry: { attempts: 50, backoff: 20ms..200ms }
steps:
  - upsert: { object: crm.people, match: { email: $.object.email }, fields: { kind: customer } }
# file: pipelines/acme/note.yaml
name: note
trigger: { stripe: { events: [customer.updated] } }
retry: { attempts: 50, backoff: 20ms..200ms }
steps:
  - script: |
      let id = crm.find("notes", #{ ref: object.id }).id;
      if id == () { id = crm.create("notes", #{ text: "new" }, #{ ref: object.id }).id; }
      crm.update("notes", id, #{ text: "done" });
# file: pipelines/acme/member.yaml
name: member
trigger: { schedule: { every: 1s, list: { object: crm.members }, only_changed: true, start: all } }
retry: { attempts: 50, backoff: 20ms..200ms }
steps:
  - create: { object: crm.welcomes, key: { ref: $.object.id }, fields: { text: hello } }
# file: pipelines/acme/invoice.yaml
name: invoice
trigger: { stripe: { events: [invoice.paid] } }
retry: { attempts: 50, backoff: 20ms..200ms }
steps:
  - id: prices
    list: { object: crm.prices, limit: 20 }
  - create: { object: crm.invoices, key: { ref: $.object.id }, fields: { status: paid } }
"#;

/// The project in a folder.
pub(super) fn project() -> TempDir {
    example::project(PROJECT)
}

/// How many customers share an address: their events race for one person.
pub(super) const SHARING: usize = 2;

/// An event that something happens for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A customer changed: a task, a letter, a message, a note, and a person.
    Customer(usize),
    /// An invoice of the one busy customer was paid: all of them stand in one lane.
    Invoice(usize),
}

impl Event {
    /// What the CRM knows it by.
    pub(super) fn reference(self) -> String {
        match self {
            Self::Customer(number) => format!("cus_{number}"),
            Self::Invoice(number) => format!("in_{number}"),
        }
    }

    pub(super) fn body(self, created: i64) -> String {
        let (kind, object) = match self {
            Self::Customer(number) => {
                let email = format!("person_{}@acme.example", number / SHARING);
                (
                    "customer.updated",
                    json!({ "id": self.reference(), "object": "customer", "name": "Jane", "email": email }),
                )
            }
            Self::Invoice(_) => (
                "invoice.paid",
                json!({ "id": self.reference(), "object": "invoice", "customer": "cus_busy" }),
            ),
        };
        let event: Value = json!({
            "id": format!("evt_{}", self.reference()), "object": "event", "api_version": "2026-10-28.endive",
            "created": created, "livemode": false, "type": kind, "data": { "object": object },
        });
        event.to_string()
    }
}
