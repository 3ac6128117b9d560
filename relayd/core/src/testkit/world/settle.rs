//! The end of a run: faults end, everybody reads, everything on its way arrives. Then whatever was owed must
//! be there.

use super::World;
use crate::event::Input;
use crate::store::table::Table;
use crate::store::{Answer, Conn, Deleted, Holder, Request};
use crate::testkit::client::{Client, Sent};
use protocol::ids::{NodeId, Role};

impl World {
    /// Lets everything settle and judges what is left.
    pub fn settle(&mut self) {
        (self.store_is_away, self.bus_is_away, self.is_calm) = (false, false, true);
        for at in 0..self.nodes.len() {
            self.nodes[at].clients.iter_mut().flatten().for_each(|client| client.reads = true);
            self.handle(at, Input::StoreBack);
        }
        // Longer than any repeat, any check and any judgement of silence.
        for _ in 0..300 {
            self.pass_time(500);
            self.everybody_works(true);
        }
        (0..50).for_each(|_| self.everybody_works(false));
        for at in 0..self.nodes.len() {
            for slot in 0..self.nodes[at].clients.len() {
                self.check_holder(at, slot);
            }
        }
        self.check_store();
        self.expire_all();
    }

    fn everybody_works(&mut self, beats: bool) {
        for at in 0..self.nodes.len() {
            for slot in 0..self.nodes[at].clients.len() {
                if beats && self.rng.one_in(8) {
                    self.send(at, slot, Sent::Heartbeat);
                }
                self.serve(at, slot);
                self.read(at, slot, usize::MAX);
            }
        }
        self.everything_between_nodes();
        self.check();
    }

    fn check_holder(&mut self, at: usize, slot: usize) {
        let Some(conn) =
            self.nodes[at].clients[slot].as_ref().filter(|client| client.holds()).map(|c| c.conn)
        else {
            return;
        };
        let is_paused = self.nodes[at].relay.is_paused(conn);
        let Some(client) = &self.nodes[at].clients[slot] else { return };
        assert!(!is_paused, "paused for no reason: {client:?}");
        assert!(client.sent.is_empty(), "never read: {client:?}");
        self.check_whole(client);
        self.check_linked(client);
    }

    /// A link that stands has delivered everything.
    fn check_whole(&self, client: &Client) {
        let Some(link) = client.link() else { return };
        let mut others = self.clients().filter(|peer| peer.conn != client.conn);
        let peer = others.find(|peer| peer.link().is_some_and(|other| other.name == link.name));
        let peer = peer.unwrap_or_else(|| panic!("believes in a link that nobody else does: {client:?}"));
        if peer.first_sent(link.name).is_some() {
            assert_eq!(
                link.from,
                Some((peer.conn.name, peer.last_sent())),
                "not the whole of it: {client:?}"
            );
        }
    }

    /// Where both roles are held, they are linked.
    fn check_linked(&self, client: &Client) {
        let peer = self
            .clients()
            .find(|peer| peer.holds() && peer.session == client.session && peer.role == client.role.other());
        assert_eq!(client.link().is_some(), peer.is_some(), "{client:?} and {peer:?}");
    }

    /// Nobody does anything any more: every session ends in its time, whatever the store did meanwhile.
    fn expire_all(&mut self) {
        for _ in 0..200 {
            self.pass_time(5_000);
            (0..30).for_each(|_| self.everybody_works(false));
        }
        assert_eq!(
            self.clients().filter(|client| client.holds()).count(),
            0,
            "an unused session still lives"
        );
        assert!(self.nodes.iter().all(|node| node.relay.sessions() == 0));
    }

    /// The store names exactly those who hold a role.
    fn check_store(&self) {
        let mut table = self.table.clone();
        for (index, &(session, _)) in self.sessions.iter().enumerate() {
            let stored = holders(&mut table, session, self.now);
            for role in Role::ALL {
                let held: Vec<&Client> = self
                    .clients()
                    .filter(|client| client.holds() && client.session == index && client.role == role)
                    .collect();
                assert!(held.len() <= 1, "two holders: {held:?}");
                // A claim whose answer was lost, or whose node is no more, is in the store until the next
                // one.
                let stored = stored[role.index()].filter(|holder| self.is_alive(holder));
                let held = held.first().map(|client| client.conn.name);
                assert_eq!(stored.map(|holder| holder.conn), held, "the store and the nodes disagree");
            }
        }
    }

    fn is_alive(&self, holder: &Holder) -> bool {
        let node = self.nodes.iter().find(|node| node.id == holder.node);
        node.is_some_and(|node| !node.unanswered.contains(&holder.conn))
    }

    fn clients(&self) -> impl Iterator<Item = &Client> {
        self.nodes.iter().flat_map(super::node::Node::clients)
    }
}

fn holders(
    table: &mut Table,
    session: protocol::ids::SessionId,
    now: crate::time::Time,
) -> [Option<Holder>; 2] {
    let ticket = Conn { slot: 0, name: 0 };
    let request = Request::Delete { ticket, session, token: None };
    match table.apply(NodeId::from_bytes([0; 16]), &request, now) {
        Some(Answer::Deleted { outcome: Deleted::Gone { holders }, .. }) => holders,
        _ => [None; 2],
    }
}
