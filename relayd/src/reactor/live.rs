//! Settings that change while the reactor runs. Another thread hands them over, and the reactor takes them
//! between two turns.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;

use super::Reactor;
use crate::admission::AdmissionLimits;
use crate::http::Policy;

/// The settings of a reactor that may change.
#[derive(Clone, Debug)]
pub struct LiveSettings {
    /// The rules of the endpoints.
    pub policy: Policy,
    /// The limits. Of these, only those by address change.
    pub admission: AdmissionLimits,
}

/// Hands new settings to a reactor, from any thread.
#[derive(Clone, Debug)]
pub struct Updater {
    handover: Arc<Handover>,
    waker: Arc<Waker>,
}

#[derive(Debug, Default)]
struct Handover {
    /// Set after `newest`, so that the reactor takes the lock only when there is something behind it.
    is_waiting: AtomicBool,
    newest: Mutex<Option<LiveSettings>>,
}

impl Updater {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Updater { handover: Arc::default(), waker }
    }

    /// Hands settings over, in place of any that were not taken yet. Returns at once.
    pub fn update(&self, settings: LiveSettings) {
        *self.handover.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
        self.handover.is_waiting.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "the reactor could not be woken");
        }
    }

    /// What was handed over last, if anything was.
    pub(crate) fn take(&self) -> Option<LiveSettings> {
        let handover = &self.handover;
        if !handover.is_waiting.load(Ordering::Acquire) {
            return None;
        }
        handover.is_waiting.store(false, Ordering::Release);
        handover.newest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Reactor {
    /// Takes over new settings, if there are any. They count from the next request on; open connections stay.
    pub(super) fn take_settings(&mut self) {
        let Some(LiveSettings { policy, admission }) = self.updater.take() else { return };
        self.client_limits.change(&admission, policy.trusted_proxies.clone());
        self.settings.policy = policy;
        tracing::info!("the changed settings are in force");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_settings_are_taken_once() {
        let poll = mio::Poll::new().unwrap();
        let updater = Updater::new(Arc::new(Waker::new(poll.registry(), mio::Token(0)).unwrap()));
        assert!(updater.take().is_none());
        for per_minute in [1, 2] {
            let admission =
                AdmissionLimits { registers_per_minute: per_minute, ..AdmissionLimits::default() };
            updater.update(LiveSettings { policy: Policy::default(), admission });
        }
        assert_eq!(updater.take().map(|it| it.admission.registers_per_minute), Some(2));
        assert!(updater.take().is_none());
    }
}
