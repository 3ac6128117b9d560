//! No signal ends a server without a drain, except SIGKILL and those of a crash.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use relay_tests::harness::process::Process;
use relay_tests::harness::ws::{FrameSpec, Ws};
use relay_tests::harness::{Options, Pair, Relay, Relayd};

/// Each is logged in a line.
const LOGGED: &[&str] = &["HUP", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "16", "34", "50", "64"];
/// These do not end a process by default, or only make a write fail.
const SILENT: &[&str] = &["PIPE", "XFSZ", "CHLD", "CONT", "URG", "WINCH"];
/// With their name in the log.
const STOPPING: &[(&str, &str)] =
    &[("TERM", "SIGTERM"), ("INT", "SIGINT"), ("QUIT", "SIGQUIT"), ("XCPU", "SIGXCPU"), ("PWR", "signal 30")];
/// A guard against a hang.
const END: Duration = Duration::from_secs(60);

fn start() -> Relay {
    Relay::of(vec![Relayd::start_ready(&Options::new().arg("--store", "memory"))])
}

fn expect_end(mut relay: Relay) -> String {
    let (status, log) = relay.first().wait_end(END);
    assert_eq!(status.code(), Some(0), "{log}");
    log
}

/// Fault 42c: Other signals.
/// Played: All that end a process by default, also while it starts.
/// Holds: None ends the process without a drain.
#[cfg(target_os = "linux")]
#[test]
fn signals_that_do_not_stop_are_logged_and_survived() {
    let relay = start();
    let mut pair = Pair::link(&relay);
    for name in SILENT.iter().chain(LOGGED) {
        relay.node().process().signal(name);
    }
    for name in LOGGED {
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        let shown = if is_number { format!("\"signal {name}\"") } else { format!("\"SIG{name}\"") };
        let is_it = |line: &str| (line.contains(&shown) && line.contains("INFO")).then_some(());
        relay.node().log().wait_for(&shown, is_it).unwrap_or_else(|| panic!("SIG{name} ended it"));
    }
    pair.expect_alive();
    relay.node().process().signal("TERM");
    pair.workstation.until_closed(1001);
    pair.phone.until_closed(1001);
    let log = expect_end(relay);
    assert_eq!(log.lines().filter(|line| line.contains("SIGHUP")).count(), 1, "{log}");
}

/// Fault 42c.
#[cfg(target_os = "linux")]
#[test]
fn signals_that_stop_start_a_drain() {
    for (name, shown) in STOPPING {
        let relay = start();
        let mut pair = Pair::link(&relay);
        relay.node().process().signal(name);
        pair.workstation.until_closed(1001);
        pair.phone.until_closed(1001);
        drop(pair);
        let log = expect_end(relay);
        assert!(log.contains(shown), "{log}");
    }
}

/// Fault 42b.
#[test]
fn a_storm_of_signals_delays_no_stop() {
    let relay = start();
    let mut pair = Pair::link(&relay);
    let plenty = FrameSpec::text(&"p".repeat(100_000)).encode().repeat(300);
    pair.workstation.ws().wire().send_until_blocked(&plenty, Duration::from_millis(500));
    let never_closes = Ws::connect(relay.addr());
    let process = relay.node().process();
    let endless = format!("while kill -HUP {}; do :; done", process.id());
    let storm = Process::spawn(Command::new("sh").args(["-c", &endless]).stderr(Stdio::null())).unwrap();
    process.signal("TERM");
    let started = Instant::now();
    expect_end(relay);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    drop((storm, pair, never_closes));
}

/// Without a Redis, the server looks for one for up to two seconds before it serves.
///
/// Fault 42c.
#[test]
fn a_signal_during_the_start_ends_it_too() {
    let (mut process, log) = Relayd::starting(&Options::new());
    let is_it = |line: &str| line.contains("looking for a Redis at 127.0.0.1:6379").then_some(());
    log.wait_for("line of what is waited for", is_it).expect("a process that starts");
    for name in ["HUP", "TERM"] {
        process.signal(name);
    }
    let status = process.wait_end(END, "relayd to end");
    let log = log.whole();
    assert_eq!(status.code(), Some(0), "{status}: {log}");
    assert!(
        log.contains("SIGHUP") && log.lines().last().is_some_and(|line| line.contains("stopped")),
        "{log}"
    );
}
