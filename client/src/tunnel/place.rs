//! Where a pair meets: a session of the relay and the token that admits to it.

use protocol::ids::{SessionId, Token};

/// One session. `Debug` redacts the token.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The session.
    pub session: SessionId,
    /// Its token.
    pub token: Token,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.session == other.session && self.token.digest().matches(&other.token.digest())
    }
}

impl Eq for Place {}
