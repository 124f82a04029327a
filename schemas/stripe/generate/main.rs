//! Makes `schemas/stripe/<api version>.json` from the type declarations of Stripe's own SDK for Node.js: names and types,
//! none of its text.
//!
//! `cargo run --example stripe-schema -- 23.1.0` fetches that version of the package `stripe` with npm and writes the
//! file; a folder in place of the version is read as it is. Which objects are described is the list in `shape.rs`.

#![expect(clippy::print_stderr, reason = "a tool of the command line tells what it did")]

mod declarations;
mod shape;
mod tokens;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use declarations::Package;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let wanted = env::args().nth(1).ok_or("which version of the npm package `stripe`, or which folder?")?;
    let folder = PathBuf::from(&wanted);
    let folder = if folder.is_dir() { folder } else { fetched(&wanted)? };
    let package = Package::read(&folder.join("esm"))?;
    let schema = shape::schema(&package)?;
    let target =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/stripe/{}.json", schema.api_version));
    fs::write(&target, schema.text)?;
    eprintln!("wrote {}: {} events, {} fields", target.display(), schema.events, schema.fields);
    Ok(())
}

/// The package of this version, unpacked into a folder for temporary files.
fn fetched(version: &str) -> Result<PathBuf, Failure> {
    let folder = env::temp_dir().join(format!("stripe-schema-{version}"));
    fs::create_dir_all(&folder)?;
    let packed =
        Command::new("npm").args(["pack", &format!("stripe@{version}")]).current_dir(&folder).output()?;
    if !packed.status.success() {
        return Err(String::from_utf8_lossy(&packed.stderr).into());
    }
    let archive = format!("stripe-{version}.tgz");
    let unpacked = Command::new("tar").args(["-xzf", &archive]).current_dir(&folder).status()?;
    if !unpacked.success() {
        return Err(format!("{archive} could not be unpacked").into());
    }
    Ok(folder.join("package"))
}
