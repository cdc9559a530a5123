use super::event::tests::firing;
use super::*;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn all_sinks_get_all_events_and_are_counted_by_kind() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.json"), folder.path().join("two.json"));
    let command = format!("sh -c 'cat >> \"{}/exec\"'", folder.path().display());
    let targets =
        [Target::JsonFile(one.clone()), Target::JsonFile(two.clone()), Target::Exec(command)];
    let notifier = Notifier::start(&targets).unwrap();
    for n in 0..20 {
        notifier.send(&firing(&format!("hit_rate:{n}")));
    }
    let total = |sink: &Sink<'_>| sink.delivered + sink.lost + sink.queued;
    let counts = notifier.counts();
    assert_eq!(
        counts.iter().map(|sink| (sink.name, total(sink))).collect::<Vec<_>>(),
        [("json", 40), ("exec", 20)]
    );
    assert_eq!(notifier.stop(LONG), Vec::<String>::new());
    let expected: String =
        (0..20).map(|n| firing(&format!("hit_rate:{n}")).json() + "\n").collect();
    for path in [one, two, folder.path().join("exec")] {
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
    }
}

#[test]
fn a_sink_that_fails_does_not_disturb_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good"), folder.path().join("none/bad"));
    let targets = [Target::JsonFile(bad), Target::JsonFile(good.clone())];
    let notifier = Notifier::start(&targets).unwrap();
    notifier.send(&firing("a\nforged \u{1b}[2J"));
    let messages = notifier.stop(LONG);
    let [message] = &messages[..] else { panic!("{messages:?}") };
    assert!(message.contains("none/bad: No such file"), "{message}");
    let text = std::fs::read_to_string(good).unwrap();
    assert!(text.contains(r#""id":"a\\x0aforged \\x1b[2J""#), "{text}");
}

#[test]
fn a_command_that_runs_on_is_killed_when_keepwarm_stops() {
    let notifier = Notifier::start(&[Target::Exec("sleep 1000".to_owned())]).unwrap();
    notifier.send(&firing("a"));
    let messages = notifier.stop(Duration::from_millis(400)).join("\n");
    assert!(messages.contains("killed, as keepwarm stops; lost: "), "{messages}");
}

#[test]
fn wrong_targets_are_refused() {
    for target in [Target::Exec("'".to_owned()), Target::Webhook("x".to_owned())] {
        assert!(Notifier::start(&[target]).is_err());
    }
    assert!(Notifier::start(&[]).unwrap().stop(LONG).is_empty());
}
