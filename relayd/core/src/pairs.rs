//! Sessions of which this node holds a role: who holds it, since when, and what links the two.
//!
//! Contains no decision: the relay reads and writes it. A session is here exactly while one of its roles is.

mod link;

use std::collections::BTreeMap;
use std::ops::Bound;

use protocol::ids::{Role, SessionId, TokenDigest};
use protocol::message::InstanceClaim;
use slab::Slab;

pub(crate) use self::link::{Joined, Link, Wanted};
use crate::peer::PendingClaim;
use crate::store::{Conn, Hold};
use crate::time::Time;

/// One end of a session, held by a connection of this node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub conn: Conn,
    pub generation: u64,
}

/// Where a session is in the table. Names the same one while a role of it is held here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// One session.
#[derive(Debug)]
pub(crate) struct Pair {
    /// By [`Role::index`].
    ends: [Option<End>; 2],
    pub link: Link,
    pub session: SessionId,
    pub token: TokenDigest,
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
}

/// Where a message of one end goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
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

    pub fn end(&self, role: Role) -> Option<End> {
        self.ends[role.index()]
    }

    pub fn ends(&self) -> impl Iterator<Item = (Role, End)> {
        Role::ALL.into_iter().filter_map(|role| self.end(role).map(|end| (role, end)))
    }

    /// Where a message of the end of `role` goes; `None` if nobody is there.
    pub fn target(&self, role: Role) -> Option<Target> {
        match self.link.joined() {
            Joined::Nothing => None,
            Joined::Here => self.end(role.other()).map(|end| Target::Here(end.conn)),
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
    pub fn hold(&self, role: Role, active: Time, now: Time) -> Option<Hold> {
        let end = self.end(role)?;
        Some(Hold {
            session: self.session,
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
    /// A tree of these is small, and what they name lies without gaps.
    places: BTreeMap<SessionId, Place>,
    pairs: Slab<Pair>,
    /// How many pairs are joined [`Joined::Here`]. Changed by [`Pairs::join`] alone.
    joined_here: usize,
}

impl Pairs {
    pub fn place_of(&self, session: SessionId) -> Option<Place> {
        self.places.get(&session).copied()
    }

    pub fn at(&self, place: Place) -> Option<&Pair> {
        self.pairs.get(place.0 as usize)
    }

    pub fn at_mut(&mut self, place: Place) -> Option<&mut Pair> {
        self.pairs.get_mut(place.0 as usize)
    }

    pub fn of(&self, session: SessionId) -> Option<&Pair> {
        self.at(self.place_of(session)?)
    }

    pub fn of_mut(&mut self, session: SessionId) -> Option<&mut Pair> {
        self.at_mut(self.place_of(session)?)
    }

    pub fn end(&self, session: SessionId, role: Role) -> Option<End> {
        self.of(session)?.end(role)
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// How many links between two connections of this node stand.
    pub const fn joined_here(&self) -> usize {
        self.joined_here
    }

    pub fn iter(&self) -> impl Iterator<Item = (Place, &Pair)> {
        self.places.values().map(|&place| (place, &self.pairs[place.0 as usize]))
    }

    /// Those that come behind `last` in the order of their ids; all where it is `None`.
    pub fn iter_behind(&self, last: Option<SessionId>) -> impl Iterator<Item = &Pair> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let places = self.places.range((from, Bound::Unbounded));
        places.map(|(_, &place)| &self.pairs[place.0 as usize])
    }

    /// Changes what the ends of a session are joined to. Gives what they were joined to.
    pub fn join(&mut self, place: Place, joined: Joined) -> Joined {
        let Some(pair) = self.at_mut(place) else { return Joined::Nothing };
        let was = pair.link.replace(joined);
        self.joined_here += usize::from(joined == Joined::Here);
        self.joined_here -= usize::from(was == Joined::Here);
        was
    }

    /// Puts a connection into the role that it claimed. True if the session is new here: its timers want
    /// arming.
    pub fn put(&mut self, conn: Conn, claim: &PendingClaim, generation: u64, now: Time) -> (Place, bool) {
        let mut is_new = false;
        let place = *self.places.entry(claim.session).or_insert_with(|| {
            is_new = true;
            Place(self.pairs.insert(Pair::new(claim.session, claim.token, now)) as u32)
        });
        let pair = &mut self.pairs[place.0 as usize];
        let at = claim.role.index();
        pair.ends[at] = Some(End { conn, generation });
        pair.instances[at] = claim.instance.map(Box::new);
        // A claim is activity, and the store knows of it.
        (pair.active, pair.told) = (now, now);
        (place, is_new)
    }

    /// Empties a role if this connection holds it. Gives what was there, and the session if nothing is left
    /// of it.
    pub fn take(&mut self, place: Place, role: Role, conn: Conn) -> Option<(End, Option<Pair>)> {
        let pair = self.at_mut(place)?;
        let end = pair.end(role).filter(|end| end.conn == conn)?;
        (pair.ends[role.index()], pair.instances[role.index()]) = (None, None);
        if pair.ends.iter().any(Option::is_some) {
            return Some((end, None));
        }
        let emptied = self.pairs.remove(place.0 as usize);
        self.places.remove(&emptied.session);
        Some((end, Some(emptied)))
    }
}
