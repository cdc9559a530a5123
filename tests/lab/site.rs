//! The text of the front nginx's configuration: what is logged, which upstreams there are, what goes where.

/// A `log_format` under test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// `default`, `json` or `none`.
    pub(crate) escape: &'static str,
    /// The format itself, without quotes; it holds no `'`.
    pub(crate) text: &'static str,
    /// Further parameters of `access_log`: `buffer=16k flush=1s`.
    pub(crate) options: &'static str,
}

/// Every variable that bears on upstream connections.
pub(crate) const RICH: Format = Format {
    escape: "default",
    text: "$remote_addr - - [$time_local] \"$request\" $status $body_bytes_sent rt=$request_time \
           msec=$msec pid=$pid conn=$connection creq=$connection_requests up=$proxy_host \
           ups=\"$upstream_addr\" us=\"$upstream_status\" uct=\"$upstream_connect_time\" \
           uht=\"$upstream_header_time\" urt=\"$upstream_response_time\" \
           ubr=\"$upstream_bytes_received\" ubs=\"$upstream_bytes_sent\" ucs=$upstream_cache_status",
    options: "",
};

/// One JSON object a line; all upstream values are strings, as they may be lists.
pub(crate) const JSON: Format = Format {
    escape: "json",
    text: "{\"time\":\"$time_iso8601\",\"msec\":$msec,\"pid\":$pid,\"connection\":$connection,\
           \"connection_requests\":$connection_requests,\
           \"request\":\"$request\",\"status\":$status,\"request_time\":$request_time,\
           \"proxy_host\":\"$proxy_host\",\"upstream_addr\":\"$upstream_addr\",\
           \"upstream_status\":\"$upstream_status\",\
           \"upstream_connect_time\":\"$upstream_connect_time\",\
           \"upstream_header_time\":\"$upstream_header_time\",\
           \"upstream_response_time\":\"$upstream_response_time\"}",
    options: "",
};

/// proxy directives that let connections be kept; defaults from nginx 1.29.7.
pub(crate) const KEEP: &str = "proxy_http_version 1.1; proxy_set_header Connection \"\";";
/// proxy directives that ask the peer to close after each response, in every version of nginx.
pub(crate) const CLOSE: &str = "proxy_http_version 1.1; proxy_set_header Connection close;";

/// A configuration in the making.
#[derive(Debug)]
pub(crate) struct Site {
    format: Format,
    http: String,
    server: String,
}

impl Site {
    /// A site without upstreams or locations.
    pub(crate) fn new(format: Format) -> Site {
        Site { format, http: String::new(), server: String::new() }
    }

    /// Adds a directive at `http` level.
    pub(crate) fn http(mut self, directive: &str) -> Site {
        self.http.extend(["    ", directive, "\n"]);
        self
    }

    /// Adds an `upstream` block: `servers` are addresses, with parameters if need be.
    pub(crate) fn upstream(self, name: &str, servers: &[&str], options: &str) -> Site {
        let servers = servers.join("; server ");
        self.http(&format!("upstream {name} {{ server {servers}; {options} }}"))
    }

    /// Adds a `location` that passes to `url` under the given proxy directives.
    pub(crate) fn pass(self, location: &str, url: &str, directives: &str) -> Site {
        self.location(location, &format!("proxy_pass {url}; {directives}"))
    }

    /// Adds any `location`.
    pub(crate) fn location(mut self, location: &str, directives: &str) -> Site {
        self.server.extend(["        location ", location, " { ", directives, " }\n"]);
        self
    }

    /// The contents of the `http` block. Besides access.log there is truth.tsv: `$pid`, `$connection`,
    /// `$connection_requests`, the ordinal of the last attempt on its upstream connection, `$upstream_addr`.
    pub(crate) fn text(&self) -> String {
        let Site { format: Format { escape, text, options }, http, server } = self;
        format!(
            "    log_format lab escape={escape} '{text}';\n    \
             log_format truth '$pid\\t$connection\\t$connection_requests\\t'\n        \
             '$upstream_http_x_conn\\t$upstream_addr';\n    \
             access_log @DIR@/access.log lab {options};\n    access_log @DIR@/truth.tsv truth;\n    \
             keepalive_timeout 75s;\n    keepalive_requests 100000;\n    proxy_hide_header X-Conn;\n\
             {http}    server {{\n        listen 127.0.0.1:@PORT@;\n{server}    }}\n"
        )
    }
}
