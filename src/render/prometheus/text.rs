//! The grammar of the text format: families, samples, labels.

use std::fmt::{Display, Write as _};

use super::gather::Times;
use crate::render::escape::printable;

/// Characters of a label's value at most; names of nginx's upstreams and peers are far shorter.
const MAX_CHARS: usize = 200;

/// What a family is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The text so far. A family's head is written with its first sample: one without samples does not show.
#[derive(Debug, Default)]
pub(super) struct Text {
    written: String,
    family: &'static str,
    head: String,
}

/// Milliseconds in seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "sums of times that logs hold are far below 2^53 ms"
)]
pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

impl Text {
    /// Begins a family. Its help has no backslash and is one line.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        self.head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample of the family. Labels without a value are left out, which means the same to Prometheus.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, value);
    }

    /// All samples of one histogram of the family.
    pub(super) fn histogram(&mut self, upstream: &str, ends_ms: &[u32], times: &Times) {
        let ends = ends_ms.iter().map(|end| seconds(u64::from(*end)).to_string());
        for (end, count) in ends.zip(&times.up_to) {
            self.line("_bucket", &[("upstream", upstream), ("le", &end)], count);
        }
        self.line("_bucket", &[("upstream", upstream), ("le", "+Inf")], times.count);
        self.line("_sum", &[("upstream", upstream)], seconds(times.sum_ms));
        self.line("_count", &[("upstream", upstream)], times.count);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.written.push_str(&std::mem::take(&mut self.head));
        self.written.push_str(self.family);
        self.written.push_str(suffix);
        let mut open = '{';
        for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
            // Writing to a String can't fail.
            let _ = write!(self.written, "{open}{name}=\"{}\"", escaped(value));
            open = ',';
        }
        let end = if open == ',' { "} " } else { " " };
        let _ = writeln!(self.written, "{end}{value}");
    }

    pub(super) fn finish(self) -> String {
        self.written
    }
}

/// A name as a label's value, but for the escapes of the format: no control character, and not too long.
pub(super) fn value(name: &str) -> String {
    match name.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}...", printable(&name[..end])),
        None => printable(name).into_owned(),
    }
}

/// A line end can't come here from [`value`]; it is escaped all the same, as the format says.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
