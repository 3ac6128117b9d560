//! What comes from other nodes, and what a node does that stood still and missed some of it.

use protocol::ids::{NodeId, Role, SessionId};

use super::Relay;
use super::nodes::NodeEvent;
use super::revival::Revival;
use crate::event::{Action, Delivery};
use crate::node_link::item::Item;
use crate::note::{Note, StreamEnd};
use crate::store::Checked;
use crate::time::Time;
use crate::wire::inbound::Kind;

impl Relay {
    /// Writes the next message for the bus; gives the node whose channel it is for. Call until `None` at the
    /// end of a turn.
    pub fn poll_publish(&mut self, now: Time, out: &mut Vec<u8>) -> Option<NodeId> {
        self.nodes.poll_publish(now, out)
    }

    /// A message came from the bus. Gives the items to take, one after the other, with
    /// [`Relay::handle_item`].
    pub fn take_message<'a>(&mut self, message: &'a [u8], now: Time) -> Option<(NodeId, &'a [u8])> {
        let taken = self.nodes.take_message(message, now);
        self.carry_out_node_events(now);
        taken
    }

    /// One item of another node. A frame is handed on; all else leaves actions to poll.
    pub fn handle_item<'a>(&mut self, from: NodeId, item: Item<'a>, now: Time) -> Option<Delivery<'a>> {
        match item {
            Item::Frame { handle, kind, is_last, bytes } => {
                return self.on_frame(from, handle, kind, is_last, bytes, now);
            }
            Item::Credit { handle, bytes } => self.on_credit(from, handle, bytes),
            Item::Ask { session, workstation, phone } => self.on_ask(from, session, workstation, phone, now),
            Item::Open { session, key, handle } => self.on_open(from, session, key, handle, now),
            Item::Accept { handle, own } => self.on_accept(from, handle, own, now),
            Item::Gone { session, role, generation } => self.on_gone_there(from, session, role, generation),
            Item::Left { handle } => self.on_left_there(from, handle, now),
            Item::Limit { message_bytes_max } => self.nodes.note_limit(from, message_bytes_max, now),
            Item::Evict { session, role, generation, same } => {
                self.on_evicted(session, role, generation, same, now);
            }
            Item::Kill { session, reason, generations } => {
                self.on_killed_there(session, reason, generations, now);
            }
        }
        self.check_invariants();
        None
    }

    fn on_frame<'a>(
        &mut self,
        from: NodeId,
        handle: u32,
        kind: Kind,
        is_last: bool,
        bytes: &'a [u8],
        now: Time,
    ) -> Option<Delivery<'a>> {
        let index = self.nodes.take_frame(from, handle, is_last, bytes, now)?;
        let pair = self.sessions.at(index)?;
        let ((role, conn), session) = (pair.linked_by(handle)?, pair.session);
        Some(Delivery { conn, link: handle, session, from: role.other(), kind, is_last, bytes })
    }

    fn on_credit(&mut self, from: NodeId, handle: u32, bytes: u32) {
        if self.nodes.take_credit(from, handle, bytes).is_some() {
            self.resume_over(handle);
        }
    }

    /// The end that is linked by this handle may be readable again.
    fn resume_over(&mut self, handle: u32) {
        let index = self.nodes.link(handle).map(|link| link.index);
        let linked = index.and_then(|index| self.sessions.at(index)?.linked_by(handle));
        if let Some((_, conn)) = linked {
            self.push(Action::Resume { conn });
        }
    }

    /// Says something to a node, behind all that was said before.
    pub(super) fn tell(&mut self, to: NodeId, item: Item<'_>, now: Time) {
        self.nodes.tell(to, item, now);
        self.carry_out_node_events(now);
    }

    pub(super) fn on_bus_tick(&mut self, now: Time) {
        self.nodes.on_tick(now);
        self.carry_out_node_events(now);
        self.sessions.begin_round(now);
        self.catch_up(now);
    }

    fn carry_out_node_events(&mut self, now: Time) {
        while let Some(event) = self.nodes.poll_event() {
            match event {
                NodeEvent::Note(note) => self.push(Action::Note(note)),
                NodeEvent::BusHeard { was_cut_off } => self.on_bus_heard(was_cut_off, now),
                NodeEvent::Restarted(node) => self.on_restarted(node, now),
                NodeEvent::Over(node, why) => self.on_stream_over(node, why, now),
                NodeEvent::Relieved(node) => {
                    let handles: Vec<u32> = self.nodes.links_over(node).collect();
                    handles.into_iter().for_each(|handle| self.resume_over(handle));
                }
            }
        }
    }

    fn on_bus_heard(&mut self, was_cut_off: bool, now: Time) {
        if let Some(revival) = &mut self.revival {
            revival.note_heard();
        }
        if was_cut_off {
            // The store names the others' holds again, and with them the links to open.
            self.check_all(now);
        }
        self.catch_up(now);
    }

    /// The other node may have given this one up, and with it the links that it wanted: the store names the
    /// peers again.
    fn on_restarted(&mut self, node: NodeId, now: Time) {
        self.push(Action::Note(Note::StreamOver { node, why: StreamEnd::Restarted }));
        // A node that was just revived has all its holds compared anyway.
        if !self.is_catching_up() {
            let hold = |handle| {
                let pair = self.sessions.at(self.nodes.link(handle)?.index)?;
                pair.hold(pair.linked_by(handle)?.0, now)
            };
            let holds: Vec<_> = self.nodes.links_over(node).filter_map(hold).collect();
            self.check(holds);
        }
        self.end_links_over(node, now);
    }

    fn on_stream_over(&mut self, node: NodeId, why: StreamEnd, now: Time) {
        self.push(Action::Note(Note::StreamOver { node, why }));
        self.end_links_over(node, now);
        for handle in self.sessions.want_nothing_of(node) {
            self.nodes.remove_link(handle);
        }
    }

    /// True while no client is read because the node has just been revived.
    pub(super) fn is_catching_up(&self) -> bool {
        self.revival.is_some()
    }

    /// The process stood still. All holds are compared with the store, and the next probe must come back.
    pub(super) fn on_revived(&mut self, now: Time) {
        if self.is_alone() {
            return;
        }
        self.check_all(now);
        let pairs = self.sessions.iter().map(|(_, pair)| pair);
        let holds = pairs.flat_map(|pair| {
            pair.ends().map(|(role, end)| (pair.session, role, end.generation)).collect::<Vec<_>>()
        });
        let holds = holds.collect();
        self.revival = Some(Revival::new(holds, self.nodes.restart_probe(now), now));
    }

    /// The store compared one hold, or could not.
    pub(super) fn note_checked(&mut self, hold: (SessionId, Role, u64), outcome: Checked, now: Time) {
        if self.revival.as_mut().is_some_and(|revival| revival.note_checked(hold, outcome)) {
            self.catch_up(now);
        }
    }

    /// Clients are read again if nothing is waited for any more.
    pub(super) fn catch_up(&mut self, now: Time) {
        let Some(revival) = &mut self.revival else { return };
        let is_held = |&(session, role, generation): &(SessionId, Role, u64)| {
            self.sessions.end(session, role).is_some_and(|end| end.generation == generation)
        };
        if !revival.look_if_over(is_held, |probe| self.nodes.has_heard(probe), now) {
            return;
        }
        self.revival = None;
        let conns = self.connections.iter().map(|(conn, _)| conn);
        self.actions.extend(conns.map(|conn| Action::Resume { conn }));
    }
}
