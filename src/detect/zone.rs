//! The zone that a log names.

use crate::log_format::LogFormat;
use crate::log_format::variable::Field;
use crate::record::time::{Clock, zone};
use crate::tokenizer::prefix::Prefix;
use crate::tokenizer::{Tokenizer, Wanted};

/// The time of the first of these lines that tells it, in milliseconds since the epoch, and how many seconds its zone is
/// ahead of UTC; none where the format logs no time with a zone (`$time_local`, `$time_iso8601`).
pub fn zone_of(format: &LogFormat, prefix: Option<&Prefix>, lines: &[&[u8]]) -> Option<(i64, i64)> {
    let fields = [Field::TimeLocal, Field::TimeIso8601];
    let tokenizer = Tokenizer::new(format, &Wanted::new(&fields));
    let mut clock = Clock::default();
    lines.iter().find_map(|line| {
        let line = prefix.map_or(*line, |prefix| prefix.strip(line));
        let found = tokenizer.tokenize(line).ok()?;
        let local = found.get(Field::TimeLocal);
        let local = local.and_then(|text| Some((clock.time_local(text)?, zone(text)?)));
        local.or_else(|| {
            let text = found.get(Field::TimeIso8601)?;
            Some((clock.time_iso8601(text)?, zone(text)?))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_format::Escape;

    #[test]
    fn a_zone_is_read_from_whatever_names_it() {
        let lines: [&[u8]; 2] = [b"nonsense", b"1.000 [21/Nov/2026:02:03:23 +0200] 200"];
        let of = |format: &str| {
            let format = LogFormat::from_string("test", format, Escape::Default).unwrap();
            zone_of(&format, None, &lines)
        };
        assert_eq!(of("$msec [$time_local] $status"), Some((1_795_219_403_000, 7200)));
        assert_eq!(of("$msec [$time] $status"), None);
    }
}
