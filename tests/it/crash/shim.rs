//! A library that is loaded before the C library: it knows what a power cut would leave of files, and sets clocks.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles it into `folder`.
pub(super) fn compile(folder: &Path) -> PathBuf {
    let library = folder.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/crash/shim.c");
    let compiled = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    library
}
