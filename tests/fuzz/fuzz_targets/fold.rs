//! Whatever the bytes, no line makes the fold panic, and each is counted once.

#![no_main]

use keepwarm::detect::detect;
use keepwarm::fold::{Choice, Fold, Recipe};
use keepwarm::log_format::presets;
use keepwarm::summary::Merge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let mut recipes: Vec<Recipe> = presets::ALL
        .iter()
        .filter_map(|preset| preset.format().ok())
        .map(|format| Recipe::new(&format, None, Choice::default(), "fuzz"))
        .collect();
    recipes.extend(
        detect("fuzz", &lines).ok().map(|found| Recipe::of_detected(&found, Choice::default(), "fuzz")),
    );
    let filled = lines.iter().filter(|line| !line.is_empty()).count() as u64;
    for recipe in &recipes {
        let mut whole = Fold::default();
        let bad = lines.iter().filter(|line| whole.line(recipe, line).is_err()).count() as u64;
        let counts = whole.summary.lines;
        assert_eq!(counts.lines, filled);
        assert_eq!((counts.malformed, counts.matched), (bad, filled - bad));
        let mut together = Fold::default();
        let mut odd = 0;
        let count = together.lines(recipe, lines.iter().copied(), |_, _, _| odd += 1);
        assert_eq!((count, odd), (lines.len() as u64, bad));
        assert_eq!(together.summary, whole.summary);
        let (mut a, mut b) = (Fold::default(), Fold::default());
        for (i, line) in lines.iter().enumerate() {
            let half = if i < lines.len() / 2 { &mut a } else { &mut b };
            let _ = half.line(recipe, line);
        }
        b.summary.merge(a.summary);
        assert_eq!(b.summary, whole.summary);
    }
});
