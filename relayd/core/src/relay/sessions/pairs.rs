//! The table of sessions: the holder of each role, the link between the two, and the session's activity.
//!
//! Contains no decision. A session is in the table exactly while one of its roles is held on this node.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use protocol::ids::{Role, SessionId, TokenDigest};
use protocol::message::InstanceClaim;
use slab::Slab;

use super::link::{Joined, Link};
use crate::relay::pending::PendingClaim;
use crate::store::{Conn, Hold};
use crate::time::Time;

/// One end of a session, held by a connection of this node.
#[derive(Clone, Copy, Debug)]
pub(in crate::relay) struct End {
    pub conn: Conn,
    pub generation: u64,
}

/// Where a session is in the table. Names the same one while a role of it is held here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::relay) struct PairIndex(u32);

/// One session. What each frame looks at comes first, so that it lies together.
#[derive(Debug)]
#[repr(C)]
pub(in crate::relay) struct Pair {
    pub link: Link,
    /// When something was last sent by an end of it, or the store knew of activity elsewhere.
    pub(super) active: Time,
    /// By [`Role::index`].
    ends: [Option<End>; 2],
    pub session: SessionId,
    /// The latest activity that the store was told. `told <= active`
    pub(super) told: Time,
    /// When its idle time may be over; `None` while the store is asked.
    pub(super) idle_due: Option<Time>,
    /// When its activity may be worth telling the store.
    pub(super) touch_due: Time,
    /// What the clients at the ends said of themselves, where they did.
    instances: [Option<Box<InstanceClaim>>; 2],
    pub token: TokenDigest,
}

/// Where a message of one end goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Target {
    /// To the other end, which is here.
    Here(Conn),
    /// To another node, by this node's handle for the link.
    There(u32),
}

impl Pair {
    fn new(session: SessionId, token: TokenDigest, now: Time) -> Self {
        Pair {
            ends: [None; 2],
            link: Link::default(),
            session,
            token,
            instances: [None, None],
            active: now,
            told: now,
            idle_due: None,
            touch_due: now,
        }
    }

    /// When its one timer fires.
    pub fn due(&self) -> Time {
        self.idle_due.map_or(self.touch_due, |idle_due| idle_due.min(self.touch_due))
    }

    /// How long ago something was last sent by an end of it, as far as this node knows.
    pub fn idle(&self, now: Time) -> Duration {
        now.since(self.active)
    }

    pub fn end(&self, role: Role) -> Option<End> {
        self.ends[role.index()]
    }

    pub fn ends(&self) -> impl Iterator<Item = (Role, End)> {
        Role::ALL.into_iter().filter_map(|role| self.end(role).map(|end| (role, end)))
    }

    /// An end of it sent something. Gives how long ago one last did, in milliseconds.
    pub(super) fn note_active(&mut self, now: Time) -> u64 {
        let before = std::mem::replace(&mut self.active, now);
        now.as_ms().saturating_sub(before.as_ms())
    }

    /// Where a message of the end of `role` goes; `None` if it has no peer.
    pub fn target(&self, role: Role) -> Option<Target> {
        match self.link.joined() {
            Joined::Nothing => None,
            Joined::Here => self.ends[role.other().index()].as_ref().map(|end| Target::Here(end.conn)),
            Joined::There { role: linked, handle } => (linked == role).then_some(Target::There(handle)),
        }
    }

    /// The end that is linked to another node by this handle.
    pub fn linked_by(&self, handle: u32) -> Option<(Role, Conn)> {
        match self.link.joined() {
            Joined::There { role, handle: linked } if linked == handle => Some((role, self.end(role)?.conn)),
            _ => None,
        }
    }

    /// What the store needs to compare or rewrite the hold of `role`.
    pub fn hold(&self, role: Role, now: Time) -> Option<Hold> {
        let end = self.end(role)?;
        Some(Hold {
            session: self.session,
            token: self.token,
            role,
            conn: end.conn.name,
            generation: end.generation,
            instance: self.instances[role.index()].as_deref().copied(),
            idle_ms: now.since(self.active).as_millis() as u64,
        })
    }

    /// The same for both roles.
    pub fn holds(&self, now: Time) -> impl Iterator<Item = Hold> {
        Role::ALL.into_iter().filter_map(move |role| self.hold(role, now))
    }
}

/// All sessions that this node holds a role of.
#[derive(Debug, Default)]
pub(in crate::relay) struct Pairs {
    /// A tree of these is small, and what they name lies without gaps.
    indexes: BTreeMap<SessionId, PairIndex>,
    pairs: Slab<Pair>,
    /// How many pairs are joined [`Joined::Here`]. Changed by [`Pairs::join`] alone.
    joined_here: usize,
}

impl Pairs {
    pub fn index_of(&self, session: SessionId) -> Option<PairIndex> {
        self.indexes.get(&session).copied()
    }

    pub fn at(&self, index: PairIndex) -> Option<&Pair> {
        self.pairs.get(index.0 as usize)
    }

    pub fn at_mut(&mut self, index: PairIndex) -> Option<&mut Pair> {
        self.pairs.get_mut(index.0 as usize)
    }

    pub fn of_mut(&mut self, session: SessionId) -> Option<&mut Pair> {
        self.at_mut(self.index_of(session)?)
    }

    pub fn len(&self) -> usize {
        self.indexes.len()
    }

    /// How many links between two connections of this node stand.
    pub const fn joined_here(&self) -> usize {
        self.joined_here
    }

    pub fn iter(&self) -> impl Iterator<Item = (PairIndex, &Pair)> {
        self.indexes.values().map(|&index| (index, &self.pairs[index.0 as usize]))
    }

    /// Those that come behind `last` in the order of their ids; all where it is `None`.
    pub fn iter_behind(&self, last: Option<SessionId>) -> impl Iterator<Item = &Pair> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let indexes = self.indexes.range((from, Bound::Unbounded));
        indexes.map(|(_, &index)| &self.pairs[index.0 as usize])
    }

    /// Changes what the ends of a session are joined to. Gives what they were joined to.
    pub fn join(&mut self, index: PairIndex, joined: Joined) -> Joined {
        let Some(pair) = self.at_mut(index) else { return Joined::Nothing };
        let was = pair.link.replace(joined);
        self.joined_here += usize::from(joined == Joined::Here);
        self.joined_here -= usize::from(was == Joined::Here);
        was
    }

    /// Puts a connection into the role that it claimed. True if the session is new here: its timers want
    /// arming.
    pub fn put(&mut self, conn: Conn, claim: &PendingClaim, generation: u64, now: Time) -> (PairIndex, bool) {
        let mut is_new = false;
        let index = *self.indexes.entry(claim.session).or_insert_with(|| {
            is_new = true;
            PairIndex(self.pairs.insert(Pair::new(claim.session, claim.token, now)) as u32)
        });
        let pair = &mut self.pairs[index.0 as usize];
        let at = claim.role.index();
        pair.ends[at] = Some(End { conn, generation });
        pair.instances[at] = claim.instance.map(Box::new);
        // A claim is activity, and the store knows of it.
        (pair.active, pair.told) = (now, now);
        (index, is_new)
    }

    /// Empties a role. Gives what was there, and the session if nothing is left of it.
    pub fn take(&mut self, index: PairIndex, role: Role) -> Option<(End, Option<SessionId>)> {
        let pair = self.at_mut(index)?;
        let end = pair.ends[role.index()].take()?;
        pair.instances[role.index()] = None;
        if pair.ends.iter().any(Option::is_some) {
            return Some((end, None));
        }
        let emptied = self.pairs.remove(index.0 as usize);
        self.indexes.remove(&emptied.session);
        Some((end, Some(emptied.session)))
    }
}
