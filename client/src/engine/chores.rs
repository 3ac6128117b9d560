//! The requests to the relay that an engine makes by itself, each on a short-lived thread: they block for up
//! to ten seconds.

use std::sync::Arc;
use std::thread;

use super::shared::{Answered, Shared};
use crate::http::{self, HttpError};
use crate::net::endpoint::Endpoint;
use crate::tunnel::Credentials;

/// Where sessions are made and ended.
#[derive(Clone)]
pub(super) struct Registrar {
    pub(super) server: Endpoint,
    pub(super) key: Option<String>,
}

impl Registrar {
    /// Makes a session. Blocks for up to ten seconds.
    pub(super) fn register(&self) -> Result<Credentials, HttpError> {
        let pairing = http::register(&self.server, self.key.as_deref())?.pairing;
        Ok(Credentials { session: pairing.session, token: pairing.token })
    }

    /// Makes this session again. Blocks for up to ten seconds.
    fn register_again(&self, credentials: &Credentials) -> Result<(), HttpError> {
        http::register_again(&self.server, self.key.as_deref(), credentials.session, &credentials.token)
            .map(drop)
    }

    /// Ends this session; there being none is as good. Blocks for up to ten seconds.
    pub(super) fn delete(&self, credentials: &Credentials) -> Result<(), HttpError> {
        http::delete(&self.server, credentials.session, &credentials.token).map(drop)
    }

    /// Does `chore` in the background; its result goes to `shared`.
    pub(super) fn begin(&self, chore: Chore, shared: &Arc<Shared>) {
        let (registrar, heard) = (self.clone(), Arc::clone(shared));
        let work = move || tell(&heard, chore.answered(registrar.perform(chore)));
        if let Err(error) = thread::Builder::new().name("relay-request".into()).spawn(work) {
            let words = format!("no thread for the request: {error}");
            tell(shared, chore.answered(Err(HttpError::Unreachable(words))));
        }
    }

    fn perform(&self, chore: Chore) -> Result<(), HttpError> {
        match chore {
            Chore::RegisterAgain(credentials) => self.register_again(&credentials),
            Chore::Delete(credentials) => self.delete(&credentials),
        }
    }
}

/// A request that an engine makes by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chore {
    /// Make this session again.
    RegisterAgain(Credentials),
    /// End this session.
    Delete(Credentials),
}

impl Chore {
    fn answered(self, outcome: Result<(), HttpError>) -> Answered {
        match self {
            Chore::RegisterAgain(_) => Answered::RegisteredAgain(outcome),
            Chore::Delete(_) => Answered::Deleted(outcome),
        }
    }
}

fn tell(shared: &Shared, answered: Answered) {
    let mut inner = shared.lock();
    inner.answers.push_back(answered);
    shared.wake(inner);
}
