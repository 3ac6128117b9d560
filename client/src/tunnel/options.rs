//! The options of an end, set before it begins.

use std::time::Duration;

use protocol::ids::Role;

use super::limits::{PAIR_FOR, WINDOW_PHONE, WINDOW_WORKSTATION};

/// The options of an end.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes that this end takes in before its app has taken them; from 128 KiB to 16 MiB, a value outside is
    /// moved to the nearer bound. It is what this end's memory for messages is bounded by, and the peer's
    /// sender too.
    pub window: u32,
    /// Phone: what it calls itself; cut to 64 bytes. A workstation's is not sent.
    pub name: String,
    /// Workstation: for how long the code admits a phone.
    pub pair_for: Duration,
}

impl Options {
    /// The defaults of a role: 4 MiB and 1 MiB, no name, 300 s.
    pub fn new(role: Role) -> Self {
        let window = match role {
            Role::Workstation => WINDOW_WORKSTATION,
            Role::Phone => WINDOW_PHONE,
        };
        Options { window, name: String::new(), pair_for: PAIR_FOR }
    }
}
