//! The grammar of a `log_format` string, after `ngx_http_log_compile_format` in nginx's
//! `ngx_http_log_module.c`: literal bytes, `$name` and `${name}`; the strings of a directive are joined with nothing
//! between them, and the first may be `escape=default|json|none`.

use super::{Escape, LogFormat, Piece};
use crate::error::{Error, ErrorKind, Result, caret};

/// Most variables of a format. nginx has no limit, but no format comes near this one.
pub(crate) const MAX_VARIABLES: usize = 500;

impl LogFormat {
    /// Reads a format from what stands between the quotes of a `log_format` directive.
    ///
    /// # Errors
    /// [`ErrorKind::Syntax`] where nginx would refuse the string, with the column and a caret.
    ///
    /// ```
    /// use keepwarm::log_format::{Escape, LogFormat};
    /// let format = LogFormat::from_string("mine", r#"$remote_addr rt=${request_time}s"#, Escape::Default).unwrap();
    /// assert_eq!(format.to_string(), "${remote_addr} rt=${request_time}s");
    /// ```
    pub fn from_string(name: &str, text: &str, escape: Escape) -> Result<LogFormat> {
        LogFormat::from_bytes(name, text.as_bytes(), escape)
    }

    /// The same for the arguments of a directive as the configuration parser leaves them: unquoted, after the name.
    pub fn from_arguments(name: &str, arguments: &[Vec<u8>]) -> Result<LogFormat> {
        let mut escape = Escape::Default;
        let mut strings = arguments;
        if let Some((first, rest)) = arguments.split_first()
            && let Some(word) = first.strip_prefix(b"escape=")
        {
            escape = match word {
                b"default" => Escape::Default,
                b"json" => Escape::Json,
                b"none" => Escape::None,
                _ => {
                    let found = String::from_utf8_lossy(word);
                    return Err(Error::new(
                        ErrorKind::Syntax,
                        format!(
                            "log_format {name}: expected escape=default, json or none, found: escape={found}"
                        ),
                    ));
                }
            };
            strings = rest;
        }
        LogFormat::from_bytes(name, &strings.concat(), escape)
    }

    /// The same for raw bytes; a configuration file need not be UTF-8.
    fn from_bytes(name: &str, text: &[u8], escape: Escape) -> Result<LogFormat> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if byte != b'$' {
                literal.push(byte);
                at += 1;
                continue;
            }
            let (variable, next) = variable_at(name, text, at)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Variable(variable));
            at = next;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        if !pieces.iter().any(|piece| matches!(piece, Piece::Variable(_))) {
            return Err(Error::new(
                ErrorKind::Syntax,
                format!("log_format {name}: expected at least one $variable, found none"),
            )
            .with_hint(
                "single quotes keep the shell from replacing $names: -f '$remote_addr ...'",
            ));
        }
        let variables = pieces.iter().filter(|piece| matches!(piece, Piece::Variable(_))).count();
        if variables > MAX_VARIABLES {
            return Err(Error::new(
                ErrorKind::Syntax,
                format!(
                    "log_format {name}: expected at most {MAX_VARIABLES} variables, found {variables}"
                ),
            ));
        }
        Ok(LogFormat { name: name.to_owned(), escape, pieces })
    }
}

/// Reads the variable whose `$` stands at `at`; gives its name and where the text goes on.
fn variable_at(format: &str, text: &[u8], at: usize) -> Result<(String, usize)> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let braced = text.get(at + 1) == Some(&b'{');
    let from = at + 1 + usize::from(braced);
    let to = from + text[from..].iter().take_while(|byte| is_name(byte)).count();
    let problem = if to == from {
        Some((from, "expected a variable's name after $"))
    } else if braced && text.get(to) != Some(&b'}') {
        Some((to, "expected the closing bracket of ${"))
    } else {
        None
    };
    if let Some((column, expected)) = problem {
        return Err(syntax(format, text, column, expected));
    }
    // Only ASCII letters, digits and underscores got here.
    let variable = text[from..to].iter().map(|&byte| char::from(byte)).collect();
    Ok((variable, to + usize::from(braced)))
}

#[cold]
fn syntax(format: &str, text: &[u8], column: usize, expected: &str) -> Error {
    let found = match text.get(column) {
        Some(&byte) => format!("`{}`", char::from(byte).escape_default()),
        None => "the end".to_owned(),
    };
    let shown: String = text.iter().map(|&byte| char::from(byte)).collect();
    Error::new(
        ErrorKind::Syntax,
        format!(
            "log_format {format}: column {}: {expected}, found {found}\n{}",
            column + 1,
            caret(&shown, column, 30)
        ),
    )
    .with_hint("nginx has no way to write a literal $ in a log_format")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LogFormat> {
        LogFormat::from_string("t", text, Escape::Default)
    }

    #[test]
    fn names_are_read_as_far_as_they_go() {
        let format = parse("$a-$b_1${c}d").unwrap();
        let expected = [
            Piece::Variable("a".into()),
            Piece::Literal(b"-".to_vec()),
            Piece::Variable("b_1".into()),
            Piece::Variable("c".into()),
            Piece::Literal(b"d".to_vec()),
        ];
        assert_eq!(format.pieces, expected);
    }

    #[test]
    fn errors_point_at_the_column() {
        for (text, column, expected) in [
            ("abc $ d", 6, "expected a variable's name after $, found ` `"),
            ("abc $", 6, "expected a variable's name after $, found the end"),
            ("${a b}", 4, "expected the closing bracket of ${, found ` `"),
            ("${", 3, "expected a variable's name"),
        ] {
            let message = parse(text).unwrap_err().message().to_owned();
            assert!(message.contains(&format!("column {column}: {expected}")), "{text}: {message}");
            assert!(message.ends_with('^'), "{message}");
        }
        assert!(parse("no variable at all").unwrap_err().hint().unwrap().contains("single quotes"));
    }

    #[test]
    fn a_format_without_end_is_refused() {
        assert!(parse(&"$a ".repeat(MAX_VARIABLES)).is_ok());
        assert!(parse(&"$a ".repeat(MAX_VARIABLES + 1)).is_err());
    }

    #[test]
    fn a_directives_strings_are_joined_with_nothing_between() {
        let arguments = [b"escape=json".to_vec(), b"a$b".to_vec(), b"$c".to_vec()];
        let format = LogFormat::from_arguments("t", &arguments).unwrap();
        assert_eq!(format.escape, Escape::Json);
        assert_eq!(format.to_string(), "a${b}${c}");
        assert!(LogFormat::from_arguments("t", &[b"escape=html".to_vec()]).is_err());
    }

    #[test]
    fn a_backslash_does_not_escape_a_dollar() {
        assert_eq!(parse(r"\$status").unwrap().pieces[0], Piece::Literal(b"\\".to_vec()));
    }
}
