//! The comparison of what is held here with the store: what was lost there is written again, what was missed
//! here is found out.

use protocol::ids::{NodeId, Role, SessionId};

use super::Relay;
use crate::event::Action;
use crate::limits::CHECK_PARTS;
use crate::pairs::Pair;
use crate::store::{Checked, Hold, Request};
use crate::time::Time;

impl Relay {
    /// Every hold of this node is compared with the store.
    pub(super) fn check_all(&mut self, now: Time) {
        self.checked_to = None;
        self.check_next(self.pairs.len(), now);
    }

    /// A part of the holds is compared with the store: in [`CHECK_EVERY`] each gets its turn.
    pub(super) fn check_some(&mut self, now: Time) {
        self.check_next(self.pairs.len().div_ceil(CHECK_PARTS as usize), now);
    }

    /// The holds of the next so many sessions are.
    fn check_next(&mut self, sessions: usize, now: Time) {
        let mut holds = Vec::new();
        for pair in self.pairs.iter_behind(self.checked_to).take(sessions) {
            holds.extend(self.holds_of(pair, now));
            self.checked_to = Some(pair.session);
        }
        if self.pairs.iter_behind(self.checked_to).next().is_none() {
            self.checked_to = None;
        }
        self.submit_checks(holds);
    }

    /// The holds of one session are.
    pub(super) fn check_session(&mut self, session: SessionId, now: Time) {
        let Some(pair) = self.pairs.of(session) else { return };
        let holds: Vec<_> = self.holds_of(pair, now).collect();
        self.submit_checks(holds);
    }

    fn holds_of(&self, pair: &Pair, now: Time) -> impl Iterator<Item = Hold> {
        let active = self.active_of(pair);
        Role::ALL.into_iter().filter_map(move |role| pair.hold(role, active, now))
    }

    fn submit_checks(&mut self, holds: Vec<Hold>) {
        self.actions.extend(holds.into_iter().map(|hold| Action::Submit(Request::Check { hold })));
    }

    /// The holds of those that are linked over the stream to `node` are compared with the store.
    pub(super) fn check_links_over(&mut self, node: NodeId, now: Time) {
        let hold = |handle| {
            let pair = self.pairs.at(self.remotes.get(&handle)?.place)?;
            pair.hold(pair.linked_by(handle)?.0, self.active_of(pair), now)
        };
        let holds: Vec<_> = self.handles_over(node).filter_map(hold).collect();
        self.submit_checks(holds);
    }

    pub(super) fn on_checked(
        &mut self,
        session: SessionId,
        role: Role,
        generation: u64,
        outcome: Checked,
        now: Time,
    ) {
        let Some(end) = self.pairs.end(session, role).filter(|end| end.generation == generation) else {
            return;
        };
        match outcome {
            Checked::Away => {}
            Checked::Replaced => self.close_replaced(end.conn, now),
            Checked::Killed { reason } => self.kill(session, reason, now),
            Checked::Held { peer } => {
                let is_here = peer.is_some_and(|holder| self.confirm_here(session, role.other(), holder));
                if let Some(place) = self.pairs.place_of(session).filter(|_| is_here) {
                    self.link_here(place, now);
                }
                self.want_link_to_peer(session, role, peer, now);
            }
        }
    }
}
