//! What was read once is not read again, and what was not read is not passed over.

use super::*;

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn a_log_that_is_missing_in_the_middle_of_its_rotation_is_still_known_after_a_restart() {
    for arg in ["", "*.log*", "a.log"] {
        let before = [("a.log.1", "old\n"), ("a.log", "1\n"), ("b.log", "")];
        let mut bench = Bench::new(&[arg], &before, from_start());
        assert_eq!(bench.poll(), ["1"], "{arg}");
        bench.append("a.log", "2\n");
        bench.rename("a.log.1", "a.log.2");
        bench.rename("a.log", "a.log.1");
        bench.follower.options.from_beginning = false;
        bench.restart(&[arg]);
        assert_eq!(bench.poll(), ["2"], "{arg}");
        bench.follower.rescan(1);
        bench.append("a.log", "3\n");
        bench.follower.rescan(2);
        assert_eq!(bench.poll(), ["3"], "{arg}");
    }
}

#[test]
fn a_log_with_a_name_of_its_own_is_read_whole_where_its_forerunner_is_known() {
    let mut bench = Bench::new(&["a-*.log"], &[("a-20260101.log", "1\n")], from_start());
    bench.poll();
    fs::remove_file(bench.path("a-20260101.log")).unwrap();
    bench.append("a-20260102.log", "2\n");
    bench.follower.options.from_beginning = false;
    bench.restart(&["a-*.log"]);
    assert_eq!(bench.poll(), ["2"]);
}

#[test]
fn a_file_that_cannot_be_opened_at_a_restart_keeps_its_place() {
    let before = [("a.log", "1\n"), ("b.log", "2\n")];
    let mut bench = Bench::new(&["a.log", "b.log"], &before, from_start());
    bench.poll();
    bench.follower.options.max_open = 1;
    for _ in 0..3 {
        bench.restart(&["a.log", "b.log"]);
        assert_eq!(bench.poll(), none());
        assert_eq!(bench.follower.held_back(), 1);
    }
    bench.notices();
    bench.append("b.log", "3\n");
    fs::remove_file(bench.path("a.log")).unwrap();
    for now_ms in [0, 61_000, 122_000] {
        bench.now_ms = now_ms;
        bench.poll_once(usize::MAX);
        bench.follower.rescan(now_ms);
    }
    assert_eq!(bench.poll(), ["3"]);
}

#[test]
fn what_rotation_made_of_a_log_that_is_gone_is_no_log() {
    let before = [("a.log.1", "old\n"), ("a.log", "1\n"), ("b.log", "")];
    let mut bench = Bench::new(&[""], &before, from_start());
    assert_eq!(bench.poll(), ["1"]);
    fs::remove_file(bench.path("a.log")).unwrap();
    for _ in 0..4 {
        bench.now_ms += 61_000;
        assert_eq!(bench.poll(), none());
        bench.follower.rescan(bench.now_ms);
    }
    bench.poll();
    assert_eq!(bench.follower.lags().count(), 1);
    assert!(bench.notices().contains(&"a.log: no longer followed, its files are gone".to_owned()));
    bench.restart(&[""]);
    assert_eq!(bench.poll(), none());
    bench.append("a.log", "2\n");
    bench.follower.rescan(bench.now_ms);
    assert_eq!(bench.poll(), ["2"]);
}

#[test]
fn rotation_may_keep_the_extension() {
    for rotated in ["a-20260101.log", "a.1.log", "a-20260101.log.gz"] {
        let before = [("a.log", "1\n"), ("a-2.log", "other\n")];
        let mut bench = Bench::new(&[""], &before, from_start());
        assert_eq!(bench.poll(), ["other", "1"]);
        bench.append("a.log", "2\n");
        if Path::new(rotated).extension() == Some("gz".as_ref()) {
            gzip(&bench.path("a.log"), &bench.path(rotated));
        } else {
            fs::copy(bench.path("a.log"), bench.path(rotated)).unwrap();
        }
        File::create(bench.path("a.log")).unwrap();
        bench.append("a.log", "3\n4\n5\n");
        bench.follower.rescan(1);
        assert_eq!(bench.poll(), ["2", "3", "4", "5"], "{rotated}");
        bench.restart(&[""]);
        assert_eq!(bench.poll(), none());
    }
}

#[test]
fn an_inode_number_alone_says_nothing_of_a_compressed_file() {
    let mut bench = Bench::new(&["a.log"], &[("a.log", "1\n2\n")], from_start());
    bench.poll();
    gzip(&bench.path("a.log"), &bench.path("a.log.1.gz"));
    File::create(bench.path("a.log")).unwrap();
    let mut empty = bench.follower.positions().remove(0);
    let packed = Identity::of(&fs::metadata(bench.path("a.log.1.gz")).unwrap());
    empty.inode = packed.inode;
    (empty.fingerprint, empty.offset) = (Fingerprint::default(), 0);
    let mut positions = bench.follower.positions();
    positions.insert(0, empty);
    let args = in_folder(&bench.folder, &["a.log"]);
    bench.follower = Follower::resume(&args, from_start(), &positions, 0).unwrap();
    bench.append("a.log", "3\n");
    assert_eq!(bench.poll(), ["3"]);
}

#[test]
fn a_link_that_leads_back_goes_on_where_it_was() {
    use std::os::unix::fs::symlink;
    let before = [("a", "a1\n"), ("b", "b1\n")];
    let mut bench = Bench::new(&["current"], &before, from_start());
    let mut got = Vec::new();
    for (target, line) in [("a", "a2\n"), ("b", "b2\n"), ("a", "a3\n"), ("b", "b3\n")] {
        let _ = fs::remove_file(bench.path("current"));
        symlink(target, bench.path("current")).unwrap();
        bench.poll_once(usize::MAX);
        bench.append(target, line);
        bench.poll_once(usize::MAX);
        bench.now_ms += 61_000;
        got.extend(bench.poll());
    }
    assert_eq!(got, ["a1", "a2", "b1", "b2", "a3", "b3"]);
}

#[test]
fn a_log_that_takes_the_name_of_another_goes_on_where_it_was() {
    let before = [("a.log", "1\n"), ("b.log", "2\n")];
    let mut bench = Bench::new(&[""], &before, from_start());
    bench.poll();
    bench.rename("a.log", "c.log");
    bench.append("c.log", "3\n");
    bench.restart(&[""]);
    assert_eq!(bench.poll(), ["3"]);
    let lost = |notice: &String| notice.contains("is gone");
    assert!(!bench.notices().iter().any(lost));
    bench.restart(&[""]);
    assert_eq!(bench.poll(), none());
}

#[test]
fn that_too_many_files_are_there_is_said_once() {
    let before: Vec<(String, &str)> = (0..5).map(|n| (format!("{n}.log"), "1\n")).collect();
    let before: Vec<(&str, &str)> = before.iter().map(|(name, text)| (&**name, *text)).collect();
    let mut bench = Bench::new(&[""], &before, Options { max_open: 2, ..from_start() });
    assert_eq!(bench.poll().len(), 2);
    for _ in 0..3 {
        bench.now_ms += 5_000;
        bench.follower.rescan(bench.now_ms);
        bench.poll();
    }
    let expected = "2.log and 2 more are not followed, as 2 files are open already";
    assert_eq!(bench.notices(), [expected]);
    assert_eq!(bench.follower.held_back(), 3);
}

#[test]
fn files_read_to_their_end_make_room_when_all_logs_are_rotated_at_once() {
    let names = ["a.log", "b.log", "c.log"];
    let before = names.map(|name| (name, "1\n"));
    let mut bench = Bench::new(&[""], &before, Options { max_open: 4, ..from_start() });
    bench.poll();
    for name in names {
        bench.rename(name, &format!("{name}.1"));
        bench.append(name, "2\n");
        bench.append(&format!("{name}.1"), "late\n");
    }
    let mut got = Vec::new();
    for _ in 0..15 {
        bench.now_ms += 500;
        got.extend(bench.poll());
    }
    got.sort();
    assert_eq!(got, ["2", "2", "2", "late", "late", "late"]);
    let rotated = |notice: &&String| notice.ends_with("rotated, following the new file");
    assert_eq!(bench.notices().iter().filter(rotated).count(), 3);
}
