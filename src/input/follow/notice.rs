//! What a person should know about the files that are followed.

use std::fmt;

use crate::error::Error;

/// Something that happened to a followed log. Names are as the user gave them, with control
/// characters escaped. Shown as one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// There is no such file yet.
    Waiting(String),
    /// There is a file now where there was none.
    Appeared(String),
    /// Another file has taken the name. The old one is read on until it is quiet.
    Rotated(String),
    /// The file was cut to nothing and begins again, as by logrotate's `copytruncate`. What was
    /// written between the copy and the cut is nowhere: `copytruncate` loses it.
    Truncated(String),
    /// The name has been gone for some seconds.
    Gone(String),
    /// What could not be read can be read again.
    CameBack(String),
    /// The file can't be opened or read now; it is tried again and again. Also: it is no log.
    CannotRead(Error),
    /// The same file as another one: followed once.
    SameFile {
        /// The name that is not followed by itself.
        name: String,
        /// The name under which the file is followed.
        as_name: String,
    },
    /// Lines not read yet were found in a rotated file and are read from there.
    Recovered {
        /// The log.
        name: String,
        /// The rotated file.
        from: String,
    },
    /// The file that was being read is gone, and no rotated file continues it: lines may be missing.
    Lost {
        /// The log.
        name: String,
        /// How far it had been read, in bytes.
        offset: u64,
    },
    /// More files than may be open: some logs are not followed now.
    TooMany {
        /// One of them.
        name: String,
        /// How many logs are not followed.
        logs: usize,
        /// How many files may be open.
        limit: usize,
    },
    /// The name is gone for good, and so are its files: it was found in a folder or by a pattern, and is
    /// no longer waited for.
    LetGo(String),
    /// So many more notices could not be kept.
    Unsaid(u64),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Waiting(name) => write!(f, "{name}: no such file yet, waiting for it"),
            Notice::Appeared(name) => write!(f, "{name}: there now, following it"),
            Notice::Rotated(name) => write!(f, "{name}: rotated, following the new file"),
            Notice::Truncated(name) => write!(f, "{name}: truncated, reading from its start"),
            Notice::Gone(name) => write!(f, "{name}: gone, waiting for it"),
            Notice::CameBack(name) => write!(f, "{name}: can be read again"),
            Notice::CannotRead(error) => {
                error.fmt(f)?;
                error.hint().map_or(Ok(()), |hint| write!(f, " ({hint})"))
            }
            Notice::SameFile { name, as_name } => {
                write!(f, "{name}: the same file as {as_name}, followed once")
            }
            Notice::Recovered { name, from } => {
                write!(f, "{name}: rotated meanwhile, reading on in {from}")
            }
            Notice::Lost { name, offset } => write!(
                f,
                "{name}: the file read up to byte {offset} is gone and no rotated file continues it: \
                 lines may be missing"
            ),
            Notice::TooMany { name, logs, limit } => write!(
                f,
                "{name}{} not followed, as {limit} files are open already",
                if *logs > 1 { format!(" and {} more are", logs - 1) } else { " is".to_owned() }
            ),
            Notice::LetGo(name) => write!(f, "{name}: no longer followed, its files are gone"),
            Notice::Unsaid(count) => write!(f, "{count} more messages about files are left out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::source::cannot_read;

    #[test]
    fn a_log_that_may_not_be_read_comes_with_what_to_try() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let said = Notice::CannotRead(cannot_read("a.log", &denied)).to_string();
        assert!(said.starts_with("a.log: ") && said.contains("(logs of nginx are"), "{said}");
    }
}
