//! The link between the two ends of a session: one value, which says what stands and what is wanted.
//!
//! A wanted link outlasts the one that stands. The store may name a holder on another node while an older one
//! is still linked, and a link that breaks is asked for again.

use protocol::ids::Role;

use crate::node_link::Position;
use crate::store::Holder;
use crate::time::Time;

/// The link of one session. What each frame looks at comes first.
#[derive(Debug, Default)]
#[repr(C)]
pub(in crate::relay) struct Link {
    joined: Joined,
    wanted: Option<Box<Wanted>>,
    /// Links to other nodes that were opened. Never starts over while the session is here.
    attempts: u32,
}

/// What the ends of a session are joined to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::relay) enum Joined {
    /// Nothing: messages are dropped and counted.
    #[default]
    Nothing,
    /// Each other: both roles are held on this node.
    Here,
    /// The end of this role to a connection of another node, by this node's handle.
    There { role: Role, handle: u32 },
}

/// A link to a connection of another node that is wanted.
#[derive(Clone, Copy, Debug)]
pub(in crate::relay) struct Wanted {
    /// The end here that wants it.
    pub role: Role,
    /// The holder of the other role, as far as is known.
    pub holder: Holder,
    /// When and where that node was last asked; `None` if it was not.
    pub asked: Option<(Time, Position)>,
    /// The handle of the link that is being opened, possibly to an earlier holder. Only for a workstation.
    pub opening: Option<u32>,
}

impl Link {
    /// What stands.
    pub fn joined(&self) -> Joined {
        self.joined
    }

    /// Changes what stands. Gives what stood before.
    pub(super) fn replace(&mut self, joined: Joined) -> Joined {
        std::mem::replace(&mut self.joined, joined)
    }

    /// The link to another node that is wanted, whether or not one stands.
    pub fn wanted(&self) -> Option<&Wanted> {
        self.wanted.as_deref()
    }

    /// The handle of the link that is being opened.
    pub fn opening(&self) -> Option<u32> {
        self.wanted()?.opening
    }

    /// A link from the end of this role to `holder` is wanted from here on.
    pub fn want(&mut self, role: Role, holder: Holder) {
        let known = self.wanted().filter(|known| known.role == role).copied();
        let is_same =
            |known: &Wanted| (known.holder.node, known.holder.generation) == (holder.node, holder.generation);
        let asked = known.filter(is_same).and_then(|known| known.asked);
        let opening = known.and_then(|known| known.opening);
        self.wanted = Some(Box::new(Wanted { role, holder, asked, opening }));
    }

    /// The other node was asked for the link that is wanted.
    pub fn note_asked(&mut self, asked: Option<(Time, Position)>) {
        if let Some(wanted) = self.wanted.as_deref_mut() {
            wanted.asked = asked;
        }
    }

    /// The number of the next attempt to open a link.
    pub fn next_attempt(&mut self) -> u32 {
        self.attempts += 1;
        self.attempts
    }

    /// The link that is wanted is being opened under this handle.
    pub fn set_opening(&mut self, handle: u32) {
        if let Some(wanted) = self.wanted.as_deref_mut() {
            wanted.opening = Some(handle);
        }
    }

    /// The link that is being opened stands now, or is given up. Gives its handle.
    pub fn take_opening(&mut self) -> Option<u32> {
        self.wanted.as_deref_mut()?.opening.take()
    }

    /// No link to another node is wanted any more. Gives the handle of one that was being opened.
    #[must_use]
    pub fn want_nothing(&mut self) -> Option<u32> {
        self.wanted.take()?.opening
    }
}
