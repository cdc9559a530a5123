//! Names of logs: files of one log, rotated and compressed, share their workers.

/// The log that a file is a part of: its name without what log rotation and compression add, `access.log.2.gz` ->
/// `access.log`, `access.log-20261121` -> `access.log`, `access-2026-11-21.log` -> `access.log`.
pub(super) fn log_of(name: &str) -> String {
    let mut log = name;
    loop {
        let cut = log.rfind(['.', '-']).filter(|&at| {
            let end = &log[at + 1..];
            let digits = !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit());
            // A number behind a dash may be a host's (`pod-0`), unless it is a date or stands behind an extension.
            let rotated = digits && (log[..at].contains('.') || end.len() >= 8);
            rotated || matches!(end, "gz" | "zst" | "bz2" | "xz")
        });
        match cut {
            Some(at) if at > 0 => log = &log[..at],
            _ => return without_date(log),
        }
    }
}

/// The name without a date in its middle, with the sign before it and an hour or time behind it.
fn without_date(name: &str) -> String {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    for (at, _) in name.match_indices(['-', '.', '_']) {
        let date = &name[at + 1..];
        let year = digits(date);
        let parts: Vec<&str> = date.splitn(3, '-').collect();
        let length = match parts[..] {
            _ if !date.starts_with("20") => continue,
            [year, month, day, ..]
                if (year.len(), month.len()) == (4, 2)
                    && digits(year) + digits(month) == 6
                    && digits(day) == 2 =>
            {
                10
            }
            _ if year == 8 => 8,
            _ => continue,
        };
        let behind = &date[length..];
        let time = digits(behind.get(1..).unwrap_or_default());
        let rest = if behind.starts_with(['T', '-', '_']) && (2..=6).contains(&time) {
            &behind[1 + time..]
        } else {
            behind
        };
        if rest.is_empty() || rest.starts_with('.') {
            return [&name[..at], rest].concat();
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_log_share_its_name() {
        for (name, log) in [
            ("access.log", "access.log"),
            ("access.log.2.gz", "access.log"),
            ("access.log-20261121", "access.log"),
            ("access.log-20261121.gz", "access.log"),
            ("access-2026-11-21.log", "access.log"),
            ("access-2026-11-21T05.log.gz", "access.log"),
            ("access_20261121-0500.log", "access.log"),
            ("2026-11-21.log", "2026-11-21.log"),
            ("pod-0", "pod-0"),
            ("pod-1.log", "pod-1.log"),
            ("v1-2026-1-2-café.log", "v1-2026-1-2-café.log"),
        ] {
            assert_eq!(log_of(name), log, "{name}");
        }
    }
}
