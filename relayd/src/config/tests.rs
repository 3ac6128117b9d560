//! Whole command lines. Variables of the machine that runs the tests are left out.

use super::*;

fn load_of(command: &clap::Command, args: &[&str]) -> Result<Config, EarlyExit> {
    let args = ["relayd"].iter().chain(args).map(OsString::from).collect();
    load_at(command, args, &Places::default()).map(|(loaded, _)| loaded.config)
}

fn read(args: &[&str]) -> Result<Config, EarlyExit> {
    let command = Flags::command().mut_args(|arg| arg.env(None::<&str>));
    load_of(&command, args)
}

/// As if `value` stood in the variable: clap reads it from one that every test run has.
fn read_variable(id: &'static str, variable: &'static str) -> Result<Config, EarlyExit> {
    let command = Flags::command().mut_args(|arg| arg.env(None::<&str>)).mut_arg(id, |arg| arg.env(variable));
    load_of(&command, &[])
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = read(&[]).unwrap();
    assert_eq!((config.port, config.listen), (3001, None));
    assert_eq!((config.store, &config.redis_url), (None, &None));
    assert_eq!((config.redis_prefix.as_str(), &config.redis_ca), ("relay:", &None));
    assert_eq!((config.session_idle.as_secs(), config.heartbeat.as_secs()), (7200, 30));
    assert_eq!(
        (config.stall.as_secs(), config.bus_hold.as_secs(), config.stop.drain.as_secs()),
        (120, 60, 5)
    );
    assert_eq!((config.message_bytes_max, config.memory_max), (16_777_216, 512 << 20));
    assert_eq!(config.policy.origins, AllowedOrigins::Any);
    assert!(config.policy.register_keys.is_none());
    assert!(!config.policy.delete_needs_token && !config.policy.metrics_public);
    assert_eq!(config.policy.trusted_proxies, TrustedProxies::default());
    assert_eq!(config.admission, AdmissionLimits::default());
    let limits = config.admission;
    assert_eq!((limits.connections_max, limits.connections_per_address), (0, 10_000));
    assert_eq!((limits.registers_per_minute, limits.failed_hellos_per_minute), (600, 600));
    assert_eq!(limits.sessions_max, 1_000_000);
    assert_eq!((config.log_filter.as_str(), config.log_format), ("info", LogFormat::Text));
    assert_eq!(config.ws_url(4000), "ws://localhost:4000/ws");
}

#[test]
fn flags_are_taken() {
    let config = read(&[
        "--port=0",
        "--listen",
        "[::1]",
        "--public-ws-url",
        "wss://r.example/ws",
        "--redis-prefix",
        "x:",
        "--session-idle-secs=20",
        "--heartbeat-interval-secs=10",
        "--stall-secs",
        "1",
        "--drain-secs",
        "0",
        "--max-message-bytes",
        "1",
        "--memory-max",
        "1MiB",
        "--allowed-origins",
        "https://a.example, null",
        "--register-key",
        "k",
        "--delete-needs-token",
        "--metrics-public",
        "--log",
        "debug",
        "--log-format",
        "json",
        "--port=1",
    ])
    .unwrap();
    assert_eq!((config.port, config.listen), (1, Some("::1".parse().unwrap())));
    assert_eq!(config.ws_url(1), "wss://r.example/ws");
    assert_eq!(
        (config.session_idle.as_secs(), config.heartbeat.as_secs(), config.stop.drain),
        (20, 10, Duration::ZERO)
    );
    assert_eq!((config.message_bytes_max, config.memory_max), (1, 1 << 20));
    assert_eq!(config.policy.origins.to_string(), "https://a.example,null,https://r.example");
    assert_eq!(config.policy.page_url.as_deref(), Some("https://r.example/p"));
    assert!(config.policy.serves_page);
    assert!(
        config.policy.register_keys.is_some()
            && config.policy.delete_needs_token
            && config.policy.metrics_public
    );
    assert_eq!((config.log_filter.as_str(), config.log_format), ("debug", LogFormat::Json));
}

#[test]
fn the_page_is_named_where_its_host_is_known_and_it_is_served() {
    for (ws_url, page) in [
        ("wss://r.example/ws", Some("https://r.example/p")),
        ("ws://192.0.2.1:3001/ws", Some("http://192.0.2.1:3001/p")),
        ("wss://[::1]:1/ws", Some("https://[::1]:1/p")),
        ("wss://r.example/relay/ws", None),
        ("wss://r.example/ws?x", None),
        ("wss://user@r.example/ws", None),
    ] {
        let config = read(&["--public-ws-url", ws_url]).unwrap();
        assert_eq!(config.policy.page_url.as_deref(), page, "{ws_url}");
    }
    assert_eq!(read(&[]).unwrap().policy.page_url, None);
    let off =
        read(&["--no-page", "--public-ws-url", "wss://r.example/ws", "--allowed-origins=null"]).unwrap();
    assert_eq!((off.policy.serves_page, off.policy.page_url), (false, None));
    assert_eq!(off.policy.origins.to_string(), "null");
}

#[test]
fn limits_on_who_may_come_in_are_taken_and_zero_is_one_of_them() {
    let config = read(&[
        "--trusted-proxy=10.0.0.0/8, ::1",
        "--connections-max=5",
        "--connections-per-address=4",
        "--registers-per-minute=3",
        "--failed-hellos-per-minute=2",
        "--sessions-max=1",
    ])
    .unwrap();
    assert_eq!(config.policy.trusted_proxies, "10.0.0.0/8,::1".parse().unwrap());
    let AdmissionLimits { connections_max, connections_per_address, .. } = config.admission;
    assert_eq!((connections_max, connections_per_address), (5, 4));
    let AdmissionLimits { registers_per_minute, failed_hellos_per_minute, sessions_max, .. } =
        config.admission;
    assert_eq!((registers_per_minute, failed_hellos_per_minute, sessions_max), (3, 2, 1));
    assert_eq!(read(&["--sessions-max=0"]).unwrap().admission.sessions_max, 0);
}

#[test]
fn what_is_said_of_the_store_is_kept_as_it_was_said() {
    let url = || "redis://h:1".parse().unwrap();
    for (args, choice) in [
        (&["--redis-url", "redis://h:1"][..], (None, Some(url()))),
        (&["--redis-url", "redis://h:1", "--store", "redis"], (Some(StoreKind::Redis), Some(url()))),
        (&["--redis-url", "redis://h:1", "--store", "memory"], (Some(StoreKind::Memory), Some(url()))),
        (&["--store", "redis"], (Some(StoreKind::Redis), None)),
        (&["--store", "memory"], (Some(StoreKind::Memory), None)),
    ] {
        let config = read(args).unwrap();
        assert_eq!((config.store, config.redis_url), choice, "{args:?}");
    }
}

#[test]
fn a_bad_value_is_one_line_that_names_it_and_the_way_out() {
    for (args, line) in [
        (&["--port=70000"][..], "relayd: --port=\"70000\" is invalid: write a whole number from 0 to 65535"),
        (&["--port="], "relayd: --port=\"\" is invalid: write a whole number from 0 to 65535"),
        (&["--store", "disk"], "relayd: --store=\"disk\" is invalid: write redis or memory"),
        (
            &["--redis-url=rediss://h", "--redis-ca=/no/such/file"],
            "relayd: --redis-ca=\"/no/such/file\" is invalid: it can't be read (",
        ),
        (&["--log-format=xml"], "relayd: --log-format=\"xml\" is invalid: write text or json"),
        (
            &["--session-idle-secs=0"],
            "relayd: --session-idle-secs=\"0\" is invalid: write a whole number from 1 to",
        ),
        (&["--heartbeat-interval-secs=0"], "relayd: --heartbeat-interval-secs=\"0\" is invalid: "),
        (
            &["--trusted-proxy=10.0.0.0/8,nginx"],
            "relayd: --trusted-proxy=\"10.0.0.0/8,nginx\" is invalid: \"nginx\" is not an address or a range; write for example",
        ),
        (
            &["--registers-per-minute=-1"],
            "relayd: --registers-per-minute=\"-1\" is invalid: write a whole number from 0 to 1000000",
        ),
        (&["--stall-secs=x\ny"], "relayd: --stall-secs=\"x\\ny\" is invalid: "),
        (
            &["--memory-max=1KiB"],
            "relayd: --memory-max=\"1KiB\" is invalid: write a number of bytes from 1048576",
        ),
        (&["--max-message-bytes=0"], "relayd: --max-message-bytes=\"0\" is invalid: "),
        (
            &["--memory-max=16MiB"],
            "relayd: MAX_MESSAGE_BYTES is 16777216, which is over half of --memory-max, 16777216",
        ),
        (
            &["--public-ws-url=http://h"],
            "relayd: --public-ws-url=\"http://h\" is invalid: write ws:// or wss://",
        ),
        (
            &["--allowed-origins=https://a/"],
            "relayd: --allowed-origins=\"https://a/\" is invalid: \"https://a/\" is not an origin",
        ),
        (&["--log=loud"], "relayd: --log=\"loud\" is invalid: write off, error,"),
        (
            &["--prot=1"],
            "relayd: unexpected argument '--prot' found; a similar argument exists: '--port'; try --help",
        ),
        (&["--port"], "relayd: a value is required for '--port <PORT>' but none was supplied; try --help"),
        (&["--metrics-public=yes"], "relayd: unexpected value 'yes' for '--metrics-public' found"),
    ] {
        let stop = read(args).unwrap_err();
        assert!(stop.text.starts_with(line), "{args:?}: {}", stop.text);
        assert_eq!((stop.text.matches('\n').count(), stop.code), (1, 2), "{args:?}: {}", stop.text);
        assert!(stop.text.ends_with('\n') && stop.text.len() < 300, "{}", stop.text);
    }
}

#[test]
fn a_secret_shows_in_no_message() {
    for args in
        [["--register-key", "s3 cret"], ["--redis-url", "redis://:s3/cret@h"], ["--redis-url", "s3cret"]]
    {
        let stop = read(&args).unwrap_err();
        assert!(stop.text.starts_with(&format!("relayd: {} is invalid: ", args[0])), "{}", stop.text);
        assert!(!stop.text.contains("s3") && stop.code == 2, "{}", stop.text);
    }
    let config = read(&["--register-key", "s3cret", "--redis-url", "redis://:s3cret@h"]).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
}

#[test]
fn a_variable_is_read_named_and_beaten_by_its_flag() {
    // A number that is set for every test run.
    let config = read_variable("drain_secs", "CARGO_PKG_VERSION_MINOR").unwrap();
    assert_eq!(config.stop.drain.as_secs().to_string(), env!("CARGO_PKG_VERSION_MINOR"));
    let stop = read_variable("port", "CARGO_PKG_NAME").unwrap_err();
    assert_eq!(
        stop.text,
        "relayd: CARGO_PKG_NAME=\"relayd\" is invalid: write a whole number from 0 to 65535\n"
    );
    let command = Flags::command().mut_arg("port", |arg| arg.env("CARGO_PKG_NAME"));
    assert_eq!(load_of(&command, &["--port=9"]).unwrap().port, 9);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    // Set but empty in every test run of this package.
    assert_eq!(std::env::var("CARGO_PKG_HOMEPAGE").as_deref(), Ok(""));
    assert_eq!(read_variable("port", "CARGO_PKG_HOMEPAGE").unwrap().port, 3001);
    let config = read_variable("redis_url", "CARGO_PKG_HOMEPAGE").unwrap();
    assert_eq!((config.store, config.redis_url), (None, None));
    assert!(read_variable("register_key", "CARGO_PKG_HOMEPAGE").unwrap().policy.register_keys.is_none());
}

#[test]
fn help_and_version_are_no_errors() {
    let help = read(&["--help"]).unwrap_err();
    assert_eq!(help.code, 0);
    let shown = load_of(&Flags::command(), &["--help"]).unwrap_err();
    // Long descriptions are wrapped, also within a mark.
    let words = shown.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for name in [
        "--port",
        "[env: PORT]",
        "[env: REDIS_URL]",
        "[env: REGISTER_KEY]",
        "[default: 3001]",
        "--memory-max",
    ] {
        assert!(words.contains(name), "{name} is not in\n{}", shown.text);
    }
    let version = read(&["--version"]).unwrap_err();
    assert_eq!(
        (version.text.as_str(), version.code),
        (concat!("relayd ", env!("CARGO_PKG_VERSION"), "\n"), 0)
    );
}

#[test]
fn the_help_names_the_defaults_that_hold() {
    let defaults = format!("{:?}", read(&[]).unwrap());
    let mut compared = 0;
    for arg in Flags::command().get_arguments() {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let named = help.split_once("[default: ").and_then(|(_, rest)| rest.strip_suffix(']'));
        // The others are words for what is not set, or found out at start.
        let Some(value) = named.filter(|value| value.starts_with(|c: char| c.is_ascii_digit())) else {
            continue;
        };
        let flag = format!("--{}={value}", arg.get_long().unwrap());
        assert_eq!(format!("{:?}", read(&[&flag]).unwrap()), defaults, "{flag}");
        compared += 1;
    }
    assert!(compared >= 12, "{compared} defaults compared");
}

#[test]
fn a_domain_brings_tls_at_443_and_a_port_for_redirects() {
    let config = read(&[
        "--domain=Relay.example.org,b.example",
        "--domain",
        "b.example",
        "--acme-agree-tos",
        "--state-dir=/s",
    ])
    .unwrap();
    let acme = config.acme.as_ref().unwrap();
    assert_eq!(acme.names, ["relay.example.org", "b.example"]);
    assert_eq!((config.port, acme.http_port), (443, Some(80)));
    assert_eq!(acme.directory.host(), "acme-v02.api.letsencrypt.org");
    assert_eq!(acme.challenge, ChallengeKind::TlsAlpn01);
    assert_eq!((acme.email.as_deref(), acme.state_dir.as_deref()), (None, Some("/s".as_ref())));
    assert_eq!(config.ws_url(443), "wss://relay.example.org/ws");
    assert_eq!(config.policy.page_url.as_deref(), Some("https://relay.example.org/p"));
    // The CA comes to 443, so clients reach that too; by HTTP-01 the port is as it is.
    let more = ["--domain=a.example", "--acme-agree-tos", "--state-dir=/s", "--port=8443"];
    let told = |flags: &[&str]| read(&[&more, flags].concat()).unwrap().ws_url(8443);
    assert_eq!(told(&[]), "wss://a.example/ws");
    assert_eq!(told(&["--acme-challenge=http-01"]), "wss://a.example:8443/ws");
    assert_eq!(told(&["--public-ws-url=wss://b.example/ws"]), "wss://b.example/ws");
    assert_eq!(read(&[&more[..], &["--http-port=0"]].concat()).unwrap().acme.unwrap().http_port, None);
}

#[test]
fn a_domain_that_lacks_something_says_what() {
    let said = |flags: &[&str]| read(flags).unwrap_err().text;
    assert!(said(&["--domain=a.example"]).contains("https://letsencrypt.org/repository/"));
    let other = said(&["--domain=a.example", "--acme-directory=https://ca.example/dir"]);
    assert!(other.contains("--acme-agree-tos") && other.contains("https://ca.example/dir"), "{other}");
    let agreed = ["--domain=a.example", "--acme-agree-tos"];
    let with = |flags: &[&str]| said(&[&agreed, flags].concat());
    assert!(with(&["--state-dir=/s", "--acme-challenge=dns-01"]).contains("tls-alpn-01 or http-01"));
    assert!(with(&["--state-dir=/s", "--acme-challenge=http-01", "--http-port=0"]).contains("--http-port"));
    assert!(with(&["--state-dir=/s", "--acme-directory=http://ca/dir"]).contains("https://"));
    assert!(with(&["--state-dir=/s", "--acme-email=x"]).contains("admin@example.org"));
    assert!(with(&["--state-dir=/s", "--acme-ca-cert=/absent"]).contains("can't be read"));
    assert!(with(&["--state-dir=/s", "--domain=*.example"]).contains("wildcard"));
    let many: Vec<String> = (0..101).map(|n| format!("--domain={n}.example")).collect();
    assert!(with(&many.iter().map(String::as_str).collect::<Vec<_>>()).contains("102 names"));
    for lonely in ["--acme-email=a@b", "--acme-agree-tos", "--http-port=80"] {
        assert!(said(&[lonely]).contains("--domain is not"), "{lonely}");
    }
}

#[test]
fn the_address_for_operators_is_off_unless_given() {
    let config = read(&[]).unwrap();
    assert_eq!((config.admin.listen, &config.admin.hosts), (None, &Default::default()));
    let config = read(&[
        "--admin-listen=127.0.0.1:9300",
        "--admin-host=relay-1.internal",
        "--admin-socket=/run/x.sock",
        "--no-public-metrics",
    ])
    .unwrap();
    assert_eq!(config.admin.listen, Some("127.0.0.1:9300".parse().unwrap()));
    assert_eq!(config.admin.hosts, "relay-1.internal".parse().unwrap());
    assert_eq!(config.admin.socket, Some("/run/x.sock".into()));
    assert!(config.policy.metrics_hidden);
    for bad in [
        &["--admin-listen=9300"][..],
        &["--admin-host=http://x"],
        &["--admin-socket="],
        &["--metrics-public", "--no-public-metrics"],
    ] {
        assert_eq!(read(bad).unwrap_err().code, 2, "{bad:?}");
    }
}
