//! What `send` and `receive` have in common: the phones that are meant, the channel of a set of files, and
//! how people and scripts are told how far it is.

mod arrivals;
mod channel;
mod delivery;
mod meter;
mod phones;
mod teller;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::session::Session;
use crate::ipc::carried::Carried;
use crate::talk::close_on_signal;

pub(super) use arrivals::Arrivals;
use channel::SetChannel;
pub(super) use delivery::{Delivery, Verdict};
pub(super) use phones::{chosen, named, paired};
pub(super) use teller::Teller;

/// Events that are taken at once.
pub(super) const EVENTS_MAX: usize = 64;

/// How long a loop waits when nothing has a time: the progress is told meanwhile.
pub(super) const TURN_MAX: Duration = Duration::from_millis(200);

/// Connects to the agent. The flag is set at Ctrl-C, and the wait for events ends then.
///
/// # Errors
/// There is no agent, or the system refused a thread.
pub(super) fn connect(session: Arc<Session>) -> anyhow::Result<(Carried, Arc<AtomicBool>)> {
    let carried = Carried::start(Box::new(move || session.agent()))?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let (waking, noted) = (carried.clone(), Arc::clone(&interrupted));
    close_on_signal(move || {
        noted.store(true, Ordering::Relaxed);
        waking.wake();
    })?;
    Ok((carried, interrupted))
}
