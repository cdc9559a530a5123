//! Counts the newlines of logs over keepwarm's own reads, on one thread: what a report is measured against, because no
//! program that looks at lines can be faster. `cargo run --release --example newlines -- FILE...`
//!
//! With `--bytes` in front it only counts bytes: what reading and decompressing cost alone.

use keepwarm::input::{Buffer, CHUNK, discover, plan};
use std::error::Error;
use std::io::{Write, stdout};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (bytes_only, files) = match &args[..] {
        [option, files @ ..] if option == "--bytes" => (true, files),
        files => (false, files),
    };
    let found = discover(files);
    if let Some(error) = found.errors.first() {
        return Err(error.message().into());
    }
    let mut buffer = Buffer::new();
    let mut count = 0;
    for task in plan(&found.sources, CHUNK) {
        let mut reader = task.open(&mut buffer).map_err(|error| error.message().to_owned())?;
        while let Some(block) = reader.next_block().map_err(|error| error.message().to_owned())? {
            count += if bytes_only {
                block.bytes.len()
            } else {
                memchr::memchr_iter(b'\n', block.bytes).count()
            };
        }
    }
    writeln!(stdout(), "{count}")?;
    Ok(())
}
