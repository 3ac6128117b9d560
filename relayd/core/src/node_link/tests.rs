//! Two ends over a bus that loses, doubles and reorders, and ends that forget: what is said arrives once and
//! in order, or both sides are told.

use super::*;
use crate::testkit::Rng;

/// One node: its end, what it said and what it heard since the stream last started over.
struct End {
    link: NodeLink,
    incarnation: u64,
    /// Numbers its items. Never starts over.
    said: u64,
    heard: Option<u64>,
    restarts: u64,
}

impl End {
    fn new(incarnation: u64, now: Time) -> Self {
        End { link: NodeLink::new(incarnation, now), incarnation, said: 0, heard: None, restarts: 0 }
    }

    fn say(&mut self) {
        self.said += 1;
        self.link.item(8).extend_from_slice(&self.said.to_be_bytes());
    }

    /// Items rise by one; after a restart they may jump forward, never back.
    fn hear(&mut self, items: &[u8]) {
        for item in items.chunks_exact(8) {
            let number = u64::from_be_bytes(item.try_into().unwrap());
            if let Some(last) = self.heard {
                assert_eq!(number, last + 1, "a gap or a double without a restart");
            }
            self.heard = Some(number);
        }
    }

    fn receive(&mut self, packet: &[u8], now: Time) {
        let (header, items) = Header::parse(packet).expect("what was written parses");
        self.incarnation += 1;
        let outcome = self.link.handle(&header, items, self.incarnation, now);
        if outcome.restarted {
            self.restarts += 1;
            self.heard = None;
        }
        if let Taken::Items(items) = outcome.taken {
            self.hear(items);
        }
    }

    /// Gives the other node up for gone, as a node that was silent for long is.
    fn forget(&mut self, now: Time) {
        self.incarnation += 1;
        self.link = NodeLink::new(self.incarnation, now);
        self.heard = None;
        self.restarts += 1;
    }
}

struct Bus {
    rng: Rng,
    now: Time,
    ends: [End; 2],
    /// On the way to each end.
    packets: [Vec<Vec<u8>>; 2],
    faults: u64,
}

impl Bus {
    fn new(seed: u64) -> Self {
        let now = Time::from_ms(1 << 40);
        let ends = [End::new(1, now), End::new(1, now)];
        Bus { rng: Rng::new(seed), now, ends, packets: [vec![], vec![]], faults: 0 }
    }

    fn step(&mut self, forgets: bool) {
        let who = self.rng.below(2) as usize;
        match self.rng.below(20) {
            0..=5 => self.ends[who].say(),
            6..=10 => self.transmit(who),
            11..=17 => self.deliver(who, true),
            18 if forgets && self.rng.one_in(40) => self.ends[who].forget(self.now),
            _ => self.now = self.now + Duration::from_millis(self.rng.below(700)),
        }
    }

    fn transmit(&mut self, who: usize) {
        let mut packet = Vec::new();
        while self.ends[who].link.poll_transmit(self.now, &mut packet) {
            assert!(packet.len() <= BATCH_BYTES_MAX + PACKET_OVERHEAD);
            self.packets[1 - who].push(std::mem::take(&mut packet));
        }
    }

    fn deliver(&mut self, who: usize, faulty: bool) {
        if self.packets[who].is_empty() {
            return;
        }
        let fault = if faulty { self.rng.below(12) } else { 12 };
        let at = if fault == 0 { self.rng.below(self.packets[who].len() as u64) as usize } else { 0 };
        let packet = if fault == 1 { self.packets[who][at].clone() } else { self.packets[who].remove(at) };
        self.faults += u64::from(fault <= 2);
        if fault != 2 {
            self.ends[who].receive(&packet, self.now);
        }
    }

    /// No more faults, until nothing is on its way.
    fn settle(&mut self) {
        for _ in 0..40 {
            self.now = self.now + KEEPALIVE_EVERY;
            for who in [0, 1] {
                self.transmit(who);
                while !self.packets[1 - who].is_empty() {
                    self.deliver(1 - who, false);
                }
            }
        }
    }
}

#[test]
fn without_restarts_everything_arrives_once_and_in_order() {
    let mut all = BatchCounts::default();
    for seed in 0..200 {
        let mut bus = Bus::new(seed);
        (0..2000).for_each(|_| bus.step(false));
        bus.settle();
        for who in [0, 1] {
            assert_eq!(bus.ends[who].heard.unwrap_or(0), bus.ends[1 - who].said, "seed {seed}");
            assert_eq!(bus.ends[who].restarts, 0, "seed {seed}");
            assert!(bus.ends[who].link.is_idle(), "seed {seed}");
            assert_eq!(bus.ends[who].link.window(), (0, 0), "seed {seed}");
            let (here, there) = (bus.ends[who].link.counts(), bus.ends[1 - who].link.counts());
            assert_eq!(here.sent, there.received, "seed {seed}: each batch is sent, and taken in, once");
            all.add(here);
        }
        assert!(bus.faults > 20, "seed {seed}: {} faults", bus.faults);
    }
    assert!(all.repeated > 0 && all.doubled > 0, "no fault was counted: {all:?}");
}

#[test]
fn an_end_that_forgets_starts_both_over_and_the_stream_is_whole_again() {
    for seed in 0..200 {
        let mut bus = Bus::new(seed);
        (0..2000).for_each(|_| bus.step(true));
        bus.settle();
        bus.ends.iter_mut().for_each(End::say);
        bus.settle();
        for who in [0, 1] {
            assert_eq!(
                bus.ends[who].heard,
                Some(bus.ends[1 - who].said),
                "seed {seed}: the last word arrives"
            );
            assert!(bus.ends[who].link.is_idle(), "seed {seed}");
        }
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_none() {
    let mut bus = Bus::new(1);
    let [end, other] = &mut bus.ends;
    end.say();
    let mut packet = Vec::new();
    assert!(end.link.poll_transmit(bus.now, &mut packet), "lost on its way");
    let (to, from) = (end.incarnation, other.incarnation);
    let claim = Header { from, to, number: 0, last: 0, received: 0, repeat: true };
    end.link.handle(&claim, &[], 2, bus.now);
    end.link.handle(&Header { received: 7, repeat: false, ..claim }, &[], 3, bus.now);
    for _ in 0..3 {
        packet.clear();
        assert!(end.link.poll_transmit(bus.now, &mut packet), "the stream goes on");
        other.receive(&packet, bus.now);
        end.say();
    }
    assert_eq!(other.heard, Some(3));
}

#[test]
fn what_an_end_that_starts_over_gives_up_is_handed_back() {
    let mut bus = Bus::new(1);
    bus.ends[0].say();
    bus.settle();
    bus.ends[1].forget(bus.now);
    bus.ends[0].say();
    bus.transmit(0);
    bus.deliver(1, false);
    bus.transmit(1);
    let answer = bus.packets[0].remove(0);
    let (header, items) = Header::parse(&answer).expect("what was written parses");
    let outcome = bus.ends[0].link.handle(&header, items, 2, bus.now);
    assert!(outcome.restarted);
    assert_eq!(outcome.lost.concat(), 2_u64.to_be_bytes());
}

#[test]
fn an_end_that_is_not_kept_alive_speaks_where_there_is_something_to_say() {
    let mut bus = Bus::new(1);
    bus.settle();
    bus.ends[0].link.keep_alive(false);
    bus.now = bus.now + KEEPALIVE_EVERY * 3;
    bus.transmit(0);
    assert!(bus.packets[1].is_empty());
    bus.ends[0].say();
    bus.transmit(0);
    assert_eq!(bus.packets[1].len(), 1);
}

/// Two ends that know each other, and that say nothing.
fn met() -> Bus {
    let mut bus = Bus::new(1);
    bus.settle();
    bus
}

/// One batch with so many bytes of items comes to the first end.
fn take_batch(bus: &mut Bus, bytes: usize) {
    bus.ends[1].link.item(bytes).resize(bytes, 0);
    bus.transmit(1);
    let packet = bus.packets[0].remove(0);
    let (header, items) = Header::parse(&packet).expect("what was written parses");
    let outcome = bus.ends[0].link.handle(&header, items, 9, bus.now);
    assert_eq!(outcome.taken, Taken::Items(items));
}

fn speaks(bus: &mut Bus) -> bool {
    bus.transmit(0);
    !std::mem::take(&mut bus.packets[1]).is_empty()
}

#[test]
fn a_batch_is_acknowledged_after_five_milliseconds() {
    let mut bus = met();
    assert_eq!(bus.ends[0].link.ack_due(), None);
    take_batch(&mut bus, 8);
    let due = bus.now + ACK_WITHIN;
    assert_eq!((bus.ends[0].link.ack_due(), speaks(&mut bus)), (Some(due), false));
    bus.now = bus.now + Duration::from_millis(1);
    take_batch(&mut bus, 8);
    assert_eq!(bus.ends[0].link.ack_due(), Some(due), "the first of them counts");
    bus.now = due;
    assert_eq!((speaks(&mut bus), bus.ends[0].link.ack_due()), (true, None));
}

#[test]
fn eight_batches_or_a_quarter_of_the_least_window_are_acknowledged_at_once() {
    for (bytes, batches) in [(8, 8), (ACK_BYTES - 1, 2), (ACK_BYTES, 1), (ACK_BYTES / 4 + 1, 4)] {
        let mut bus = met();
        for batch in 1..=batches {
            assert!(!speaks(&mut bus), "{batch} of {bytes} bytes");
            take_batch(&mut bus, bytes);
        }
        assert!(speaks(&mut bus), "{batches} of {bytes} bytes");
        take_batch(&mut bus, 8);
        assert!(!speaks(&mut bus), "it counts again from there");
    }
}

#[test]
fn a_batch_is_as_long_as_it_may_be() {
    let mut link = NodeLink::new(1, Time::from_ms(0));
    link.item(BATCH_BYTES_MAX - 8).resize(BATCH_BYTES_MAX - 8, 0);
    assert!(!link.is_idle());
    link.item(8).extend_from_slice(&[0; 8]);
    assert_eq!((link.window(), link.pending()), ((0, 0), BATCH_BYTES_MAX), "one batch");
    link.item(1).push(0);
    assert_eq!((link.window(), link.pending()), ((1, BATCH_BYTES_MAX), BATCH_BYTES_MAX + 1));
}

#[test]
fn what_was_said_is_under_way_until_it_is_acknowledged_or_given_up() {
    let mut bus = met();
    bus.ends[0].say();
    let first = bus.ends[0].link.position();
    assert!(bus.ends[0].link.is_under_way(first), "it is in no batch yet");
    bus.transmit(0);
    bus.ends[0].say();
    let second = bus.ends[0].link.position();
    assert_ne!(first, second);
    bus.deliver(1, false);
    bus.now = bus.now + ACK_WITHIN;
    bus.transmit(1);
    bus.deliver(0, false);
    let link = &bus.ends[0].link;
    assert_eq!((link.is_under_way(first), link.is_under_way(second)), (false, true));
    bus.ends[0].forget(bus.now);
    assert!(!bus.ends[0].link.is_under_way(second));
}

#[test]
fn a_packet_for_an_earlier_incarnation_is_answered_unless_it_is_of_one_itself() {
    for (from, is_answered) in [(1, true), (0, false), (2, true)] {
        let mut bus = met();
        let theirs = bus.ends[1].incarnation;
        let header = Header { from: theirs + 1, to: 0, number: 0, last: 0, received: 0, repeat: false };
        // Now the incarnation after the first is known.
        bus.ends[0].link.handle(&header, &[], 8, bus.now);
        speaks(&mut bus);
        let stray = Header { from: theirs + from, to: 1000, ..header };
        let outcome = bus.ends[0].link.handle(&stray, &[], 9, bus.now);
        assert_eq!((outcome.restarted, outcome.taken), (from == 2, Taken::Nothing));
        assert_eq!(speaks(&mut bus), is_answered, "of {from}");
    }
}

#[test]
fn counts_of_two_streams_are_added() {
    let one = BatchCounts { sent: 2, repeated: 3, received: 4, doubled: 5 };
    let mut sum = BatchCounts { sent: 10, repeated: 20, received: 30, doubled: 40 };
    sum.add(one);
    assert_eq!(sum, BatchCounts { sent: 12, repeated: 23, received: 34, doubled: 45 });
}

#[test]
fn a_batch_that_is_put_on_the_bus_again_is_counted_as_repeated() {
    let mut bus = met();
    bus.ends[0].say();
    bus.transmit(0);
    let said = bus.packets[1].remove(0);
    let (Header { from: to, to: from, .. }, _) = Header::parse(&said).expect("what was written parses");
    let repeat = Header { from, to, number: 0, last: 0, received: 0, repeat: true };
    bus.ends[0].link.handle(&repeat, &[], 9, bus.now);
    bus.transmit(0);
    let counts = bus.ends[0].link.counts();
    assert_eq!((counts.sent, counts.repeated), (1, 1));
}

#[test]
fn a_batch_that_comes_twice_is_counted_and_one_behind_a_gap_is_not() {
    let mut bus = met();
    for _ in 0..2 {
        bus.ends[1].say();
        bus.transmit(1);
    }
    let packets = std::mem::take(&mut bus.packets[0]);
    for (packet, doubled) in [(&packets[1], 0), (&packets[0], 0), (&packets[0], 1)] {
        bus.ends[0].receive(packet, bus.now);
        assert_eq!(bus.ends[0].link.counts().doubled, doubled);
    }
}

#[test]
fn a_repeat_is_asked_for_where_there_is_a_gap_and_for_no_batch_that_came() {
    for (order, is_asked) in [(&[1][..], true), (&[0, 1, 0], false)] {
        let mut bus = met();
        for _ in 0..2 {
            bus.ends[1].say();
            bus.transmit(1);
        }
        let packets = std::mem::take(&mut bus.packets[0]);
        order.iter().for_each(|&at: &usize| bus.ends[0].receive(&packets[at], bus.now));
        bus.transmit(0);
        let (header, _) = Header::parse(&bus.packets[1][0]).expect("what was written parses");
        assert_eq!(header.repeat, is_asked, "{order:?}");
    }
}

#[test]
fn what_is_said_while_the_window_is_full_waits_for_one_batch() {
    let mut bus = met();
    for _ in 0..BATCHES_MAX + 2 {
        bus.ends[0].say();
        bus.transmit(0);
    }
    let link = &bus.ends[0].link;
    assert_eq!((link.window(), link.pending()), ((BATCHES_MAX, BATCHES_MAX * 8), (BATCHES_MAX + 2) * 8));
}

#[test]
fn a_batch_with_the_largest_piece_takes_nothing_more() {
    let mut link = NodeLink::new(1, Time::from_ms(0));
    let len = item::PIECE_BYTES_MAX + item::OVERHEAD_MAX;
    link.item(len).resize(len, 0);
    link.item(1).push(0);
    assert_eq!(link.window(), (1, len));
}

#[test]
fn an_end_that_starts_over_is_kept_alive_no_more_than_before() {
    for keeps_alive in [false, true] {
        let mut bus = Bus::new(1);
        bus.ends[0].say();
        bus.settle();
        bus.ends[0].link.keep_alive(keeps_alive);
        bus.ends[1].forget(bus.now);
        bus.now = bus.now + KEEPALIVE_EVERY;
        bus.transmit(1);
        bus.deliver(0, false);
        assert!(speaks(&mut bus), "it answers the end that is new");
        bus.now = bus.now + KEEPALIVE_EVERY;
        assert_eq!(speaks(&mut bus), keeps_alive);
    }
}
