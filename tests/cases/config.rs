//! Invalid configuration: one clear line, exit code 2, and nothing is started.

use relay_tests::harness::http::post;
use relay_tests::harness::scarce::Scarce;
use relay_tests::harness::{Options, Relay, Relayd};

/// Every case uses the embedded store, so that only the bad value can cause the failure.
fn refused(options: Options) -> String {
    let shown = format!("{options:?}");
    let (status, out, err) =
        Relayd::run_to_end(&options.arg("--store", "memory").arg("--listen", "127.0.0.1"));
    assert_eq!(status.code(), Some(2), "{shown}: {status}, {err}");
    assert!(out.is_empty(), "{shown}: nothing may be on stdout: {out}");
    err
}

/// Fault 42d.
#[test]
fn a_bad_variable_is_named_in_one_line() {
    for (name, value) in [
        ("PORT", "abc"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PUBLIC_WS_URL", "http://relay.example/ws"),
        ("PUBLIC_WS_URL", "nonsense"),
        ("PUBLIC_WS_URL", "wss://relay.example"),
        ("PUBLIC_WS_URL", "wss://relay.example/"),
        ("PUBLIC_WS_URL", "wss://relay.example/ws/"),
        ("SESSION_IDLE_SECS", "0"),
        ("SESSION_IDLE_SECS", "two hours"),
        ("SESSION_IDLE_SECS", "-5"),
        ("SESSION_IDLE_SECS", "1.5"),
        ("SESSION_IDLE_SECS", "99999999999999999999999"),
        ("HEARTBEAT_INTERVAL_SECS", "0"),
        ("HEARTBEAT_INTERVAL_SECS", "x"),
        ("MAX_MESSAGE_BYTES", "0"),
        ("MAX_MESSAGE_BYTES", "16M?"),
        ("ALLOWED_ORIGINS", "app.example"),
        ("ALLOWED_ORIGINS", "https://app.example/path"),
        ("ALLOWED_ORIGINS", "https://a.example,,"),
    ] {
        let err = refused(Options::new().env(name, value));
        assert_eq!(err.lines().filter(|line| !line.trim().is_empty()).count(), 1, "{name}={value:?}: {err}");
        let flag = name.to_ascii_lowercase().replace('_', "-");
        assert!(err.contains(name) || err.contains(&flag), "{name}={value:?} is not named: {err}");
    }
}

#[test]
fn a_bad_flag_is_named_in_one_line() {
    for (flag, value) in [
        ("--port", "abc"),
        ("--session-idle-secs", "0"),
        ("--store", "disk"),
        ("--redis-url", "http://127.0.0.1"),
        ("--stall-secs", "never"),
        ("--bus-hold-secs", "4"),
        ("--memory-max", "lots"),
        ("--listen", "nowhere"),
        ("--trusted-proxy", "10.0.0.0/33"),
        ("--registers-per-minute", "1000001"),
        ("--connections-per-address", "many"),
        ("--sessions-max", "4294967296"),
    ] {
        let (status, _, err) = Relayd::run_to_end(&Options::new().arg(flag, value));
        assert_eq!(status.code(), Some(2), "{flag} {value}: {err}");
        assert_eq!(err.lines().filter(|line| !line.trim().is_empty()).count(), 1, "{flag} {value}: {err}");
        assert!(err.contains(flag.trim_start_matches('-')), "{flag} {value} is not named: {err}");
    }
}

#[test]
fn an_unknown_flag_is_refused() {
    let err = refused(Options::new().flag("--no-such-flag"));
    assert!(err.contains("no-such-flag"), "{err}");
}

#[test]
fn a_flag_wins_over_its_variable() {
    let options =
        Options::new().env("SESSION_IDLE_SECS", "5").arg("--session-idle-secs", "6").arg("--store", "memory");
    let relay = Relay::of(vec![Relayd::start(&options)]);
    let answer = post(relay.addr(), "/api/register", "").expect(200).json();
    assert_eq!(answer.number("ttl"), 6);
}

#[test]
fn a_port_in_use_is_reported_clearly() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let options = Options::new().arg("--port", &port).arg("--listen", "127.0.0.1").arg("--store", "memory");
    let (status, _, err) = Relayd::run_to_end(&options);
    assert!(!status.success(), "{status}");
    assert!(err.contains(&port), "the port is not named: {err}");
}

/// Runs a start that must fail, and returns its log.
fn cant_start(options: &Options) -> String {
    let (status, _, log) = Relayd::run_to_end(&options.clone().env("RUST_BACKTRACE", "0"));
    assert_eq!(status.code(), Some(1), "{options:?}: {status}: {log}");
    assert!(!log.contains("panicked"), "{log}");
    let says_why = |line: &&str| line.contains("ERROR") || line.starts_with("relayd: ");
    assert_eq!(log.lines().filter(says_why).count(), 1, "{log}");
    log
}

/// Fault 42d: A start that cannot succeed.
/// Played: An address of another machine. No IPv6. No thread available. A `PUBLIC_WS_URL` without a path.
/// Holds: One clear line, and exit code 1, or 2 for a setting. No panic.
#[test]
fn an_address_of_another_machine_is_reported_clearly() {
    let options = Options::new().arg("--store", "memory").arg("--port", "0");
    // RFC 5737: an address for documentation, which no machine has.
    let log = cant_start(&options.arg("--listen", "192.0.2.1"));
    assert!(log.contains("192.0.2.1:0") && log.contains("this machine does not have that address"), "{log}");
}

/// Fault 42d.
#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_ipv6_is_served_by_ipv4_or_told_clearly() {
    let scarce = Scarce::new();
    let options = Options::new().arg("--store", "memory").without_ipv6(&scarce);
    let log = cant_start(&options.clone().arg("--port", "0").arg("--listen", "::1"));
    assert!(log.contains("[::1]:0") && log.contains("this machine has no IPv6"), "{log}");
    // It gets as far as the port, which is taken.
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let log = cant_start(&options.arg("--port", &port));
    assert!(log.contains("only IPv4 is listened on") && log.contains(&port), "{log}");
    assert!(log.contains("perhaps another relayd"), "{log}");
}

/// Fault 42d.
#[cfg(target_os = "linux")]
#[test]
fn a_thread_limit_is_reported_clearly() {
    let scarce = Scarce::new();
    let start = |threads| {
        let options = Options::new().arg("--port", "0").arg("--listen", "127.0.0.1");
        // No Redis is needed there: the threads are started first.
        cant_start(&options.env("REDIS_URL", "redis://127.0.0.1:1").threads(&scarce, threads))
    };
    for (threads, whose) in [(0, "the log"), (1, "signals"), (2, "Redis"), (3, "Redis"), (4, "Redis")] {
        let log = start(threads);
        let expected = format!("no thread for {whose} could be started");
        assert!(log.contains(&expected) && log.contains("raise the process's thread"), "{log}");
    }
}
