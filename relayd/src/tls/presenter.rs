//! What the reactor asks when a handshake begins, and how other threads give it new certificates.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::server::ProducesTickets;

use super::attempts::{AttemptCounts, AttemptOutcome};
use super::identity::Identity;
use super::presented::{Presented, Proof};

/// The certificates to show now. Owned by the reactor.
#[derive(Debug)]
pub struct Presenter {
    current: Presented,
    renewed: Receiver<Presented>,
    attempts: Arc<AttemptCounts>,
    /// The threads that give it certificates end with it.
    _alive: Arc<()>,
}

impl Presenter {
    /// One that shows no certificate yet, and its other end.
    ///
    /// # Errors
    /// The library gave no keys for tickets.
    pub fn new() -> Result<(Self, Feed), rustls::Error> {
        let tickets = ring::Ticketer::new()?;
        let current = Presented::new(&[], &[], Arc::clone(&tickets), rustls::ALL_VERSIONS)?;
        let ((sender, renewed), alive, attempts) = (mpsc::channel(), Arc::new(()), Arc::default());
        let feed = Feed { sender, tickets, attempts: Arc::clone(&attempts), alive: Arc::downgrade(&alive) };
        Ok((Presenter { current, renewed, attempts, _alive: alive }, feed))
    }

    /// What to show to a new connection.
    pub fn current(&mut self) -> &Presented {
        while let Ok(renewed) = self.renewed.try_recv() {
            self.current = renewed;
        }
        &self.current
    }

    /// How attempts to get a certificate from a CA ended so far.
    pub fn attempts(&self) -> [u64; AttemptOutcome::ALL.len()] {
        self.attempts.read()
    }
}

/// Gives certificates to a [`Presenter`], from another thread.
#[derive(Debug)]
pub struct Feed {
    sender: Sender<Presented>,
    tickets: Arc<dyn ProducesTickets>,
    attempts: Arc<AttemptCounts>,
    alive: Weak<()>,
}

impl Feed {
    /// New connections get these from now on, and a CA that checks a name gets its proof.
    ///
    /// # Errors
    /// See [`Presented::new`].
    pub fn show(
        &self,
        identities: &[Identity],
        proofs: &[Proof],
    ) -> Result<Vec<(String, u64)>, rustls::Error> {
        let presented = Presented::new(identities, proofs, Arc::clone(&self.tickets), rustls::ALL_VERSIONS)?;
        let certificates = presented.certificates.clone();
        // The reactor may be gone.
        let _ = self.sender.send(presented);
        Ok(certificates)
    }

    /// An attempt to get a certificate from a CA ended.
    pub fn count_attempt(&self, outcome: AttemptOutcome) {
        self.attempts.count(outcome);
    }

    /// False once the reactor is gone.
    pub fn is_wanted(&self) -> bool {
        self.alive.strong_count() > 0
    }
}

/// Asks for the certificates to be looked at now, from any thread.
#[derive(Clone, Debug, Default)]
pub struct Reloader {
    asked: Arc<(Mutex<bool>, Condvar)>,
}

impl Reloader {
    /// Returns at once.
    pub fn reload(&self) {
        *self.asked.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.asked.1.notify_all();
    }

    /// Waits for so long at most. True if it was asked for.
    pub fn wait(&self, within: Duration) -> bool {
        let asked = self.asked.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.asked.1.wait_timeout_while(asked, within, |asked| !*asked);
        let (mut asked, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *asked)
    }
}
