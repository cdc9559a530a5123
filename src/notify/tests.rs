use super::event::tests::firing;
use super::*;

const LONG: Duration = Duration::from_secs(60);

fn start(targets: &[Target]) -> Notifier {
    Notifier::start(targets, Untold::new()).unwrap()
}

fn send(notifier: &mut Notifier, id: &str) {
    notifier.hold(&firing(id));
    notifier.release();
}

#[test]
fn all_sinks_get_all_events_and_are_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.json"), folder.path().join("two.json"));
    let command = format!("sh -c 'cat >> \"{}/exec\"'", folder.path().display());
    let targets =
        [Target::JsonFile(one.clone()), Target::JsonFile(two.clone()), Target::Exec(command)];
    let mut notifier = start(&targets);
    for n in 0..20 {
        send(&mut notifier, &format!("hit_rate:{n}"));
    }
    let total = |sink: &Sink<'_>| sink.delivered + sink.lost + sink.queued;
    let counts = notifier.counts();
    assert_eq!(
        counts.iter().map(|sink| (sink.name, total(sink))).collect::<Vec<_>>(),
        [("json", 20), ("json 2", 20), ("exec", 20)]
    );
    assert_eq!(notifier.stop(LONG), Vec::<String>::new());
    assert!(notifier.untold().is_empty());
    let expected: String =
        (0..20).map(|n| firing(&format!("hit_rate:{n}")).json() + "\n").collect();
    for path in [one, two, folder.path().join("exec")] {
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
    }
}

#[test]
fn a_sink_that_fails_does_not_disturb_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (good, gone) = (folder.path().join("good"), folder.path().join("gone"));
    std::fs::create_dir(&gone).unwrap();
    let mut notifier = start(&[Target::JsonFile(gone.join("bad")), Target::JsonFile(good.clone())]);
    std::fs::remove_dir_all(gone).unwrap();
    send(&mut notifier, "a\nforged \u{1b}[2J");
    let messages = notifier.stop(LONG);
    let [message] = &messages[..] else { panic!("{messages:?}") };
    assert!(message.contains("gone/bad: No such file"), "{message}");
    let text = std::fs::read_to_string(good).unwrap();
    assert!(text.contains(r#""id":"a\\x0aforged \\x1b[2J""#), "{text}");
}

#[test]
fn what_is_not_delivered_is_so_after_a_restart_to_those_who_miss_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, told, wait) =
        (folder.path().join("file"), folder.path().join("told"), folder.path().join("wait"));
    std::fs::write(&wait, "").unwrap();
    let command = format!(
        "sh -c 'while [ -e \"$0\" ]; do sleep 0.01; done; cat >>\"$1\"' \"{}\" \"{}\"",
        wait.display(),
        told.display()
    );
    let targets = [Target::JsonFile(file.clone()), Target::Exec(command)];
    let mut before = start(&targets);
    send(&mut before, "a");
    before.hold(&firing("b"));
    assert!(before.untold().values().all(|all| all.iter().any(|event| event.id == "b")));
    before.release();
    let messages = before.stop(Duration::from_millis(400)).join("\n");
    assert!(messages.contains("exec sh: killed, as keepwarm stops\n"), "{messages}");
    assert_eq!(messages.matches("exec sh: not delivered: ").count(), 2, "{messages}");
    let stored = crate::summary::codec::encode(&before.untold()).unwrap();
    std::fs::remove_file(wait).unwrap();
    let after: Untold = crate::summary::codec::decode(&stored).unwrap();
    assert_eq!(after.keys().collect::<Vec<_>>(), [&targets[1].key()]);
    let mut without = Notifier::start(&targets[..1], after.clone()).unwrap();
    assert!(without.messages().join("").starts_with("2 events of an earlier run are let go"));
    // Another one before it changes nothing.
    let targets = [Target::Exec("true".to_owned()), targets[1].clone(), targets[0].clone()];
    assert_eq!(Notifier::start(&targets, after).unwrap().stop(LONG), Vec::<String>::new());
    let both = [firing("a"), firing("b")].map(|event| event.json() + "\n").concat();
    for path in [file, told] {
        assert_eq!(std::fs::read_to_string(path).unwrap(), both);
    }
}

#[test]
fn wrong_targets_are_refused() {
    for target in [
        Target::Exec("'".to_owned()),
        Target::Exec("keepwarm-no-such-command".to_owned()),
        Target::Webhook("x".to_owned()),
        Target::JsonFile("/nowhere/alerts".into()),
    ] {
        assert!(Notifier::start(&[target], Untold::new()).is_err());
    }
    assert!(start(&[]).stop(LONG).is_empty());
}
