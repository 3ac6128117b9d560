//! One session: its token, its age and who holds its two roles. Knows no other session and no limit.

use std::time::Duration;

use protocol::ids::{NodeId, Role, TokenDigest};
use protocol::message::InstanceClaim;

use crate::store::{Checked, Claimed, Hold, Holder, TAKEOVER_WINDOW_MS, TAKEOVERS_MAX};
use crate::time::Time;

/// A session. Small until somebody claims a role, since most that are ever registered may wait for nobody.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) token: TokenDigest,
    pub(super) active: Time,
    /// When the sweep looks at it next. `armed <= active + idle + grace`.
    pub(super) armed: Time,
    seats: [Option<Box<Seat>>; 2],
}

/// Who claims a role.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) node: NodeId,
    pub(super) conn: u64,
    pub(super) instance: Option<InstanceClaim>,
}

/// A role that was held at least once. What few have is apart.
#[derive(Clone, Debug, Default)]
struct Seat {
    holder: Option<Holder>,
    /// The holder's.
    instance: Option<Box<InstanceClaim>>,
    /// The highest generation ever seen here, so that none is given twice. `holder.generation <= top`.
    top: u64,
    takeovers: Option<Box<Takeovers>>,
}

impl Session {
    pub(super) fn new(token: TokenDigest, active: Time) -> Self {
        Session { token, active, armed: active, seats: [None, None] }
    }

    pub(super) fn holder(&self, role: Role) -> Option<Holder> {
        self.seats[role.index()].as_ref()?.holder
    }

    /// Gives the role to `asker` unless a rule forbids it. The caller has checked the token and the session's
    /// age.
    pub(super) fn claim(&mut self, role: Role, asker: Asker, now: Time) -> Claimed {
        let peer = self.holder(role.other());
        let seat = self.seats[role.index()].get_or_insert_default();
        let (replaced, instance) = (seat.holder, seat.instance.as_deref().copied());
        if is_straggler(instance, asker.instance) {
            return Claimed::Straggler;
        }
        if replaced.is_some() && !seat.takeovers.get_or_insert_default().try_add(now) {
            return Claimed::TooMany;
        }
        let generation = seat.take(asker, now);
        self.active = self.active.max(now);
        Claimed::Granted {
            generation,
            replaced,
            same_instance: is_same_instance(instance, asker.instance),
            peer,
        }
    }

    /// Compares a hold of `node` with what stands here, and writes it where this session knows less.
    pub(super) fn check(&mut self, node: NodeId, hold: &Hold) -> Checked {
        let peer = self.holder(hold.role.other());
        let seat = self.seats[hold.role.index()].get_or_insert_default();
        let known = seat.holder.map(|holder| holder.generation);
        if known.is_some_and(|generation| generation > hold.generation) {
            return Checked::Replaced;
        }
        if known != Some(hold.generation) {
            let holder = Holder { node, conn: hold.conn, generation: hold.generation };
            seat.seat(holder, hold.instance);
            seat.top = seat.top.max(hold.generation);
        }
        Checked::Held { peer }
    }

    /// Empties the role if it is held under exactly this generation.
    pub(super) fn release(&mut self, role: Role, generation: u64) {
        if let Some(seat) = &mut self.seats[role.index()]
            && seat.holder.is_some_and(|holder| holder.generation == generation)
        {
            (seat.holder, seat.instance) = (None, None);
        }
    }
}

impl Seat {
    fn take(&mut self, asker: Asker, now: Time) -> u64 {
        let generation = (self.top + 1).max(now.as_ms().saturating_mul(1000));
        let holder = Holder { node: asker.node, conn: asker.conn, generation };
        self.seat(holder, asker.instance);
        self.top = generation;
        generation
    }

    fn seat(&mut self, holder: Holder, instance: Option<InstanceClaim>) {
        (self.holder, self.instance) = (Some(holder), instance.map(Box::new));
    }
}

/// The claim comes from an earlier attempt of the client that already holds the role.
fn is_straggler(holder: Option<InstanceClaim>, asker: Option<InstanceClaim>) -> bool {
    let lower = |(held, asks): (InstanceClaim, InstanceClaim)| asks.attempt < held.attempt;
    is_same_instance(holder, asker) && holder.zip(asker).is_some_and(lower)
}

fn is_same_instance(holder: Option<InstanceClaim>, asker: Option<InstanceClaim>) -> bool {
    holder.zip(asker).is_some_and(|(held, asks)| held.instance == asks.instance)
}

/// The times of a role's last takeovers, oldest first.
#[derive(Clone, Debug, Default)]
struct Takeovers {
    times: [Time; TAKEOVERS_MAX],
    /// How many of `times` are set: the last ones. `known <= TAKEOVERS_MAX`.
    known: usize,
}

impl Takeovers {
    /// Notes a takeover, or says `false` where it would be one too many.
    fn try_add(&mut self, now: Time) -> bool {
        let window = Duration::from_millis(TAKEOVER_WINDOW_MS);
        if self.known == TAKEOVERS_MAX && self.times[0] + window > now {
            return false;
        }
        self.times.rotate_left(1);
        self.times[TAKEOVERS_MAX - 1] = now;
        self.known = (self.known + 1).min(TAKEOVERS_MAX);
        true
    }
}
