//! What one expression costs on an invoice event of about 4 kB: `cargo bench --bench expr`.
//!
//! Each bench evaluates over a context that is made once, as a run does; compiling is measured by itself.

#![expect(clippy::expect_used, reason = "a bench that cannot go on stops")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lockstep::expr::{Context, Engine, Frame, JsonPath, Names};
use lockstep::value::Value;

/// An invoice as Stripe sends it, with three lines.
fn event() -> Value {
    let line = |number: i64| {
        Value::map([
            ("id", Value::from(format!("il_1TqLkEAcme0000000000000{number}"))),
            ("object", "line_item".into()),
            ("amount", Value::from(1500 * number)),
            ("currency", "gbp".into()),
            ("description", format!("{number} x Seat (at 15.00 / month) on the plan Professional").into()),
            ("period", Value::map([("start", Value::from(1_772_445_600)), ("end", 1_775_124_000.into())])),
            (
                "pricing",
                Value::map([
                    ("type", Value::from("price_details")),
                    ("unit_amount_decimal", "1500".into()),
                    (
                        "price_details",
                        Value::map([
                            ("price", Value::from("price_1TqLkEAcme000")),
                            ("product", "prod_U3".into()),
                        ]),
                    ),
                ]),
            ),
            ("metadata", Value::map([("seat_group", Value::from("sales")), ("cost_centre", "4711".into())])),
        ])
    };
    let mut invoice = vec![
        ("id".to_owned(), Value::from("in_1TqLkEAcme00000000000001")),
        ("object".to_owned(), "invoice".into()),
        ("customer".to_owned(), "cus_UAcme0001".into()),
        ("customer_email".to_owned(), "billing@acme.example".into()),
        ("customer_name".to_owned(), "Acme Limited".into()),
        ("amount_due".to_owned(), 4500.into()),
        ("attempt_count".to_owned(), 2.into()),
        ("currency".to_owned(), "gbp".into()),
        ("next_payment_attempt".to_owned(), 1_772_704_800.into()),
        ("status".to_owned(), "open".into()),
        ("lines".to_owned(), Value::map([("data", Value::list((1..=3).map(line)))])),
    ];
    for number in 0..40 {
        invoice.push((
            format!("other_field_of_the_invoice_{number}"),
            format!("a value of no interest {number}").into(),
        ));
    }
    Value::map([
        ("object", Value::map(invoice)),
        (
            "event",
            Value::map([("type", Value::from("invoice.payment_failed")), ("created", 1_772_445_600.into())]),
        ),
        (
            "vars",
            Value::map([(
                "status",
                Value::map([("open", Value::from("Payment Overdue")), ("paid", "Paid".into())]),
            )]),
        ),
    ])
}

fn context() -> Context {
    let now = Timestamp::from_second(1_772_445_600).expect("a time of this century");
    Context::new(event(), Frame::new(now, TimeZone::UTC))
}

fn names() -> Names {
    Names::new(["object", "previous", "event", "vars", "now"])
}

fn written(json: &str) -> Value {
    Value::from_json(json.as_bytes()).expect("the bench's own JSON")
}

fn paths(criterion: &mut Criterion) {
    let context = context();
    let mut group = criterion.benchmark_group("jsonpath");
    for (name, path) in [
        ("singular", "$.object.customer"),
        ("deep", "$.object.lines.data[0].pricing.price_details.price"),
        ("wildcard", "$.object.lines.data[*].amount"),
        ("filter", "$.object.lines.data[?@.amount > 1500].id"),
    ] {
        let path = JsonPath::parse(path).expect("a path");
        group.bench_function(name, |bench| bench.iter(|| path.select(black_box(context.root()))));
    }
    group.finish();
}

fn conditions(criterion: &mut Criterion) {
    let context = context();
    let engine = Engine::new(&[]).expect("no library, no fault");
    let mut group = criterion.benchmark_group("condition");
    for (name, source) in [
        ("two_comparisons", "object.attempt_count >= 1 && object.amount_due > 0"),
        ("changed", "changed(\"items\") || \"status\" in object"),
        ("list", "object.lines.data.some(|line| line.amount > 3000)"),
    ] {
        let condition = engine.condition(source, &names()).expect("a condition");
        group.bench_function(name, |bench| bench.iter(|| condition.eval(black_box(&context))));
    }
    group.bench_function("compile", |bench| {
        bench.iter(|| {
            engine.condition(black_box("object.attempt_count >= 1 && object.amount_due > 0"), &names())
        });
    });
    group.finish();
}

fn expressions(criterion: &mut Criterion) {
    let context = context();
    let engine = Engine::new(&[]).expect("no library, no fault");
    let mut group = criterion.benchmark_group("expression");
    let cases = [
        ("path", r#""$.object.customer""#),
        (
            "text",
            r#""Payment failed: ${money(object.amount_due, object.currency)} ${upper(object.currency)}""#,
        ),
        ("money", r#"{"from":"$.object.amount_due","money":"$.object.currency"}"#),
        ("map", r#"{"from":"$.object.status","map":"$.vars.status"}"#),
        ("date", r#"{"from":"$.object.next_payment_attempt","datetime":"date","default":"${today()}"}"#),
        (
            "mapping",
            r#"{"Subject":"Payment failed: ${money(object.amount_due, object.currency)} ${upper(object.currency)}",
                "Priority":"High","Status":"Not Started","WhatId":"$.object.customer",
                "ActivityDate":{"from":"$.object.next_payment_attempt","datetime":"date","default":"${today()}"},
                "Amount_Due__c":{"from":"$.object.amount_due","money":"$.object.currency"}}"#,
        ),
    ];
    for (name, json) in cases {
        let expr = engine.expression(&written(json), &names()).expect("an expression");
        assert!(expr.eval(&context).is_ok(), "{name}");
        group.bench_function(name, |bench| bench.iter(|| expr.eval(black_box(&context))));
    }
    group.bench_function("context", |bench| {
        bench.iter(|| Context::new(black_box(context.root().clone()), context.frame().clone()));
    });
    group.bench_function("engine", |bench| bench.iter(|| Engine::new(&[])));
    group.finish();
}

criterion_group!(benches, paths, conditions, expressions);
criterion_main!(benches);
