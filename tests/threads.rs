//! The same bytes out for any number of threads, any size of chunks and any order of arguments.

use crate::lines::{self, Rng};
use crate::util::Dir;
use keepwarm::log_format::presets::Preset;

const OUTPUTS: [&str; 5] = ["json", "table", "csv", "markdown", "prometheus"];

/// A log of `count` lines of a preset, some of them broken, some empty, some with a carriage return.
fn log(preset: &str, count: u64, seed: u64) -> Vec<u8> {
    let format = Preset::named(preset).unwrap().format().unwrap();
    let mut rng = Rng::new(seed);
    let mut bytes = Vec::new();
    for _ in 0..count {
        let (mut line, _) = lines::line(&format, &mut rng);
        match rng.below(20) {
            0 => line.truncate(rng.below(line.len() + 1)),
            1 => line.push(b'\r'),
            2 => line.insert(0, b'\n'),
            3 => line.push(b'"'),
            _ => {}
        }
        bytes.extend(line);
        bytes.push(b'\n');
    }
    bytes
}

/// Two plain logs of different formats, and a compressed one.
fn logs() -> Dir {
    let dir = Dir::new();
    dir.write("access.log", log("keepwarm", 60, 1));
    dir.write("access.log.1", log("keepwarm_json", 40, 2));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &log("combined_upstream", 40, 3)).unwrap();
    dir.write("access.log.2.gz", gzip.finish().unwrap());
    dir
}

#[test]
fn threads_chunks_and_order_can_not_be_seen() {
    let dir = logs();
    let orders = [
        ["access.log", "access.log.1", "access.log.2.gz"],
        ["access.log.2.gz", "access.log", "access.log.1"],
    ];
    for output in OUTPUTS {
        let report = |inputs: &[&str], threads: &str, chunk: &str| {
            let args =
                [&["report", "-o", output, "-j", threads, "--chunk", chunk], inputs].concat();
            let run = dir.run(&args);
            assert!(run.code <= 1, "{}", run.stderr);
            run
        };
        let first = report(&orders[0], "1", "1048576");
        assert!(!first.stdout.is_empty());
        let check = |threads: &str, chunk: &str, inputs: &[&str]| {
            let again = report(inputs, threads, chunk);
            assert_eq!(again.text(), first.text(), "-j {threads} --chunk {chunk} {inputs:?}");
            assert_eq!(again.stderr, first.stderr, "-j {threads} --chunk {chunk}");
            assert_eq!(again.code, first.code);
        };
        for threads in ["1", "2", "8"] {
            for (chunk, inputs) in ["7", "300", "65536"].into_iter().zip(orders.iter().cycle()) {
                check(threads, chunk, inputs);
            }
        }
        // Every byte a task of its own.
        check("8", "1", &orders[1]);
    }
}

/// It is long enough that threads without a task of their own take parts of it.
#[test]
fn one_compressed_log_is_the_same_for_any_number_of_threads() {
    let dir = Dir::new();
    let format = Preset::named("keepwarm").unwrap().format().unwrap();
    let mut rng = Rng::new(5);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for number in 1..=20_000 {
        let (mut line, _) = lines::line(&format, &mut rng);
        line.push(b'\n');
        let line: &[u8] = if number % 7_000 == 0 { b"no line\n\n" } else { &line };
        std::io::Write::write_all(&mut gzip, line).unwrap();
    }
    dir.write("access.log.1.gz", gzip.finish().unwrap());
    let report = |threads: &str| {
        dir.run(&["report", "-o", "json", "-j", threads, "-f", "keepwarm", "access.log.1.gz"])
    };
    let first = report("1");
    assert!(first.text().contains("\"line\": 7000,"), "{}", first.text());
    for threads in ["2", "8", "2", "8"] {
        let again = report(threads);
        assert_eq!(again.text(), first.text(), "-j {threads}");
        assert_eq!(again.stderr, first.stderr, "-j {threads}");
    }
}

#[test]
fn a_folder_is_the_files_in_it() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("logs")).unwrap();
    for (name, seed) in [("access.log", 1), ("access.log.1", 2), ("error.log", 3), ("notes.txt", 4)]
    {
        dir.write(&format!("logs/{name}"), log("keepwarm", 40, seed));
    }
    let folder = dir.run(&["report", "-o", "json", "logs"]);
    let files = dir.run(&["report", "-o", "json", "logs/access.log", "logs/access.log.1"]);
    let pattern = dir.run(&["report", "-o", "json", "logs/access.log*"]);
    assert_eq!(folder.text(), files.text());
    assert_eq!(folder.text(), pattern.text());
}

#[test]
fn warm_ups_are_the_same_however_the_log_is_cut_and_ordered() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let mut cases = 0;
    for case in std::fs::read_dir(root).unwrap().map(|case| case.unwrap()) {
        let name = case.file_name().into_string().unwrap();
        if !["warm-", "reload", "restart", "worker"].iter().any(|kind| name.starts_with(kind)) {
            continue;
        }
        cases += 1;
        let dir = Dir::new();
        let text = std::fs::read_to_string(case.path().join("access.log")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let third = lines.len() / 3;
        let parts = [&lines[2 * third..], &lines[third..2 * third], &lines[..third]];
        let names = ["access.log", "access.log.1", "access.log.2"];
        for (name, lines) in names.iter().zip(parts) {
            dir.write(name, lines.join("\n") + "\n");
        }
        let error_log = case.path().join("error.log");
        let more = error_log.exists().then(|| error_log.display().to_string());
        let more: Vec<&str> = more.iter().flat_map(|log| ["--error-log", log]).collect();
        let report = |order: [usize; 3], threads: &str, chunk: &str| {
            let base = ["report", "-q", "-o", "json", "-j", threads, "--chunk", chunk];
            let inputs = order.map(|at| names[at]);
            let run = dir.run(&[&base[..], &more, &inputs].concat());
            run.text().to_owned()
        };
        let first = report([0, 1, 2], "1", "1048576");
        assert!(first.contains("warmups"), "{first}");
        for (order, threads, chunk) in
            [([2, 0, 1], "1", "1048576"), ([1, 2, 0], "2", "5000"), ([0, 2, 1], "8", "70000")]
        {
            assert_eq!(report(order, threads, chunk), first, "{name} {order:?}");
        }
    }
    assert!(cases >= 8, "{cases}");
}
