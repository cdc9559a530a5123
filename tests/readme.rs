//! README.md does what it says.
//!
//! `console` blocks are run and their output is compared; `TRYCMD=overwrite cargo test --test all readme` writes it anew.
//! `sh` blocks, which hold pipes, are run to see that they work. Other blocks are not run.

use std::path::Path;
use std::process::{Command, Stdio};

const KEEPWARM: &str = env!("CARGO_BIN_EXE_keepwarm");

#[test]
fn console_blocks_print_what_they_say() {
    trycmd::TestCases::new().register_bin("keepwarm", Path::new(KEEPWARM)).case("README.md");
}

#[test]
fn shell_blocks_run() {
    let readme = include_str!("../README.md");
    let folder = Path::new(KEEPWARM).parent().unwrap().to_str().unwrap();
    let mut ran = 0;
    for block in readme.split("```sh\n").skip(1) {
        let (commands, _) = block.split_once("```").unwrap();
        for command in commands.lines() {
            if command.contains("| jq ") && !has("jq") {
                println!("not run, as there is no jq: {command}");
                continue;
            }
            let output = Command::new("sh")
                .args(["-c", &format!("PATH={folder}:$PATH; {command}")])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let shown = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{command}\n{shown}");
            assert!(!output.stdout.is_empty(), "{command} prints nothing\n{shown}");
            ran += 1;
        }
    }
    assert!(ran > 3, "the blocks are gone");
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
