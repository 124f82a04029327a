//! How long reading takes: 1,000 pipelines of 60 lines, text to tree to structure to typed model.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use lockstep::config::PipelineFile;
use lockstep::config::structure::Structure;
use lockstep::yaml::{self, Document, SourceFile};

const FILES: usize = 1000;

/// A pipeline of the usual size: two look-ups and two mappings.
fn text(number: usize) -> String {
    let head = format!(
        "name: pipeline-{number}\n\
         description: A failed payment becomes a task for the account's owner.\n\
         trigger:\n  stripe:\n    events: [invoice.payment_failed]\n\
         when: object.attempt_count >= 1 && object.amount_due > 0   # the first failure counts\n\
         steps:\n"
    );
    let find = "  - id: account\n    find:\n      object: salesforce.Account\n      \
                match: { Stripe_Customer_Id__c: $.object.customer }\n      none: wait 1h\n      many: conflict\n";
    let create = "  - create:\n      object: salesforce.Task\n      key: { Stripe_Invoice_Id__c: $.object.id }\n      fields:\n";
    let fields: Vec<String> =
        (0..20).map(|field| format!("        Field_{field}__c: $.object.field_{field}\n")).collect();
    let fields = fields.concat();
    let text = "        Subject: \"Payment failed: ${money(object.amount_due, object.currency)}\"\n        \
                Due__c: { from: $.object.amount_due, money: $.object.currency }\n";
    [head.as_str(), find, create, &fields, text, create, &fields, text].concat()
}

fn read(criterion: &mut Criterion) {
    let files: Vec<Arc<SourceFile>> = (0..FILES)
        .map(|number| {
            Arc::new(SourceFile::new(format!("pipelines/acme/pipeline-{number}.yaml"), text(number)))
        })
        .collect();
    let documents: Vec<Document> = files.iter().filter_map(|file| yaml::parse(file).0).collect();
    assert_eq!(documents.len(), FILES, "the benchmark's own files are good");
    let structure = Structure::of::<PipelineFile>();
    assert!(documents.iter().all(|document| structure.check(document).is_empty()), "and well-formed");
    let mut group = criterion.benchmark_group("1000 pipelines");
    group.sample_size(10);
    group.bench_function("parse", |bench| {
        bench.iter(|| files.iter().filter_map(|file| yaml::parse(black_box(file)).0).count());
    });
    group.bench_function("structure", |bench| {
        bench.iter(|| {
            documents.iter().map(|document| structure.check(black_box(document)).len()).sum::<usize>()
        });
    });
    group.bench_function("from_node", |bench| {
        let read = |document: &Document| yaml::from_node::<PipelineFile>(&document.root).is_ok();
        bench.iter(|| documents.iter().filter(|document| read(black_box(document))).count());
    });
    group.bench_function("compile the structure", |bench| bench.iter(Structure::of::<PipelineFile>));
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
