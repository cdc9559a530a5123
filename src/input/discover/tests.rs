use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::input::sample;

/// A folder with these files, each holding its own name as a line.
fn folder_with(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{name}\n")).unwrap();
    }
    folder
}

/// Discovers `args`, each below the folder; results have the folder's name taken off.
fn discover_in(folder: &Path, args: &[&str]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let base = format!("{}/", folder.display());
    let args: Vec<_> = args.iter().map(|arg| format!("{base}{arg}")).collect();
    let found = discover(&args);
    let short = |text: &str| text.replace(&base, "");
    (
        found.sources.iter().map(|source| short(source.name())).collect(),
        found.errors.iter().map(|error| short(error.message())).collect(),
        found.warnings.iter().map(|warning| short(warning)).collect(),
    )
}

#[test]
fn a_folder_gives_its_access_logs_only() {
    let folder = folder_with(&[
        "d/access.log",
        "d/access.log.1",
        "d/access.log.2.gz",
        "d/shop_access",
        "d/x.log-20261121",
        "d/error.log",
        "d/error.log.1.gz",
        "d/shop.error.log",
        "d/notes.txt",
        "d/.access.log.swp",
        "d/below/access.log",
        "d/old.log/access.log",
    ]);
    let (sources, errors, warnings) = discover_in(folder.path(), &["d"]);
    let expected = [
        "d/access.log",
        "d/access.log.1",
        "d/access.log.2.gz",
        "d/shop_access",
        "d/x.log-20261121",
    ];
    assert_eq!(sources, expected);
    assert!(errors.is_empty() && warnings.is_empty(), "{errors:?} {warnings:?}");
}

#[test]
fn a_folder_without_logs_says_what_was_looked_for() {
    let folder = folder_with(&["d/error.log", "d/notes.txt"]);
    let (sources, errors, _) = discover_in(folder.path(), &["d"]);
    assert!(sources.is_empty());
    let expected = "d: expected files with `.log` or `access` in their names (but not `error.log`), \
                    found 2 other files";
    assert_eq!(errors, [expected]);
}

#[test]
fn the_order_of_arguments_makes_no_difference() {
    let folder = folder_with(&["a.log", "b.log", "d/c.log"]);
    symlink(folder.path().join("b.log"), folder.path().join("z.log")).unwrap();
    let args = ["z.log", "d", "missing", "a.log", "*.log", "[", "b.log"];
    let forward = discover_in(folder.path(), &args);
    let mut reversed = args;
    reversed.reverse();
    let backward = discover_in(folder.path(), &reversed);
    assert_eq!(forward, backward);
    assert_eq!(forward.0, ["a.log", "b.log", "d/c.log"]);
}

#[test]
fn one_file_under_several_names_is_read_once_and_said() {
    let folder = folder_with(&["a.log", "other"]);
    symlink(folder.path().join("a.log"), folder.path().join("current")).unwrap();
    fs::hard_link(folder.path().join("a.log"), folder.path().join("b.log")).unwrap();
    let (sources, errors, warnings) =
        discover_in(folder.path(), &["current", "b.log", "a.log", "a.log", "other"]);
    assert_eq!(sources, ["a.log", "other"]);
    assert!(errors.is_empty());
    assert_eq!(
        warnings,
        [
            "a.log: named more than once, read once",
            "b.log: the same file as a.log, read once",
            "current: the same file as a.log, read once",
        ]
    );
}

#[test]
fn a_missing_file_is_an_error_and_the_others_go_on() {
    let folder = folder_with(&["a.log"]);
    symlink("nowhere", folder.path().join("dangling.log")).unwrap();
    let (sources, errors, _) = discover_in(folder.path(), &["gone.log", "a.log", "gone.log", "."]);
    assert_eq!(sources, ["./a.log"]);
    assert_eq!(
        errors,
        ["./dangling.log: No such file or directory", "gone.log: No such file or directory"]
    );
}

#[test]
fn an_unreadable_file_is_an_error_with_a_hint() {
    let folder = folder_with(&["a.log"]);
    let path = folder.path().join("a.log");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let found = discover(&[path.to_str().unwrap().to_owned()]);
    // Root may read everything.
    if let [error] = &found.errors[..] {
        assert!(error.message().ends_with("a.log: Permission denied"), "{error}");
        assert!(error.hint().unwrap().contains("adm"));
    } else {
        assert_eq!(found.sources.len(), 1);
    }
}

#[test]
fn patterns_match_files_unless_a_file_has_that_name() {
    let folder = folder_with(&["a.log", "a.log.1", "b.log", ".c.log", "[x].log", "d.log/e"]);
    for (arg, expected) in [
        ("a.log*", &["a.log", "a.log.1"][..]),
        ("?.log", &["a.log", "b.log"]),
        ("[ab].log", &["a.log", "b.log"]),
        ("[x].log", &["[x].log"]),
        ("**/e", &["d.log/e"]),
    ] {
        let (sources, errors, _) = discover_in(folder.path(), &[arg]);
        assert_eq!(sources, expected, "{arg}");
        assert!(errors.is_empty(), "{errors:?}");
    }
    let (_, errors, _) = discover_in(folder.path(), &["z*"]);
    assert_eq!(errors, ["z*: no file matches this pattern"]);
}

#[test]
fn a_wrong_pattern_is_shown_with_its_column() {
    let found = discover(&["no/such/a[b".to_owned()]);
    assert_eq!(found.errors[0].kind(), ErrorKind::Syntax);
    assert!(
        found.errors[0].message().starts_with("no/such/a[b: column 10: "),
        "{:?}",
        found.errors
    );
}

#[test]
fn a_log_plain_and_compressed_is_said_and_both_are_read() {
    let folder = folder_with(&["a.log", "a.log.1", "a.log.gz", "a.log.2.gz", "a.log.2.zst"]);
    let (sources, _, warnings) = discover_in(folder.path(), &["."]);
    assert_eq!(sources.len(), 5);
    assert_eq!(
        warnings,
        [
            "./a.log and ./a.log.gz may be one log stored twice: its lines may count twice",
            "./a.log.2.gz and ./a.log.2.zst may be one log stored twice: its lines may count twice",
        ]
    );
}

#[test]
fn names_from_the_file_system_are_shown_without_control_characters() {
    let folder = folder_with(&["a\x1b[2J\n.log"]);
    let (sources, ..) = discover_in(folder.path(), &["."]);
    assert_eq!(sources, ["./a\\u{1b}[2J\\n.log"]);
    assert!(printable("\u{9b}é\u{7f}") == "\\u{9b}é\\u{7f}");
}

#[test]
fn what_is_no_log_is_an_error_before_anything_is_read() {
    let folder = folder_with(&[]);
    fs::write(folder.path().join("x.log"), b"PK\x03\x04").unwrap();
    let (sources, errors, _) = discover_in(folder.path(), &["x.log"]);
    assert!(sources.is_empty());
    assert_eq!(errors, ["x.log: expected a log, found a zip archive"]);
}

#[test]
fn a_fifo_is_not_opened_before_it_is_read() {
    let folder = folder_with(&[]);
    let path = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    // Opening it here would wait for a writer that never comes.
    let found = discover(&[path.to_str().unwrap().to_owned()]);
    assert_eq!((found.sources.len(), found.errors.len()), (1, 0));
}

#[test]
fn a_device_is_a_stream() {
    let found = discover(&["/dev/null".to_owned()]);
    let sample = sample(&found.sources[0], 9, 99).unwrap();
    assert!(sample.bytes.is_empty() && sample.complete);
}
