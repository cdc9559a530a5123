//! Numbers as people read them.

/// `1234567` -> `1,234,567`
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 line`, `1,234 lines`
pub(crate) fn lines(n: u64) -> String {
    format!("{} line{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// A share from 0 to 1 in tenths of a percent. What is not exactly none or all is never rounded to that, so that a
/// range does not read `100.0 - 100`.
pub(crate) fn tenths_of_percent(share: f64) -> f64 {
    let tenths = (share * 1000.0).round();
    if share > 0.0 && share < 1.0 { tenths.clamp(1.0, 999.0) } else { tenths }
}

/// `999 B`, `1.0 kB`, `3.4 GB`: powers of ten with one digit after the point, cut and not rounded.
pub(crate) fn bytes(n: u64) -> String {
    let units =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.iter().find(|(size, _)| n >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", n / size, n % size * 10 / size),
        None => format!("{n} B"),
    }
}

/// How far apart things come, in milliseconds: `20 s`, `5 min`, `5.5 min`, `6 h`, `1 d`. Rounded to a tenth.
pub(crate) fn distance(ms: u64) -> String {
    let units = [("s", 1_000, 600), ("min", 60_000, 600), ("h", 3_600_000, 240)];
    let tenths = |unit: u64| (ms / (unit / 10)) + u64::from(ms % (unit / 10) * 2 >= unit / 10);
    let fits = units.into_iter().find(|&(_, unit, end)| tenths(unit) < end);
    let (name, unit, _) = fits.unwrap_or(("d", 86_400_000, u64::MAX));
    match (tenths(unit) / 10, tenths(unit) % 10) {
        (whole, 0) => format!("{} {name}", thousands(whole)),
        (whole, tenth) => format!("{}.{tenth} {name}", thousands(whole)),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn distances_carry_a_unit_that_fits() {
        for (ms, text) in [
            (0, "0 s"),
            (1_250, "1.3 s"),
            (19_980, "20 s"),
            (59_990, "1 min"),
            (300_412, "5 min"),
            (330_000, "5.5 min"),
            (3_599_000, "1 h"),
            (21_600_000, "6 h"),
            (86_400_000, "1 d"),
            (u64::MAX, "213,503,982,334.6 d"),
        ] {
            assert_eq!(super::distance(ms), text);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(super::thousands(n), text);
        }
    }

    #[test]
    fn one_line_is_no_lines() {
        for (n, text) in [(0, "0 lines"), (1, "1 line"), (1430, "1,430 lines")] {
            assert_eq!(super::lines(n), text);
        }
    }

    #[test]
    fn sizes_carry_a_unit_that_fits() {
        for (n, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (3_450_000_000, "3.4 GB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(super::bytes(n), text);
        }
    }
}
