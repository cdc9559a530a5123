//! The fast tokenizer reads what the slow one reads. Input: a format, a newline, a line.

#![no_main]

use keepwarm::log_format::variable::Field;
use keepwarm::log_format::{Escape, LogFormat};
use keepwarm::record::number::{integer, millis_wide};
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
        // What was read as a number on the way is the one that stands there.
        let Ok(fast) = fast else { continue };
        let fields = fast.fields();
        for field in Field::ALL {
            let text = fields.get(field).unwrap_or_default();
            let millis = millis_wide(text).filter(|_| text.contains(&b'.'));
            let plain = millis.and_then(|ms| u64::try_from(ms).ok()).or(integer(text));
            assert!(fields.number(field).is_none_or(|number| plain == Some(number)), "{field:?}");
        }
    }
});
