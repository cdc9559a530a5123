//! Files under `testdata/` that hold what a test expects, so that a person can read them and their changes.
#![expect(clippy::disallowed_methods, reason = "tests read their files and one switch")]

use std::path::PathBuf;
use std::{env, fs};

/// Compares a text with the file of that name under `testdata/`; with `KEEPWARM_BLESS=1` writes the file instead.
pub(crate) fn check(name: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata", name].iter().collect();
    if env::var("KEEPWARM_BLESS").is_ok_and(|bless| bless == "1") {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "testdata/{name} differs; KEEPWARM_BLESS=1 writes it anew");
}
