//! The names of sockets in the agent's poll, none of which is given twice.

use mio::Token;

/// The socket that commands connect to.
pub(super) const LISTENER: Token = Token(0);
/// A phone's link, a chore or a signal has news.
pub(super) const WAKE: Token = Token(1);

/// The tokens that are still to be given.
#[derive(Debug)]
pub(super) struct Tokens(usize);

impl Tokens {
    pub(super) fn new() -> Self {
        Tokens(WAKE.0)
    }

    pub(super) fn next(&mut self) -> Token {
        self.0 += 1;
        Token(self.0)
    }
}
