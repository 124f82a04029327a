//! How many calls the example clients make: `cargo bench --bench calls`.
//!
//! Each client of `pipelines/` runs as `lockstep run` does, beside simulators that write down what they are asked. What stands
//! beside each figure is the least that the system's API allows for the same work, one record a call: each record that has to be
//! read to decide, once, and each one that is written, once. `cargo bench --bench calls -- polls 10000` lists so many customers
//! instead, and tells what a poll of unchanged ones costs.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a bench tells its figures, and ends when something is wrong"
)]

mod flows;
mod polls;
mod subject;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["flows"] => runtime.block_on(flows::measure()),
        ["polls", count @ ..] => {
            let count = count.first().map_or(10_000, |count| count.parse().unwrap());
            runtime.block_on(polls::measure(count));
        }
        _ => println!("flows, or polls and a number"),
    }
}
