//! Formats that are known by name.

use super::{Escape, LogFormat};
use crate::error::Result;

/// A well-known format.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// What `-f` takes.
    pub name: &'static str,
    /// Where it comes from, in a few words.
    pub about: &'static str,
    /// How its values are escaped.
    pub escape: Escape,
    /// The format string.
    pub text: &'static str,
}

impl Preset {
    /// The preset of this name, compared without regard to case.
    pub fn named(name: &str) -> Option<&'static Preset> {
        ALL.iter().find(|preset| preset.name.eq_ignore_ascii_case(name))
    }

    /// Its format.
    pub fn format(&self) -> Result<LogFormat> {
        LogFormat::from_string(self.name, self.text, self.escape)
    }
}

/// `combined` with something behind it.
macro_rules! combined {
    ($($tail:literal)*) => {
        concat!(
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "#,
            r#""$http_referer" "$http_user_agent""#,
            $($tail),*
        )
    };
}

/// Every preset, richest first.
pub const ALL: &[Preset] = &[
    Preset {
        name: "keepwarm",
        about: "what keepwarm recommends: answers every question it can ask",
        escape: Escape::Default,
        text: combined!(
            r#" rt=$request_time msec=$msec pid=$pid conn=$connection creq=$connection_requests"#
            r#" up=$proxy_host ua="$upstream_addr" us="$upstream_status" uct="$upstream_connect_time""#
            r#" uht="$upstream_header_time" urt="$upstream_response_time""#
            r#" ubs="$upstream_bytes_sent" ubr="$upstream_bytes_received""#
        ),
    },
    Preset {
        name: "keepwarm_json",
        about: "the same as JSON",
        escape: Escape::Json,
        text: concat!(
            r#"{"time":"$time_iso8601","msec":"$msec","remote_addr":"$remote_addr","request":"$request","#,
            r#""status":"$status","bytes":"$body_bytes_sent","user_agent":"$http_user_agent","#,
            r#""request_time":"$request_time","pid":"$pid","connection":"$connection","#,
            r#""connection_requests":"$connection_requests","proxy_host":"$proxy_host","#,
            r#""upstream_addr":"$upstream_addr","upstream_status":"$upstream_status","#,
            r#""upstream_connect_time":"$upstream_connect_time","upstream_header_time":"$upstream_header_time","#,
            r#""upstream_response_time":"$upstream_response_time","upstream_bytes_sent":"$upstream_bytes_sent","#,
            r#""upstream_bytes_received":"$upstream_bytes_received"}"#
        ),
    },
    Preset {
        name: "combined_upstream",
        about: "combined, then address and the three times, unquoted",
        escape: Escape::Default,
        text: combined!(
            " $upstream_addr $upstream_connect_time $upstream_header_time $upstream_response_time"
        ),
    },
    Preset {
        name: "upstream_time",
        about: "nginx admin guide: rt= uct= uht= urt= after combined, no space before rt=",
        escape: Escape::Default,
        text: combined!(
            r#"rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time""#
            r#" urt="$upstream_response_time""#
        ),
    },
    Preset {
        name: "main_upstream_time",
        about: "the same after the packages' main format, with a space",
        escape: Escape::Default,
        text: combined!(
            r#" "$http_x_forwarded_for" rt=$request_time uct="$upstream_connect_time""#
            r#" uht="$upstream_header_time" urt="$upstream_response_time""#
        ),
    },
    Preset {
        name: "trace",
        about: "main, then request id, msec and four bare times",
        escape: Escape::Default,
        text: combined!(
            r#" "$http_x_forwarded_for" $request_id $msec $request_time"#
            " $upstream_connect_time $upstream_header_time $upstream_response_time"
        ),
    },
    Preset {
        name: "nginx_agent",
        about: "the NGINX agent's format, two quoted times touching",
        escape: Escape::Default,
        text: combined!(
            r#" "$http_x_forwarded_for" "$bytes_sent" "$request_length" "$request_time" "$gzip_ratio""#
            r#" "$server_protocol" "$upstream_connect_time""$upstream_header_time""#
            r#" "$upstream_response_length" "$upstream_response_time" "#
        ),
    },
    Preset {
        name: "apm",
        about: "NGINX blog, performance monitoring: key=value, lists unquoted",
        escape: Escape::Default,
        text: concat!(
            r#""$time_local" client=$remote_addr method=$request_method request="$request" "#,
            r#"request_length=$request_length status=$status bytes_sent=$bytes_sent "#,
            r#"body_bytes_sent=$body_bytes_sent referer=$http_referer user_agent="$http_user_agent" "#,
            r#"upstream_addr=$upstream_addr upstream_status=$upstream_status request_time=$request_time "#,
            r#"upstream_response_time=$upstream_response_time "#,
            r#"upstream_connect_time=$upstream_connect_time upstream_header_time=$upstream_header_time"#
        ),
    },
    Preset {
        name: "ltsv",
        about: "labelled tab-separated values",
        escape: Escape::Default,
        text: concat!(
            "time:$time_local\thost:$remote_addr\tforwardedfor:$http_x_forwarded_for\treq:$request\t",
            "status:$status\tsize:$body_bytes_sent\treferer:$http_referer\tua:$http_user_agent\t",
            "reqtime:$request_time\tupstream:$upstream_addr\tupstream_status:$upstream_status\t",
            "conntime:$upstream_connect_time\tapptime:$upstream_response_time"
        ),
    },
    Preset {
        name: "json",
        about: "JSON with nginx's own names as keys (any order, any subset)",
        escape: Escape::Json,
        text: concat!(
            r#"{"msec":"$msec","connection":"$connection","connection_requests":"$connection_requests","#,
            r#""pid":"$pid","time_iso8601":"$time_iso8601","request":"$request","status":"$status","#,
            r#""request_time":"$request_time","upstream_addr":"$upstream_addr","#,
            r#""upstream_status":"$upstream_status","upstream_connect_time":"$upstream_connect_time","#,
            r#""upstream_header_time":"$upstream_header_time","#,
            r#""upstream_response_time":"$upstream_response_time"}"#
        ),
    },
    Preset {
        name: "ingress-nginx",
        about: "Kubernetes ingress-nginx (upstreaminfo): no connect time",
        escape: Escape::Default,
        text: combined!(
            " $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name]"
            " $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id"
        ),
    },
    Preset {
        name: "main",
        about: "nginx.org packages and images: combined and X-Forwarded-For",
        escape: Escape::Default,
        text: combined!(r#" "$http_x_forwarded_for""#),
    },
    Preset {
        name: "combined",
        about: "built into nginx: no upstream at all",
        escape: Escape::Default,
        text: combined!(),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_format_and_names_are_unique() {
        for (i, preset) in ALL.iter().enumerate() {
            preset.format().unwrap();
            assert!(ALL[..i].iter().all(|other| other.name != preset.name), "{}", preset.name);
            assert!(Preset::named(&preset.name.to_uppercase()).is_some());
        }
    }
}
