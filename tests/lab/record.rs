//! Keeps a run as a case of `testdata/cases`, for tests that have no nginx:
//! `KEEPWARM_RECORD=testdata/cases cargo test --test e2e warmup`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Run;

/// Stands for the folder of the run, which is another one each time.
const FOLDER: &str = "/lab";

/// Writes the logs, the configuration and the truth of a run in which every line has one attempt at most that reached a
/// backend, to a folder `name` below the one that `KEEPWARM_RECORD` names, if it names one.
pub(crate) fn record(run: &Run, name: &str, about: &str) {
    let Some(root) = std::env::var_os("KEEPWARM_RECORD") else { return };
    let folder = PathBuf::from(root).join(name);
    fs::create_dir_all(&folder).expect("a folder for recorded cases");
    let from = run.conf.parent().expect("a file is in a folder");
    let copy = |path: &Path| {
        let text = read(path).replace(&*from.to_string_lossy(), FOLDER);
        let name = path.file_name().expect("a file has a name");
        fs::write(folder.join(name), text).expect("a file of a recorded case");
    };
    run.access_logs.iter().chain([&run.conf, &run.error_log]).for_each(|path| copy(path));
    fs::write(folder.join("new.tsv"), new(&read(&from.join("truth.tsv")))).expect("new.tsv");
    let truth = serde_json::to_string_pretty(&truth(run, about)).expect("it is plain");
    fs::write(folder.join("truth.json"), truth + "\n").expect("truth.json");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a text that nginx wrote")
}

/// `$pid`, `$connection` and `$connection_requests` of the requests whose last attempt was the first on its connection.
fn new(truth: &str) -> String {
    let rows = truth.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row[3] == "1").map(|row| row[..3].join("\t") + "\n").collect()
}

fn truth(run: &Run, about: &str) -> Value {
    let connected = connected(run);
    let counts = |new: u64, connected: u64| json!({ "new": new, "connected": connected });
    let peers: BTreeMap<&String, Value> = run
        .truth
        .peers
        .iter()
        .map(|(addr, peer)| (addr, counts(peer.new, connected.get(addr).copied().unwrap_or(0))))
        .collect();
    let event = |event: &super::Event| json!({ "kind": event.kind.name(), "at_ms": event.at_ms, "done_ms": event.done_ms });
    let error_log = read(&run.error_log);
    let version = error_log.split_once(" nginx/").and_then(|(_, rest)| rest.lines().next());
    json!({
        "about": about,
        "nginx_version": version,
        "total": counts(run.truth.total.new, connected.values().sum()),
        "peers": peers,
        "events": run.truth.events.iter().map(event).collect::<Vec<_>>(),
    })
}

/// The attempts of each peer that got a connection, by the log: `ups="…"` and `uct="…"`.
fn connected(run: &Run) -> BTreeMap<String, u64> {
    let mut connected = BTreeMap::new();
    for line in run.access_logs.iter().flat_map(|path| lines(path)) {
        let list = |label: &str| {
            let rest = line.split_once(label).map_or("", |(_, rest)| rest);
            let list = rest.split('"').next().unwrap_or_default().replace(" : ", ", ");
            list.split(", ").map(str::to_owned).collect::<Vec<_>>()
        };
        for (addr, time) in list(" ups=\"").into_iter().zip(list(" uct=\"")) {
            if time != "-" {
                *connected.entry(addr).or_default() += 1;
            }
        }
    }
    connected
}

fn lines(path: &Path) -> Vec<String> {
    read(path).lines().map(str::to_owned).collect()
}
