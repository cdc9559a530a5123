use proptest::prelude::*;

use super::*;

/// A loader without files.
struct Nothing;

impl Loader for Nothing {
    fn read(&self, path: &str) -> Result<Vec<u8>> {
        Err(Error::new(ErrorKind::Io, format!("{path}: no such file")))
    }

    fn glob(&self, _: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

fn conf(text: &str) -> NginxConf {
    NginxConf::from_text("nginx.conf", text.as_bytes(), &Nothing).unwrap()
}

fn message(text: &str) -> String {
    let error = NginxConf::from_text("nginx.conf", text.as_bytes(), &Nothing).unwrap_err();
    error.message().lines().next().unwrap().to_owned()
}

#[test]
fn log_formats_are_found_with_their_strings_unescaped() {
    let conf = conf(
        "http {\n log_format a '$status' \"\\\"$request\\\"\\t\";\n\
         log_format b escape=json\n # one\n '{' # two\n '\"a\":\"$a\"' '}';\n}\n\
         stream { log_format a '$bytes_sent'; }",
    );
    let strings = |format: &LogFormatDirective| -> Vec<String> {
        format.args.iter().map(|arg| String::from_utf8(arg.clone()).unwrap()).collect()
    };
    let [a, b, stream] = conf.log_formats.as_slice() else { panic!("{conf:?}") };
    assert_eq!((&*a.name, strings(a)), ("a", vec!["$status".into(), "\"$request\"\t".into()]));
    assert_eq!(strings(b), ["escape=json", "{", "\"a\":\"$a\"", "}"]);
    assert_eq!((a.module, stream.module), (Module::Http, Module::Stream));
    assert_eq!((a.place.to_string(), b.place.line), ("nginx.conf:2".to_owned(), 3));
}

#[test]
fn a_format_is_looked_up_without_letter_case_in_its_own_module() {
    let conf = conf(
        "http { log_format Main 'a'; log_format main 'b'; log_format COMBINED 'c'; }\n\
         stream { log_format main 'd'; log_format combined 'e'; }",
    );
    let found = |module, name| conf.log_format(module, name).map(|format| &*format.args[0]);
    assert_eq!(found(Module::Http, "MAIN"), Some(b"a".as_slice()));
    assert_eq!(found(Module::Stream, "Main"), Some(b"d".as_slice()));
    assert_eq!(found(Module::Http, "combined"), None);
    assert_eq!(found(Module::Stream, "combined"), Some(b"e".as_slice()));
    assert_eq!(found(Module::Http, "other"), None);
    assert_eq!(conf.log_formats.len(), 5);
}

#[test]
fn access_logs_of_all_levels_are_found() {
    let conf = conf(
        "http { access_log /1; server { access_log /2 Combined;\n\
         location / { access_log off; if ($a) { access_log /3 main buffer=32k if=$b; }\n\
         limit_except GET { access_log logs/4 main gzip flush=1m; }\n\
         location /in { access_log /$host/5.log main; access_log syslog:server=s main if=$b; } } } }\n\
         stream { access_log /6 combined; server { access_log /7 main; } }",
    );
    let found: Vec<_> = conf
        .access_logs
        .iter()
        .map(|log| {
            let flags = [log.has_variables, log.buffered, log.if_condition];
            let flags = flags.map(|flag| if flag { 'y' } else { 'n' }).iter().collect::<String>();
            (&*log.path, log.format.as_deref(), flags)
        })
        .collect();
    let expected = [
        ("/1", None, "nnn"),
        ("/2", None, "nnn"),
        ("/3", Some("main"), "nyy"),
        ("logs/4", Some("main"), "nyn"),
        ("/$host/5.log", Some("main"), "ynn"),
        ("syslog:server=s", Some("main"), "nny"),
        ("/6", Some("combined"), "nnn"),
        ("/7", Some("main"), "nnn"),
    ];
    assert_eq!(found, expected.map(|(path, format, flags)| (path, format, flags.to_owned())));
    assert!(conf.access_logs[..6].iter().all(|log| log.module == Module::Http));
    assert!(conf.access_logs[6..].iter().all(|log| log.module == Module::Stream));
}

#[test]
fn entries_of_data_blocks_and_of_other_modules_are_no_directives() {
    let conf = conf(
        "http { map $a $b { access_log /1; log_format x; upstream { server a; } }\n\
         types { log_format x; } }\n\
         rtmp { access_log /2; server { access_log /3; } } mail { access_log /4; }",
    );
    assert_eq!(conf, NginxConf { number_takers: ["mail"].into(), ..NginxConf::default() });
}

#[test]
fn what_takes_connection_numbers_and_writes_no_line_is_named() {
    let conf = conf(
        "http { server { listen 443 quic; location / { auth_request /a; } location /b { auth_request off; mirror off; } } }\n\
         stream { }",
    );
    assert_eq!(conf.number_takers, ["auth_request", "listen … quic", "stream"].into());
}

#[test]
fn a_file_made_for_inclusion_can_be_read_alone() {
    let conf = conf("log_format x '$status'; upstream u { server a; } server { access_log /1 x; }");
    let counts = (conf.log_formats.len(), conf.upstreams.len(), conf.access_logs.len());
    assert_eq!(counts, (1, 1, 1));
}

#[test]
fn upstreams_list_their_servers_as_nginx_logs_them() {
    let conf = conf(
        "http { upstream a { zone z 64k; least_conn; server 10.0.0.1 weight=5 max_fails=3;\n\
         server [::1]:8080 backup; server unix:/run/a.sock down; server b.example:81 resolve;\n\
         keepalive 32; keepalive_timeout 60s; }\n upstream 'b' { keepalive x; server 10.0.0.2:8080; } }\n\
         stream { upstream a { server 10.0.0.1:53; } }",
    );
    let [a, b, stream] = conf.upstreams.as_slice() else { panic!("{conf:?}") };
    let servers = ["10.0.0.1:80", "[::1]:8080", "unix:/run/a.sock", "b.example:81"];
    assert_eq!((&*a.name, a.keepalive), ("a", Some(32)));
    assert_eq!(a.servers, servers);
    assert_eq!((&*b.name, b.keepalive, b.place.line), ("b", None, 4));
    assert_eq!((stream.module, &*stream.servers[0]), (Module::Stream, "10.0.0.1:53"));
}

#[test]
fn a_peer_belongs_to_an_upstream_only_if_no_other_lists_it() {
    let conf = conf(
        "http { upstream a { server 10.0.0.1; server 10.0.0.2; server 10.0.0.2:80; }\n\
         upstream b { server 10.0.0.1:80; server 10.0.0.1:81; } }\n\
         stream { upstream c { server 10.0.0.2:80; server 10.0.0.3:80; } }",
    );
    for (addr, name) in [
        ("10.0.0.1:80", None),
        ("10.0.0.1:81", Some("b")),
        ("10.0.0.2:80", Some("a")),
        ("10.0.0.3:80", None),
        ("10.0.0.2", None),
        ("a", None),
        ("", None),
    ] {
        assert_eq!(conf.upstream_of(addr.as_bytes()), name, "{addr}");
    }
    assert_eq!(conf.upstream_of(b"\xFF"), None);
}

#[test]
fn a_needed_directive_without_its_arguments_is_an_error_with_a_place() {
    for (text, expected) in [
        ("http {\nlog_format; }", "2: expected more than 0 arguments of log_format, found 0"),
        ("log_format a;", "1: expected more than 1 arguments of log_format, found 1"),
        ("access_log;", "1: expected more than 0 arguments of access_log, found 0"),
        ("upstream { }", "1: expected more than 0 arguments of upstream, found 0"),
        ("upstream a { server; }", "1: expected more than 0 arguments of server, found 0"),
    ] {
        assert_eq!(message(text), format!("nginx.conf:{expected}"), "{text}");
    }
}

#[test]
fn a_dump_is_read_from_itself_alone() {
    let text = "nginx: configuration file /e/nginx.conf test is successful\n\
        # configuration file /e/nginx.conf:\nhttp {\n include conf.d/*.conf;\n include f;\n}\n\n\
        # configuration file /e/conf.d/b.conf:\nlog_format b '$status';\n\n\
        # configuration file /e/conf.d/a.conf:\n\nlog_format a '$status';\n\n\
        # configuration file /e/f:\naccess_log /1 b;\n";
    let conf = conf(text);
    let places: Vec<_> = conf.log_formats.iter().map(|format| format.place.to_string()).collect();
    assert_eq!(places, ["/e/conf.d/a.conf:2", "/e/conf.d/b.conf:1"]);
    assert_eq!(conf.access_logs[0].format.as_deref(), Some("b"));
    let missing = message("# configuration file /e/n.conf:\n\ninclude /etc/passwd;\n");
    assert_eq!(missing, "/e/n.conf:2:1: include: /etc/passwd: no such file in this dump");
}

#[test]
fn bytes_that_are_not_utf_8_do_not_hinder() {
    let text = b"\xEF\xBB\xBFhttp {\r\n log_format x '\xFF\xFE $status';\r\n # \xC3\r\n}\r\n";
    let conf = NginxConf::from_text("n", text, &Nothing).unwrap();
    assert_eq!(conf.log_formats[0].args, [b"\xFF\xFE $status".to_vec()]);
}

#[test]
fn a_directive_from_the_command_line_is_read() {
    let found = directive("log_format x '$status' \"\\\"\"").unwrap();
    assert_eq!((&*found.name, found.args.len()), ("log_format", 3));
    let error = directive("log_format x '$status'$pid").unwrap_err();
    assert!(error.message().starts_with("command line:1:23: expected a space"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Syntax);
}

proptest! {
    #[test]
    fn any_pieces_of_configuration_give_a_result(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "http {", "stream {", "server {", "upstream u {", "}", ";", "\n", " ", "'", "\"",
                "log_format a '$b';", "log_format", "access_log /a a;", "access_log off;", "off",
                "server 10.0.0.1;", "server [::1];", "keepalive 4;", "include x*;",
                "# configuration file /a/b:\n", "content_by_lua_block {", "--", "[[", "$", "{", "#",
            ]),
            0..60,
        ),
    ) {
        let text = pieces.concat();
        let _ = NginxConf::from_text("n", text.as_bytes(), &Nothing);
        let _ = directive(&text);
    }
}
