//! Exit statuses, and what is said of inputs that are no logs.

use crate::input::log;
use crate::util::{Dir, FORMAT, finish, line};
use std::io::Read;
use std::process::Stdio;

#[test]
fn exit_statuses_are_as_documented() {
    let reused = (0..200).map(|i| line(i, "10.0.0.1:80", "0.000")).collect::<String>();
    let new = (0..200).map(|i| line(i, "10.0.0.1:80", "0.004")).collect::<String>();
    let dir = Dir::with_log(reused);
    dir.write("new.log", new);
    for (args, code) in [
        (&["report", "access.log"][..], 0),
        (&["report", "new.log"], 1),
        (&["report", "new.log", "--min-hit-rate", "0"], 0),
        (&["report", "new.log", "--min-attempts", "201"], 0),
        (&["report", "-q", "new.log"], 1),
        (&["report", "nowhere.log"], 2),
        (&["report", "access.log", "--since", "2099-01-01"], 2),
        (&["report", "access.log", "--by", "host"], 2),
        (&["report", "access.log", "--by", "$host"], 2),
        (&["report", "access.log", "--group", "("], 2),
        (&["report", "access.log", "-f", "nosuchpreset"], 2),
        (&["report", "access.log", "-f", "$a ${b"], 2),
        (&["report", "access.log", "-c", "nowhere.conf"], 2),
        (&["report", "access.log", "--min-hit-rate", "NaN"], 2),
        (&["report", "access.log", "-o", "yaml"], 2),
        (&["report", "[access.log"], 2),
        (&["formats"], 0),
        (&["formats", "access.log"], 0),
        (&["formats", "nowhere.log"], 2),
        (&["nonsense"], 2),
        (&[], 2),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["report", "--help"], 0),
    ] {
        let run = dir.run(args);
        assert_eq!(run.code, code, "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout.is_empty(), code == 2, "{args:?}: {}", run.text());
    }
}

#[test]
fn a_missing_log_is_named_and_the_others_are_read() {
    let dir = Dir::with_log(log(40));
    let run = dir.run(&["report", "-o", "json", "gone.log", "access.log"]).code(2);
    assert_eq!(run.json()["input"]["matched"], 40);
    run.says("gone.log: No such file or directory");
}

#[test]
fn a_log_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::with_log(log(40));
    dir.write("secret.log", log(40));
    std::fs::set_permissions(dir.path("secret.log"), PermissionsExt::from_mode(0o000)).unwrap();
    if std::fs::File::open(dir.path("secret.log")).is_ok() {
        return; // root may read everything
    }
    let run = dir.run(&["report", "-o", "json", "secret.log", "access.log"]).code(2);
    assert_eq!(run.json()["input"]["matched"], 40);
    run.says("secret.log: Permission denied");
}

#[test]
fn a_folder_without_logs_is_refused_in_words() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("empty")).unwrap();
    dir.run(&["report", "empty"]).code(2).says("empty: expected files");
}

#[test]
fn an_empty_log_is_passed_over() {
    let dir = Dir::with_log("");
    dir.run(&["report", "access.log"]).code(2).says("is empty");
    dir.write("full.log", log(40));
    let run = dir.run(&["report", "-o", "json", "access.log", "full.log"]).code(0);
    assert_eq!(run.json()["input"]["matched"], 40);
}

#[test]
fn logs_of_other_kinds_are_refused_in_words() {
    for (text, words) in [
        (
            "2026/11/21 02:03:23 [error] 12#12: *1 connect() failed (111: Connection refused)\n",
            "error log",
        ),
        (
            "Feb 25 16:19:49 h haproxy[7]: 1.1.1.1:1 [25/Feb/2019:16:19:48.143] in~ be/s 0/0/7/1457/1487 200 1\n",
            "HAProxy",
        ),
        ("10.0.0.1 [21/Nov/2026:02:03:23 +0000] TCP 200 12 34 1.234 \"10.0.0.2:80\"\n", "stream"),
        ("PK\x03\x04zip", "zip archive"),
        ("u\0t\0f\0-\0l\0o\0g\0\n\0", "UTF-16"),
    ] {
        let dir = Dir::with_log(text.repeat(3));
        for command in ["report", "formats"] {
            let run = dir.run(&[command, "access.log"]).code(2).says(words).says("hint: ");
            assert!(run.stdout.is_empty());
        }
    }
    let stream =
        "$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time";
    let dir = Dir::with_log("10.0.0.1 [21/Nov/2026:02:03:23 +0000] X 200 12 34 1.234\n");
    dir.run(&["report", "-f", stream, "access.log"]).code(2).says("stream");
}

#[test]
fn line_ends_of_all_kinds_are_line_ends() {
    let text = log(20);
    let plain = Dir::with_log(&text).run(&["report", "-o", "csv", "access.log"]).code(0);
    for other in [
        text.replace('\n', "\r\n"),
        text.trim_end().to_owned(),
        text.replace('\n', "\n\n\n"),
        format!("\n\r\n{text}\r\n"),
    ] {
        let run = Dir::with_log(&other).run(&["report", "-o", "csv", "access.log"]).code(0);
        assert_eq!(run.text(), plain.text());
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let rows: String =
        (0..5000).map(|i| line(i, &format!("10.0.{}.{}:80", i / 250, i % 250), "0.000")).collect();
    let dir = Dir::with_log(rows);
    for args in
        [&["report", "access.log", "-o", "csv"][..], &["report", "access.log"], &["formats"]]
    {
        let mut child =
            dir.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdout.take().unwrap();
        let _ = pipe.read(&mut [0; 1]).unwrap();
        drop(pipe);
        let run = finish(child.wait_with_output().unwrap());
        assert!(!run.stderr.contains("error"), "{args:?}: {}", run.stderr);
        assert_eq!(run.code, 0, "{args:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    let dir = Dir::with_log(log(40));
    let mut command = dir.command(&["report", "access.log"]);
    finish(command.stdout(full).output().unwrap()).code(2).says("No space left");
}

#[test]
fn quiet_leaves_nothing_but_errors() {
    let dir = Dir::with_log(log(40));
    assert_eq!(dir.run(&["report", "-q", "access.log"]).stderr, "");
    dir.run(&["report", "-q", "access.log", "gone.log"]).says("gone.log");
}

#[test]
fn a_format_that_logs_no_upstream_is_refused_with_what_to_do() {
    let dir = Dir::with_log(
        "1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"x\"\n",
    );
    dir.run(&["report", "access.log"]).code(2).says("keepwarm formats");
    assert!(dir.run(&["formats", "access.log"]).text().contains("log_format"));
}

#[test]
fn times_choose_lines() {
    let text: String = (0..60).map(|i| line(i, "10.0.0.1:80", "0.000")).collect();
    let dir = Dir::with_log(&text);
    let matched = |args: &[&str]| {
        let run = dir.run(&[&["report", "-o", "json", "-f", FORMAT, "access.log"], args].concat());
        let input = &run.json()["input"];
        assert_eq!(input["matched"].as_u64().unwrap() + input["filtered"].as_u64().unwrap(), 60);
        input["matched"].as_u64().unwrap()
    };
    let at = |second: u32| format!("2026-11-21T02:00:{second:02}Z");
    assert_eq!(matched(&["--since", &at(10)]), 50);
    assert_eq!(matched(&["--until", &at(10)]), 10, "the end is not part of the span");
    assert_eq!(matched(&["--since", &at(10), "--until", &at(11)]), 1);
    assert_eq!(matched(&["--since", "2026-11-21T03:00:10+01:00"]), 50);
}

#[test]
fn json_lines_may_have_any_of_the_formats_keys_in_any_order() {
    let keys = [
        r#""msec":"1795226603.000""#,
        r#""time_iso8601":"2026-11-21T02:03:23+00:00""#,
        r#""upstream_addr":"10.0.0.1:80","upstream_connect_time":"0.001""#,
    ];
    for chosen in [&[0, 2][..], &[2, 0], &[1, 2], &[2, 1], &[2, 1, 0]] {
        let pairs: Vec<&str> = chosen.iter().map(|&at| keys[at]).collect();
        let dir = Dir::with_log(format!("{{{}}}\n", pairs.join(",")));
        let run = dir.run(&["report", "-o", "json", "-f", "json", "access.log"]).code(0);
        let report = run.json();
        assert_eq!(report["input"]["matched"], 1);
        assert_eq!(report["period"]["from"], "2026-11-21T02:03:23.000Z", "{chosen:?}");
        assert_eq!(report["total"]["new_certain"], 1);
    }
}

#[test]
fn more_threads_than_any_machine_starts_are_refused() {
    let dir = Dir::with_log(log(40));
    for command in [&["report"][..], &["watch", "--once", "1s"]] {
        let threads = |number| [command, &["-j", number, "access.log"]].concat();
        dir.run(&threads("100000")).code(2).says("--threads <N>").says("at most 1024");
        dir.run(&threads("x")).code(2).says("--threads <N>");
        dir.run(&threads("3")).code(0);
    }
}
