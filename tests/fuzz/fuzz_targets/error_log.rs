//! Whatever an error log says, its lines make nothing panic, and its history is the same in any order.

#![no_main]

use keepwarm::analysis::warmup::history::{Zone, history};
use keepwarm::record::error_log::ErrorLog;
use keepwarm::summary::events::Events;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let log = ErrorLog::new().expect("the patterns are constants");
    let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let (mut forward, mut backward) = (Events::default(), Events::default());
    for line in &lines {
        if let Some(event) = log.event(line) {
            assert!(log.fits(line));
            forward.record(event);
        }
    }
    lines.iter().rev().filter_map(|line| log.event(line)).for_each(|event| backward.record(event));
    assert_eq!(forward, backward);
    let happened = history(&forward, &Zone::fixed(3600));
    assert!(happened.iter().all(|one| one.from_ms < one.to_ms));
});
