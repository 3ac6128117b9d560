//! From a hello to a held role.
//!
//! The hello is judged here, the claim by the store; a connection whose hello can't be valid never bothers the store.
//! Store answers come in the order in which the store did the work, so the last grant of a role is the one that stands.

use std::ops::RangeInclusive;

use protocol::close::CloseCode;
use protocol::ids::{Role, SessionId};
use protocol::message::{Hello, HelloError, Notice};

use super::Relay;
use crate::event::{Action, Goodbye, HelloOutcome};
use crate::limits::{CLAIM_WITHIN, PAUSED_PING};
use crate::node_link::item::Item;
use crate::peer::{Peer, PendingClaim, State};
use crate::store::{Claimed, Conn, Holder, Request};
use crate::time::Time;

impl Relay {
    /// The first message: a hello, or the end.
    pub(super) fn on_hello(
        &mut self,
        conn: Conn,
        hello: Result<Hello, HelloError>,
        is_doubted: bool,
        now: Time,
    ) {
        if self.peer(conn).is_none_or(|peer| !matches!(peer.state, State::ExpectHello { .. })) {
            return;
        }
        let hello = match hello {
            Ok(hello) => hello,
            Err(error) => return self.refuse(conn, error.close_code(), now),
        };
        if let Some(peer) = self.peer_mut(conn) {
            peer.version = hello.version;
        }
        let Some((session, token)) = hello.credentials else {
            return self.refuse_wrong(conn, is_doubted, now);
        };
        let (token, role, instance) = (token.digest(), hello.role, hello.instance);
        let (outdated_by, killed) = (None, None);
        let claim =
            Box::new(PendingClaim { session, token, role, instance, is_doubted, outdated_by, killed });
        self.set_state(conn, State::ExpectClaim { until: now + CLAIM_WITHIN, claim });
        self.push(Action::Submit(Request::Claim { conn, session, token, role, instance }));
    }

    pub(super) fn on_claimed(
        &mut self,
        conn: Conn,
        session: SessionId,
        role: Role,
        outcome: Claimed,
        now: Time,
    ) {
        if let Claimed::Granted { generation, replaced, same_instance, peer } = outcome {
            let grant = Grant { session, role, generation, replaced, same_instance, peer };
            return self.on_granted(conn, &grant, now);
        }
        let Some(claim) = self.pending_claim(conn) else { return };
        match outcome {
            Claimed::Unauthorized if !self.is_settling(now) => {
                self.refuse_wrong(conn, claim.is_doubted, now);
            }
            Claimed::TooMany if claim.is_doubted => self.turn_away(conn, now),
            Claimed::TooMany => self.refuse(conn, CloseCode::TooMany, now),
            Claimed::Straggler => self.refuse(conn, CloseCode::Replaced, now),
            _ => self.refuse(conn, CloseCode::TryLater, now),
        }
    }

    /// A hello named no session, or not its token.
    fn refuse_wrong(&mut self, conn: Conn, is_doubted: bool, now: Time) {
        if is_doubted {
            return self.turn_away(conn, now);
        }
        self.push(Action::HelloDone { conn, outcome: HelloOutcome::Wrong });
        self.refuse(conn, CloseCode::Unauthorized, now);
    }

    /// Refuses the hello of an address that is past its limit of failed ones.
    fn turn_away(&mut self, conn: Conn, now: Time) {
        self.push(Action::HelloDone { conn, outcome: HelloOutcome::TurnedAway });
        self.refuse(conn, CloseCode::TooMany, now);
    }

    fn on_granted(&mut self, conn: Conn, grant: &Grant, now: Time) {
        let &Grant { session, role, generation, replaced, same_instance, peer } = grant;
        // The store has given the role away, whether or not the one that asked is still there.
        self.evict(session, role, same_instance, now);
        if let Some(holder) = replaced.filter(|holder| holder.node != self.node && !self.is_alone) {
            let item = Item::Evict { session, role, generation, same: same_instance };
            self.tell(holder.node, item, now);
        }
        let Some(claim) = self.pending_claim(conn) else {
            return self.push(Action::Submit(Request::Release { session, role, generation }));
        };
        self.seat(conn, &claim, generation, now);
        if let Some((reason, _)) = claim.killed.filter(|&(_, ended)| generation <= ended) {
            return self.kill(session, reason, now);
        }
        if claim.outdated_by.is_some_and(|later| later > generation) {
            return self.evict(session, role, false, now);
        }
        self.push(Action::HelloDone { conn, outcome: HelloOutcome::Joined { session, role } });
        let here = peer.is_some_and(|holder| self.confirm_here(session, role.other(), holder));
        self.send(conn, self.hello_ack(conn, session, here));
        if here {
            self.link(session, now);
        }
        self.push(Action::Resume { conn });
        self.wish_for_peer(session, role, peer, now);
    }

    /// Where the store names a holder on another node, a link to it is wanted.
    pub(super) fn wish_for_peer(&mut self, session: SessionId, role: Role, peer: Option<Holder>, now: Time) {
        if let Some(holder) = peer.filter(|holder| holder.node != self.node && !self.is_alone) {
            self.wish_for(session, role, holder, now);
        }
    }

    /// Another node says that a later claim took a role.
    pub(super) fn on_evicted(
        &mut self,
        session: SessionId,
        role: Role,
        generation: u64,
        same: bool,
        now: Time,
    ) {
        if self.pairs.end(session, role).is_some_and(|end| end.generation < generation) {
            self.evict(session, role, same, now);
        }
        // One whose claim is not answered yet is judged by the answer.
        self.note_claims(session, |claim| {
            if claim.role == role {
                claim.outdated_by = claim.outdated_by.max(Some(generation));
            }
        });
    }

    /// True if a connection of this node has claimed the role and was not answered yet.
    pub(super) fn is_claiming(&self, session: SessionId, role: Role) -> bool {
        self.claiming.range(slots_of(session)).any(|&(_, slot)| match self.peers.get(slot as usize) {
            Some(Some(Peer { state: State::ExpectClaim { claim, .. }, .. })) => claim.role == role,
            _ => false,
        })
    }

    /// Notes something in every claim of a session that is not answered yet.
    pub(super) fn note_claims(&mut self, session: SessionId, note: impl Fn(&mut PendingClaim)) {
        for &(_, slot) in self.claiming.range(slots_of(session)) {
            if let Some(Some(Peer { state: State::ExpectClaim { claim, .. }, .. })) =
                self.peers.get_mut(slot as usize)
            {
                note(claim);
            }
        }
    }

    /// The older holder of a role on this node goes: it is told, and gets nothing more.
    fn evict(&mut self, session: SessionId, role: Role, same: bool, now: Time) {
        let Some(end) = self.pairs.end(session, role) else { return };
        self.part(end.conn, now);
        if let Some((_, Some(pair))) = self.pairs.take(session, role, end.conn) {
            self.forget_timer(session, &pair);
        }
        self.send(end.conn, Notice::Replaced { same });
        self.close(end.conn, Goodbye::Now(CloseCode::Replaced), now);
        // A check on its way may write it into the store again if the later one has left by then.
        self.push(Action::Submit(Request::Release { session, role, generation: end.generation }));
    }

    /// True if the holder that the store names is a connection of this node that is still there. One that is not is
    /// the remainder of a claim whose answer was lost, and is given back.
    pub(super) fn confirm_here(&mut self, session: SessionId, role: Role, holder: Holder) -> bool {
        if holder.node != self.node {
            return false;
        }
        let is_here = self.pairs.end(session, role).is_some_and(|end| end.conn.name == holder.conn);
        if !is_here {
            self.push(Action::Submit(Request::Release { session, role, generation: holder.generation }));
        }
        is_here
    }

    /// True if `conn` waits for the answer to a hello that came when too many of its address had failed.
    pub fn is_doubted(&self, conn: Conn) -> bool {
        self.pending_claim(conn).is_some_and(|claim| claim.is_doubted)
    }

    /// What `conn` waits for, if it waits for the store.
    fn pending_claim(&self, conn: Conn) -> Option<PendingClaim> {
        match &self.peer(conn)?.state {
            State::ExpectClaim { claim, .. } => Some(**claim),
            _ => None,
        }
    }

    fn hello_ack(&self, conn: Conn, session: SessionId, peer: bool) -> Notice {
        let hears_of_pauses = self.peer(conn).is_some_and(Peer::hears_of_pauses);
        Notice::HelloAck {
            session,
            peer,
            ttl_secs: self.limits.session_idle.as_secs(),
            heartbeat_secs: self.limits.heartbeat_secs_told(),
            message_bytes_max: self.limits.message_bytes_max as u64,
            paused_ping_secs: hears_of_pauses.then_some(PAUSED_PING.as_secs()),
        }
    }
}

/// Where the claims of a session stand among those of all.
fn slots_of(session: SessionId) -> RangeInclusive<(SessionId, u32)> {
    (session, 0)..=(session, u32::MAX)
}

/// A claim that the store granted.
struct Grant {
    session: SessionId,
    role: Role,
    generation: u64,
    replaced: Option<Holder>,
    same_instance: bool,
    peer: Option<Holder>,
}

#[cfg(test)]
mod tests {
    use protocol::ids::{NodeId, Token};
    use protocol::message::KillReason;

    use super::*;
    use crate::event::Input;
    use crate::limits::Limits;
    use crate::store::Answer;

    const CONN: Conn = Conn { slot: 0, name: 1 };

    fn actions(relay: &mut Relay) -> Vec<Action> {
        std::iter::from_fn(|| relay.poll_action()).collect()
    }

    const SESSION: SessionId = SessionId::from_bytes([1; 16]);

    /// What becomes of a claim of this generation if another node says of a later one, or an earlier one, before the answer.
    fn answered_after_evict(generation: u64, evict: u64) -> Vec<Action> {
        let evict = Item::Evict { session: SESSION, role: Role::Phone, generation: evict, same: false };
        answered_after(generation, evict)
    }

    /// What becomes of a claim of this generation if another node says this before the answer.
    fn answered_after(generation: u64, said: Item<'_>) -> Vec<Action> {
        let (now, session) = (Time::from_ms(1 << 40), SESSION);
        let [own, other] = [1, 2].map(|byte| NodeId::from_bytes([byte; 16]));
        let mut relay = Relay::new(own, false, Limits::default(), now);
        let role = Role::Phone;
        let hello = Hello::to_json(session, &Token::from_bytes([1; 16]), role, None);
        relay.handle(Input::Opened { conn: CONN }, now);
        let hello = Hello::parse(hello.as_bytes(), true);
        relay.handle(Input::Hello { conn: CONN, hello, is_doubted: false }, now);
        actions(&mut relay);
        relay.handle_item(other, said, now);
        assert_eq!(actions(&mut relay).len(), 0, "the claim is not answered yet");
        let outcome = Claimed::Granted { generation, replaced: None, same_instance: false, peer: None };
        relay.handle(Input::Answered(Answer::Claimed { conn: CONN, session, role, outcome }), now);
        actions(&mut relay)
    }

    fn is_joined(action: &Action) -> bool {
        matches!(action, Action::HelloDone { outcome: HelloOutcome::Joined { .. }, .. })
    }

    /// Fault 26.
    #[test]
    fn an_evict_that_overtakes_the_claims_answer_ends_it_all_the_same() {
        let is_replaced =
            |action: &Action| matches!(action, Action::Close { say: Goodbye::Now(CloseCode::Replaced), .. });
        let overtaken = answered_after_evict(7, 8);
        assert!(overtaken.iter().any(is_replaced) && !overtaken.iter().any(is_joined), "{overtaken:?}");
        let later = answered_after_evict(9, 8);
        assert!(later.iter().any(is_joined) && !later.iter().any(is_replaced), "{later:?}");
    }

    /// What a lone node says of a hello, once its store has answered it with this.
    fn refused(hello: Result<Hello, HelloError>, is_doubted: bool, outcome: Claimed) -> Vec<Action> {
        let now = Time::from_ms(1 << 40);
        let mut relay = Relay::new(NodeId::from_bytes([1; 16]), true, Limits::default(), now);
        relay.handle(Input::Opened { conn: CONN }, now);
        relay.handle(Input::Hello { conn: CONN, hello, is_doubted }, now);
        let asks = hello.is_ok_and(|hello| hello.credentials.is_some());
        assert_eq!(relay.is_doubted(CONN), is_doubted && asks, "while it waits for the store");
        let answer = Answer::Claimed { conn: CONN, session: SESSION, role: Role::Phone, outcome };
        relay.handle(Input::Answered(answer), now);
        assert!(!relay.is_doubted(CONN), "it was answered");
        actions(&mut relay)
    }

    #[test]
    fn a_failed_hello_is_counted_once_and_in_one_way() {
        use HelloOutcome::{TurnedAway, Wrong};
        let hello = Hello::to_json(SESSION, &Token::from_bytes([1; 16]), Role::Phone, None);
        let good = Hello::parse(hello.as_bytes(), true);
        let without_ids = good.map(|hello| Hello { credentials: None, ..hello });
        let binary = Hello::parse(hello.as_bytes(), false);
        for (hello, is_doubted, answer, counted, code) in [
            (good, false, Claimed::Unauthorized, Some(Wrong), CloseCode::Unauthorized),
            (good, true, Claimed::Unauthorized, Some(TurnedAway), CloseCode::TooMany),
            (without_ids, false, Claimed::Unauthorized, Some(Wrong), CloseCode::Unauthorized),
            (without_ids, true, Claimed::Unauthorized, Some(TurnedAway), CloseCode::TooMany),
            (good, false, Claimed::TooMany, None, CloseCode::TooMany),
            (good, true, Claimed::TooMany, Some(TurnedAway), CloseCode::TooMany),
            (good, true, Claimed::Straggler, None, CloseCode::Replaced),
            (good, true, Claimed::Away, None, CloseCode::TryLater),
            (binary, true, Claimed::Unauthorized, None, CloseCode::BadHello),
        ] {
            let said = refused(hello, is_doubted, answer);
            let mut outcomes = said.iter().filter_map(|action| match action {
                Action::HelloDone { outcome, .. } => Some(*outcome),
                _ => None,
            });
            assert_eq!((outcomes.next(), outcomes.next()), (counted, None), "{said:?}");
            let is_close = |action: &&Action| matches!(action, Action::Close { say: Goodbye::Now(said), .. } if *said == code);
            assert_eq!(said.iter().filter(is_close).count(), 1, "{said:?}");
        }
    }

    #[test]
    fn a_kill_ends_the_claims_that_it_names_and_none_of_a_later_life() {
        let is_killed = |action: &Action| {
            matches!(action, Action::Close { say: Goodbye::Now(CloseCode::SessionKilled), .. })
        };
        let kill = Item::Kill { session: SESSION, reason: KillReason::Expired, generations: [0, 8] };
        let ended = answered_after(8, kill);
        assert!(ended.iter().any(is_killed) && !ended.iter().any(is_joined), "{ended:?}");
        let later = answered_after(9, kill);
        assert!(later.iter().any(is_joined) && !later.iter().any(is_killed), "{later:?}");
    }
}
