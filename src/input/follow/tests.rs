use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use tempfile::TempDir;

use super::*;

/// A folder, a follower of what is in it, and what it has handed out.
struct Bench {
    folder: TempDir,
    follower: Follower,
    got: Vec<String>,
    too_long: u64,
    notices: Vec<Notice>,
    now_ms: u64,
}

fn append(path: &Path, text: &str) {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

impl Bench {
    fn new(args: &[&str], before: &[(&str, &str)], options: Options) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in before {
            append(&folder.path().join(name), text);
        }
        let follower = Follower::new(&in_folder(&folder, args), options, 0).unwrap();
        Bench { folder, follower, got: vec![], too_long: 0, notices: vec![], now_ms: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        append(&self.path(name), text);
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn poll_once(&mut self, budget: usize) -> Progress {
        let (got, too_long) = (&mut self.got, &mut self.too_long);
        let mut sink = |piece: Piece<'_>| {
            *too_long += piece.too_long;
            let text = String::from_utf8(piece.bytes.to_vec()).unwrap();
            got.extend(text.split_inclusive('\n').map(str::to_owned));
        };
        let progress = self.follower.poll(budget, self.now_ms, &mut sink);
        self.notices.extend(progress.notices.clone());
        progress
    }

    /// Polls till nothing is left and says which lines came.
    fn poll(&mut self) -> Vec<String> {
        while self.poll_once(usize::MAX).more {}
        std::mem::take(&mut self.got).into_iter().map(|line| line.replace('\n', "")).collect()
    }

    fn notices(&mut self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        std::mem::take(&mut self.notices)
            .iter()
            .map(|n| n.to_string().replace(&folder, ""))
            .collect()
    }

    /// Another follower goes on where this one is.
    fn restart(&mut self, args: &[&str]) {
        let positions = self.follower.positions();
        let args = in_folder(&self.folder, args);
        let options = self.follower.options.clone();
        self.follower = Follower::resume(&args, options, &positions, self.now_ms).unwrap();
    }
}

fn in_folder(folder: &TempDir, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| folder.path().join(name).to_str().unwrap().to_owned()).collect()
}

fn from_start() -> Options {
    Options { from_beginning: true, ..Options::default() }
}

#[test]
fn files_that_are_there_are_read_from_the_line_being_written_and_later_ones_from_their_start() {
    let before = [("a.log", "old\nhalf")];
    let mut bench = Bench::new(&["a.log", "b.log"], &before, Options::default());
    assert_eq!(bench.poll(), Vec::<String>::new());
    assert_eq!(bench.notices(), ["b.log: no such file yet, waiting for it"]);
    bench.append("a.log", " line\nnext\n");
    bench.append("b.log", "b1\nb2\n");
    let mut got = bench.poll();
    got.sort();
    assert_eq!(got, ["b1", "b2", "half line", "next"]);
    assert_eq!(bench.notices(), ["b.log: there now, following it"]);
    assert_eq!(bench.poll(), Vec::<String>::new());
}

#[test]
fn a_line_is_handed_out_when_its_newline_comes() {
    let mut bench = Bench::new(&["a.log"], &[("a.log", "a\nb")], from_start());
    assert_eq!(bench.poll(), ["a"]);
    bench.append("a.log", "c");
    assert_eq!(bench.poll_once(100).lag, 2);
    bench.append("a.log", "d\ne");
    assert_eq!(bench.poll(), ["bcd"]);
}

#[test]
fn a_renamed_file_is_read_on_until_it_is_quiet() {
    let mut bench = Bench::new(&["a.log"], &[("a.log", "1\n")], from_start());
    assert_eq!(bench.poll(), ["1"]);
    bench.append("a.log", "2\n");
    bench.rename("a.log", "a.log.1");
    bench.append("a.log.1", "3\n");
    assert_eq!(bench.poll(), ["2", "3"]);
    bench.append("a.log", "5\n");
    bench.append("a.log.1", "4\n");
    bench.now_ms = 59_000;
    assert_eq!(bench.poll(), ["4", "5"]);
    bench.append("a.log.1", "late\nunfinished");
    bench.now_ms = 118_000;
    assert_eq!(bench.poll(), ["late"]);
    bench.now_ms = 178_000;
    assert_eq!(bench.poll(), ["unfinished"]);
    assert_eq!(bench.follower.open_files(), 1);
    assert_eq!(bench.notices(), ["a.log: rotated, following the new file"]);
}

#[test]
fn an_old_file_is_kept_while_its_successor_is_empty() {
    let mut bench = Bench::new(&["a.log"], &[("a.log", "1\n")], from_start());
    bench.poll();
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "");
    bench.poll();
    bench.now_ms = 3_599_000;
    bench.poll();
    bench.append("a.log.1", "2\n");
    assert_eq!(bench.poll(), ["2"]);
    bench.now_ms = 3_599_000 * 3;
    bench.poll();
    assert_eq!(bench.follower.open_files(), 1);
}

#[test]
fn what_was_rotated_twice_between_two_looks_is_read() {
    let mut bench = Bench::new(&["a.log"], &[("a.log", "1\n")], from_start());
    bench.poll();
    for (old, new) in [("2\n", "3\n"), ("4\n", "5\n")] {
        bench.append("a.log", old);
        let _ = fs::rename(bench.path("a.log.1"), bench.path("a.log.2"));
        bench.rename("a.log", "a.log.1");
        bench.append("a.log", new);
    }
    assert_eq!(bench.poll(), ["2", "3", "4", "5"]);
}

#[test]
fn after_copytruncate_the_rest_comes_from_the_copy() {
    let mut bench = Bench::new(&["a.log"], &[("a.log", "1\n")], from_start());
    bench.poll();
    bench.append("a.log", "2\n3\n");
    fs::copy(bench.path("a.log"), bench.path("a.log.1")).unwrap();
    File::create(bench.path("a.log")).unwrap();
    bench.append("a.log", "4\n5\n6\n7\n");
    assert_eq!(bench.poll(), ["2", "3", "4", "5", "6", "7"]);
    let expected = "a.log: rotated meanwhile, reading on in a.log.1";
    assert_eq!(bench.notices(), ["a.log: truncated, reading from its start", expected]);
}

#[test]
fn a_truncated_file_without_a_copy_is_read_from_its_start() {
    let mut bench = Bench::new(&["a.log"], &[("a.log", "1\n2\n")], from_start());
    bench.poll();
    File::create(bench.path("a.log")).unwrap();
    assert_eq!(bench.poll(), Vec::<String>::new());
    bench.append("a.log", "3\n");
    assert_eq!(bench.poll(), ["3"]);
}

#[test]
fn lines_over_the_limit_are_skipped_and_counted() {
    for (length, reads) in [(8, 1), (9, 0), (10, 0), (40, 0)] {
        let mut bench = Bench::new(&["a.log"], &[("a.log", "1\n")], from_start());
        bench.follower.set_max_line(8);
        bench.poll();
        let long = "x".repeat(length);
        for byte in long.as_bytes().chunks(3) {
            bench.append("a.log", std::str::from_utf8(byte).unwrap());
            assert_eq!(bench.poll(), Vec::<String>::new());
        }
        bench.append("a.log", "\n2\n");
        assert_eq!(bench.poll().len(), 1 + reads, "{length}");
        assert_eq!(bench.too_long, 1 - reads as u64, "{length}");
        bench.append("a.log", &format!("{long}\n3\n"));
        assert_eq!(bench.poll().len(), 1 + reads, "{length}");
        assert_eq!(bench.too_long, 2 * (1 - reads as u64), "{length}");
    }
}

#[test]
fn two_names_of_a_file_are_one_log() {
    let mut bench = Bench::new(&["a.log", "b.log", "*.log"], &[("a.log", "")], from_start());
    std::os::unix::fs::symlink("a.log", bench.path("b.log")).unwrap();
    bench.append("a.log", "1\n");
    assert_eq!(bench.poll(), ["1"]);
    let notices = bench.notices();
    assert_eq!(notices[1], "b.log: the same file as a.log, followed once");
}

#[test]
fn what_rotation_and_compression_leave_beside_a_log_is_no_log_of_its_own() {
    let before = [("a.log", "1\n"), ("a.log.1", "0\n"), ("a.log-20260101", "0\n")];
    let mut bench = Bench::new(&["*"], &before, from_start());
    assert_eq!(bench.poll(), ["1"]);
    bench.append("b.log", "b\n");
    bench.append("a.log.2.gz", "\x1f\u{1}");
    bench.follower.rescan(1);
    assert_eq!(bench.poll(), ["b"]);
    assert_eq!(bench.notices(), Vec::<String>::new());
}

#[test]
fn a_restart_goes_on_where_the_last_run_was() {
    let mut bench = Bench::new(&["a.log", "b.log"], &[("a.log", "1\n2")], from_start());
    bench.follower.options.from_beginning = false;
    bench.poll();
    bench.append("a.log", "3\n4\n");
    bench.append("b.log", "b\n");
    bench.restart(&["a.log", "b.log"]);
    assert_eq!(bench.poll(), ["23", "4", "b"]);
    // Rotated twice meanwhile, the older one copied elsewhere and back: another inode.
    bench.append("a.log", "5\n");
    fs::copy(bench.path("a.log"), bench.path("a.log.2")).unwrap();
    fs::remove_file(bench.path("a.log")).unwrap();
    bench.append("a.log.1", "6\n");
    bench.append("a.log", "7\n");
    bench.restart(&["a.log", "b.log"]);
    assert_eq!(bench.poll(), ["5", "6", "7"]);
    assert!(
        bench.notices().contains(&"a.log: rotated meanwhile, reading on in a.log.2".to_owned())
    );
}

#[test]
fn a_restart_finds_the_rest_in_a_compressed_file_and_says_what_is_lost() {
    let mut bench = Bench::new(&["a.log"], &[("a.log", "1\n2\n")], from_start());
    bench.poll();
    bench.append("a.log", "3\n");
    gzip(&bench.path("a.log"), &bench.path("a.log.1.gz"));
    fs::remove_file(bench.path("a.log")).unwrap();
    bench.append("a.log", "4\n");
    bench.restart(&["a.log"]);
    assert_eq!(bench.poll(), ["3", "4"]);
    for name in ["a.log", "a.log.1.gz"] {
        fs::remove_file(bench.path(name)).unwrap();
    }
    bench.append("a.log", "new\n");
    bench.notices();
    bench.restart(&["a.log"]);
    assert_eq!(bench.poll(), ["new"]);
    assert!(bench.notices()[0].starts_with("a.log: the file read up to byte 2 is gone"));
}

fn gzip(from: &Path, to: &Path) {
    let mut encoder =
        flate2::write::GzEncoder::new(File::create(to).unwrap(), flate2::Compression::fast());
    encoder.write_all(&fs::read(from).unwrap()).unwrap();
    encoder.finish().unwrap();
}

#[test]
fn what_is_no_regular_file_is_refused_in_words() {
    let mut bench = Bench::new(&["pipe", "folder.log", "loop"], &[], from_start());
    rustix::fs::mkfifoat(rustix::fs::CWD, bench.path("pipe"), 0o600.into()).unwrap();
    std::os::unix::fs::symlink("loop", bench.path("loop")).unwrap();
    fs::create_dir(bench.path("folder.log")).unwrap();
    bench.notices();
    bench.poll();
    bench.poll();
    let notices = bench.notices().split_off(3);
    let expected = [
        "pipe: expected a regular file to follow, found a pipe, socket or device",
        "folder.log: expected a regular file to follow, found a folder",
    ];
    assert_eq!(notices[..2], expected);
    assert!(notices[2].contains("loop: Too many levels of symbolic links"), "{notices:?}");
    assert_eq!(notices.len(), 3);
}

mod again;
