//! The engine over a real store, with pipelines that do what a test says. What YAML makes of a pipeline is tested
//! where it is seen from the outside; here it is the order, the retries, and what a crash leaves.

mod alerts;
mod circuit;
mod crash;
mod fairness;
mod order;
mod retry;
mod stale;
mod world;
