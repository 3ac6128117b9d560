//! Signals: some stop the server, and no other signal ends it. Also the guard that ends a process whose stop
//! is stuck.
//!
//! One thread handles the signals and keeps the deadline of the stop. So both work even if the reactor, a
//! Redis thread or the log hangs. Set up once, by `main`.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{
    SIGABRT, SIGBUS, SIGCHLD, SIGCONT, SIGFPE, SIGHUP, SIGILL, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGSEGV,
    SIGSTOP, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::low_level::{exit, signal_name};

use crate::logging::LogQueue;
use crate::notify::Watchdog;
use crate::reactor::{StopTimes, Stopper};
use crate::reload::ReloadRequests;

/// Signals that were caught and not handled yet.
#[derive(Debug)]
pub struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
    /// A byte arrives here with each signal, which ends the wait.
    pipe: UnixStream,
}

impl Signals {
    /// Catches all signals. From now on only SIGKILL and signals of a fault, such as SIGSEGV, end the
    /// process.
    ///
    /// # Errors
    /// The operating system gave no pipe, or refused a handler.
    pub fn catch() -> io::Result<Self> {
        let (pipe, write) = UnixStream::pair()?;
        // Writing to a log file at its size limit raises this signal, so handling it must not log. The write
        // fails.
        signal_hook::flag::register(SIGXFSZ, Arc::<AtomicBool>::default())?;
        let delivery = SignalDelivery::with_pipe(pipe.try_clone()?, write, SignalOnly, STOPPING)?;
        for signal in (1..=LAST).filter(|signal| !STOPPING.contains(signal) && !LEFT_ALONE.contains(signal)) {
            match delivery.handle().add_signal(signal) {
                // The C library reserves the first real-time signals.
                Err(error) if error.kind() == ErrorKind::InvalidInput => {}
                added => added?,
            }
        }
        Ok(Signals { delivery, pipe })
    }

    /// Starts the thread. SIGHUP is a request to `reload`. `watchdog` looks after the reactor. If a stop
    /// exceeds its deadline, the process exits with [`EXIT_STUCK`].
    ///
    /// # Errors
    /// No thread could be started.
    pub fn watch(
        self,
        stopper: Stopper,
        times: StopTimes,
        reload: ReloadRequests,
        watchdog: Watchdog,
        log: LogQueue,
    ) -> io::Result<()> {
        let (told_at, end_at) = (None, None);
        let watch = Watch { signals: self, stopper, times, reload, watchdog, log, count: 0, told_at, end_at };
        let thread = thread::Builder::new().name("signals".into()).stack_size(STACK_BYTES);
        thread.spawn(move || watch.run()).map(drop)
    }

    /// Waits for the next signals, or until `deadline`.
    fn wait(&mut self, deadline: Option<Instant>) -> Vec<i32> {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()).max(LEAST_WAIT));
        // Without this sleep, a pipe that can't be read would cause a busy loop.
        let is_readable = self.pipe.set_read_timeout(left).is_ok()
            && match self.pipe.read(&mut [0]) {
                Ok(count) => count > 0,
                Err(error) => {
                    matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    )
                }
            };
        if !is_readable {
            thread::sleep(left.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP));
        }
        self.delivery.pending().collect()
    }
}

/// Stops this process as a service manager does. Signals must be caught.
///
/// # Errors
/// The operating system refused.
pub fn stop_this_process() -> io::Result<()> {
    signal_hook::low_level::raise(SIGTERM)
}

/// The thread's state.
struct Watch {
    signals: Signals,
    stopper: Stopper,
    times: StopTimes,
    reload: ReloadRequests,
    watchdog: Watchdog,
    log: LogQueue,
    /// The number of signals that counted as an order to stop, and the time of the last one.
    count: usize,
    told_at: Option<Instant>,
    /// The deadline for the end of the process.
    end_at: Option<Instant>,
}

impl Watch {
    fn run(mut self) {
        loop {
            for signal in self.signals.wait(self.next_due()) {
                match signal {
                    _ if STOPPING.contains(&signal) => self.on_stop(signal),
                    SIGHUP => {
                        tracing::info!(signal = %name(signal), "the settings and the certificates are read again");
                        self.reload.request();
                    }
                    _ => log_ignored(signal),
                }
            }
            let now = Instant::now();
            if self.end_at.is_some_and(|at| at <= now) {
                self.end();
            }
            self.watchdog.look(now, self.end_at.is_some());
        }
    }

    fn next_due(&self) -> Option<Instant> {
        self.end_at.into_iter().chain(self.watchdog.next_look()).min()
    }

    /// A terminal or a service manager may send several signals at once, so a further one counts only after a
    /// while.
    fn on_stop(&mut self, signal: i32) {
        let now = Instant::now();
        if self.told_at.is_some_and(|at| now.duration_since(at) < AGAIN_AFTER) {
            return;
        }
        self.told_at = Some(now);
        self.count += 1;
        if self.count == 1 {
            tracing::info!(signal = %name(signal), "told to stop");
            self.watchdog.manager().stopping(self.times.total() + GRACE);
        } else {
            tracing::warn!(signal = %name(signal), "told to stop again: the current wait ends now");
        }
        let end_at = now + self.times.total_once_asked(self.count) + GRACE;
        self.end_at = Some(self.end_at.map_or(end_at, |at| at.min(end_at)));
        self.stopper.stop();
    }

    /// The stop is stuck. A destructor or an exit handler may be the cause, so none is run.
    fn end(&self) {
        tracing::error!(
            secs = self.times.total().as_secs(),
            "the stop did not end in its time: the process exits now, and clients see their connections break"
        );
        self.log.flush(LAST_LINE_MAX);
        exit(EXIT_STUCK);
    }
}

fn log_ignored(signal: i32) {
    tracing::info!(
        signal = %name(signal),
        "this signal is ignored; SIGTERM stops the server, SIGHUP has it read its settings again"
    );
}

fn name(signal: i32) -> String {
    signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// The exit code of a process whose stop was stuck.
pub const EXIT_STUCK: i32 = 3;

/// The signals that stop the server. Container managers may send SIGPWR; SIGXCPU comes before a SIGKILL.
#[cfg(target_os = "linux")]
const STOPPING: &[i32] = &[SIGTERM, SIGINT, SIGQUIT, SIGXCPU, SIGPWR];
#[cfg(not(target_os = "linux"))]
const STOPPING: &[i32] = &[SIGTERM, SIGINT, SIGQUIT, SIGXCPU];

#[cfg(target_os = "linux")]
const SIGPWR: i32 = 30;

/// Signals without a handler: those that can't be caught, those of a fault, those that suspend or continue a
/// process, and those that end no process by default. SIGPIPE is ignored from the start, so that writes fail
/// instead.
const LEFT_ALONE: &[i32] = &[
    SIGKILL, SIGSTOP, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGTSTP, SIGTTIN, SIGTTOU,
    SIGCONT, SIGCHLD, SIGURG, SIGWINCH, SIGPIPE, SIGXFSZ,
];

/// The highest signal. On Linux those from 32 on are real-time signals, which also end a process by default.
const LAST: i32 = if cfg!(target_os = "linux") { 64 } else { 31 };

/// Signals within this time count as one.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The time after its deadline at which a stop counts as stuck.
const GRACE: Duration = Duration::from_millis(500);

/// How long a stuck process waits for its last log line.
const LAST_LINE_MAX: Duration = Duration::from_millis(200);

/// A read timeout of zero would mean no timeout.
const LEAST_WAIT: Duration = Duration::from_millis(1);

const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// Enough for log lines, the thread's only work.
const STACK_BYTES: usize = 256 << 10;
