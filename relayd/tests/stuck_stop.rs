//! If a stop is stuck, the guard ends the process in time, with its own log line and exit code.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use relayd::config;
use relayd::logging::{self, LogFormat};
use relayd::notify::{ServiceManager, Watchdog};
use relayd::reactor::{StopTimes, Wakeable};
use relayd::reload::{Reload, ReloadRequests};
use relayd::signals::{EXIT_STUCK, Signals};

/// Set for the process that gets stuck.
const STUCK: &str = "RELAYD_TEST_STUCK";
const TIMES: StopTimes = StopTimes { ready_delay: Duration::ZERO, drain: Duration::from_secs(1) };

/// A process that handles signals, and never runs a reactor.
fn be_stuck() -> ! {
    let (log, filter) = logging::start("info", LogFormat::Text).unwrap();
    let wakeable = Wakeable::new().unwrap();
    let watchdog = Watchdog::new(ServiceManager::default(), wakeable.pulse(), None);
    let (in_force, _) = config::load_for(&config::command(), ["relayd".into()]).unwrap();
    let reloads = ReloadRequests::new(Reload {
        read: Box::new(|| unreachable!("no signal asks for it")),
        in_force,
        updater: wakeable.updater(),
        certificates: None,
        log: filter,
        manager: ServiceManager::default(),
    });
    Signals::catch().unwrap().watch(wakeable.stopper(), TIMES, reloads, watchdog, log.queue()).unwrap();
    println!("\nstuck");
    loop {
        thread::park();
    }
}

/// Fault 42b.
#[test]
fn it_is_ended_by_the_guard() {
    if env::var_os(STUCK).is_some() {
        be_stuck();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "it_is_ended_by_the_guard", "--nocapture"]).env(STUCK, "1");
    let mut stuck = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(stuck.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "stuck"));
    assert!(Command::new("kill").arg(stuck.id().to_string()).status().unwrap().success());
    let started = Instant::now();
    let status = stuck.wait().unwrap();
    let took = started.elapsed();
    let mut log = String::new();
    stuck.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(status.code(), Some(EXIT_STUCK), "{log}");
    assert!(log.contains("ERROR the stop did not end in its time") && log.contains("secs=3"), "{log}");
    assert!(took > TIMES.total() && took < TIMES.total() + Duration::from_secs(5), "{took:?}");
}
