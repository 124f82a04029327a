//! How long `lockstep validate` takes for a large project: 10 clients with 100 pipelines each.
//!
//! The files are generated into a temporary folder once; what is measured is what the command does: reading, parsing,
//! the structure, every rule, and compiling every expression.

#![expect(clippy::expect_used, reason = "a bench that cannot go on stops")]

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use lockstep::check::{Environments, check};
use lockstep::config;
use tempfile::TempDir;

const CLIENTS: usize = 10;
const PIPELINES: usize = 100;

fn project() -> TempDir {
    let folder = TempDir::new().expect("a folder for temporary files");
    for client in 0..CLIENTS {
        let name = format!("client-{client}");
        let place = folder.path().join("pipelines").join(&name);
        fs::create_dir_all(&place).expect("a folder for the client");
        write(&place, "client", &client_file(&name));
        for pipeline in 0..PIPELINES {
            let name = format!("pipeline-{pipeline}");
            write(&place, &name, &pipeline_file(&name, pipeline));
        }
    }
    folder
}

fn write(place: &Path, name: &str, text: &str) {
    fs::write(place.join(format!("{name}.yaml")), text).expect("a file can be written");
}

fn client_file(name: &str) -> String {
    format!(
        r#"name: {name}
timezone: Europe/London
vars: {{ status: {{ active: Active, past_due: Payment Overdue, "*": Other }} }}
connections:
  stripe:
    connector: stripe
    config: {{ api_key: "${{STRIPE_KEY}}", webhook_secrets: ["${{STRIPE_WHSEC}}"] }}
  salesforce:
    connector: salesforce
    config: {{ login_url: "${{SF_URL}}", client_id: "${{SF_ID}}", client_secret: "${{SF_SECRET}}" }}
ownership:
  salesforce.Account: {{ Subscription_Status__c: stripe, Phone: salesforce }}
"#
    )
}

/// A pipeline of the usual size: a condition, a look-up, a mapping of twenty fields, a task.
fn pipeline_file(name: &str, number: usize) -> String {
    let mut fields = String::new();
    for field in 0..20 {
        let value = match field % 4 {
            0 => format!("$.object.metadata.field_{field}"),
            1 => "{ from: $.object.amount_due, money: $.object.currency }".to_owned(),
            2 => format!("\"${{upper(object.currency)}} {field}\""),
            _ => format!("{{ from: [$.object.customer_email, $.object.id], truncate: {} }}", 40 + field),
        };
        // Writing into a String cannot fail.
        let _ = writeln!(fields, "        Field_{field}__c: {value}");
    }
    format!(
        r#"name: {name}
description: Pipeline number {number}.
trigger: {{ stripe: {{ events: [invoice.payment_failed, invoice.paid] }} }}
when: object.attempt_count >= 1 && object.amount_due > {number}
order: {{ key: $.object.customer, lane: customers }}
steps:
  - id: account
    find:
      object: salesforce.Account
      match: [{{ Stripe_Customer_Id__c: $.object.customer }}, {{ Email__c: $.object.customer_email }}]
      none: wait 1h
  - update:
      object: salesforce.Account
      record: $.steps.account.id
      fields:
{fields}  - when: event.type == "invoice.payment_failed"
    create:
      object: salesforce.Task
      key: {{ Stripe_Invoice_Id__c: $.object.id }}
      fields:
        Subject: "Payment failed: ${{money(object.amount_due, object.currency)}}"
        OwnerId: $.steps.account.record.OwnerId
"#
    )
}

fn validate(criterion: &mut Criterion) {
    let project = project();
    let run = || {
        let draft = config::load(&[], project.path()).expect("the project can be read");
        check(draft, Environments::All).expect("the project can be checked")
    };
    assert_eq!(run().report.findings, [], "the generated project is right");
    let mut group = criterion.benchmark_group("validate");
    group.sample_size(10);
    group.bench_function("1,000 pipelines", |bencher| bencher.iter(|| black_box(run())));
    group.finish();
}

criterion_group!(benches, validate);
criterion_main!(benches);
