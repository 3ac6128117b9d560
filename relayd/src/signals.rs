//! Signals: some stop the server, none else ends it. And the guard that ends a process whose stop is stuck.
//!
//! One thread hears the signals and keeps the deadline of the stop, so that both hold whatever the reactor, a thread that
//! talks to Redis, or the log does. Set up once, by `main`.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{
    SIGABRT, SIGBUS, SIGCHLD, SIGCONT, SIGFPE, SIGILL, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGSEGV, SIGSTOP,
    SIGSYS, SIGTERM, SIGTRAP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::low_level::{exit, signal_name};

use crate::logging::LogQueue;
use crate::reactor::{StopTimes, Stopper};

/// Signals that were caught and not looked at yet.
#[derive(Debug)]
pub struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
    /// What ends the wait for the next one.
    pipe: UnixStream,
}

impl Signals {
    /// From here on no signal ends the process but SIGKILL and those of a fault, such as SIGSEGV.
    ///
    /// # Errors
    /// The operating system gave no pipe, or takes no handler.
    pub fn catch() -> io::Result<Self> {
        let (pipe, write) = UnixStream::pair()?;
        // A write to a log file that may grow no further raises it, so it must cause no log line: the write fails.
        signal_hook::flag::register(SIGXFSZ, Arc::<AtomicBool>::default())?;
        let delivery = SignalDelivery::with_pipe(pipe.try_clone()?, write, SignalOnly, STOPPING)?;
        for signal in (1..=LAST).filter(|signal| !STOPPING.contains(signal) && !LEFT_ALONE.contains(signal)) {
            match delivery.handle().add_signal(signal) {
                // The C library keeps the first real-time signals to itself.
                Err(error) if error.kind() == ErrorKind::InvalidInput => {}
                added => added?,
            }
        }
        Ok(Signals { delivery, pipe })
    }

    /// Starts the thread. A stop that takes longer than it may ends the process with [`EXIT_STUCK`].
    ///
    /// # Errors
    /// No thread could be started.
    pub fn watch(self, stopper: Stopper, times: StopTimes, log: LogQueue) -> io::Result<()> {
        let watch = Watch { signals: self, stopper, times, log, count: 0, told_at: None, end_at: None };
        let thread = thread::Builder::new().name("signals".into()).stack_size(STACK_BYTES);
        thread.spawn(move || watch.run()).map(drop)
    }

    /// Waits for the next signals, or until `deadline`.
    fn wait(&mut self, deadline: Option<Instant>) -> Vec<i32> {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()).max(LEAST_WAIT));
        // A pipe that can't be read would be asked again and again.
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

/// The thread's state.
struct Watch {
    signals: Signals,
    stopper: Stopper,
    times: StopTimes,
    log: LogQueue,
    /// How many signals counted as calls to stop, and when the last one came.
    count: usize,
    told_at: Option<Instant>,
    /// When the process must have ended.
    end_at: Option<Instant>,
}

impl Watch {
    fn run(mut self) {
        loop {
            for signal in self.signals.wait(self.end_at) {
                if STOPPING.contains(&signal) {
                    self.on_stop(signal);
                } else {
                    tracing::info!(
                        signal = %name(signal),
                        "nothing is done for this signal: settings are read at start; SIGTERM stops"
                    );
                }
            }
            if self.end_at.is_some_and(|at| at <= Instant::now()) {
                self.end();
            }
        }
    }

    /// A terminal or a service manager may send several at once, so another one counts only after a while.
    fn on_stop(&mut self, signal: i32) {
        let now = Instant::now();
        if self.told_at.is_some_and(|at| now.duration_since(at) < AGAIN_AFTER) {
            return;
        }
        self.told_at = Some(now);
        self.count += 1;
        if self.count == 1 {
            tracing::info!(signal = %name(signal), "told to stop");
        } else {
            tracing::warn!(signal = %name(signal), "told to stop again: the wait of the stop is cut short");
        }
        let end_at = now + self.times.total_once_asked(self.count) + GRACE;
        self.end_at = Some(self.end_at.map_or(end_at, |at| at.min(end_at)));
        self.stopper.stop();
    }

    /// The stop is stuck. Destructors and exit handlers may be what it is stuck in, so none is run.
    fn end(&self) {
        tracing::error!(
            secs = self.times.total().as_secs(),
            "the stop did not end in its time: the process ends without it; clients see their connections break"
        );
        self.log.flush(LAST_LINE_MAX);
        exit(EXIT_STUCK);
    }
}

fn name(signal: i32) -> String {
    signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// The exit code of a process whose stop was stuck.
pub const EXIT_STUCK: i32 = 3;

/// What stops the server. A container may be told by SIGPWR, and SIGXCPU is the last word before a SIGKILL.
#[cfg(target_os = "linux")]
const STOPPING: &[i32] = &[SIGTERM, SIGINT, SIGQUIT, SIGXCPU, SIGPWR];
#[cfg(not(target_os = "linux"))]
const STOPPING: &[i32] = &[SIGTERM, SIGINT, SIGQUIT, SIGXCPU];

#[cfg(target_os = "linux")]
const SIGPWR: i32 = 30;

/// What can't be caught; what tells of a fault, after which nothing may go on; what stops and continues a process; and
/// what ends none by itself. SIGPIPE is ignored from the start, so that writes fail instead.
const LEFT_ALONE: &[i32] = &[
    SIGKILL, SIGSTOP, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGTSTP, SIGTTIN, SIGTTOU,
    SIGCONT, SIGCHLD, SIGURG, SIGWINCH, SIGPIPE, SIGXFSZ,
];

/// The last signal; on Linux those from 32 on are the real-time signals, which end a process too.
const LAST: i32 = if cfg!(target_os = "linux") { 64 } else { 31 };

/// Signals that come closer together than this are one.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long after its deadline a stop counts as stuck.
const GRACE: Duration = Duration::from_millis(500);

/// How long the end of a stuck process waits for its last line.
const LAST_LINE_MAX: Duration = Duration::from_millis(200);

/// A wait of zero would be one without an end.
const LEAST_WAIT: Duration = Duration::from_millis(1);

const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// Log lines are written on it, and nothing else.
const STACK_BYTES: usize = 256 << 10;
