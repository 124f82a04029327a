//! What the whole costs, beside programs written by hand: `cargo bench --bench engine`.
//!
//! This process posts signed webhooks and plays the CRM; `lockstep run` and the programs written by hand
//! (`handwritten.rs`) are children, one after the other, several rounds, on the same events. An argument picks one
//! part, a second one its size:
//!
//! * `rounds [EVENTS]`: events a second, latencies, processor time; all programs in turns
//! * `idle`: from the acknowledgement to the CRM when there is little to do
//! * `memory [EVENTS]`: resident memory at rest and with a backlog
//! * `clients [CLIENTS]`: many clients in one process, beside ten
//! * `replicas [EVENTS]`: three processes over one PostgreSQL, beside one
//!
//! PostgreSQL is a server of the bench's own, in a temporary folder, with its usual settings.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench tells its figures, and ends when something is wrong"
)]

mod crm;
mod figures;
mod handwritten;
mod load;
mod marks;
mod parts;
/// The database is made as it is for the tests.
#[expect(dead_code, reason = "the tests do more with it")]
#[path = "../../tests/it/postgres/server.rs"]
mod server;
mod subject;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let argument = |at: usize| arguments.get(at).map(String::as_str);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some(child @ (handwritten::WHOLE | handwritten::GROUP_COMMIT)) = argument(0) {
        let (crm, store) = (argument(1).unwrap(), argument(2).unwrap());
        return runtime.block_on(handwritten::run(child, crm, store.as_ref()));
    }
    let size = |usual: usize| argument(1).map_or(usual, |text| text.parse().unwrap());
    runtime.block_on(async {
        match argument(0) {
            Some("rounds") => parts::rounds(size(10_000)).await,
            Some("idle") => parts::idle().await,
            Some("memory") => parts::memory(size(100_000)).await,
            Some("clients") => parts::clients(size(10_000)).await,
            Some("replicas") => parts::replicas(size(10_000)).await,
            None => {
                parts::rounds(10_000).await;
                parts::idle().await;
                parts::memory(100_000).await;
                parts::clients(10_000).await;
                parts::replicas(10_000).await;
            }
            Some(other) => panic!("no part is called {other}: rounds, idle, memory, clients, replicas"),
        }
    });
}
