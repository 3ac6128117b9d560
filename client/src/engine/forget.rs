//! The end of a pair: the kept text is erased, the engine ends, the relay's sessions are deleted.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::Engine;
use super::event::EngineState;
use super::shared::Forgetting;
use crate::http::HttpError;
use crate::tunnel::{Credentials, Tunnel};

/// Why a pair was not forgotten in full.
#[derive(Debug, Error)]
pub enum ForgetError {
    /// The kept text could not be erased.
    #[error("the kept pairing is still there: {0}")]
    NotErased(Arc<io::Error>),
    /// The session lasts until it expires.
    #[error("the relay was not told, so the other side will find out only when it connects: {0}")]
    NotDeleted(HttpError),
    /// The engine had stopped before.
    #[error("this engine has stopped: erase the kept pairing")]
    Stopped,
}

impl Engine {
    /// Ends the pair: erases the kept text, closes, and has the relay end the session, so that the other end
    /// is told. A phone that is connected is told by the workstation itself first
    /// ([`Stop::Removed`](crate::Stop::Removed)). Blocks for at most twenty seconds and the keeper's own
    /// time; ten more where the pair was on its way to another session.
    ///
    /// # Errors
    /// The kept text is still there, or the relay could not be reached; the other step was done.
    pub fn forget(&self) -> Result<(), ForgetError> {
        let mut sessions = sessions_of(&self.shared.lock().tunnel);
        let erased = self.erase();
        // First, so that messages already sent still arrive, then the end of the pair, which only this end
        // can prove. And the end of the session is not news to this end.
        self.shared.lock().tunnel.revoke();
        self.close();
        self.wait_stopped();
        // The pair may have been on its way from one session to another.
        for later in sessions_of(&self.shared.lock().tunnel) {
            if !sessions.contains(&later) {
                sessions.push(later);
            }
        }
        // All of them, whatever becomes of the first.
        let deleted =
            sessions.iter().map(|credentials| self.registrar.delete(credentials)).fold(Ok(()), Result::and);
        erased.and(deleted.map_err(ForgetError::NotDeleted))
    }

    /// Has the driver erase what its keeper keeps, and waits for it. One that has stopped does nothing any
    /// more; what it did before stays known.
    fn erase(&self) -> Result<(), ForgetError> {
        let mut inner = self.shared.lock();
        if inner.asked.forget.is_none() {
            if inner.state == EngineState::Stopped {
                return Err(ForgetError::Stopped);
            }
            inner.asked.forget = Some(Forgetting::Asked);
            self.shared.wake(inner);
            inner = self.shared.lock();
        }
        loop {
            match &inner.asked.forget {
                Some(Forgetting::Done(done)) => return done.clone().map_err(ForgetError::NotErased),
                _ => inner = self.shared.wait_for_progress(inner, None).0,
            }
        }
    }

    /// The close has a deadline of its own.
    fn wait_stopped(&self) {
        let mut inner = self.shared.lock();
        while inner.state != EngineState::Stopped {
            inner = self.shared.wait_for_progress(inner, None).0;
        }
    }
}

/// The sessions of a pair: where it is, and where it may be on its way to or from.
fn sessions_of(tunnel: &Tunnel) -> Vec<Credentials> {
    let other = tunnel.saved().and_then(|saved| saved.other);
    std::iter::once(tunnel.credentials()).chain(other).collect()
}
