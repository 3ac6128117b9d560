//! Claims that the store has not answered yet.
//!
//! What other nodes say of a role meanwhile is noted in the claim, and judged with the answer.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use protocol::ids::{Role, SessionId, TokenDigest};
use protocol::message::{InstanceClaim, KillReason};

use crate::store::Conn;

/// What was claimed, until the store answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingClaim {
    pub session: SessionId,
    pub token: TokenDigest,
    pub role: Role,
    pub instance: Option<InstanceClaim>,
    /// Too many hellos of its address have failed.
    pub is_doubted: bool,
    /// Another node said meanwhile that a claim of this generation took the role.
    outdated_by: Option<u64>,
    /// Another node said meanwhile that the session ended, and under which generation the role was held then.
    killed: Option<(KillReason, u64)>,
}

impl PendingClaim {
    pub const fn new(
        session: SessionId,
        token: TokenDigest,
        role: Role,
        instance: Option<InstanceClaim>,
        is_doubted: bool,
    ) -> Self {
        PendingClaim { session, token, role, instance, is_doubted, outdated_by: None, killed: None }
    }

    /// Why the session that this generation was granted for has ended meanwhile, if it has.
    pub fn killed(&self, generation: u64) -> Option<KillReason> {
        self.killed.filter(|&(_, ended)| generation <= ended).map(|(reason, _)| reason)
    }

    /// True if a later claim has taken the role meanwhile.
    pub fn is_outdated(&self, generation: u64) -> bool {
        self.outdated_by.is_some_and(|later| later > generation)
    }
}

/// Every claim that the store has not answered, by its session and the slot of its connection.
#[derive(Debug, Default)]
pub(super) struct PendingClaims {
    claims: BTreeMap<(SessionId, u32), PendingClaim>,
}

impl PendingClaims {
    pub fn insert(&mut self, conn: Conn, claim: PendingClaim) {
        self.claims.insert((claim.session, conn.slot), claim);
    }

    pub fn get(&self, session: SessionId, conn: Conn) -> Option<&PendingClaim> {
        self.claims.get(&(session, conn.slot))
    }

    pub fn remove(&mut self, session: SessionId, conn: Conn) -> Option<PendingClaim> {
        self.claims.remove(&(session, conn.slot))
    }

    pub fn len(&self) -> usize {
        self.claims.len()
    }

    /// True if a connection has claimed this role and was not answered yet.
    pub fn is_claimed(&self, session: SessionId, role: Role) -> bool {
        self.claims.range(of(session)).any(|(_, claim)| claim.role == role)
    }

    /// Another node says that a claim of this generation took the role.
    pub fn note_evicted(&mut self, session: SessionId, role: Role, generation: u64) {
        for (_, claim) in self.claims.range_mut(of(session)).filter(|(_, claim)| claim.role == role) {
            claim.outdated_by = claim.outdated_by.max(Some(generation));
        }
    }

    /// Another node says that the session ended while its roles were held under these generations.
    pub fn note_killed(&mut self, session: SessionId, reason: KillReason, generations: [u64; 2]) {
        for (_, claim) in self.claims.range_mut(of(session)) {
            let ended = generations[claim.role.index()];
            claim.killed = claim.killed.filter(|&(_, known)| known > ended).or(Some((reason, ended)));
        }
    }
}

/// The keys of a session's claims.
fn of(session: SessionId) -> RangeInclusive<(SessionId, u32)> {
    (session, 0)..=(session, u32::MAX)
}
