//! Counts the newlines of logs over keepwarm's own reads, on one thread: what a report is measured against, because no
//! program that looks at lines can be faster. `cargo run --release --example newlines -- FILE...`
//!
//! With `--bytes` in front it only counts bytes: what reading and decompressing cost alone. With `--ordinary` it reads plain
//! files as most programs do, to wherever memory was allocated: keepwarm's own reads go to the place of a page that they come
//! from, which takes less time.

use keepwarm::input::{Buffer, CHUNK, discover, plan};
use memchr::memchr_iter;
use std::error::Error;
use std::fs::File;
use std::io::{Write, stdout};
use std::os::unix::fs::FileExt;

/// Bytes of an ordinary read.
const READ: usize = 256 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let count = match &args[..] {
        [option, files @ ..] if option == "--ordinary" => ordinary(files)?,
        [option, files @ ..] if option == "--bytes" => own(files, <[u8]>::len)?,
        files => own(files, newlines)?,
    };
    writeln!(stdout(), "{count}")?;
    Ok(())
}

fn newlines(bytes: &[u8]) -> usize {
    memchr_iter(b'\n', bytes).count()
}

#[expect(clippy::disallowed_methods, reason = "no reads of keepwarm's")]
fn ordinary(files: &[String]) -> Result<usize, Box<dyn Error>> {
    let mut buffer = vec![0; READ];
    let mut count = 0;
    for name in files {
        let file = File::open(name)?;
        let mut at = 0;
        loop {
            let got = file.read_at(&mut buffer, at)?;
            if got == 0 {
                break;
            }
            count += newlines(&buffer[..got]);
            at += got as u64;
        }
    }
    Ok(count)
}

/// Over keepwarm's reads.
fn own(files: &[String], of: impl Fn(&[u8]) -> usize) -> Result<usize, Box<dyn Error>> {
    let found = discover(files);
    if let Some(error) = found.errors.first() {
        return Err(error.message().into());
    }
    let mut buffer = Buffer::new();
    let mut count = 0;
    for task in plan(&found.sources, CHUNK) {
        let mut reader = task.open(&mut buffer).map_err(|error| error.message().to_owned())?;
        while let Some(block) = reader.next_block().map_err(|error| error.message().to_owned())? {
            count += of(block.bytes);
        }
    }
    Ok(count)
}
