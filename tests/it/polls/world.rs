//! lockstep polling the simulators, and what reached each of them.

use std::ops::{Deref, DerefMut};

use serde_json::Value;

use crate::world::World;

/// A world whose client polls.
pub(super) struct Polling(World);

impl Deref for Polling {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl DerefMut for Polling {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.0
    }
}

/// Writes a task for each record that it is run for.
pub(super) fn tasks(trigger: &str) -> String {
    format!(
        "# file: pipelines/acme/members.yaml\nname: members\ntrigger: {trigger}\nsteps:\n  - upsert:\n      object: \
         salesforce.Task\n      match: {{ Stripe_Charge_Id__c: $.object.id }}\n      fields: {{ Subject: \"${{object.email}}\", \
         Status: Completed, Priority: Normal }}\n"
    )
}

impl Polling {
    /// The client `acme` with these pipelines, not running yet.
    pub(super) async fn with(pipelines: &str) -> Self {
        Self(World::with_pipelines(pipelines).await)
    }

    /// The client `acme` with one more connection, and these pipelines.
    pub(super) async fn with_connection(connection: &str, pipelines: &str) -> Self {
        let world = Self::with(pipelines).await;
        world.edit(
            "pipelines/acme/client.yaml",
            "connections:\n",
            &format!("connections:\n  {connection}\n"),
        );
        world
    }

    /// Asks Stripe's simulator to do something.
    pub(super) async fn stripe(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Value {
        let stripe = self.sandbox().stripe();
        let url = format!("{}/v1/{path}", stripe.url());
        let request = self.http().request(method.parse().unwrap(), url).bearer_auth(stripe.api_key());
        let body: Vec<String> = form.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"));
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// A new customer; gives its id.
    pub(super) async fn customer(&self, email: &str) -> String {
        let customer = self.stripe("POST", "customers", &[("email", email)]).await;
        customer["id"].as_str().unwrap().to_owned()
    }

    /// An opportunity in Salesforce; gives its id.
    pub(super) fn opportunity(&self, name: &str, stage: &str) -> String {
        let fields = lockstep::value::Value::map(
            [("Name", name), ("StageName", stage), ("CloseDate", "2026-12-01")]
                .map(|(key, value)| (key, lockstep::value::Value::from(value))),
        );
        self.sandbox().salesforce().seed("Opportunity", &fields).unwrap()
    }

    /// Waits until a poll that begins from now on is over.
    pub(super) async fn a_poll(&self) {
        let begun = self.newest_report().await;
        self.until("one more poll", async || self.newest_report().await >= begun + 2).await;
    }

    async fn newest_report(&self) -> i64 {
        let reports = self.reports().await;
        reports.first().map_or(0, |report| report["number"].as_i64().unwrap())
    }

    /// The reports of all polls, newest first.
    pub(super) async fn reports(&self) -> Vec<Value> {
        self.admin("/api/v1/reports?limit=1000").await.1["reports"].as_array().unwrap().clone()
    }

    /// What the tasks in Salesforce are called, sorted.
    pub(super) fn subjects(&self) -> Vec<String> {
        let tasks = self.sandbox().salesforce().records("Task");
        let subject = |task: &lockstep::value::Value| task.get("Subject")?.as_str().map(str::to_owned);
        let mut subjects: Vec<String> = tasks.iter().filter_map(subject).collect();
        subjects.sort();
        subjects
    }

    /// Waits until the tasks are called so.
    pub(super) async fn until_subjects(&self, expected: &[&str]) {
        self.until(&format!("tasks {expected:?}, not {:?}", self.subjects()), async || {
            self.subjects() == expected
        })
        .await;
    }

    /// The runs so far, oldest first: where they stand, and what they are about.
    pub(super) async fn runs(&self) -> Vec<(String, String)> {
        let runs = self.admin("/api/v1/runs?limit=1000").await.1;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let runs = runs["runs"].as_array().unwrap().iter();
        let mut runs: Vec<_> = runs.map(|run| (text(&run["state"]), text(&run["key"]))).collect();
        runs.reverse();
        runs
    }

    /// Waits until there are so many runs and all have ended.
    pub(super) async fn until_runs(&self, count: usize) {
        self.until(&format!("{count} runs"), async || self.runs().await.len() >= count).await;
        self.all_ended().await;
        assert_eq!(self.runs().await.len(), count);
    }
}

fn escaped(text: &str) -> String {
    text.replace('@', "%40").replace('+', "%2B")
}
