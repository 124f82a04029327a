//! TLS to the database: a real handshake, with certificates that fit and with some that do not.
//!
//! The server has a certificate for `localhost`, made by an authority of these tests (`tls/`, valid until 2100).

use lockstep::store::{Access, StoreAddress, StoreError, open};

use super::server::{PASSWORD, Stoppable, psql, server};

const CERTIFICATE: &str = include_str!("tls/server.pem");
const KEY: &str = include_str!("tls/server-key.pem");

/// A file of this folder.
fn file(name: &str) -> String {
    format!("{}/tests/it/postgres/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A server that speaks TLS, and plainly too.
fn secured() -> Stoppable {
    Stoppable::start_with("-c ssl=on", &[("ssl_cert_file", CERTIFICATE), ("ssl_key_file", KEY)])
}

async fn refusal(url: &str) -> String {
    match open(&url.parse().unwrap(), Access::Run).await {
        Ok(_) => panic!("it was opened"),
        Err(refusal) => {
            assert!(matches!(refusal, StoreError::Unopened { .. }), "{refusal:?}");
            refusal.to_string()
        }
    }
}

#[tokio::test]
async fn a_database_with_a_certificate_of_a_named_authority_is_talked_to_over_tls() {
    let secured = secured();
    for mode in ["sslmode=require&", "sslmode=verify-full&", ""] {
        let plain = secured.server().database();
        let url = format!(
            "{}?{mode}sslrootcert={}",
            plain.replace("127.0.0.1", "localhost"),
            file("authority.pem")
        );
        let address: StoreAddress = url.parse().unwrap();
        let store = open(&address, Access::Run).await.unwrap();
        assert!(store.counts().await.unwrap().unfinished.is_empty());
        let connections = "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                           WHERE application_name = 'lockstep' AND datname = current_database()";
        assert_eq!(psql(&plain, &format!("SELECT count(*) {connections} AND NOT ssl")), "0", "{mode}");
        assert_ne!(psql(&plain, &format!("SELECT count(*) {connections} AND ssl")), "0", "{mode}");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_refused_with_words() {
    let secured = secured();
    let here = secured.server().database();
    let named = here.replace("127.0.0.1", "localhost");
    for (url, because) in [
        // Another authority; none that the machine knows; another name than the certificate's.
        (format!("{named}?sslmode=verify-full&sslrootcert={}", file("another.pem")), "certificate"),
        (format!("{named}?sslmode=require&sslrootcert={}", file("another.pem")), "certificate"),
        (format!("{named}?sslmode=require"), "certificate"),
        (format!("{here}?sslmode=verify-full&sslrootcert={}", file("authority.pem")), "not valid for name"),
        // What is no certificate, or not there.
        (format!("{named}?sslrootcert={}", file("server-key.pem")), "it holds no certificate"),
        (format!("{named}?sslrootcert={}", file("missing.pem")), "missing.pem"),
        // A server that speaks no TLS.
        (format!("{}?sslmode=require", server().database()), "TLS"),
    ] {
        let words = refusal(&url).await;
        assert!(words.contains(because), "{url}: {words}");
        assert!(!words.contains(PASSWORD), "{words}");
    }
}
