//! What an end needs to join a session of the relay: its id and its token.

use protocol::ids::{SessionId, Token};

/// A session and its token. `Debug` redacts the token.
#[derive(Clone, Copy, Debug)]
pub struct Credentials {
    /// The session.
    pub session: SessionId,
    /// Its token.
    pub token: Token,
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.session == other.session && self.token.digest().matches(&other.token.digest())
    }
}

impl Eq for Credentials {}
