//! The two roles, as the contract spells them.

use std::fmt;

/// Which end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that shows the code.
    Workstation,
    /// The one that scans it.
    Phone,
}

impl Role {
    /// Both ends.
    pub const BOTH: [Role; 2] = [Role::Workstation, Role::Phone];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Workstation => "workstation",
            Role::Phone => "phone",
        }
    }

    /// The other end.
    pub const fn other(self) -> Self {
        match self {
            Role::Workstation => Role::Phone,
            Role::Phone => Role::Workstation,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
