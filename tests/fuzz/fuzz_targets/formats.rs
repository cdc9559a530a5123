//! No text makes the parsers of formats and configurations panic, and what a format shows reads back as itself.

#![no_main]

use keepwarm::log_format::{Escape, LogFormat, advice};
use keepwarm::nginx_conf::{self, DiskLoader, NginxConf};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Without includes: the fuzzer shall not read the disk it runs on.
    if !data.windows(7).any(|word| word == b"include") {
        let _ = NginxConf::from_text("fuzz.conf", data, &DiskLoader);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = nginx_conf::directive(text);
    if let Ok(format) = LogFormat::from_string("fuzz", text, Escape::Default) {
        let written = advice::directive(&format);
        let read = nginx_conf::directive(written.trim()).expect("our own directive is one");
        let again =
            LogFormat::from_arguments("fuzz", &read.args[1..]).expect("our own format is one");
        assert_eq!(again, format, "{written}");
        let _ = advice::improved(&format);
    }
});
