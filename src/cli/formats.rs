//! `keepwarm formats`: lists presets, shows how a line is read or where it stops fitting, and advises what to log.

use super::args::FormatsArgs;
use super::choose::{Chosen, Formats};
use super::message::Messages;
use super::{Exit, to_stdout};
use crate::error::{Error, ErrorKind, Result};
use crate::input::{discover, sample};
use crate::log_format::advice::{self, Answer, Change};
use crate::log_format::{LogFormat, presets};
use crate::render::printable;
use crate::tokenizer::{Tokenizer, Wanted};
use std::fmt::Write;
use std::path::Path;

/// Lines of a file that are tried.
const LINES: usize = 100;

/// Columns shown on each side of the place where a line stops fitting.
const AROUND: usize = 36;

/// Runs the command.
///
/// # Errors
/// The input can't be read, or no format fits it.
pub(super) fn run(args: &FormatsArgs, messages: &mut Messages) -> Result<Exit> {
    let formats = Formats::new(&args.format, args.input.as_slice())?;
    let Some(input) = &args.input else {
        to_stdout(list()?.as_bytes())?;
        return Ok(Exit::Fine);
    };
    let (name, bytes) = read(input)?;
    let lines: Vec<&[u8]> = bytes
        .split(|&byte| byte == b'\n')
        .map(trim_return)
        .filter(|line| !line.is_empty())
        .collect();
    let Some(chosen) = formats.choose_for(&name, &lines)? else {
        return Err(Error::new(ErrorKind::Input, format!("{name} is empty")));
    };
    chosen.said.say(&name, messages);
    let (text, fits) = explain(&name, &chosen, &lines);
    to_stdout(text.as_bytes())?;
    Ok(if fits { Exit::Fine } else { Exit::Trouble })
}

/// The first lines of a file, or the argument itself as a line. Something that looks like a path is never a line.
fn read(input: &str) -> Result<(String, Vec<u8>)> {
    let is_line = input.contains(' ') || input.starts_with('{') || input.contains('\t');
    if is_line && input != "-" && !Path::new(input).exists() {
        return Ok(("line".to_owned(), input.as_bytes().to_vec()));
    }
    let found = discover(&[input.to_owned()]);
    if let Some(error) = found.errors.into_iter().next() {
        return Err(error);
    }
    match found.sources.first() {
        Some(source) => {
            let bytes = sample(source, LINES, 4 << 20)?.bytes;
            if bytes.is_empty() {
                return Err(Error::new(ErrorKind::Input, Formats::nothing_in(source)));
            }
            Ok((source.name().to_owned(), bytes))
        }
        None => Err(Error::new(ErrorKind::Input, format!("{input}: nothing to read"))),
    }
}

fn trim_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The presets, and the directive that answers every question.
fn list() -> Result<String> {
    let mut out = String::from("Presets (-f NAME):\n\n");
    for preset in presets::ALL {
        let _ = writeln!(out, "  {:<19}{}", preset.name, preset.about);
    }
    if let Some(best) = presets::Preset::named("keepwarm") {
        let _ = writeln!(
            out,
            "\nRecommended, in nginx.conf's http block:\n\n{}",
            advice::directive(&best.format()?)
        );
        out.push_str("\n    access_log /var/log/nginx/access.log keepwarm;\n");
    }
    out.push_str("\n`keepwarm formats FILE` shows how a log is read and what it can't answer.\n");
    Ok(out)
}

/// How the first line that fits is read, where the first that does not stops fitting, and what is missing.
fn explain(name: &str, chosen: &Chosen, lines: &[&[u8]]) -> (String, bool) {
    let Chosen { format, prefix, .. } = chosen;
    let tokenizer = Tokenizer::new(format, &Wanted::default());
    let own = |line| prefix.as_ref().map_or(line, |prefix| prefix.strip(line));
    let mut out =
        format!("format   {}\n         {}\n", format.name, printable(&format.to_string()));
    let mut fits = 0;
    let mut shown = false;
    let mut misfit = None;
    for (number, line) in lines.iter().enumerate() {
        match tokenizer.values(own(line)) {
            Ok(values) => {
                fits += 1;
                if !std::mem::replace(&mut shown, true) {
                    let _ = writeln!(out, "\nline {} of {name}", number + 1);
                    out.push_str(&table(&values));
                }
            }
            Err(mismatch) => misfit = misfit.or(Some((number, *line, mismatch))),
        }
    }
    let _ = writeln!(out, "\n{fits} of {} lines fit", lines.len());
    if let Some((number, line, mismatch)) = misfit {
        let at = mismatch.column + (line.len() - own(line).len());
        let _ = writeln!(
            out,
            "\n{name}:{}:{}: {}",
            number + 1,
            at + 1,
            printable(&mismatch.reason(own(line)))
        );
        let shown: String =
            line.iter().map(|&byte| if byte.is_ascii() { char::from(byte) } else { '.' }).collect();
        let _ = writeln!(out, "{}", crate::error::caret(&shown, at, AROUND));
    }
    if fits > 0 {
        out.push_str(&advise(format));
    }
    (out, fits > 0)
}

/// Variables and their values, one a line. Values of unknown meaning are shown too: they tell where columns are.
fn table(values: &[(&str, &[u8])]) -> String {
    let width = values.iter().map(|(variable, _)| variable.len()).max().unwrap_or(0).min(32);
    let mut out = String::new();
    for (variable, value) in values {
        let value = String::from_utf8_lossy(value);
        let cut: String = value.chars().take(200).collect();
        let more = if cut.len() < value.len() { "..." } else { "" };
        let _ = writeln!(out, "  ${variable:<width$}  {}{more}", printable(&cut));
    }
    out
}

/// What the format can answer, what it can't, and the directive that could.
fn advise(format: &LogFormat) -> String {
    let mut out = String::new();
    if let Some(Change { why, add }) = advice::sharpest(format) {
        let _ = writeln!(out, "\nFor a sharper hit rate first log ${},\n{why}.", add.join(" $"));
    }
    out.push_str("\nWhat this log can answer:\n");
    let answers = advice::answers(format);
    for Answer { question, missing } in &answers {
        if missing.is_empty() {
            let _ = writeln!(out, "  yes  {question}");
        } else {
            let _ = writeln!(out, "  no   {question}: log ${}", missing.join(" $"));
        }
    }
    if answers.iter().any(|answer| !answer.missing.is_empty())
        && let Some(better) = advice::improved(format)
    {
        let _ = writeln!(
            out,
            "\nTo answer all, in nginx.conf's http block:\n\n{}",
            advice::directive(&better)
        );
    }
    out
}
