//! What must exist before the reactor does, so that other threads can wake it and stop it.

use std::io;
use std::sync::Arc;

use mio::{Poll, Token, Waker};

use super::live::Updater;
use super::pulse::Pulse;
use super::stop::Stopper;

/// The event of the poll that says that the reactor was woken.
pub(super) const WAKER: Token = Token(usize::MAX - 1);

/// The poll that everything registers with, and its waker.
#[derive(Debug)]
pub struct Wakeable {
    pub(super) poll: Poll,
    waker: Arc<Waker>,
    pub(super) stopper: Stopper,
    pub(super) updater: Updater,
    pub(super) pulse: Pulse,
}

impl Wakeable {
    /// A poll and its waker.
    ///
    /// # Errors
    /// The operating system gave no epoll instance or eventfd.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let stopper = Stopper::new(Arc::clone(&waker));
        let updater = Updater::new(Arc::clone(&waker));
        let pulse = Pulse::new(Arc::clone(&waker));
        Ok(Wakeable { poll, waker, stopper, updater, pulse })
    }

    /// Stops the reactor that this becomes part of.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Changes settings of the reactor that this becomes part of.
    pub fn updater(&self) -> Updater {
        self.updater.clone()
    }

    /// Shows whether the reactor turns that this becomes part of.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// What the backend's threads call when they have answers.
    pub fn wake(&self) -> impl Fn() + Send + Clone + 'static {
        let waker = Arc::clone(&self.waker);
        move || {
            // After a failed wake the backend's own deadline still comes.
            if let Err(error) = waker.wake() {
                tracing::warn!(%error, "the reactor could not be woken");
            }
        }
    }
}
