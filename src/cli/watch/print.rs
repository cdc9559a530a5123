//! `--print-config`: the settings as a configuration file, with what each of them means.

use super::settings::Settings;
use crate::error::{Error, ErrorKind, Result};
use std::fmt::Write as _;
use toml::{Table, Value};

/// A key, what it means, and what it could be where it has no value.
type Key = (&'static str, &'static str, &'static str);

const KEYS: [Key; 15] = [
    ("inputs", "Logs: files, folders, patterns; \"-\" for stdin.", ""),
    ("syslog", "\"udp:ADDRESS:PORT\" or \"unix:PATH\".", ""),
    ("error_log", "nginx's error logs.", ""),
    (
        "log_format",
        "A name, a format or a whole directive; without it the format is found.",
        "\"keepwarm\"",
    ),
    ("nginx_conf", "nginx.conf, for formats and upstreams.", "\"/etc/nginx/nginx.conf\""),
    ("from_start", "Read what is in the files already.", ""),
    ("state", "To go on from after a restart.", "\"/var/lib/keepwarm/state\""),
    ("windows", "Times, 5s to 6h; alerts are judged by the first.", ""),
    ("every", "Time between lines where there is no screen: whole seconds.", "\"1m\""),
    (
        "silence",
        "Time without lines after which a source is silent: whole seconds, \"0s\" for never.",
        "",
    ),
    ("listen", "ADDRESS:PORT of /metrics, /healthz and /report.json.", "\"127.0.0.1:9145\""),
    (
        "textfile",
        "Metrics as a file for node_exporter.",
        "\"/var/lib/prometheus/node-exporter/keepwarm.prom\"",
    ),
    ("alerts", "Alerts as JSON lines; \"-\" for stdout.", "\"/var/log/keepwarm/alerts.json\""),
    ("exec", "Commands that get each alert as JSON on stdin.", ""),
    ("webhook", "URLs that each alert is sent to.", ""),
];

const LIMITS: [Key; 9] = [
    ("min_hit_rate", "Percent of attempts that reuse a connection, at least.", ""),
    ("min_attempts", "With fewer attempts in the window nothing is judged.", ""),
    ("for", "Time for which a limit must be passed: whole seconds.", ""),
    ("clear_margin", "Points above its limit at which a hit rate is good again.", ""),
    ("warmup_grace", "Time that pools may take to fill after a reload: whole seconds.", ""),
    ("max_connect_p95", "Time within which 95 % of connects are done.", "\"20ms\""),
    ("ports", "Local ports for connections to one peer (ip_local_port_range).", ""),
    ("max_ports", "Percent of these that may be in use.", ""),
    ("max_failed", "Percent of attempts that may fail to connect.", "5.0"),
];

/// The settings as a configuration file.
///
/// # Errors
/// None that a user can cause.
pub(super) fn config(settings: &Settings) -> Result<String> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Input, format!("--print-config: {error}"))
    };
    let table = Table::try_from(settings).map_err(|error| wrong(&error))?;
    let within = |key: &str| table.get(key).and_then(Value::as_table).cloned().unwrap_or_default();
    let mut text = String::new();
    keys(&table, &KEYS, &mut text).map_err(|error| wrong(&error))?;
    text.push_str("\n# Limits of all upstreams.\n[limits]\n");
    keys(&within("limits"), &LIMITS, &mut text).map_err(|error| wrong(&error))?;
    text.push_str("\n# Limits of single upstreams: only what differs.\n");
    let upstreams = within("upstreams");
    if upstreams.is_empty() {
        text.push_str("# [upstreams.search]\n# min_hit_rate = 50.0\n");
    }
    let own: Table = [("upstreams".to_owned(), Value::Table(upstreams))].into_iter().collect();
    let own = toml::to_string(&own).map_err(|error| wrong(&error))?;
    // A table that has only tables needs no heading of its own.
    text.push_str(own.strip_prefix("[upstreams]\n").unwrap_or(&own).trim_start());
    Ok(text)
}

fn keys(
    table: &Table,
    keys: &[Key],
    text: &mut String,
) -> std::result::Result<(), toml::ser::Error> {
    for (key, meaning, example) in keys {
        let _ = writeln!(text, "# {meaning}");
        match table.get(*key) {
            Some(value) => {
                let one: Table = [((*key).to_owned(), value.clone())].into_iter().collect();
                text.push_str(&toml::to_string(&one)?);
            }
            None => {
                let _ = writeln!(text, "# {key} = {example}");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_told_with_or_without_a_value() {
        let path = Some("x".into());
        let text = || Some("x".to_owned());
        let mut all = Settings {
            log_format: text(),
            nginx_conf: text(),
            state: path.clone(),
            every: Some(1),
            listen: text(),
            textfile: path.clone(),
            alerts: path,
            ..Settings::default()
        };
        all.limits.max_connect_p95 = Some(20);
        all.limits.max_failed = Some(5.0);
        let table = Table::try_from(&all).unwrap();
        let named: Vec<&str> = KEYS.iter().map(|(key, ..)| *key).collect();
        let others = ["limits", "upstreams"];
        assert!(table.keys().all(|key| named.contains(&&**key) || others.contains(&&**key)));
        let limits = table["limits"].as_table().unwrap();
        assert!(limits.keys().all(|key| LIMITS.iter().any(|(named, ..)| named == key)));
        for settings in [all, Settings::default()] {
            let printed = config(&settings).unwrap();
            assert_eq!(toml::from_str::<Settings>(&printed).unwrap(), settings, "{printed}");
            // What is only shown as an example could be set, too.
            let example = |line: &str| line.contains(" = ") || line.contains("[upstreams");
            let set: Vec<&str> = printed
                .lines()
                .map(|line| line.strip_prefix("# ").filter(|line| example(line)).unwrap_or(line))
                .collect();
            assert!(toml::from_str::<Settings>(&set.join("\n")).is_ok(), "{printed}");
        }
    }
}
