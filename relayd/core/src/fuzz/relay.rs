//! A relay with two connections, and a neighbour on the bus that says what the input says.

use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId, Token};
use protocol::message::Hello;

use super::support::Input;
use crate::bus;
use crate::event::{Action, Input as Event, Verdict};
use crate::limits::Limits;
use crate::node_link::Header;
use crate::node_link::item::{Item, LinkKey};
use crate::relay::Relay;
use crate::store::table::{Table, TableLimits};
use crate::store::{Conn, Request};
use crate::time::Time;
use crate::wire::inbound::Kind;

const OWN: NodeId = NodeId::from_bytes([1; 16]);
const NEIGHBOUR: NodeId = NodeId::from_bytes([2; 16]);

/// Items of a neighbour in any order, with any handle, and messages that are none: no panic, and a frame only
/// for a connection that is here, over a link that stands.
pub fn node_relay(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new();
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
}

const STEPS_MAX: usize = 500;

struct World {
    relay: Relay,
    table: Table,
    now: Time,
    /// The number of the neighbour's last batch.
    said: u64,
    conns: [Conn; 2],
    is_open: [bool; 2],
}

impl World {
    fn new() -> Self {
        let now = Time::from_ms(1 << 40);
        let conns = [Conn { slot: 0, name: 1 }, Conn { slot: 1, name: 2 }];
        let mut table = Table::new(3_600_000, TableLimits::default());
        for at in 0..2 {
            let (session, token) = place(at);
            let request =
                Request::Register { ticket: conns[0], session, token: token.digest(), again: false };
            table.apply(OWN, &request, now);
        }
        let relay = Relay::new(OWN, false, Limits::default(), now);
        World { relay, table, now, said: 0, conns, is_open: [false; 2] }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let at = usize::from(choice >> 7);
        let conn = self.conns[at];
        match choice & 0x0F {
            0 => self.join(at),
            1 if self.is_open[at] => {
                self.is_open[at] = false;
                self.handle(Event::Gone { conn });
            }
            2 => self.hear_batch(input.piece()),
            3 => {
                self.relay.take_message(input.piece(), self.now);
            }
            4 => {
                self.now = self.now + Duration::from_millis(16 * u64::from(input.byte()));
                self.handle(Event::Due);
            }
            5 => self.claim_elsewhere(at, Role::ALL[usize::from(choice >> 4 & 1)]),
            6 if self.is_open[at] => self.send_frame(conn, input.piece()),
            7 => self.relay.note_taken(conn, self.now),
            8 => self.handle(Event::Delete { ticket: conn, session: place(at).0, token: None }),
            9 if choice & 0x70 == 0 => self.handle(Event::Revived),
            _ => self.hear_item(input),
        }
        self.publish();
    }

    fn join(&mut self, at: usize) {
        let conn = Conn { slot: at as u32, name: self.conns[at].name + 2 };
        if self.is_open[at] {
            self.handle(Event::Gone { conn: self.conns[at] });
        }
        (self.conns[at], self.is_open[at]) = (conn, true);
        self.handle(Event::Opened { conn });
        let (session, token) = place(at);
        let payload = Hello::to_json(session, &token, Role::ALL[at], None);
        let hello = Hello::parse(payload.as_bytes(), true);
        self.handle(Event::Hello { conn, hello, is_doubted: false });
    }

    /// The neighbour holds a role of one of the sessions, so that a link to it is wanted.
    fn claim_elsewhere(&mut self, at: usize, role: Role) {
        let (session, token) = place(at);
        let conn = Conn { slot: 9, name: 9 };
        let request = Request::Claim { conn, session, token: token.digest(), role, instance: None };
        self.table.apply(NEIGHBOUR, &request, self.now);
    }

    fn send_frame(&mut self, conn: Conn, bytes: &[u8]) {
        if let Verdict::Remote(handle) = self.relay.route(conn, self.now)
            && !self.relay.is_paused(conn)
        {
            self.relay.put_frame(handle, Kind::Binary, true, bytes.len(), bytes, self.now);
        }
        self.settle();
    }

    fn hear_item(&mut self, input: &mut Input<'_>) {
        let (session, _) = place(usize::from(input.byte() % 2));
        let small = |input: &mut Input<'_>| u64::from(input.byte() % 4);
        let handle = |input: &mut Input<'_>| u32::from(input.byte() % 6);
        let mut batch = Vec::new();
        let item = match input.byte() % 9 {
            0 => Item::Ask { session, workstation: small(input), phone: small(input) },
            1 => {
                let key = LinkKey { workstation: small(input), phone: small(input), attempt: handle(input) };
                Item::Open { session, key, handle: handle(input) }
            }
            2 => Item::Accept { handle: handle(input), own: handle(input) },
            3 => {
                let role = Role::ALL[usize::from(input.byte() % 2)];
                Item::Gone { session, role, generation: small(input) }
            }
            4 => Item::Left { handle: handle(input) },
            5 => {
                Item::Credit { handle: handle(input), bytes: u32::from(input.byte()) << (input.byte() % 25) }
            }
            6 => {
                let (role, generation) = (Role::ALL[usize::from(input.byte() % 2)], small(input));
                Item::Evict { session, role, generation, same: generation == 1 }
            }
            _ => {
                let flags = input.byte();
                let kind = if flags & 1 == 0 { Kind::Text } else { Kind::Binary };
                Item::Frame { handle: handle(input), kind, is_last: flags & 2 != 0, bytes: input.piece() }
            }
        };
        item.write_to(&mut batch);
        self.hear_batch(&batch);
    }

    /// The next batch of the neighbour's stream.
    fn hear_batch(&mut self, items: &[u8]) {
        self.said += 1;
        let header =
            Header { from: 1, to: 0, number: self.said, last: self.said, received: 0, repeat: false };
        let mut message = Vec::new();
        bus::begin_packet(&mut message, NEIGHBOUR);
        header.write_to(&mut message);
        message.extend_from_slice(items);
        let Some((from, mut items)) = self.relay.take_message(&message, self.now) else { return };
        while let Some(item) = Item::take(&mut items) {
            if let Some(delivery) = self.relay.handle_item(from, item, self.now) {
                let at = delivery.conn.slot as usize;
                assert!(self.is_open[at] && delivery.conn == self.conns[at], "a frame for nobody");
                assert_eq!(delivery.from, Role::ALL[1 - at], "a frame of the other role");
            }
            self.settle();
        }
    }

    fn handle(&mut self, event: Event) {
        self.relay.handle(event, self.now);
        self.settle();
    }

    /// Carries out what the relay wants, and answers it from the store at once.
    fn settle(&mut self) {
        while let Some(action) = self.relay.poll_action() {
            if let Action::Submit(request) = action
                && let Some(answer) = self.table.apply(OWN, &request, self.now)
            {
                self.relay.handle(Event::Answered(answer), self.now);
            }
        }
    }

    /// What it says must be messages of the bus.
    fn publish(&mut self) {
        let mut out = Vec::new();
        for _ in 0..STEPS_MAX {
            if self.relay.poll_publish(self.now, &mut out).is_none() {
                break;
            }
            assert!(bus::Message::parse(&out).is_some());
            out.clear();
        }
    }
}

fn place(at: usize) -> (SessionId, Token) {
    (SessionId::from_bytes([at as u8 + 1; 16]), Token::from_bytes([at as u8 + 1; 16]))
}
