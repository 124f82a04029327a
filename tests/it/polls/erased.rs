//! What polls have kept of records is erased, and they go on knowing them.

use pretty_assertions::assert_eq;

use super::world::{Polling, tasks};

/// What `purge --object` says.
fn purge(world: &Polling, id: &str) -> String {
    let output = world.lockstep(&["purge", "--object", id]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words}{}", String::from_utf8_lossy(&output.stderr));
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_not_news_and_what_it_was_is_not_known() {
    let pipeline = "# file: pipelines/acme/members.yaml\nname: members\ntrigger: { schedule: { every: 1s, list: { object: \
                    stripe.customer }, only_changed: true, start: all, gone: run } }\nsteps:\n  - create:\n      object: \
                    salesforce.Task\n      key: { Stripe_Charge_Id__c: $.event.id }\n      fields: { Subject: { script: \
                    \"event.type + \\\" \\\" + if before == () { \\\"?\\\" } else { before.email }\" }, Status: Completed, Priority: Normal }\n";
    let mut world = Polling::with(pipeline).await;
    let ann = world.customer("ann@x.example").await;
    let bob = world.customer("bob@x.example").await;
    world.start(&[]);
    world.until_runs(2).await;
    let words = purge(&world, &ann);
    assert!(words.starts_with(&format!("erased 1 event in which `{ann}` occurs: ")), "{words}");
    assert!(words.contains(", 1 record that a poll had kept"), "{words}");
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 2, "it is known by its digest");
    assert_eq!(world.terminate(), Some(0));
    // It was listed again, and so kept again. Now both are gone, and of one it is not known any more what it was.
    let words = purge(&world, &ann);
    assert!(
        words.starts_with("erased 0 events") && words.contains("1 record that a poll had kept"),
        "{words}"
    );
    for customer in [&ann, &bob] {
        world.stripe("DELETE", &format!("customers/{customer}"), &[]).await;
    }
    world.start(&[]);
    world.until_subjects(&["gone ?", "gone bob@x.example", "listed ?", "listed ?"]).await;
    world.until_runs(4).await;
    assert!(world.runs().await.contains(&("succeeded".to_owned(), ann)), "whose record it was is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_share_an_email_are_told_once_whatever_is_erased() {
    let trigger = "{ schedule: { every: 1s, list: { object: stripe.customer }, unique: { by: $.object.email, as: email }, \
                   only_changed: true, start: all } }";
    let mut world = Polling::with(&tasks(trigger)).await;
    let one = world.customer("ann@x.example").await;
    let other = world.customer("Ann@X.example").await;
    world.start(&[]);
    world.until_runs(2).await;
    for id in [&one, &other] {
        assert!(purge(&world, id).contains("that a poll had kept"));
    }
    world.a_poll().await;
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 2, "a conflict that stands is told once");
    // Both go on when they share it no more, with all that they are.
    world.stripe("POST", &format!("customers/{other}"), &[("email", "eve@x.example")]).await;
    world.until_subjects(&["ann@x.example", "eve@x.example"]).await;
    world.until_runs(4).await;
}
