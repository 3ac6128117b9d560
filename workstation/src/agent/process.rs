//! What the agent's process has to do with the system: signals, the machine's name, its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use mio::Waker;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Asks for the end at SIGTERM and SIGINT.
pub(super) fn end_on_signal(must_end: &Arc<AtomicBool>, wake: &Arc<Waker>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("can't wait for signals")?;
    let (must_end, wake) = (Arc::clone(must_end), Arc::clone(wake));
    let wait = move || {
        for _ in signals.forever() {
            must_end.store(true, Ordering::Relaxed);
            drop(wake.wake());
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).context("no thread for signals")?;
    Ok(())
}

/// What phones call this machine.
pub(super) fn machine_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "workstation".to_owned() } else { name }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
