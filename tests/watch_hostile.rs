//! `keepwarm watch` with input that means no good, and where nothing can be written: it says so and goes on.

use crate::util::{Dir, Run, finish};
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const FORMAT: &str = "$msec $upstream_addr $upstream_connect_time";

fn line(peer: u32, connect: &str) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    format!("{seconds}.000 10.{}.{}.{}:80 {connect}\n", peer >> 16, peer >> 8 & 255, peer & 255)
}

/// Watches a pipe with these bytes until its end.
fn piped(dir: &Dir, bytes: &[u8], more: &[&str]) -> Run {
    dir.write("bytes", bytes);
    let args = [&["watch", "-f", FORMAT], more, &["-"]].concat();
    let input = File::open(dir.path("bytes")).unwrap();
    finish(dir.command(&args).stdin(input).output().unwrap())
}

#[test]
fn binary_and_endless_lines_are_counted_and_passed_over() {
    let mut bytes = vec![b'x'; 3 << 20];
    bytes.push(b'\n');
    bytes.extend((0..200_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]));
    bytes.push(b'\n');
    for _ in 0..300 {
        bytes.extend(line(1, "0.000").as_bytes());
    }
    bytes.extend(vec![0; 2 << 20]);
    let run = piped(&Dir::new(), &bytes, &[]).says("a line does not fit the format");
    assert!(run.text().contains("10.0.0.1:80: reuse"), "{run:?}");
    assert!(run.text().contains(", 300 attempts"), "{run:?}");
}

#[test]
fn a_pipe_with_a_name_may_be_closed_and_opened_again() {
    let dir = Dir::new();
    assert!(Command::new("mkfifo").arg(dir.path("pipe")).status().unwrap().success());
    let args = ["watch", "-f", FORMAT, "--textfile", "a.prom", "--save-every", "50ms", "pipe"];
    let mut watch = dir.command(&args);
    let watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for lines in [500, 1000] {
        // Opening waits for the reader.
        std::fs::write(dir.path("pipe"), line(1, "0.000").repeat(500)).unwrap();
        let counted = format!("outcome=\"matched\"}} {lines}\n");
        let seen = |_: &u32| {
            let metrics = std::fs::read_to_string(dir.path("a.prom")).unwrap_or_default();
            std::thread::sleep(Duration::from_millis(10));
            metrics.contains(&counted)
        };
        assert!((0..6000).find(seen).is_some(), "{lines} lines are never counted");
    }
    let kill = format!("kill -TERM {}", watch.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    finish(watch.wait_with_output().unwrap()).code(0).says("1,000 lines counted");
}

#[test]
fn a_silent_pipe_that_is_ended_by_a_signal_is_no_failure() {
    let dir = Dir::new();
    let args = ["watch", "-f", FORMAT, "--textfile", "a.prom", "--save-every", "50ms", "-"];
    let mut watch = dir.command(&args);
    let watch = watch.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let watch = watch.spawn().unwrap();
    let runs = |_: &u32| {
        std::thread::sleep(Duration::from_millis(10));
        dir.path("a.prom").exists()
    };
    assert!((0..6000).find(runs).is_some(), "it never begins");
    let kill = format!("kill -TERM {}", watch.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    // The pipe must stay open until then.
    let mut watch = watch;
    let stdin = watch.stdin.take();
    let run = finish(watch.wait_with_output().unwrap()).code(0);
    assert!(!run.stderr.contains("error"), "{run:?}");
    drop(stdin);
}

#[test]
fn where_nothing_can_be_written_it_goes_on() {
    let dir = Dir::new();
    dir.write("access.log", line(1, "0.003").repeat(500));
    // In the place of the file that is written first.
    std::fs::create_dir(dir.path("state.new")).unwrap();
    let outputs = ["--state", "state", "--alerts", "/dev/full", "--textfile", "no/file.prom"];
    let outputs = [&outputs[..], &["--exec", "false"]].concat();
    let args = ["watch", "-f", FORMAT, "--from-start", "--once", "1s", "access.log"];
    let run = dir.run(&[&args[..], &outputs].concat()).code(1);
    let run = run.says("500 lines counted").says("ALERT").says("--state").says("going on without");
    run.says("/dev/full").says("no/file.prom");
}

#[test]
fn what_cannot_be_shown_at_the_end_is_said() {
    let dir = Dir::new();
    dir.write("access.log", line(1, "0.000").repeat(500));
    let args = ["watch", "-f", FORMAT, "--from-start", "--once", "1s", "access.log"];
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let run = finish(dir.command(&args).stdout(full()).output().unwrap());
    run.code(2).says("stdout: No space left on device").says("500 lines counted");
}

#[test]
fn that_no_format_fits_a_pipe_is_said_once() {
    let dir = Dir::new();
    let lines: Vec<String> = (0..20_000).map(|n| format!("{n} of nothing known\n")).collect();
    dir.write("lines", lines.concat());
    let mut command = dir.command(&["watch", "-"]);
    let input = File::open(dir.path("lines")).unwrap();
    let run = finish(command.stdin(input).output().unwrap()).code(2);
    assert_eq!(run.stderr.matches("no known log format").count(), 1, "{run:?}");
}

#[test]
fn what_cannot_be_a_state_or_settings_is_refused() {
    let dir = Dir::with_log("");
    std::fs::create_dir(dir.path("folder")).unwrap();
    for state in ["/dev/full", "folder"] {
        let run = dir.run(&["watch", "--once", "1s", "--state", state, "access.log"]).code(2);
        run.says(&format!("--state {state}: expected a regular file"));
    }
    dir.write("settings", b"state = \"a\"\n# \xFFa\n");
    let run = dir.run(&["watch", "--config", "settings"]).code(2);
    run.says("settings:2:3: expected text as UTF-8, found the byte 0xFF");
}

/// Needs mounts of its own: as root, or where users may have namespaces.
#[test]
fn a_state_on_a_full_disk_stays_as_it_was_and_nothing_is_lost() {
    let dir = Dir::new();
    dir.write("access.log", line(1, "0.000").repeat(500));
    dir.write("more", (0..20_000).map(|peer| line(peer, "0.000")).collect::<String>());
    // Each run ends when it has read all that there is.
    let script = "mkdir disk && mount -t tmpfs -o size=64k tmpfs disk || exit 77
        run() { \"$0\" watch -f \"$1\" --from-start --once 1s --state disk/state access.log; }
        run \"$1\"; cksum <disk/state >before; cat more >>access.log; run \"$1\"; run \"$1\"
        cksum <disk/state >after; ls disk >left";
    let mut alone = Command::new("unshare");
    alone.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_keepwarm"), FORMAT]);
    let output = match alone.current_dir(dir.path("")).output() {
        Ok(output) if !dir.path("left").exists() => {
            println!("left out, as nothing can be mounted: {output:?}");
            return;
        }
        Ok(output) => output,
        Err(error) => {
            println!("left out, as there is no unshare: {error}");
            return;
        }
    };
    let run = finish(output).says("--state disk/state: No space left on device").says("going on");
    assert_eq!(run.stderr.matches("20,500 lines counted").count(), 2, "{run:?}");
    assert_eq!(dir.read("before"), dir.read("after"), "{run:?}");
    assert_eq!(dir.read("left"), b"state\nstate.lock\n");
}

#[test]
fn a_hundred_thousand_peers_fit_in_bounded_memory() {
    let dir = Dir::new();
    dir.write("bytes", (0..100_000).map(|peer| line(peer, "0.000")).collect::<String>());
    // 1 GB of address space, with all threads' stacks.
    let script = "ulimit -v 1000000; exec \"$0\" watch -q -j 1 --state state -f \"$1\" - <bytes";
    let mut limited = Command::new("sh");
    limited.args(["-c", script, env!("CARGO_BIN_EXE_keepwarm"), FORMAT]);
    let run = finish(limited.current_dir(dir.path("")).output().unwrap()).code(0);
    assert_eq!(run.stderr, "");
    assert!(dir.read("state").len() < 100 << 20);
}
