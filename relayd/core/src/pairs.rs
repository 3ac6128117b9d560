//! Sessions of which this node holds a role: who holds it, since when, and when the session was last active.
//!
//! Contains no decision: the relay reads and writes it. A session is here exactly while one of its roles is.

use std::collections::BTreeMap;
use std::ops::Bound;

use protocol::ids::{Role, SessionId, TokenDigest};
use protocol::message::InstanceClaim;
use slab::Slab;

use crate::node_link::Position;
use crate::peer::PendingClaim;
use crate::store::{Conn, Hold, Holder};
use crate::time::Time;

/// One end of a session, held by a connection of this node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub conn: Conn,
    pub generation: u64,
}

/// A link to a connection of another node that is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// Who holds the other role, as far as is known.
    pub holder: Holder,
    /// When and where it was last said to that node; `None` if it was not.
    pub said: Option<(Time, Position)>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Pair {
    pub token: TokenDigest,
    /// By [`Role::index`].
    ends: [Option<End>; 2],
    /// What the clients at the ends said of themselves, where they did.
    instances: [Option<Box<InstanceClaim>>; 2],
    /// The latest activity that is not in a connection's own note.
    pub active: Time,
    /// The latest activity that the store was told.
    pub told: Time,
    /// When its idle time may be over; `None` while the store is asked.
    pub idle_due: Option<Time>,
    /// When its activity may be worth telling the store.
    pub touch_due: Time,
    /// The link to another node that is wanted, or stands.
    pub wish: Option<Box<Wish>>,
    /// The link that is being opened, by this node's handle.
    pub opening: Option<u32>,
    /// Links to other nodes that were opened. Never starts over while the session is here.
    pub attempts: u32,
}

impl Pair {
    fn new(token: TokenDigest, now: Time) -> Self {
        Pair {
            token,
            ends: [None; 2],
            instances: [None, None],
            active: now,
            told: now,
            idle_due: None,
            touch_due: now,
            wish: None,
            opening: None,
            attempts: 0,
        }
    }

    /// When its one timer fires.
    pub fn due(&self) -> Time {
        self.idle_due.map_or(self.touch_due, |idle_due| idle_due.min(self.touch_due))
    }

    pub fn end(&self, role: Role) -> Option<End> {
        self.ends[role.index()]
    }

    pub fn ends(&self) -> impl Iterator<Item = (Role, End)> {
        Role::ALL.into_iter().filter_map(|role| self.end(role).map(|end| (role, end)))
    }

    /// What the store needs to compare or rewrite the hold of `role`.
    pub fn hold(&self, session: SessionId, role: Role, active: Time, now: Time) -> Option<Hold> {
        let end = self.end(role)?;
        Some(Hold {
            session,
            token: self.token,
            role,
            conn: end.conn.name,
            generation: end.generation,
            instance: self.instances[role.index()].as_deref().copied(),
            idle_ms: now.as_ms().saturating_sub(active.as_ms()),
        })
    }
}

/// All sessions that this node holds a role of.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// Where each is in `pairs`. A tree of these is small, and what they name lies without gaps.
    places: BTreeMap<SessionId, u32>,
    pairs: Slab<Pair>,
}

impl Pairs {
    pub fn of(&self, session: SessionId) -> Option<&Pair> {
        self.pairs.get(*self.places.get(&session)? as usize)
    }

    pub fn of_mut(&mut self, session: SessionId) -> Option<&mut Pair> {
        self.pairs.get_mut(*self.places.get(&session)? as usize)
    }

    pub fn end(&self, session: SessionId, role: Role) -> Option<End> {
        self.of(session)?.end(role)
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (SessionId, &Pair)> {
        self.places.iter().map(|(&session, &place)| (session, &self.pairs[place as usize]))
    }

    /// Those that come behind `last` in the order of their ids; all where it is `None`.
    pub fn iter_behind(&self, last: Option<SessionId>) -> impl Iterator<Item = (SessionId, &Pair)> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let places = self.places.range((from, Bound::Unbounded));
        places.map(|(&session, &place)| (session, &self.pairs[place as usize]))
    }

    /// Puts a connection into the role that it claimed. True if the session is new here: its timers want arming.
    pub fn put(&mut self, conn: Conn, claim: &PendingClaim, generation: u64, now: Time) -> bool {
        let mut is_new = false;
        let place = *self.places.entry(claim.session).or_insert_with(|| {
            is_new = true;
            self.pairs.insert(Pair::new(claim.token, now)) as u32
        });
        let pair = &mut self.pairs[place as usize];
        let at = claim.role.index();
        pair.ends[at] = Some(End { conn, generation });
        pair.instances[at] = claim.instance.map(Box::new);
        pair.wish = None;
        // A claim is activity, and the store knows of it.
        (pair.active, pair.told) = (now, now);
        is_new
    }

    /// Empties a role if this connection holds it. Gives what was there, and the session if nothing is left of it.
    pub fn take(&mut self, session: SessionId, role: Role, conn: Conn) -> Option<(End, Option<Pair>)> {
        let place = *self.places.get(&session)?;
        let pair = &mut self.pairs[place as usize];
        let end = pair.end(role).filter(|end| end.conn == conn)?;
        (pair.ends[role.index()], pair.instances[role.index()]) = (None, None);
        if pair.ends.iter().any(Option::is_some) {
            return Some((end, None));
        }
        self.places.remove(&session);
        Some((end, Some(self.pairs.remove(place as usize))))
    }
}
