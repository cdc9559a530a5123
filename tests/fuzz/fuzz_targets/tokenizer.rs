//! The fast tokenizer reads what the slow one reads. Input: a format, a newline, a line.

#![no_main]

use keepwarm::log_format::variable::Field;
use keepwarm::log_format::{Escape, LogFormat};
use keepwarm::tokenizer::{Layout, Tokenizer, Wanted, reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(newline) = data.iter().position(|&byte| byte == b'\n') else { return };
    let (text, line) = (&data[..newline], &data[newline + 1..]);
    let (Ok(text), [choice, line @ ..]) = (std::str::from_utf8(text), line) else { return };
    let escape = [Escape::Default, Escape::Json, Escape::None][usize::from(choice % 3)];
    let Ok(format) = LogFormat::from_string("fuzz", text, escape) else { return };
    for fields in [&Field::ALL[..], &[Field::ConnectTime], &[Field::Addr, Field::TimeLocal]] {
        let wanted = Wanted::new(fields);
        let fast = Tokenizer::new(&format, &wanted).tokenize(line);
        let slow = reference::tokenize(&Layout::new(&format, &wanted), line);
        if let Ok(slow) = slow {
            assert_eq!(fast, Ok(slow));
        }
    }
});
