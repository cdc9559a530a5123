//! Limits that alerts watch: plain data, as a configuration file gives them.

use crate::analysis::{Limits, Policy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The limits of one upstream, or of all that have none of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Least share of reused connections, from 0 to 100 percent. The interval's upper end is held against it, so what
    /// the log leaves open alerts nobody.
    pub min_hit_rate: f64,
    /// With fewer attempts in the window nothing is judged.
    pub min_attempts: u64,
    /// A limit must be passed for so long before it is told, in seconds; and kept as long before that is over.
    #[serde(rename = "for", with = "crate::span::in_seconds")]
    pub for_s: u64,
    /// How far above its limit a hit rate must be to be good again, in points.
    pub clear_margin: f64,
    /// A warm-up may take so long, in seconds: so long a low hit rate of its upstream is not told.
    #[serde(with = "crate::span::in_seconds")]
    pub warmup_grace: u64,
    /// Most that 95 % of connects take, in milliseconds; none: not watched.
    #[serde(with = "crate::span::in_some_milliseconds")]
    pub max_connect_p95: Option<u64>,
    /// Ports of this machine for connections to one peer: by default those of Linux's `ip_local_port_range`,
    /// 32768 to 60999. A closed connection keeps its port for 60 s (`TCP_TIMEWAIT_LEN`).
    pub ports: u64,
    /// Share of these that may be in use, from 0 to 100 percent.
    pub max_ports: f64,
    /// Most attempts that may fail to connect, from 0 to 100 percent; none: not watched.
    pub max_failed: Option<f64>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            min_hit_rate: 70.0,
            min_attempts: 100,
            for_s: 60,
            clear_margin: 2.0,
            warmup_grace: 60,
            max_connect_p95: None,
            ports: 28_232,
            max_ports: 80.0,
            max_failed: None,
        }
    }
}

/// All limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleSet {
    /// Of upstreams that have none of their own.
    pub defaults: Rules,
    /// By the upstream's name: whole sets, in which whoever reads the configuration has filled in the defaults.
    pub upstreams: BTreeMap<String, Rules>,
    /// A source that had lines may be without any for so long, in seconds; none: not watched.
    pub silence: Option<u64>,
    /// Lines of a source that are looked at together: if most of them do not fit its format, it is told.
    pub lines: u64,
    /// With no traffic an alert is over after so long, in seconds: nothing shows whether it still holds.
    pub no_traffic: u64,
}

impl Default for RuleSet {
    fn default() -> Self {
        RuleSet {
            defaults: Rules::default(),
            upstreams: BTreeMap::new(),
            silence: Some(300),
            lines: 100,
            no_traffic: 900,
        }
    }
}

impl RuleSet {
    /// The limits of an upstream.
    pub fn of(&self, upstream: &str) -> &Rules {
        self.upstreams.get(upstream).unwrap_or(&self.defaults)
    }

    /// Gives findings the same limits as alerts.
    pub fn limit(&self, policy: &mut Policy) {
        let of = |rules: &Rules| Limits {
            min_hit_rate: rules.min_hit_rate / 100.0,
            min_attempts: rules.min_attempts,
        };
        let Limits { min_hit_rate, min_attempts } = of(&self.defaults);
        (policy.min_hit_rate, policy.min_attempts) = (min_hit_rate, min_attempts);
        policy.own_limits =
            self.upstreams.iter().map(|(name, rules)| (name.clone(), of(rules))).collect();
    }

    /// The longest that any warm-up may take, in seconds.
    pub fn longest_grace(&self) -> u64 {
        let own = self.upstreams.values().chain([&self.defaults]);
        own.map(|rules| rules.warmup_grace).max().unwrap_or(0)
    }
}
