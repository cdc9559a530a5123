//! What nginx.conf says about logs and upstreams.
//!
//! An access log does not tell its own format, nor which upstream a peer belongs to; the configuration tells both.
//! [`NginxConf`] reads it as nginx does: same words, same includes, from files or from the output of `nginx -T`. It is
//! no check: directives that it does not need may be unknown or wrong.
//!
//! ```
//! use keepwarm::nginx_conf::{DiskLoader, NginxConf};
//!
//! let text = b"http { upstream app { server 10.0.0.1; keepalive 32; } }";
//! let conf = NginxConf::from_text("nginx.conf", text, &DiskLoader)?;
//! assert_eq!(conf.upstream_of(b"10.0.0.1:80"), Some("app"));
//! # Ok::<(), keepwarm::error::Error>(())
//! ```

mod address;
mod disk;
mod dump;
mod lexer;
mod pattern;
mod raw;
mod tree;

use crate::error::{Error, ErrorKind, Result};
use dump::Dump;
use std::collections::BTreeSet;

pub use disk::DiskLoader;
pub use tree::{Directive, Loader, Place};

/// The module a directive belongs to: both know `log_format`, `access_log` and `upstream`, with names of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    /// Inside `http`, or outside of any block, as in a file made for inclusion.
    Http,
    /// Inside `stream`. Its upstream connections are never reused.
    Stream,
}

/// A `log_format` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormatDirective {
    /// The format's name.
    pub name: String,
    /// What follows the name, unescaped: maybe `escape=…`, then the strings, which nginx joins with nothing between.
    pub args: Vec<Vec<u8>>,
    /// Where it can be used.
    pub module: Module,
    /// Where it stands.
    pub place: Place,
}

/// An `access_log` directive other than `off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// The path as written, or `syslog:…`. A relative one starts at nginx's prefix, which nginx.conf does not tell.
    pub path: String,
    /// Whether the path holds variables, so that it stands for many files.
    pub has_variables: bool,
    /// The name of its format; none for the built-in `combined`, whether that is written out or not.
    pub format: Option<String>,
    /// `if=`: the log holds only some of the requests.
    pub if_condition: bool,
    /// `buffer=` or `gzip`: lines of several workers come in chunks and so out of order.
    pub buffered: bool,
    /// Where it belongs.
    pub module: Module,
    /// Where it stands.
    pub place: Place,
}

/// An `upstream` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Its servers as `$upstream_addr` shows them: `10.0.0.1:80`, `[::1]:80`, `unix:/path`. Host names stay as
    /// written, with the port.
    pub servers: Vec<String>,
    /// The number of `keepalive`, the connections a worker keeps; none where the directive is missing or not a number.
    pub keepalive: Option<u32>,
    /// Where it belongs.
    pub module: Module,
    /// Where it stands.
    pub place: Place,
}

/// The logs and upstreams of a configuration, each list in the order in which nginx reads the directives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NginxConf {
    /// All `log_format` directives. Names may repeat, though nginx rejects that. `combined` is built in and not here.
    pub log_formats: Vec<LogFormatDirective>,
    /// All `access_log` directives of all levels.
    pub access_logs: Vec<AccessLog>,
    /// All `upstream` blocks.
    pub upstreams: Vec<Upstream>,
    /// What takes connection numbers that no line of an access log of `http` tells of: `auth_request`, `mirror`,
    /// `stream`, `mail` and `listen … quic`.
    pub number_takers: BTreeSet<&'static str>,
}

impl NginxConf {
    /// Reads the configuration at `path`, which may also be a saved output of `nginx -T`.
    ///
    /// Errors: `Io` for a file that cannot be read, `Syntax` for text that is not nginx.conf or includes itself,
    /// `Input` for a configuration over the limits (64 MiB, 1000 included files).
    pub fn load(path: &str, loader: &dyn Loader) -> Result<NginxConf> {
        NginxConf::from_text(path, &loader.read(path)?, loader)
    }

    /// Reads a configuration, or the output of `nginx -T`, that is at hand, as from standard input. `name` is its path
    /// or what stands for it in errors; relative includes start at its folder. A dump includes from itself only.
    ///
    /// Errors: as for [`NginxConf::load`].
    pub fn from_text(name: &str, text: &[u8], loader: &dyn Loader) -> Result<NginxConf> {
        let directives = match Dump::detect(text)? {
            Some(dump) => tree::read(dump.main, dump.main_text(), &dump)?,
            None => tree::read(name, text, loader)?,
        };
        let mut conf = NginxConf::default();
        conf.collect(&directives, Module::Http)?;
        Ok(conf)
    }

    /// The format that `access_log … name` of this module means. As in `ngx_http_log_set_log`, letter case does not
    /// count here and the first one wins; none for the built-in `combined` and for unknown names.
    pub fn log_format(&self, module: Module, name: &str) -> Option<&LogFormatDirective> {
        if is_combined(module, name) {
            return None;
        }
        let mut formats = self.log_formats.iter().filter(|format| format.module == module);
        formats.find(|format| format.name.eq_ignore_ascii_case(name))
    }

    /// The name of the one `http` upstream that lists the server `addr`, written as in `$upstream_addr`; none where
    /// several or none do. Looks through all servers: ask once per peer, not once per line.
    pub fn upstream_of(&self, addr: &[u8]) -> Option<&str> {
        let mut found = self.upstreams.iter().filter(|upstream| {
            upstream.module == Module::Http
                && upstream.servers.iter().any(|server| server.as_bytes() == addr)
        });
        let first = found.next()?;
        found.next().is_none().then_some(&*first.name)
    }

    /// Goes through the blocks in which nginx allows these directives. Others are passed over: the entries of a `map`
    /// look like directives, and other modules have an `access_log` too.
    fn collect(&mut self, directives: &[Directive], module: Module) -> Result<()> {
        for directive in directives {
            match (directive.name.as_str(), &directive.block) {
                ("log_format", None) => {
                    self.log_formats.push(log_format_directive(directive, module)?);
                }
                ("access_log", None) => self.access_logs.extend(access_log(directive, module)?),
                ("upstream", Some(block)) => {
                    self.upstreams.push(upstream(directive, block, module)?);
                }
                ("stream", Some(block)) => {
                    self.number_takers.insert("stream");
                    self.collect(block, Module::Stream)?;
                }
                ("mail", Some(_)) => {
                    self.number_takers.insert("mail");
                }
                // `ngx_http_auth_request_module`, `ngx_http_mirror_module`: subrequests are not logged.
                (name @ ("auth_request" | "mirror"), None)
                    if directive.args.first().is_some_and(|arg| arg != b"off") =>
                {
                    let taker = if name == "mirror" { "mirror" } else { "auth_request" };
                    self.number_takers.insert(taker);
                }
                // Each stream of a QUIC connection is a connection of its own (`ngx_quic_create_stream`).
                ("listen", None) if directive.args.iter().any(|arg| arg == b"quic") => {
                    self.number_takers.insert("listen … quic");
                }
                ("http" | "server" | "location" | "if" | "limit_except", Some(block)) => {
                    self.collect(block, module)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Reads a single directive as typed on a command line, such as `log_format x '$status';`. The final `;` may be
/// missing; a block is an error. Errors name the source `command line`.
pub fn directive(text: &str) -> Result<Directive> {
    tree::single("command line", text.as_bytes())
}

fn log_format_directive(directive: &Directive, module: Module) -> Result<LogFormatDirective> {
    let name = argument(directive, 0)?;
    argument(directive, 1)?;
    let args = directive.args[1..].to_vec();
    Ok(LogFormatDirective { name, args, module, place: directive.place.clone() })
}

/// None for `access_log off`.
fn access_log(directive: &Directive, module: Module) -> Result<Option<AccessLog>> {
    let path = argument(directive, 0)?;
    if path == "off" {
        return Ok(None);
    }
    let format = match directive.args.get(1) {
        Some(name) => Some(text(name)).filter(|name| !is_combined(module, name)),
        None => None,
    };
    let has = |prefix: &[u8]| directive.args.iter().skip(2).any(|arg| arg.starts_with(prefix));
    Ok(Some(AccessLog {
        has_variables: path.contains('$'),
        path,
        format,
        if_condition: has(b"if="),
        buffered: has(b"buffer=") || has(b"gzip"),
        module,
        place: directive.place.clone(),
    }))
}

fn upstream(directive: &Directive, block: &[Directive], module: Module) -> Result<Upstream> {
    let default_port = (module == Module::Http).then_some(80);
    let mut upstream = Upstream {
        name: argument(directive, 0)?,
        servers: Vec::new(),
        keepalive: None,
        module,
        place: directive.place.clone(),
    };
    for inner in block {
        match inner.name.as_str() {
            "server" => {
                upstream.servers.push(address::as_logged(&argument(inner, 0)?, default_port));
            }
            "keepalive" => upstream.keepalive = argument(inner, 0)?.parse().ok(),
            _ => {}
        }
    }
    Ok(upstream)
}

/// `combined` is the first format that `http` knows, in any letter case; `stream` has no built-in format.
fn is_combined(module: Module, name: &str) -> bool {
    module == Module::Http && name.eq_ignore_ascii_case("combined")
}

/// The argument number `index`, from 0, as text.
fn argument(directive: &Directive, index: usize) -> Result<String> {
    directive.args.get(index).map(|bytes| text(bytes)).ok_or_else(|| {
        let Directive { name, args, place, .. } = directive;
        let message = format!(
            "{place}: expected more than {index} arguments of {name}, found {}",
            args.len()
        );
        Error::new(ErrorKind::Syntax, message)
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
