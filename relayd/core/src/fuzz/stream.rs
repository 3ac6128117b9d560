//! The stream between two nodes, over a bus that does what the input says.

use std::collections::VecDeque;
use std::time::Duration;

use super::support::Input;
use crate::bus::Message;
use crate::node_link::item::{Item, OVERHEAD_MAX, PIECE_BYTES_MAX};
use crate::node_link::{BATCH_BYTES_MAX, Header, KEEPALIVE_EVERY, NodeLink, PACKET_OVERHEAD, Taken};
use crate::time::Time;

/// A message of the bus, a packet's header and its items: what is read is written so that it reads back.
pub fn node_packets(bytes: &[u8]) {
    let _ = Message::parse(bytes);
    let mut items = bytes;
    if let Some((header, rest)) = Header::parse(bytes) {
        let mut written = Vec::new();
        header.write_to(&mut written);
        assert_eq!(written, bytes[..PACKET_OVERHEAD]);
        items = rest;
    }
    let mut left = items.len();
    while let Some(item) = Item::take(&mut items) {
        assert!(items.len() < left, "an item without bytes");
        left = items.len();
        let mut written = Vec::new();
        item.write_to(&mut written);
        assert!(written.len() <= OVERHEAD_MAX + PIECE_BYTES_MAX);
        let mut again = &written[..];
        assert_eq!((Item::take(&mut again), again.len()), (Some(item), 0));
    }
}

/// Two ends whose packets are lost, doubled and reordered and who forget, and a third that hears all of it
/// damaged: items arrive once and in order, the third takes no batch out of turn.
pub fn node_stream(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new();
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.settle();
}

const STEPS_MAX: usize = 2000;

/// One node: its end, what it said and what it heard since the stream last started over.
struct End {
    link: NodeLink,
    incarnation: u64,
    said: u64,
    heard: Option<u64>,
    restarted: bool,
}

struct World {
    now: Time,
    ends: [End; 2],
    /// On the way to each end.
    packets: [VecDeque<Vec<u8>>; 2],
    stray: Stray,
}

/// An end that hears anything.
struct Stray {
    end: End,
    /// The incarnation and the number of the last batch that it took.
    last: (u64, u64),
}

impl End {
    fn new(now: Time) -> Self {
        End { link: NodeLink::new(1, now), incarnation: 1, said: 0, heard: None, restarted: false }
    }

    fn say(&mut self) {
        self.said += 1;
        self.link.item(8).extend_from_slice(&self.said.to_be_bytes());
    }

    fn receive(&mut self, packet: &[u8], now: Time) {
        let (header, items) = Header::parse(packet).expect("what was written parses");
        self.incarnation += 1;
        let outcome = self.link.handle(&header, items, self.incarnation, now);
        if outcome.restarted {
            self.restarted = true;
        }
        if let Taken::Items(items) = outcome.taken {
            items.chunks_exact(8).for_each(|item| self.hear(u64::from_be_bytes(item.try_into().unwrap())));
        }
    }

    /// Items rise by one; first of all and after a restart they may jump forward, never back.
    fn hear(&mut self, number: u64) {
        if let Some(last) = self.heard {
            assert!(number > last, "{number} once more, after {last}");
            assert!(self.restarted || number == last + 1, "{number} after {last}, without a restart");
        }
        (self.heard, self.restarted) = (Some(number), false);
    }

    /// Gives the other node up for gone, as a node that was silent for long is.
    fn forget(&mut self, now: Time) {
        self.incarnation += 1;
        self.link = NodeLink::new(self.incarnation, now);
        // Nothing is left of what was heard: what the other one keeps may come again, for links that ended
        // with it.
        self.heard = None;
    }
}

impl Stray {
    fn hear(&mut self, packet: &[u8], now: Time) {
        let Some((header, items)) = Header::parse(packet) else { return };
        self.end.incarnation += 1;
        let outcome = self.end.link.handle(&header, items, self.end.incarnation, now);
        if matches!(outcome.taken, Taken::Items(_)) {
            let (from, number) = self.last;
            let is_next = header.from == from && header.number == number + 1;
            assert!(is_next || header.number == 1, "{header:?} after {:?}", self.last);
            self.last = (header.from, header.number);
        }
    }
}

impl World {
    fn new() -> Self {
        let now = Time::from_ms(1 << 40);
        let stray = Stray { end: End::new(now), last: (0, 0) };
        World { now, ends: [End::new(now), End::new(now)], packets: Default::default(), stray }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let who = usize::from(choice >> 7);
        match choice & 0x0F {
            0..=2 => self.ends[who].say(),
            3..=5 => self.transmit(who),
            6..=8 => self.deliver(who),
            9 => drop(self.packets[who].pop_front()),
            10 => {
                let front = self.packets[who].front().cloned();
                self.packets[who].extend(front);
            }
            11 => self.packets[who].rotate_left(usize::from(!self.packets[who].is_empty())),
            12 if choice & 0x70 == 0 => self.ends[who].forget(self.now),
            13 => self.disturb(who, input),
            14 => self.stray.hear(input.piece(), self.now),
            _ => self.now = self.now + Duration::from_millis(4 * u64::from(input.byte())),
        }
    }

    fn transmit(&mut self, who: usize) {
        let mut packet = Vec::new();
        while self.ends[who].link.poll_transmit(self.now, &mut packet) {
            assert!(packet.len() <= BATCH_BYTES_MAX + PACKET_OVERHEAD);
            self.packets[1 - who].push_back(std::mem::take(&mut packet));
        }
    }

    fn deliver(&mut self, who: usize) {
        if let Some(packet) = self.packets[who].pop_front() {
            self.ends[who].receive(&packet, self.now);
        }
    }

    /// The third hears a packet with one byte changed, and speaks.
    fn disturb(&mut self, who: usize, input: &mut Input<'_>) {
        let Some(mut packet) = self.packets[who].front().cloned() else { return };
        let at = input.short() % packet.len();
        packet[at] ^= input.byte();
        self.stray.hear(&packet, self.now);
        self.stray.end.say();
        let mut out = Vec::new();
        while self.stray.end.link.poll_transmit(self.now, &mut out) {
            assert!(Header::parse(&out).is_some());
            out.clear();
        }
        assert!(self.stray.end.link.pending() <= 8 * self.stray.end.said as usize);
    }

    /// No more faults: what was still to start over does, and then the last word of each arrives.
    fn settle(&mut self) {
        self.pass_seconds();
        self.ends.iter_mut().for_each(End::say);
        self.pass_seconds();
        for who in [0, 1] {
            assert_eq!(self.ends[who].heard, Some(self.ends[1 - who].said), "the last word arrives");
            assert!(self.ends[who].link.is_idle());
        }
    }

    fn pass_seconds(&mut self) {
        for _ in 0..8 {
            self.now = self.now + KEEPALIVE_EVERY;
            for who in [0, 1] {
                self.transmit(who);
                while !self.packets[1 - who].is_empty() {
                    self.deliver(1 - who);
                }
            }
        }
    }
}
