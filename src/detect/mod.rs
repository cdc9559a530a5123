//! Which format a log has, told from its first lines.
//!
//! Candidates are the presets and what is derived from labelled lines (`uct=…`, LTSV, JSON), each with and without a
//! prefix that log shippers add. The one that fits most lines wins, then the one that knows more fields. No guess is
//! silent: the result says what was taken, and which other candidates fit as well but read other values.

mod derive;
mod foreign;
mod labels;
mod zone;

pub use zone::zone_of;

use crate::error::{Error, ErrorKind, Result, excerpt};
use crate::log_format::variable::Field;
use crate::log_format::{LogFormat, presets};
use crate::record::attempt::attempts;
use crate::tokenizer::prefix::Prefix;
use crate::tokenizer::{Fields, Tokenizer, Tokens, Wanted};

/// A format that fits, and how it was found.
#[derive(Debug, Clone)]
pub struct Detected {
    /// The format.
    pub format: LogFormat,
    /// What stands in front of each line.
    pub prefix: Option<Prefix>,
    /// How many of the sampled lines fit.
    pub fits: usize,
    /// Names of other formats that fit as many lines but read other values from them.
    pub rivals: Vec<String>,
}

/// Lines of the sample that formats and prefixes are derived from.
const DERIVE_FROM: usize = 8;

/// Bytes of a line that a message shows.
const SHOWN: usize = 160;

/// Finds the format of some lines.
///
/// # Errors
/// [`ErrorKind::Input`] when it is a log of another kind, or when no format fits half of the lines.
pub fn detect(source: &str, lines: &[&[u8]]) -> Result<Detected> {
    let presets = presets::ALL.iter().map(presets::Preset::format).collect::<Result<Vec<_>>>()?;
    search(source, &presets, true, lines)
}

/// The same among these formats only.
///
/// # Errors
/// As [`detect`].
pub fn detect_among(source: &str, formats: &[LogFormat], lines: &[&[u8]]) -> Result<Detected> {
    search(source, formats, false, lines)
}

fn search(source: &str, formats: &[LogFormat], derive: bool, lines: &[&[u8]]) -> Result<Detected> {
    let lines: Vec<&[u8]> = lines.iter().copied().filter(|line| !line.is_empty()).collect();
    refuse_kind(source, &lines)?;
    let mut best = best_of(formats, derive, &lines, None);
    let fits_all = |best: &Option<(Detected, usize)>| {
        best.as_ref().is_some_and(|(found, _)| found.fits == lines.len())
    };
    // Looking for prefixes takes as long as all formats.
    let prefixes = if fits_all(&best) { Vec::new() } else { prefixes(&lines)? };
    for prefix in prefixes {
        if fits_all(&best) {
            break;
        }
        let stripped: Vec<&[u8]> = lines.iter().map(|line| prefix.strip(line)).collect();
        refuse_kind(source, &stripped)?;
        if let Some(found) = best_of(formats, derive, &stripped, Some(&prefix))
            && best.as_ref().is_none_or(|best| (found.0.fits, found.1) > (best.0.fits, best.1))
        {
            best = Some(found);
        }
    }
    match best {
        Some((found, _)) if found.fits * 2 >= lines.len() => {
            foreign::refuse_format(&found.format)?;
            Ok(found)
        }
        _ => Err(unknown(source, &lines)),
    }
}

/// The prefix that makes lines fit a format that the user gave, if they do not fit as they are.
///
/// # Errors
/// [`ErrorKind::Input`] when the format or the lines are of another kind of log.
pub fn prefix_for(source: &str, format: &LogFormat, lines: &[&[u8]]) -> Result<Option<Prefix>> {
    foreign::refuse_format(format)?;
    let fits = |prefix: Option<&Prefix>| {
        let stripped: Vec<&[u8]> =
            lines.iter().map(|line| prefix.map_or(*line, |prefix| prefix.strip(line))).collect();
        read(format, &stripped, 0).fits
    };
    let plain = fits(None);
    if plain == 0 {
        refuse_kind(source, lines)?;
    }
    if plain == lines.len() {
        return Ok(None);
    }
    let mut best = (plain, None);
    for prefix in prefixes(lines)? {
        let count = fits(Some(&prefix));
        if count > best.0 {
            best = (count, Some(prefix));
        }
    }
    Ok(best.1)
}

/// Refuses lines of another kind of log.
///
/// # Errors
/// [`ErrorKind::Input`] naming the kind.
pub fn refuse_kind(source: &str, lines: &[&[u8]]) -> Result<()> {
    foreign::refuse_lines(source, lines)
}

/// Every known prefix that one of the first lines begins with.
fn prefixes(lines: &[&[u8]]) -> Result<Vec<Prefix>> {
    let mut found: Vec<Prefix> = Vec::new();
    for line in lines.iter().take(DERIVE_FROM) {
        for prefix in Prefix::candidates(line)? {
            if found.iter().all(|known| known.name() != prefix.name()) {
                found.push(prefix);
            }
        }
    }
    Ok(found)
}

/// What a candidate makes of the lines.
struct Reading<'a> {
    lines: Vec<Option<Tokens<'a>>>,
    fits: usize,
    /// Of those: lines whose times make sense together.
    plausible: usize,
    fields: usize,
    /// Lines that fit in the order of the format: JSON may also be read by its keys, which is slower.
    in_order: usize,
}

/// Reads lines by a format: which fit, and how many fields keepwarm learns from them. It ends where fewer than `least`
/// lines can fit: another format fits as many, so this one is neither the best nor a rival.
fn read<'a>(format: &LogFormat, lines: &[&'a [u8]], least: usize) -> Reading<'a> {
    let tokenizer = Tokenizer::new(format, &Wanted::new(&Field::ALL));
    let mut reading = Reading { lines: Vec::new(), fits: 0, plausible: 0, fields: 0, in_order: 0 };
    for (line, left) in lines.iter().zip((1..=lines.len()).rev()) {
        if reading.fits + left < least {
            break;
        }
        let in_order = tokenizer.fits_in_order(line);
        let tokens = tokenizer.tokenize_strictly(line).ok().filter(|tokens| {
            let fields = &tokens.fields();
            // Any JSON object has some key; it takes one of an upstream to be this log.
            attempts(fields, |_| ()).is_ok() && (in_order || knows_upstream(fields))
        });
        reading.in_order += usize::from(in_order);
        reading.fits += usize::from(tokens.is_some());
        reading.plausible +=
            usize::from(tokens.is_some_and(|tokens| is_plausible(&tokens.fields())));
        reading.lines.push(tokens);
    }
    let knows =
        |field: &Field| reading.lines.iter().flatten().any(|tokens| tokens.get(*field).is_some());
    reading.fields = Field::ALL.iter().filter(|field| knows(field)).count();
    reading
}

fn knows_upstream(fields: &Fields<'_>) -> bool {
    let upstream = [
        Field::Addr,
        Field::ConnectTime,
        Field::HeaderTime,
        Field::ResponseTime,
        Field::UpstreamStatus,
    ];
    upstream.iter().any(|field| fields.get(*field).is_some())
}

/// Times of an attempt start together, so the header never comes before the connection, nor the end of the response
/// before its header (`u->start_time` in `ngx_http_upstream.c`). Columns taken for one another soon break this.
fn is_plausible(fields: &Fields<'_>) -> bool {
    let mut plausible = true;
    let counted = attempts(fields, |attempt| {
        let times = [attempt.connect_ms, attempt.header_ms, attempt.response_ms];
        plausible &= times.iter().flatten().is_sorted();
    });
    plausible && counted.is_ok()
}

/// The best candidate for the lines, with the number of fields it knows; none where no candidate fits a line.
fn best_of(
    formats: &[LogFormat],
    derive: bool,
    lines: &[&[u8]],
    prefix: Option<&Prefix>,
) -> Option<(Detected, usize)> {
    let mut candidates = formats.to_vec();
    for line in lines.iter().take(if derive { DERIVE_FROM } else { 0 }) {
        let derived = if line.trim_ascii_start().starts_with(b"{") {
            derive::json_format(line)
        } else {
            derive::text_format(line)
        };
        candidates.extend(derived.filter(|format| !candidates.contains(format)));
    }
    let mut most = 0;
    let read = |format: &LogFormat| {
        let reading = read(format, lines, most);
        most = most.max(reading.fits);
        reading
    };
    let readings: Vec<Reading<'_>> = candidates.iter().map(read).collect();
    // The first of equals: a preset before what was derived.
    let best = (0..candidates.len()).rev().max_by_key(|&i| {
        let Reading { fits, plausible, fields, in_order, .. } = readings[i];
        (fits, plausible, fields, in_order)
    });
    let best = best.filter(|&i| readings[i].fits > 0)?;
    let mut rivals: Vec<String> = (0..candidates.len())
        .filter(|&i| {
            as_good(&readings[i], &readings[best]) && differ(&readings[i], &readings[best])
        })
        .map(|i| candidates[i].name.clone())
        .collect();
    rivals.sort();
    rivals.dedup();
    let (fits, fields) = (readings[best].fits, readings[best].fields);
    let format = candidates.swap_remove(best);
    Some((Detected { format, prefix: prefix.cloned(), fits, rivals }, fields))
}

/// Does one reading fit as many lines as another, with times that make sense?
fn as_good(a: &Reading<'_>, b: &Reading<'_>) -> bool {
    (a.fits, a.plausible) == (b.fits, b.plausible)
}

/// Do two readings give different values to the same field?
fn differ(a: &Reading<'_>, b: &Reading<'_>) -> bool {
    a.lines.iter().zip(&b.lines).any(|(a, b)| {
        let (Some(a), Some(b)) = (a, b) else { return false };
        Field::ALL.iter().any(|&field| match (a.get(field), b.get(field)) {
            (Some(a), Some(b)) => a != b,
            _ => false,
        })
    })
}

#[cold]
fn unknown(source: &str, lines: &[&[u8]]) -> Error {
    let shown =
        lines.first().map_or_else(String::new, |line| format!("\n    {}", excerpt(line, SHOWN)));
    Error::new(ErrorKind::Input, format!("{source}: no known log format fits its lines{shown}")).with_hint(
        "give the log_format that wrote it: -f '$remote_addr ...', or -c /etc/nginx/nginx.conf; `keepwarm formats` lists the presets",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(lines: &[&str]) -> Result<Detected> {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        detect("x.log", &lines)
    }

    const HEAD: &str =
        r#"1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8""#;

    #[test]
    fn presets_are_known_by_their_lines() {
        for (tail, name) in [
            ("", "combined"),
            (r#" "-""#, "main"),
            (r#"rt=0.001 uct="0.000" uht="0.001" urt="0.001""#, "upstream_time"),
            (" 10.0.0.1:80, 10.0.0.2:80 -, 0.000 -, 0.002 0.000, 0.002", "combined_upstream"),
            (
                " 60 0.683 [web-80] [] 10.0.0.1:443 28 0.496 200 d0f69894df9d4b231eca7773a6759ba2",
                "ingress-nginx",
            ),
        ] {
            let found = taken(&[&format!("{HEAD}{tail}")]).unwrap();
            assert_eq!(found.format.name, name);
            assert!(found.prefix.is_none() && found.rivals.is_empty(), "{name}");
        }
    }

    #[test]
    fn labelled_lines_need_no_preset() {
        let found = taken(&[&format!(r#"{HEAD} x=1 uct="0.000" ups="10.0.0.1:80" "#)]).unwrap();
        assert_eq!(found.format.name, "labelled fields");
        assert!(found.format.logs("upstream_connect_time") && found.format.logs("upstream_addr"));
        let found =
            taken(&[r#"{"time":"2026-11-21T02:03:23Z","uct":"0.000","backend":"10.0.0.1:80"}"#])
                .unwrap();
        assert_eq!(found.format.name, "JSON keys");
    }

    #[test]
    fn json_with_a_common_key_only_is_not_taken_for_a_preset() {
        assert!(taken(&[r#"{"time":"2026-11-21T02:03:23Z","status":200,"uri":"/"}"#]).is_err());
        let found = taken(&[r#"{"status":"200","upstream_connect_time":"0.000"}"#]).unwrap();
        assert!(found.format.logs("upstream_connect_time"));
    }

    #[test]
    fn a_prefix_is_found_and_named() {
        let found = taken(&[&format!("<190>Nov 21 02:03:23 web nginx: {HEAD}")]).unwrap();
        assert_eq!(
            (found.format.name.as_str(), found.prefix.unwrap().name()),
            ("combined", "syslog")
        );
    }

    #[test]
    fn junk_between_lines_is_no_hindrance_but_junk_alone_is_refused() {
        assert!(taken(&["what is this", HEAD]).is_ok());
        let error = taken(&["what is this", "and this"]).unwrap_err();
        assert!(error.message().contains("no known log format") && error.hint().is_some());
    }

    const LINES: [&str; 6] = [
        HEAD,
        r#"1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" "-""#,
        r#"1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8"rt=0.001 uct="0.000" uht="0.001" urt="0.001""#,
        r#"1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" 10.0.0.1:80 0.000 0.002 0.002"#,
        r#"{"status":"200","upstream_connect_time":"0.000"}"#,
        "what is this",
    ];

    proptest! {
        #[test]
        fn what_ends_early_could_not_have_fitted_enough(
            picks in prop::collection::vec(prop::sample::select(&LINES[..]), 1..12),
            preset in prop::sample::select(presets::ALL),
            least in 0usize..13,
        ) {
            let lines: Vec<&[u8]> = picks.iter().map(|line| line.as_bytes()).collect();
            let format = preset.format().unwrap();
            let (all, some) = (read(&format, &lines, 0), read(&format, &lines, least));
            let told = |r: &Reading<'_>| (r.fits, r.plausible, r.fields, r.in_order, r.lines.len());
            if all.fits >= least {
                prop_assert_eq!(told(&some), told(&all));
            } else {
                prop_assert!(some.fits < least);
            }
        }
    }
}
