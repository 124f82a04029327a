//! The traps of Salesforce's API, each against the simulator.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use lockstep::clock::{Clock, FixedClock};
use lockstep::sandbox::salesforce::{FieldShape, SalesforceOptions};
use lockstep::sandbox::{Fault, Salesforce, Sandbox, SandboxOptions};
use lockstep::value::Value;
use pretty_assertions::assert_eq;
use ring::signature::KeyPair;

/// An RSA key that only these tests know, as PKCS#8.
const KEY: &[u8] = include_bytes!("sandbox_jwt_key.der");

struct World {
    sandbox: Sandbox,
    clock: Arc<FixedClock>,
    client: reqwest::Client,
    token: String,
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(1_793_448_000).unwrap()));
        let key = ring::signature::RsaKeyPair::from_pkcs8(KEY).unwrap();
        let salesforce = SalesforceOptions {
            jwt_public_key: Some(key.public_key().as_ref().to_vec()),
            ..SalesforceOptions::default()
        };
        let options = SandboxOptions { clock: clock.clone(), salesforce, ..SandboxOptions::default() };
        let sandbox = Sandbox::start(options).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        let mut world = Self { sandbox, clock, client, token: String::new() };
        world.token = world.login().await.text(&["access_token"]);
        world
    }

    fn salesforce(&self) -> &Salesforce {
        self.sandbox.salesforce()
    }

    fn passes(&self, seconds: i64) {
        self.clock.set(Timestamp::from_second(self.clock.now().as_second() + seconds).unwrap());
    }

    async fn oauth(&self, form: &str) -> Answer {
        let url = format!("{}/services/oauth2/token", self.salesforce().url());
        let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded");
        Answer::of(request.body(form.to_owned()).send().await.unwrap()).await
    }

    async fn login(&self) -> Answer {
        let (id, secret) = (self.salesforce().client_id(), self.salesforce().client_secret());
        self.oauth(&format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")).await
    }

    fn request(&self, method: &str, path: &str, body: &str) -> reqwest::RequestBuilder {
        let path =
            if path.starts_with('/') { path.to_owned() } else { format!("/services/data/v66.0/{path}") };
        let request = self
            .client
            .request(method.parse().unwrap(), format!("{}{path}", self.salesforce().url()))
            .bearer_auth(&self.token)
            .header("sforce-auto-assign", "FALSE");
        if body.is_empty() {
            request
        } else {
            request.header("content-type", "application/json").body(body.to_owned())
        }
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        Answer::of(self.request(method, path, body).send().await.unwrap()).await
    }

    /// Creates what must succeed, and gives its id.
    async fn make(&self, object: &str, body: &str) -> String {
        let answer = self.call("POST", &format!("sobjects/{object}"), body).await;
        assert_eq!(answer.status, 201, "{object} {body}: {}", answer.body);
        answer.text(&["id"])
    }

    async fn query(&self, soql: &str) -> Answer {
        let encoded = soql.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        self.call("GET", &format!("query?q={encoded}"), "").await
    }

    async fn names(&self, soql: &str) -> Vec<String> {
        let answer = self.query(soql).await;
        assert_eq!(answer.status, 200, "{soql}: {}", answer.body);
        let rows = answer.body.get("records").unwrap().as_list().unwrap().to_vec();
        rows.iter().map(|row| row.get("Name").unwrap().to_string()).collect()
    }
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: Value::from_json(&response.bytes().await.unwrap()).unwrap_or_default() }
    }

    fn at(&self, path: &[&str]) -> Value {
        self.body.at(path).cloned().unwrap_or_default()
    }

    fn text(&self, path: &[&str]) -> String {
        self.at(path).to_string()
    }

    /// The status and the code of an error, which is a list.
    fn refused(&self) -> (u16, String) {
        let first = self.body.as_list().and_then(<[Value]>::first).cloned().unwrap_or_default();
        (self.status, first.get("errorCode").cloned().unwrap_or_default().to_string())
    }
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_token_says_where_to_call_and_not_how_long_it_lives() {
    let world = World::new().await;
    let answer = world.login().await;
    assert_eq!(answer.text(&["instance_url"]), world.salesforce().url());
    assert_eq!(answer.body.get("expires_in"), None);
    assert_eq!(answer.text(&["issued_at"]), "1793448000000", "milliseconds, as text");
    assert!(answer.text(&["access_token"]).contains('!'));
    let wrong = world.oauth("grant_type=client_credentials&client_id=sandbox_client&client_secret=no").await;
    assert_eq!((wrong.status, wrong.text(&["error"])), (400, "invalid_client".to_owned()));
}

#[tokio::test]
async fn a_jwt_is_verified_claim_by_claim() {
    let world = World::new().await;
    let now = world.clock.now().as_second();
    let good = format!(
        r#"{{"iss":"sandbox_client","sub":"integration@sandbox.example","aud":"https://login.salesforce.com","exp":{}}}"#,
        now + 170
    );
    let token = world.oauth(&jwt(&good)).await;
    assert_eq!(token.status, 200, "{}", token.body);
    for (bad, error) in [
        (good.replace("sandbox_client", "other"), "invalid_client_id"),
        (good.replace("integration@", "someone@"), "invalid_grant"),
        (good.replace("login.salesforce", "login.example"), "invalid_grant"),
        (good.replace(&(now + 170).to_string(), &(now - 1).to_string()), "invalid_grant"),
        (good.replace(&(now + 170).to_string(), &(now + 3600).to_string()), "invalid_grant"),
        (good.replace(&(now + 170).to_string(), &format!("\"{}\"", now + 170)), "invalid_grant"),
    ] {
        let answer = world.oauth(&jwt(&bad)).await;
        assert_eq!((answer.status, answer.text(&["error"])), (400, error.to_owned()), "{bad}");
    }
    let (head, _) =
        jwt(&good).rsplit_once('.').map(|(head, tail)| (head.to_owned(), tail.to_owned())).unwrap();
    let forged = world.oauth(&format!("{head}.{}", URL_SAFE_NO_PAD.encode([0_u8; 256]))).await;
    assert_eq!(forged.text(&["error"]), "invalid_grant");
}

fn jwt(claims: &str) -> String {
    let key = ring::signature::RsaKeyPair::from_pkcs8(KEY).unwrap();
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), URL_SAFE_NO_PAD.encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    key.sign(&ring::signature::RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    format!("grant_type={grant}&assertion={signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn sessions_end_and_the_instance_may_move() {
    let mut world = World::new().await;
    world.passes(2 * 60 * 60 - 1);
    assert_eq!(world.call("GET", "limits", "").await.status, 200, "each call keeps the session alive");
    world.passes(2 * 60 * 60);
    assert_eq!(world.call("GET", "limits", "").await.refused(), refused(401, "INVALID_SESSION_ID"));
    world.token = world.login().await.text(&["access_token"]);
    world.salesforce().faults().add(Fault::expired_session());
    assert_eq!(world.call("GET", "limits", "").await.refused(), refused(401, "INVALID_SESSION_ID"));
    assert_eq!(world.call("GET", "limits", "").await.status, 401, "for good");
    world.salesforce().move_instance();
    let moved = world.login().await;
    world.token = moved.text(&["access_token"]);
    assert_eq!(world.call("GET", "limits", "").await.status, 401, "not at the old place");
    let url = format!("{}/services/data/v66.0/limits", moved.text(&["instance_url"]));
    assert_eq!(world.client.get(url).bearer_auth(&world.token).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn records_are_created_changed_and_deleted_with_salesforces_statuses() {
    let world = World::new().await;
    let created = world.call("POST", "sobjects/Account", r#"{"Name":"  Acme ","AnnualRevenue":1188}"#).await;
    assert_eq!((created.status, created.at(&["success"])), (201, Value::from(true)));
    let id = created.text(&["id"]);
    assert_eq!(id.len(), 18);
    let read = world.call("GET", &format!("sobjects/Account/{}", &id[..15]), "").await;
    assert_eq!(read.text(&["Name"]), "Acme", "text is trimmed");
    assert_eq!(read.body.get("AnnualRevenue").unwrap().to_json(), "1188.0");
    assert_eq!(read.text(&["CreatedDate"]), "2026-10-31T12:00:00.000+0000");
    assert_eq!(read.body.get("Phone"), Some(&Value::Null), "unset fields are there with null");
    let path = format!("sobjects/Account/{id}");
    let updated = world.call("PATCH", &path, r#"{"Name":"Acme Ltd","Industry":""}"#).await;
    assert_eq!((updated.status, updated.body), (204, Value::Null));
    let some = world.call("GET", &format!("{path}?fields=Name"), "").await;
    assert_eq!(some.text(&["Name"]), "Acme Ltd");
    assert_eq!(some.body.get("Phone"), None);
    assert_eq!(world.call("DELETE", &path, "").await.status, 204);
    assert_eq!(world.call("DELETE", &path, "").await.refused(), refused(404, "ENTITY_IS_DELETED"));
    assert_eq!(
        world.call("GET", "sobjects/Account/0015g0000099999", "").await.refused(),
        refused(404, "NOT_FOUND")
    );
    let encoded = "SELECT+Id,IsDeleted+FROM+Account";
    assert_eq!(world.call("GET", &format!("query?q={encoded}"), "").await.at(&["totalSize"]), Value::from(0));
    assert_eq!(
        world.call("GET", &format!("queryAll?q={encoded}"), "").await.at(&["totalSize"]),
        Value::from(1)
    );
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_its_code() {
    let world = World::new().await;
    let account = world.make("Account", r#"{"Name":"Acme"}"#).await;
    for (object, body, code) in [
        ("Contact", r#"{"FirstName":"Ann"}"#.to_owned(), "REQUIRED_FIELD_MISSING"),
        ("Contact", r#"{"LastName":"Lee","Nope__c":1}"#.to_owned(), "INVALID_FIELD"),
        ("Contact", r#"{"LastName":"Lee","CurrencyIsoCode":"USD"}"#.to_owned(), "INVALID_FIELD"),
        ("Contact", r#"{"LastName":"Lee","Name":"Ann Lee"}"#.to_owned(), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Contact", format!(r#"{{"LastName":"{}"}}"#, "x".repeat(81)), "STRING_TOO_LONG"),
        ("Contact", r#"{"LastName":"Lee","Email":"nobody"}"#.to_owned(), "INVALID_EMAIL_ADDRESS"),
        ("Contact", r#"{"LastName":"Lee","AccountId":"x"}"#.to_owned(), "MALFORMED_ID"),
        (
            "Contact",
            r#"{"LastName":"Lee","AccountId":"0015g0000099999"}"#.to_owned(),
            "INVALID_CROSS_REFERENCE_KEY",
        ),
        (
            "Account",
            r#"{"Name":"A","Subscription_Status__c":"Bad"}"#.to_owned(),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ),
        ("Account", r#"{"Name":"A","AnnualRevenue":1e20}"#.to_owned(), "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Account", r#"{"Name":5}"#.to_owned(), "JSON_PARSER_ERROR"),
        ("Account", r#"{"Name":"A"#.to_owned(), "JSON_PARSER_ERROR"),
        ("Task", format!(r#"{{"ActivityDate":"soon","WhatId":"{account}"}}"#), "JSON_PARSER_ERROR"),
        (
            "Order",
            format!(r#"{{"AccountId":"{account}","EffectiveDate":"2026-11-02","Status":"Activated"}}"#),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
    ] {
        let answer = world.call("POST", &format!("sobjects/{object}"), &body).await;
        assert_eq!(answer.refused(), refused(400, code), "{object} {body}: {}", answer.body);
    }
    let lost = world.call("PATCH", &format!("sobjects/Account/{account}"), r#"{"Name":null}"#).await;
    assert_eq!(lost.refused(), refused(400, "REQUIRED_FIELD_MISSING"));
    let read_only =
        world.call("PATCH", &format!("sobjects/Account/{account}"), r#"{"CreatedDate":null}"#).await;
    assert_eq!(read_only.refused(), refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE"));
    assert_eq!(world.call("POST", "sobjects/Nothing", "{}").await.refused(), refused(404, "NOT_FOUND"));
    assert_eq!(world.salesforce().counts().writes, 1);
}

#[tokio::test]
async fn an_upsert_answers_201_then_200_and_204_in_old_versions() {
    let world = World::new().await;
    let path = "sobjects/Account/Stripe_Customer_Id__c/cus%2F1%23%2B%20%C3%A9";
    let created = world.call("PATCH", path, r#"{"Name":"Acme"}"#).await;
    assert_eq!((created.status, created.at(&["created"])), (201, Value::from(true)));
    let updated = world.call("PATCH", path, r#"{"Name":"Acme Ltd"}"#).await;
    assert_eq!((updated.status, updated.at(&["created"])), (200, Value::from(false)));
    assert_eq!(updated.text(&["id"]), created.text(&["id"]));
    let stored = world.salesforce().records("Account");
    assert_eq!(stored[0].get("Stripe_Customer_Id__c"), Some(&Value::from("cus/1#+ é")));
    let old = world.call("PATCH", &format!("/services/data/v45.0/{path}"), r#"{"Name":"Old"}"#).await;
    assert_eq!((old.status, old.body), (204, Value::Null));
    let in_body = world.call("PATCH", path, r#"{"Stripe_Customer_Id__c":"cus_2"}"#).await;
    assert_eq!(in_body.refused(), refused(400, "INVALID_FIELD"));
    let only = "sobjects/Account/Stripe_Customer_Id__c/cus_9?updateOnly=true";
    assert_eq!(world.call("PATCH", only, r#"{"Name":"X"}"#).await.refused(), refused(404, "NOT_FOUND"));
    let no_external_id = world.call("PATCH", "sobjects/Account/Phone/1", r#"{"Name":"X"}"#).await;
    assert_eq!(no_external_id.refused(), refused(404, "NOT_FOUND"));
    let by_mail =
        world.call("PATCH", "sobjects/Contact/Email/ann%40x.example", r#"{"LastName":"Lee"}"#).await;
    assert_eq!(by_mail.status, 201, "Email is a look-up of its own");
}

#[tokio::test]
async fn a_value_in_several_records_is_300_and_nothing_is_written() {
    let world = World::new().await;
    world.salesforce().declare("Account", "Legacy_Id__c", FieldShape::external_id(false));
    let one = world.make("Account", r#"{"Name":"One","Legacy_Id__c":"7"}"#).await;
    let two = world.make("Account", r#"{"Name":"Two","Legacy_Id__c":"7"}"#).await;
    let writes = world.salesforce().counts().writes;
    let answer = world.call("PATCH", "sobjects/Account/Legacy_Id__c/7", r#"{"Name":"X"}"#).await;
    let base = "/services/data/v66.0/sobjects/Account";
    let urls = Value::list([Value::from(format!("{base}/{one}")), Value::from(format!("{base}/{two}"))]);
    assert_eq!((answer.status, answer.body), (300, urls));
    assert_eq!(world.salesforce().counts().writes, writes);
    assert_eq!(world.call("GET", "sobjects/Account/Legacy_Id__c/7", "").await.status, 300);
}

#[tokio::test]
async fn a_unique_external_id_stands_once_and_tells_its_holder() {
    let world = World::new().await;
    let holder = world.make("Account", r#"{"Name":"One","Stripe_Customer_Id__c":"cus_1"}"#).await;
    let second =
        world.call("POST", "sobjects/Account", r#"{"Name":"Two","Stripe_Customer_Id__c":"cus_1"}"#).await;
    assert_eq!(second.refused(), refused(400, "DUPLICATE_VALUE"));
    assert!(second.body.to_json().contains(&format!(
        "duplicate value found: Stripe_Customer_Id__c duplicates value on record with id: {holder}"
    )));
    world.make("Account", r#"{"Name":"Three","Stripe_Customer_Id__c":"CUS_1"}"#).await;
    let contact =
        world.make("Contact", r#"{"LastName":"Lee","Account":{"Stripe_Customer_Id__c":"cus_1"}}"#).await;
    let read = world.call("GET", &format!("sobjects/Contact/{contact}"), "").await;
    assert_eq!(read.text(&["AccountId"]), holder, "related by external id");
    let missing = world
        .call("POST", "sobjects/Contact", r#"{"LastName":"L","Account":{"Stripe_Customer_Id__c":"no"}}"#)
        .await;
    assert_eq!(missing.refused(), refused(400, "INVALID_FIELD"));
}

#[tokio::test]
async fn assignment_takes_the_owner_away_unless_it_is_told_not_to() {
    let world = World::new().await;
    let owner = world.salesforce().add_user("Ann", "Owner", "owner@sandbox.example");
    let body = format!(r#"{{"LastName":"Lee","Company":"Acme","OwnerId":"{owner}"}}"#);
    let kept = world.make("Lead", &body).await;
    assert_eq!(world.call("GET", &format!("sobjects/Lead/{kept}"), "").await.text(&["OwnerId"]), owner);
    let plain = world.request("PATCH", &format!("sobjects/Lead/{kept}"), r#"{"Title":"CTO"}"#);
    let plain = plain.header("sforce-auto-assign", "TRUE").build().map(|mut request| {
        request.headers_mut().insert("sforce-auto-assign", "TRUE".parse().unwrap());
        request
    });
    assert_eq!(world.client.execute(plain.unwrap()).await.unwrap().status(), 204);
    let taken = world.call("GET", &format!("sobjects/Lead/{kept}"), "").await.text(&["OwnerId"]);
    assert_ne!(taken, owner);
}

#[tokio::test]
async fn duplicate_rules_answer_with_their_misspelt_key() {
    let world = World::new().await;
    world.salesforce().duplicate_rule("Contact", "Email", true);
    let body = r#"{"LastName":"Lee","Email":"ann@x.example"}"#;
    world.make("Contact", body).await;
    let answer = world.call("POST", "sobjects/Contact", body).await;
    assert_eq!(answer.refused(), refused(400, "DUPLICATES_DETECTED"));
    let first = &answer.body.as_list().unwrap()[0];
    assert_eq!(first.at(&["duplicateResut", "allowSave"]), Some(&Value::from(true)));
    let saved = world
        .request("POST", "sobjects/Contact", body)
        .header("sforce-duplicate-rule-header", "allowSave=true");
    assert_eq!(saved.send().await.unwrap().status(), 201);
    world.salesforce().duplicate_rule("Lead", "Email", false);
    let body = r#"{"LastName":"Lee","Company":"A","Email":"ann@x.example"}"#;
    world.make("Lead", body).await;
    let blocked =
        world.request("POST", "sobjects/Lead", body).header("sforce-duplicate-rule-header", "allowSave=true");
    assert_eq!(blocked.send().await.unwrap().status(), 400, "a blocking rule does not yield");
}

#[tokio::test]
async fn queries_select_by_type_and_case() {
    let world = World::new().await;
    for (name, revenue, note) in
        [("Acme", "10", "a_b"), ("acme 100%", "20", "axb"), ("O'Brien \\\\", "30", "")]
    {
        world
            .make("Account", &format!(r#"{{"Name":"{name}","AnnualRevenue":{revenue},"Fax":"{note}"}}"#))
            .await;
        world.passes(60);
    }
    for (filter, expected) in [
        ("Name = 'ACME'", vec!["Acme"]),
        (r"Name = 'O\'Brien \\'", vec!["O'Brien \\"]),
        (r"Name LIKE '%100\%'", vec!["acme 100%"]),
        (r"Fax LIKE 'a\_b'", vec!["Acme"]),
        ("Fax = ''", vec!["O'Brien \\"]),
        ("Fax != null", vec!["Acme", "acme 100%"]),
        ("AnnualRevenue >= 20", vec!["acme 100%", "O'Brien \\"]),
        ("Name IN ('acme', 'none') OR AnnualRevenue = 30", vec!["Acme", "O'Brien \\"]),
        ("NOT (Name LIKE 'acme%')", vec!["O'Brien \\"]),
        ("SystemModstamp > 2026-10-31T12:00:00Z", vec!["acme 100%", "O'Brien \\"]),
        ("IsDeleted = false AND Owner.Name LIKE 'Integration%'", vec!["Acme", "acme 100%", "O'Brien \\"]),
    ] {
        assert_eq!(
            world.names(&format!("SELECT Id, Name FROM Account WHERE {filter}")).await,
            expected,
            "{filter}"
        );
    }
    let ordered = "SELECT Name FROM Account ORDER BY AnnualRevenue DESC NULLS LAST LIMIT 2";
    assert_eq!(world.names(ordered).await, ["O'Brien \\", "acme 100%"]);
}

#[tokio::test]
async fn queries_that_are_wrong_are_refused_with_their_code() {
    let world = World::new().await;
    for (soql, code) in [
        ("SELECT Id FROM Account WHERE Name = 'open", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Id IN ()", "MALFORMED_QUERY"),
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE AnnualRevenue = '5'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Subscription", "INVALID_TYPE"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ] {
        assert_eq!(world.query(soql).await.refused(), refused(400, code), "{soql}");
    }
    let long = format!("query?q=SELECT+Id+FROM+Account+WHERE+Name+=+'{}'", "x".repeat(17_000));
    assert_eq!(world.call("GET", &long, "").await.status, 414);
}

#[tokio::test]
async fn pages_may_be_short_and_their_locators_end() {
    let world = World::new().await;
    world.salesforce().page_length(2);
    for n in 0..5 {
        world.make("Account", &format!(r#"{{"Name":"n{n}"}}"#)).await;
    }
    let first = world.query("SELECT Name FROM Account ORDER BY Name").await;
    assert_eq!((first.at(&["totalSize"]), first.at(&["done"])), (Value::from(5), Value::from(false)));
    let next = first.text(&["nextRecordsUrl"]);
    assert!(next.starts_with("/services/data/v66.0/query/01g") && next.ends_with("-2"), "{next}");
    let second = world.call("GET", &next, "").await;
    assert_eq!(second.at(&["records"]).as_list().unwrap().len(), 2);
    let last = world.call("GET", &second.text(&["nextRecordsUrl"]), "").await;
    assert_eq!((last.at(&["done"]), last.body.get("nextRecordsUrl")), (Value::from(true), None));
    world.salesforce().session_lifetime(Duration::from_hours(7 * 24));
    let open = world.query("SELECT Name FROM Account").await.text(&["nextRecordsUrl"]);
    world.passes(2 * 24 * 60 * 60);
    assert_eq!(world.call("GET", &open, "").await.refused(), refused(400, "INVALID_QUERY_LOCATOR"));
}

#[tokio::test]
async fn parents_children_and_counts_come_in_their_shapes() {
    let world = World::new().await;
    let account = world.make("Account", r#"{"Name":"Acme"}"#).await;
    world
        .make("Contact", &format!(r#"{{"LastName":"Lee","FirstName":"Ann","AccountId":"{account}"}}"#))
        .await;
    world.make("Contact", r#"{"LastName":"Private"}"#).await;
    let answer = world.query("SELECT Name, Account.Name FROM Contact ORDER BY Name").await.at(&["records"]);
    let rows = answer.as_list().unwrap();
    assert_eq!(rows[0].at(&["Account", "Name"]), Some(&Value::from("Acme")));
    assert_eq!(rows[0].at(&["Account", "attributes", "type"]), Some(&Value::from("Account")));
    assert_eq!(rows[1].get("Account"), Some(&Value::Null), "no parent is null");
    let children =
        world.query("SELECT Name, (SELECT LastName FROM Contacts) FROM Account").await.at(&["records"]);
    assert_eq!(children.as_list().unwrap()[0].at(&["Contacts", "totalSize"]), Some(&Value::from(1)));
    let count = world.query("SELECT COUNT() FROM Contact").await;
    assert_eq!((count.at(&["totalSize"]), count.at(&["records"])), (Value::from(2), Value::list([])));
    let all = world.query("SELECT FIELDS(ALL) FROM Account LIMIT 200").await.at(&["records"]);
    assert!(all.as_list().unwrap()[0].get("Stripe_Customer_Id__c").is_some());
}

#[tokio::test]
async fn tasks_follow_what_they_are_about() {
    let world = World::new().await;
    let account = world.make("Account", r#"{"Name":"Acme"}"#).await;
    let contact = world.make("Contact", &format!(r#"{{"LastName":"Lee","AccountId":"{account}"}}"#)).await;
    let lead = world.make("Lead", r#"{"LastName":"Lee","Company":"Acme"}"#).await;
    let task =
        world.make("Task", &format!(r#"{{"Subject":"Call","WhoId":"{contact}","Priority":"High"}}"#)).await;
    let read = world.call("GET", &format!("sobjects/Task/{task}"), "").await;
    assert_eq!(read.text(&["AccountId"]), account);
    assert_eq!(
        (read.text(&["Status"]), read.at(&["IsHighPriority"])),
        ("Not Started".to_owned(), Value::from(true))
    );
    let both =
        world.call("POST", "sobjects/Task", &format!(r#"{{"WhoId":"{lead}","WhatId":"{account}"}}"#)).await;
    assert_eq!(both.refused(), refused(400, "FIELD_INTEGRITY_EXCEPTION"));
}

#[tokio::test]
async fn every_call_is_counted_and_the_days_quota_is_a_403() {
    let world = World::new().await;
    world.salesforce().daily_limit(2);
    let first = world.call("GET", "limits", "").await;
    assert_eq!(first.headers["sforce-limit-info"], "api-usage=1/2");
    world.call("GET", "limits", "").await;
    let third = world.call("GET", "limits", "").await;
    assert_eq!(third.refused(), refused(403, "REQUEST_LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn a_row_lock_is_a_400_and_an_answer_can_be_lost_after_the_write() {
    let world = World::new().await;
    world.salesforce().faults().add(Salesforce::row_lock().on("POST", "/services/data/*/sobjects/Task"));
    assert_eq!(world.call("POST", "sobjects/Task", "{}").await.refused(), refused(400, "UNABLE_TO_LOCK_ROW"));
    world
        .salesforce()
        .faults()
        .add(Fault::reset().on("POST", "/services/data/*/sobjects/Task").after_the_work());
    assert!(world.request("POST", "sobjects/Task", "{}").send().await.is_err());
    assert_eq!(world.salesforce().records("Task").len(), 1);
    world.salesforce().faults().add(Fault::answer(503));
    assert_eq!(world.call("GET", "limits", "").await.refused(), refused(503, "SERVER_UNAVAILABLE"));
}

#[tokio::test]
async fn collections_are_200_and_tell_each_record() {
    let world = World::new().await;
    let record = |body: &str| format!(r#"{{"attributes":{{"type":"Contact"}},{body}}}"#);
    let body = |all: bool| {
        let records = [record(r#""LastName":"One""#), record(r#""FirstName":"No""#)].join(",");
        format!(r#"{{"allOrNone":{all},"records":[{records}]}}"#)
    };
    let some = world.call("POST", "composite/sobjects", &body(false)).await;
    let rows = some.body.as_list().unwrap().to_vec();
    assert_eq!(
        (some.status, rows[0].get("success"), rows[1].get("success")),
        (200, Some(&Value::from(true)), Some(&Value::from(false)))
    );
    let error = &rows[1].get("errors").unwrap().as_list().unwrap()[0];
    assert_eq!(error.get("statusCode"), Some(&Value::from("REQUIRED_FIELD_MISSING")));
    assert_eq!(error.get("errorCode"), None);
    let none = world.call("POST", "composite/sobjects", &body(true)).await;
    let first = none.body.as_list().unwrap()[0].get("errors").unwrap().as_list().unwrap()[0].clone();
    assert_eq!(
        (none.status, first.get("statusCode").unwrap().to_string()),
        (200, "ALL_OR_NONE_OPERATION_ROLLED_BACK".to_owned())
    );
    assert_eq!(world.salesforce().records("Contact").len(), 1);
    let account = |id: &str| {
        format!(r#"{{"attributes":{{"type":"Account"}},"Stripe_Customer_Id__c":"{id}","Name":"A"}}"#)
    };
    let twice = format!(r#"{{"records":[{},{},{}]}}"#, account("cus_1"), account("cus_2"), account("cus_1"));
    let upserted = world.call("PATCH", "composite/sobjects/Account/Stripe_Customer_Id__c", &twice).await;
    let rows = upserted.body.as_list().unwrap().to_vec();
    assert_eq!(rows[1].get("created"), Some(&Value::from(true)));
    assert!(rows[2].to_json().contains("DUPLICATE_VALUE"), "{}", upserted.body);
    let ids: Vec<String> = rows[..2].iter().map(|row| row.get("id").unwrap().to_string()).collect();
    let gone = world.call("DELETE", &format!("composite/sobjects?ids={},{}", ids[0], ids[1]), "").await;
    assert_eq!(gone.body.as_list().unwrap().len(), 2);
    let many = vec![record(r#""LastName":"X""#); 201].join(",");
    let refusal = world.call("POST", "composite/sobjects", &format!(r#"{{"records":[{many}]}}"#)).await;
    assert_eq!(refusal.refused(), refused(400, "LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn a_composite_is_200_even_when_its_parts_fail() {
    let world = World::new().await;
    let base = "/services/data/v66.0/sobjects";
    let body = |all: bool| {
        format!(
            r#"{{"allOrNone":{all},"compositeRequest":[
                {{"method":"PATCH","url":"{base}/Account/Stripe_Customer_Id__c/cus_{all}","referenceId":"acc","body":{{"Name":"Acme"}}}},
                {{"method":"POST","url":"{base}/Contact","referenceId":"con","body":{{"LastName":"Lee","AccountId":"@{{acc.id}}"}}}},
                {{"method":"POST","url":"{base}/Opportunity","referenceId":"opp","body":{{"Name":"Plan"}}}},
                {{"method":"POST","url":"{base}/Task","referenceId":"task","body":{{"WhatId":"@{{opp.id}}"}}}}]}}"#
        )
    };
    let answer = world.call("POST", "composite", &body(false)).await;
    let parts = answer.at(&["compositeResponse"]);
    let statuses: Vec<_> =
        parts.as_list().unwrap().iter().map(|part| part.get("httpStatusCode").unwrap().to_string()).collect();
    assert_eq!((answer.status, statuses), (200, ["201", "201", "400", "400"].map(str::to_owned).to_vec()));
    assert!(parts.as_list().unwrap()[3].to_json().contains("PROCESSING_HALTED"));
    assert_eq!(world.salesforce().records("Contact").len(), 1);
    let rolled_back = world.call("POST", "composite", &body(true)).await;
    assert_eq!(rolled_back.status, 200);
    assert_eq!(world.salesforce().records("Account").len(), 1, "nothing of the second one stayed");
}
