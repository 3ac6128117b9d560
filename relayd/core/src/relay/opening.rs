//! How a link to a connection of another node comes to stand: opened, not assumed.
//!
//! Where the store names a holder on another node, a link to it is wished for, see [`super::wishes`]. The workstation's node
//! opens, the phone's accepts if it really has that connection, or asks the other to open; only then is either client told.

use protocol::ids::{NodeId, Role, SessionId};

use super::Relay;
use crate::event::Action;
use crate::node_link::item::{Item, LinkKey};
use crate::note::{LinkStep, Note};
use crate::peer::{Peer, Target};
use crate::store::{Conn, Holder, Request};
use crate::time::Time;

impl Relay {
    pub(super) fn on_ask(
        &mut self,
        from: NodeId,
        session: SessionId,
        workstation: u64,
        phone: u64,
        now: Time,
    ) {
        let role = Role::Workstation;
        match self.pairs.end(session, role) {
            Some(end) if end.generation == workstation => {
                let holder = Holder { node: from, conn: 0, generation: phone };
                self.wish_for(session, role, holder, now);
            }
            // Its claim is not answered here yet; the other will ask again.
            _ if self.is_claiming(session, role) => {}
            _ => self.tell(from, Item::Gone { session, role, generation: workstation }, now),
        }
    }

    pub(super) fn on_open(&mut self, from: NodeId, session: SessionId, key: LinkKey, handle: u32, now: Time) {
        let role = Role::Phone;
        let Some(end) = self.pairs.end(session, role).filter(|end| end.generation == key.phone) else {
            if !self.is_claiming(session, role) {
                self.tell(from, Item::Gone { session, role, generation: key.phone }, now);
            }
            return;
        };
        match self.peer(end.conn).and_then(Peer::target) {
            Some(Target::There(known)) => {
                let current = self.remotes.get(&known);
                if current.is_some_and(|it| (it.node, it.key, it.theirs) == (from, key, Some(handle))) {
                    // Said twice: it was accepted.
                    return;
                }
                if current.is_some_and(|current| current.key >= key) {
                    return self.tell(from, Item::Left { handle }, now);
                }
                self.unlink(end.conn, now);
            }
            Some(Target::Here { .. }) => {
                let here = self.pairs.end(session, Role::Workstation);
                if here.is_some_and(|here| here.generation > key.workstation) {
                    return self.tell(from, Item::Left { handle }, now);
                }
                self.unlink(end.conn, now);
            }
            None => {}
        }
        let own = self.add_remote(from, end.conn, session, role, key, Some(handle));
        self.tell(from, Item::Accept { handle, own }, now);
        self.join_remote(own, now);
    }

    pub(super) fn on_accept(&mut self, from: NodeId, handle: u32, own: u32, now: Time) {
        let Some(remote) = self.remotes.get_mut(&handle).filter(|r| r.node == from && r.theirs.is_none())
        else {
            return self.tell(from, Item::Left { handle: own }, now);
        };
        remote.theirs = Some(own);
        let (conn, session) = (remote.conn, remote.session);
        if let Some(pair) = self.pairs.of_mut(session) {
            pair.opening = None;
        }
        // Whatever the workstation was linked to, this is later.
        self.unlink(conn, now);
        self.join_remote(handle, now);
    }

    pub(super) fn on_gone_there(&mut self, from: NodeId, session: SessionId, role: Role, generation: u64) {
        let Some(pair) = self.pairs.of_mut(session) else { return };
        if pair.wish.as_ref().is_some_and(|wish| wish.holder.generation == generation) {
            pair.wish = None;
            self.push(Action::Note(Note::Link {
                step: LinkStep::Gone,
                node: from,
                session,
                role: role.other(),
            }));
            self.push(Action::Submit(Request::Release { session, role, generation }));
        }
    }

    /// The link that is being opened for a connection that goes.
    pub(super) fn forget_opening(&mut self, conn: Conn) {
        let Some((session, _)) = self.held_by(conn) else { return };
        let Some(pair) = self.pairs.of_mut(session) else { return };
        let remotes = &self.remotes;
        let is_its = |handle: &u32| remotes.get(handle).is_none_or(|remote| remote.conn == conn);
        if let Some(handle) = pair.opening.take_if(|handle| is_its(handle)) {
            self.take_remote(handle);
        }
    }
}
