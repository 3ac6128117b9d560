//! A workstation and a phone, linked.

use super::peer::{Event, Peer};
use super::relay::Relay;
use super::role::Role;
use super::session::{Hello, Session};

/// Both ends of one session, each told of the other.
#[derive(Debug)]
pub struct Pair {
    /// Their session.
    pub session: Session,
    /// One end.
    pub workstation: Peer,
    /// The other end.
    pub phone: Peer,
}

impl Pair {
    /// Registers a session and links two clients of version 1.
    pub fn link(relay: &Relay) -> Self {
        let session = Session::register(relay);
        let workstation = Peer::join(relay, &session, Role::Workstation);
        let phone = Peer::join(relay, &session, Role::Phone);
        Self::linked(session, workstation, phone)
    }

    /// Registers a session and links two clients of version 2.
    pub fn link_v2(relay: &Relay) -> Self {
        Self::link_as(relay, Hello::v2)
    }

    /// Registers a session and links two clients with these hellos.
    pub fn link_as(relay: &Relay, with: impl Fn(Hello) -> Hello) -> Self {
        let session = Session::register(relay);
        let join = |role| Peer::join_as(relay.next_addr(&session, role), &with(session.hello(role)));
        let (workstation, phone) = (join(Role::Workstation), join(Role::Phone));
        Self::linked(session, workstation, phone)
    }

    /// Two joined ends. Each is about to be told of the other.
    pub fn linked(session: Session, mut workstation: Peer, mut phone: Peer) -> Self {
        workstation.expect(&Event::Joined(0));
        phone.expect(&Event::Joined(0));
        Self { session, workstation, phone }
    }

    /// The sending and the receiving end.
    pub fn from(&mut self, sender: Role) -> (&mut Peer, &mut Peer) {
        match sender {
            Role::Workstation => (&mut self.workstation, &mut self.phone),
            Role::Phone => (&mut self.phone, &mut self.workstation),
        }
    }

    /// The phone reconnects before its older connection has ended. The older one is told.
    pub fn replace_phone(&mut self, relay: &Relay) {
        let newer = Peer::join(relay, &self.session, Role::Phone);
        std::mem::replace(&mut self.phone, newer).expect_closed(4409);
        self.phone.expect(&Event::Joined(0));
        self.workstation.expect(&Event::Left);
        self.workstation.expect(&Event::Joined(0));
    }

    /// One text each way: the link works.
    pub fn expect_alive(&mut self) {
        for role in Role::BOTH {
            let (sender, receiver) = self.from(role);
            sender.text("still there?");
            receiver.expect_text("still there?");
        }
    }
}
