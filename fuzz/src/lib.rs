//! What each fuzz target does with its bytes, and what has to hold whatever they are.
//!
//! One module a target, each with a function `check`. `fuzz_targets/` hands them a fuzzer's bytes; a test of the main
//! crate (`tests/it/fuzz_cases.rs`) hands them the files of `corpus/`, which needs no fuzzer.

pub mod answer;
pub mod client;
mod findings;
pub mod json_path;
pub mod manifest;
pub mod pipeline;
mod sample;
pub mod script;
pub mod signature;
pub mod webhook;
