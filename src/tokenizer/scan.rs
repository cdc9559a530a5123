//! The fast engine: one pass from each end, no second thoughts.
//!
//! From the left it takes the first end that [`super::reference`] would try; if all of them fit, that reading is the
//! reference's. It stops before the end of the line only where nothing behind could change that: see `plan`. From
//! the right it reads values whose start is certain: between quotes, behind a tab, or of a grammar that can't hold the
//! byte in front. What lies between and was not asked for is not looked at. Where a step fails it gives up, and the
//! reference decides.
//!
//! Lines are read some at a time, and one step at a time for all of them: what the step needs stays in registers, and no
//! line waits for where another's value ends.

use super::Tokens;
use super::fields::{LONGEST, NOWHERE};
use super::layout::Layout;
use super::plan::Plan;

impl Plan {
    /// Sets the values of some lines, of which there are no more than bits, and gives the bits of those that fit at the first
    /// try. Of others some values may be set.
    pub(super) fn scan(&self, layout: &Layout, lines: &mut [Tokens<'_>]) -> u32 {
        if self.hopeless {
            return 0;
        }
        for line in &mut *lines {
            let starts = self.lead.starts(line.line) && line.line.len() <= LONGEST;
            line.start = if starts { self.lead.len() } else { NOWHERE };
            line.values.restart(self.present, self.back.numbered);
            line.end = self.back.end(line.line);
        }
        self.back.scan(layout, lines);
        for (step, leg) in self.forward.iter().zip(&layout.legs) {
            step.scan(leg, lines);
        }
        let mut fit = 0;
        for (at, line) in lines.iter_mut().enumerate() {
            fit |= u32::from(self.meets(line)) << at;
        }
        fit
    }

    /// Do the values from the left and those from the right leave a line that fits?
    #[inline]
    fn meets(&self, line: &Tokens<'_>) -> bool {
        let Tokens { line, start: left, end: right, .. } = line;
        if self.back.is_empty() {
            return *left <= line.len() && (!self.is_all || *left == line.len());
        }
        // The literal in front of the values from the right stands behind the others.
        *right <= line.len()
            && if self.is_all { *left == right + self.overlap } else { left <= right }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_format::variable::{Field, Shape, shape_of};
    use crate::log_format::{Escape, LogFormat, Piece, presets::ALL};
    use crate::record::attempt::attempts;
    use crate::record::number::{integer, integer_of, millis_of, millis_wide};
    use crate::tokenizer::{Fields, Tokenizer, Tokens, Wanted, reference};
    use proptest::prelude::*;
    use proptest::sample::Index;

    /// Values of a shape, odd ones too.
    fn values(shape: Shape) -> &'static [&'static str] {
        match shape {
            Shape::Text => &["-", "", "GET /a HTTP/1.1", "a b=c", "x:1, y", "[a] - pid=1 ua=2"],
            Shape::Token => &["-", "", "api", "a=b", "10.0.0.1", "up=x", "web_1.example"],
            Shape::Integer => &["-", "0", "200", "4294967296"],
            Shape::Seconds => &["-", "0.000", "4294967.296", "1795226603.023"],
            Shape::TimeLocal => &["21/Nov/2026:02:03:23 +0000"],
            Shape::TimeIso8601 => &["2026-11-21T02:03:23+00:00"],
            Shape::Addresses => &[
                "-",
                "app",
                "10.0.0.1:80",
                "192.168.0.10:8080",
                "[::1]:80",
                "a:1, [::1]:80",
                "unix:/x : b:2",
                "a:1 : ",
            ],
            Shape::Numbers => &[
                "-",
                "0",
                "101",
                "0.000",
                "12.345",
                "5000000.000",
                "0101",
                "200, 502",
                "0.000 : -",
                "1 : ",
            ],
        }
    }

    #[test]
    fn what_nobody_asked_for_leaves_the_group_alone() {
        let text = r#""$a" "$b" "$c" "$upstream_status" "$http_x" "$http_y" "$upstream_addr""#;
        let format = LogFormat::from_string("main", text, Escape::Default).unwrap();
        let wanted = Wanted::new(&[Field::Addr, Field::UpstreamStatus]).with_group("http_y");
        let line = br#""1" "2" "3" "200" "an x" "a y" "10.0.0.1:80""#;
        let tokens = Tokenizer::new(&format, &wanted).tokenize(line).unwrap();
        assert_eq!(tokens.get(Field::Group), Some(&b"a y"[..]));
        assert_eq!(tokens.get(Field::UpstreamStatus), Some(&b"200"[..]));
    }

    proptest! {
        #[test]
        fn what_it_reads_is_what_the_reference_reads(
            is_wide: bool,
            preset in prop::sample::select(ALL),
            picks in prop::collection::vec(any::<Index>(), 24),
            change in prop::option::of((any::<Index>(), prop::sample::select(b"\"\\= ,:-0\t\x00\x01\xff".to_vec()))),
        ) {
            let format = preset.format().unwrap();
            let mut line = Vec::new();
            for (piece, pick) in format.pieces.iter().zip(picks.iter().cycle()) {
                match piece {
                    Piece::Literal(text) => line.extend_from_slice(text),
                    Piece::Variable(name) => {
                        line.extend_from_slice(pick.get(values(shape_of(name))).as_bytes());
                    }
                }
            }
            if let Some((at, byte)) = change {
                let at = at.index(line.len());
                line[at] = byte;
            }
            let layout = Layout::new(&format, &Wanted::new(&Field::ALL));
            let mut tokens = Tokens::new(&line);
            let mut scan = || Plan::new(&layout).scan(&layout, std::slice::from_mut(&mut tokens));
            let fits = if is_wide { scan() } else { crate::wide::plainly(scan) };
            let fast = (fits == 1).then_some(tokens);
            let slow = reference::tokenize(&layout, &line);
            if let (Some(fast), Ok(slow)) = (fast, slow) {
                prop_assert_eq!(fast, slow, "{}: {}", preset.name, line.escape_ascii());
                // Without what was read as numbers on the way.
                let (fast, texts) = (fast.fields(), slow.fields());
                for field in Field::ALL {
                    let text = fast.get(field).unwrap_or_default();
                    if let Some(number) = fast.number(field) {
                        let millis = millis_wide(text).filter(|_| text.contains(&b'.'));
                        let plain = millis.and_then(|ms| u64::try_from(ms).ok()).or(integer(text));
                        prop_assert_eq!(Some(number), plain, "{:?}: {}", field, text.escape_ascii());
                    }
                }
                let all = |fields: &Fields<'_>| {
                    let mut all = Vec::new();
                    let count = attempts(fields, |attempt| all.push(format!("{attempt:?}")));
                    format!("{count:?} {all:?}")
                };
                prop_assert_eq!(all(&fast), all(&texts));
                for field in [Field::ConnectTime, Field::ConnectionTime, Field::RequestTime] {
                    prop_assert_eq!(millis_of(&fast, field), millis_of(&texts, field));
                }
                for field in [Field::UpstreamStatus, Field::Pid, Field::Connection] {
                    prop_assert_eq!(integer_of(&fast, field), integer_of(&texts, field));
                }
            }
        }
    }
}
