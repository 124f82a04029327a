//! The binary: what was typed -> [`lockstep::cli::run`] -> exit code, and nothing else.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lockstep::cli::run(std::env::args_os()).into()
}
