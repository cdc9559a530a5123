//! What is shipped beside the program fits what the program exposes. With `KEEPWARM_PROMTOOL` naming Prometheus's promtool
//! (tests/run does that), Prometheus itself is asked, too.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), name].iter().collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("keepwarm_") && *word != "keepwarm_").collect()
}

/// Names of series that `watch` exposes.
fn exposed(text: &str) -> BTreeSet<&str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().unwrap()).collect()
}

#[test]
fn rules_and_dashboard_use_only_metrics_that_are_exposed() {
    let text = read("testdata/render/watch.prom");
    let exposed = exposed(&text);
    for name in [
        "contrib/keepwarm.rules.yml",
        "contrib/keepwarm.rules.test.yml",
        "contrib/grafana-dashboard.json",
    ] {
        let text = read(name);
        let used = metrics(&text);
        assert!(used.len() > 5, "{name}: {used:?}");
        let unknown: Vec<_> = used.difference(&exposed).collect();
        assert!(unknown.is_empty(), "{name} uses {unknown:?}");
    }
}

#[test]
fn the_readme_lists_every_metric() {
    let text = read("testdata/render/watch.prom");
    let readme = read("contrib/README.md");
    for line in text.lines() {
        let Some(family) = line.strip_prefix("# TYPE ") else { continue };
        let name = family.split(' ').next().unwrap();
        let short = name.strip_prefix("keepwarm_hit_rate").map(|end| format!("`{end}`"));
        let is_listed = readme.contains(&format!("`{name}`"))
            || short.is_some_and(|short| readme.contains(&short));
        assert!(is_listed || name == "keepwarm_build_info", "{name}");
    }
}

#[test]
fn every_alert_is_tested() {
    let (rules, tests) =
        (read("contrib/keepwarm.rules.yml"), read("contrib/keepwarm.rules.test.yml"));
    let alerts: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        let fires = tests.split("alertname: ").any(|test| {
            test.strip_prefix(alert).is_some_and(|rest| {
                rest.trim_start()
                    .strip_prefix("exp_alerts:")
                    .is_some_and(|rest| rest.starts_with('\n'))
            })
        });
        assert!(fires, "no test lets {alert} fire");
    }
}

#[test]
fn the_dashboard_is_json_with_panels_of_their_own_ids() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("contrib/grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

/// Runs promtool in contrib/, if there is one; fails with what it says.
fn promtool(args: &[&str], stdin: &str) {
    let Some(promtool) = std::env::var_os("KEEPWARM_PROMTOOL").filter(|name| !name.is_empty())
    else {
        return;
    };
    let mut child = Command::new(promtool)
        .args(args)
        .current_dir(path("contrib"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {args:?}: {said}");
}

#[test]
fn promtool_finds_no_fault_with_metrics_of_any_names() {
    for name in ["watch", "hostile", "mixed", "empty"] {
        promtool(&["check", "metrics"], &read(&format!("testdata/render/{name}.prom")));
    }
}

#[test]
fn promtool_finds_no_fault_with_the_rules_and_their_tests_pass() {
    promtool(&["check", "rules", "keepwarm.rules.yml"], "");
    promtool(&["test", "rules", "keepwarm.rules.test.yml"], "");
}
