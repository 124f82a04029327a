//! How much `validate` finds: single mistakes, made everywhere they fit in the example clients.
//!
//! A mistake is an edit of one file of a client (`spelling`, `writing`, `meaning`: what kinds there are), with the lines on which its
//! finding should stand. Each is checked in memory, beside the files that it has to do with. By itself the test tries a
//! few of each kind; `LOCKSTEP_MUTATIONS=all` tries all of them, and `--nocapture` shows the table and what was missed.

mod client;
mod meaning;
mod run;
mod spelling;
mod table;
mod writing;

use client::{Client, Mistake, Page};
use pretty_assertions::assert_eq;
use run::Verdict;
use table::Table;

/// Of each kind, this many are tried unless all are asked for.
const SAMPLE: usize = 6;

/// The shares to hold: found, and of those, found on the right line.
const FOUND: f64 = 0.95;
const PLACED: f64 = 0.99;

#[test]
fn the_example_clients_have_no_finding() {
    for client in Client::all() {
        assert_eq!(run::findings(&client.files()), Vec::<String>::new(), "{}", client.name);
    }
}

#[test]
fn single_mistakes_are_found_where_they_are() {
    let all = std::env::var_os("LOCKSTEP_MUTATIONS").is_some_and(|value| value == "all");
    let clients = Client::all();
    let mut table = Table::default();
    for (name, make) in [spelling::KINDS, writing::KINDS, meaning::KINDS].concat() {
        let mut mistakes: Vec<_> = clients
            .iter()
            .flat_map(|client| {
                client.pages.iter().flat_map(move |page| make(client, page)).map(move |it| (client, it))
            })
            .collect();
        assert!(!mistakes.is_empty(), "{name}: fits nowhere");
        if !all && mistakes.len() > SAMPLE {
            let step = mistakes.len();
            let mut number = 0;
            // Spread over all clients.
            mistakes.retain(|_| {
                number += 1;
                (number * SAMPLE) / step != ((number - 1) * SAMPLE) / step
            });
        }
        table.add(name, run::tried(&mistakes));
    }
    println!("{table}");
    let kinds = table.kinds();
    assert!(kinds >= 25, "{kinds} kinds");
    assert!(table.found() >= FOUND, "{table}");
    assert!(table.placed() >= PLACED, "{table}");
}

/// One kind of mistake: what was done, and where it fits.
type Kind = (&'static str, fn(&Client, &Page) -> Vec<Mistake>);

/// What came of one mistake.
struct Tried {
    shown: String,
    verdict: Verdict,
}
