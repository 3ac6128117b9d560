//! What the service manager is told: ready, reloading, stopping, alive. The protocol is that of sd_notify(3).
//!
//! No call blocks. A service manager that does not read must not hold up the thread that ends a stuck stop.

use std::env;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::reactor::Pulse;

/// The service manager, if there is one that wants to be told.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager {
    socket: Option<Arc<UnixDatagram>>,
    /// It was told that the server listens. Before that no reload is told: its end would say the same.
    is_told: Arc<AtomicBool>,
}

impl ServiceManager {
    /// The one that `NOTIFY_SOCKET` names. Logs an address that can't be used: the server runs all the same.
    pub fn from_env() -> Self {
        let Some(name) = env::var("NOTIFY_SOCKET").ok().filter(|name| !name.is_empty()) else {
            return ServiceManager::default();
        };
        match Self::at(&name) {
            Ok(manager) => manager,
            Err(error) => {
                tracing::warn!(
                    socket = name, %error,
                    "the service manager can't be told anything; check NOTIFY_SOCKET and NotifyAccess="
                );
                ServiceManager::default()
            }
        }
    }

    /// The one that reads at this address: a path, or `@` and an abstract name.
    ///
    /// # Errors
    /// There is no such socket.
    pub fn at(name: &str) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect_addr(&address(name)?)?;
        Ok(ServiceManager { socket: Some(Arc::new(socket)), is_told: Arc::default() })
    }

    /// The server listens.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
        self.is_told.store(true, Ordering::Release);
    }

    /// The settings are being read again. [`ServiceManager::reloaded`] ends it.
    pub fn reloading(&self) {
        if !self.is_told.load(Ordering::Acquire) {
            return;
        }
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
    }

    /// The settings were read again.
    pub fn reloaded(&self) {
        if self.is_told.load(Ordering::Acquire) {
            self.tell("READY=1");
        }
    }

    /// A stop began, and takes this long at most.
    pub fn stopping(&self, within: Duration) {
        let status = "STATUS=stopping: clients are told to connect again";
        self.tell(&format!("STOPPING=1\n{status}\nEXTEND_TIMEOUT_USEC={}", within.as_micros()));
    }

    /// The reactor turns.
    fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            let what = message.lines().next().unwrap_or_default();
            tracing::warn!(what, %error, "the service manager could not be told");
        }
    }
}

fn address(name: &str) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt;
        return SocketAddr::from_abstract_name(name);
    }
    if name.starts_with('/') {
        return SocketAddr::from_pathname(name);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a path nor an abstract name"))
}

/// The clock by which the service manager tells two reloads apart.
#[cfg(target_os = "linux")]
fn monotonic_us() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000
}

#[cfg(not(target_os = "linux"))]
fn monotonic_us() -> u64 {
    0
}

/// Tells the service manager that the server is alive, as long as the reactor turns.
#[derive(Debug)]
pub struct Watchdog {
    manager: ServiceManager,
    pulse: Pulse,
    /// `None`: the service manager does not ask for it.
    every: Option<Duration>,
    look_at: Instant,
}

impl Watchdog {
    /// For this reactor. `WATCHDOG_USEC` says how often the service manager wants to hear of it.
    pub fn from_env(manager: ServiceManager, pulse: Pulse) -> Self {
        let is_for_us = env::var("WATCHDOG_PID").map_or(true, |pid| pid.parse() == Ok(std::process::id()));
        let limit = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        let limit = limit.filter(|limit| is_for_us && *limit > 0).map(Duration::from_micros);
        Watchdog::new(manager, pulse, limit)
    }

    /// For a service manager that ends the process if it hears nothing for `limit`.
    pub fn new(manager: ServiceManager, pulse: Pulse, limit: Option<Duration>) -> Self {
        let every = limit.map(|limit| (limit / LOOKS_PER_LIMIT).max(LEAST));
        Watchdog { manager, pulse, every, look_at: Instant::now() }
    }

    /// The service manager that is told.
    pub fn manager(&self) -> &ServiceManager {
        &self.manager
    }

    /// When to look next. `None`: never.
    pub fn next_look(&self) -> Option<Instant> {
        self.every.map(|_| self.look_at)
    }

    /// Looks whether the reactor turned since the last look. `is_stopping`: the guard has the deadline of the
    /// stop, and the reactor may have ended.
    pub fn look(&mut self, now: Instant, is_stopping: bool) {
        let Some(every) = self.every.filter(|_| self.look_at <= now) else { return };
        self.look_at = now + every;
        if is_stopping || self.pulse.is_answered() {
            self.manager.alive();
        }
        self.pulse.ask();
    }
}

/// More than two, so that a reactor that answers one question late loses no process.
const LOOKS_PER_LIMIT: u32 = 4;

/// Against a limit of microseconds.
const LEAST: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Wakeable;

    /// A service manager's socket that does not wait, and its name.
    fn socket(name: &str) -> (UnixDatagram, String) {
        let name = format!("@relayd-test-{name}-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&address(&name).unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        (socket, name)
    }

    fn heard(socket: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 512];
        let len = socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..len].to_vec()).unwrap())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn each_step_is_told_in_its_words() {
        let (socket, name) = socket("steps");
        let manager = ServiceManager::at(&name).unwrap();
        manager.ready("serves");
        manager.reloading();
        manager.reloaded();
        manager.stopping(Duration::from_secs(7));
        assert_eq!(heard(&socket).unwrap(), "READY=1\nSTATUS=serves");
        let reloading = heard(&socket).unwrap();
        let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(usec.parse::<u64>().unwrap() > 0, "{reloading}");
        assert_eq!(heard(&socket).unwrap(), "READY=1");
        let stopping = heard(&socket).unwrap();
        assert!(stopping.starts_with("STOPPING=1\n") && stopping.ends_with("EXTEND_TIMEOUT_USEC=7000000"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_reload_before_the_server_listens_is_not_told() {
        let (socket, name) = socket("early");
        let manager = ServiceManager::at(&name).unwrap();
        let of_the_reload = manager.clone();
        of_the_reload.reloading();
        of_the_reload.reloaded();
        assert_eq!(heard(&socket), None);
        manager.ready("serves");
        of_the_reload.reloading();
        assert_eq!(heard(&socket).unwrap(), "READY=1\nSTATUS=serves");
        assert!(heard(&socket).unwrap().starts_with("RELOADING=1\n"));
    }

    #[test]
    fn an_address_that_is_none_is_an_error_and_nobody_listening_is_one() {
        for name in ["vsock:2:1234", "relative", "@relayd-test-nobody"] {
            assert!(ServiceManager::at(name).is_err(), "{name}");
        }
        ServiceManager::default().ready("told to nobody");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_reactor_that_does_not_turn_is_not_called_alive() {
        let (socket, name) = socket("stuck");
        let wakeable = Wakeable::new().unwrap();
        let limit = Some(Duration::from_secs(4));
        let mut watchdog = Watchdog::new(ServiceManager::at(&name).unwrap(), wakeable.pulse(), limit);
        let mut now = watchdog.next_look().unwrap();
        let mut look = |is_stopping, pulse: Option<Pulse>| {
            watchdog.look(now, is_stopping);
            pulse.iter().for_each(Pulse::answer);
            now = watchdog.next_look().unwrap();
            heard(&socket).is_some()
        };
        assert!(!look(false, Some(wakeable.pulse())), "it was not asked before");
        assert!(look(false, None), "it answered");
        assert!(!look(false, None) && !look(false, Some(wakeable.pulse())), "it is stuck");
        assert!(look(false, None), "it turns again");
        assert!(look(true, None), "the guard ends a stop");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_service_manager_that_does_not_read_blocks_nobody() {
        let (_socket, name) = socket("full");
        let manager = ServiceManager::at(&name).unwrap();
        (0..10_000).for_each(|_| manager.alive());
    }
}
