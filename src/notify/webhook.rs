//! A URL that gets each event as a POST.

use std::time::{Duration, Instant};

use base64::Engine;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};

use super::AlertEvent;
use super::queue::{Deliver, Outcome, Stopping};
use crate::error::{Error, ErrorKind, Result};

/// How long one try may take, from looking up the name to the answer's head.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where to, and how.
#[derive(Debug)]
pub(super) struct Webhook {
    url: String,
    /// What the header of this name holds.
    authorization: Option<String>,
    origin: String,
    agent: ureq::Agent,
    #[cfg(test)]
    pub(super) patience: Option<super::queue::Patience>,
}

impl Webhook {
    /// # Errors
    /// `Usage` if that is no http or https URL.
    pub(super) fn new(url: &str) -> Result<Webhook> {
        let wrong = || {
            let message = "--webhook: expected a URL that begins with http:// or https://";
            Error::new(ErrorKind::Usage, message).with_hint("for example https://example.com/hook")
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let (Some(scheme), Some(host)) = (scheme, uri.host().filter(|host| !host.is_empty()))
        else {
            return Err(wrong());
        };
        let user = uri.authority().and_then(|whole| whole.as_str().rsplit_once('@'));
        let user = user.map_or("", |(user, _)| user);
        // The path of a webhook is often its password: it is not shown, nor is user information.
        let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
        let origin = format!("{scheme}://{host}{port}");
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            // A redirected POST would become a GET (RFC 9110 section 15.4.3).
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Alerts are far apart: a connection that was kept would be closed by then, at the worst moment.
            .max_idle_connections(0)
            .user_agent(concat!("keepwarm/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Webhook {
            url: url.replacen(&format!("{user}@"), "", 1),
            authorization: (!user.is_empty()).then(|| basic(user)),
            origin,
            agent,
            #[cfg(test)]
            patience: None,
        })
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }
}

/// User and password of a URL, which escapes some characters, as the header Authorization has them (RFC 7617).
fn basic(user: &str) -> String {
    let mut plain = Vec::new();
    let mut rest = user.as_bytes();
    while let Some((first, next)) = rest.split_first() {
        let digits =
            next.get(..2).filter(|two| *first == b'%' && two.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|two| str::from_utf8(two).ok());
        let escaped = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        plain.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &next[2..] } else { next };
    }
    // A user without a password has an empty one.
    if !plain.contains(&b':') {
        plain.push(b':');
    }
    format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(plain))
}

impl Deliver for Webhook {
    fn deliver(&mut self, event: &AlertEvent, stopping: &Stopping<'_>) -> Outcome {
        let left = |stop: Instant| stop.saturating_duration_since(Instant::now());
        let timeout = stopping.deadline().map_or(TIMEOUT, |stop| left(stop).min(TIMEOUT));
        let mut post = self.agent.post(&self.url).config().timeout_global(Some(timeout)).build();
        if let Some(authorization) = &self.authorization {
            post = post.header("Authorization", authorization);
        }
        let sent = post.content_type("application/json").send(event.json());
        match sent {
            Ok(answer) if answer.status().is_success() => Outcome::Delivered,
            Ok(answer) => Outcome::Failed(format!("answered {}", answer.status())),
            // An error may name the URL.
            Err(error) => Outcome::Failed(error.to_string().replace(&self.url, &self.origin)),
        }
    }

    #[cfg(test)]
    fn patience(&self) -> super::queue::Patience {
        let minute = Duration::from_secs(60);
        let usual = super::queue::Patience { first: minute, most: minute, all: minute };
        self.patience.unwrap_or(usual)
    }
}

#[cfg(test)]
mod tests;
