//! Seeded runs of a desk and a viewer over a line that delays and breaks.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::super::limits::{MESSAGE_BYTES_MAX, UPDATES_UNDER_WAY_MAX};
use super::super::*;
use super::changes::Random;

/// A desk, one viewer, and the line between them.
struct World {
    random: Random,
    now: Duration,
    screen: Screen,
    sender: ScreenSender,
    receiver: ScreenReceiver,
    /// What the desk's screen was at each update.
    sent: HashMap<u64, Screen>,
    to_viewer: VecDeque<(Duration, Vec<u8>)>,
    to_desk: VecDeque<(Duration, u64)>,
    delay: Duration,
    updates: usize,
    under_way_most: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let delay = Duration::from_millis(random.below(400) as u64);
        World {
            screen: Screen::new(random.size()),
            random,
            now: Duration::from_secs(7),
            sender: ScreenSender::new(),
            receiver: ScreenReceiver::new(),
            sent: HashMap::new(),
            to_viewer: VecDeque::new(),
            to_desk: VecDeque::new(),
            delay,
            updates: 0,
            under_way_most: 0,
        }
    }

    fn step(&mut self, may_change: bool) {
        self.now += Duration::from_millis(self.random.below(40) as u64);
        if may_change {
            for _ in 0..self.random.below(4) {
                self.random.change(&mut self.screen);
            }
            if self.random.below(60) == 0 {
                self.reconnect();
            }
        }
        self.send();
        self.arrive();
    }

    fn send(&mut self) {
        let Some(messages) = self.sender.poll_update(&self.screen, self.now) else { return };
        for message in messages {
            assert!(message.len() <= MESSAGE_BYTES_MAX);
            self.to_viewer.push_back((self.now + self.delay, message));
        }
        self.updates += 1;
        let seq = self.sent.len() as u64 + 1;
        self.sent.insert(seq, self.screen.clone());
        self.under_way_most = self.under_way_most.max(self.sender.under_way());
    }

    fn arrive(&mut self) {
        while self.to_viewer.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, message) = self.to_viewer.pop_front().unwrap();
            match self.receiver.on_message(&message) {
                Ok(Received::Updated { seq }) => {
                    assert_eq!(self.receiver.screen(), &self.sent[&seq], "update {seq}");
                    // A slow viewer leaves some for the next acknowledgement.
                    if self.random.below(3) > 0 || self.to_viewer.is_empty() {
                        self.to_desk.push_back((self.now + self.delay, seq));
                    }
                }
                Ok(Received::Part) => {}
                other => panic!("{other:?}"),
            }
        }
        while self.to_desk.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, seq) = self.to_desk.pop_front().unwrap();
            self.sender.on_ack(seq, self.now);
        }
    }

    /// The channel is opened again: what was under way is lost.
    fn reconnect(&mut self) {
        (self.sender, self.receiver) = (ScreenSender::new(), ScreenReceiver::new());
        self.to_viewer.clear();
        self.to_desk.clear();
        self.sent.clear();
    }
}

#[test]
fn the_viewer_s_screen_is_the_desk_s_after_each_update_and_in_the_end() {
    let mut updates = 0;
    for seed in 0..300 {
        let mut world = World::new(seed);
        for _ in 0..150 {
            world.step(true);
        }
        // Quiet: all of it arrives.
        for _ in 0..200 {
            world.step(false);
        }
        assert_eq!(world.receiver.screen(), &world.screen, "seed {seed}");
        assert_eq!(world.sender.unacknowledged_since(), None, "seed {seed}");
        assert!(world.under_way_most <= UPDATES_UNDER_WAY_MAX);
        updates += world.updates;
    }
    assert!(updates > 5000, "{updates} updates only");
}

#[test]
fn a_large_screen_goes_in_parts_and_changes_at_once() {
    let mut random = Random::new(1);
    let mut screen = Screen::new(Size::new(500, 250).unwrap());
    for at in 0..250 {
        screen.set_row(at, random.row(500));
    }
    let messages = ScreenSender::new().poll_update(&screen, Duration::ZERO).unwrap();
    assert!(messages.len() >= 3, "{} parts", messages.len());
    let mut receiver = ScreenReceiver::new();
    let before = receiver.screen().clone();
    let (last, parts) = messages.split_last().unwrap();
    for part in parts {
        assert_eq!(receiver.on_message(part), Ok(Received::Part));
        assert_eq!(receiver.screen(), &before);
    }
    assert_eq!(receiver.on_message(last), Ok(Received::Updated { seq: 1 }));
    assert_eq!(receiver.screen(), &screen);
}

#[test]
fn a_line_that_scrolls_costs_that_line_alone() {
    let mut screen = Screen::new(Size::new(80, 24).unwrap());
    let line = |number: usize| {
        let mut builder = RowBuilder::new();
        for char in format!("{number:04} {}", "some text that fills a line ".repeat(2)).chars() {
            builder.push(char.encode_utf8(&mut [0; 4]), false, &Style::default());
        }
        builder.finish(false)
    };
    (0..24).for_each(|at| screen.set_row(at, line(at)));
    let mut sender = ScreenSender::new();
    let mut second = Duration::ZERO;
    let mut bytes_of_next = |screen: &Screen| {
        second += Duration::from_secs(1);
        let messages = sender.poll_update(screen, second).unwrap();
        sender.on_ack(u64::MAX, second);
        messages.iter().map(Vec::len).sum::<usize>()
    };
    let whole = bytes_of_next(&screen);
    (0..24).for_each(|at| screen.set_row(at, line(at + 3)));
    let scrolled = bytes_of_next(&screen);
    assert!(whole > 1400 && scrolled < 230, "{whole}, then {scrolled}");
}

#[test]
fn a_viewer_that_never_acknowledges_is_left_alone_until_it_does() {
    let mut sender = ScreenSender::new();
    let mut screen = Screen::new(Size::new(80, 24).unwrap());
    let mut sent = 0;
    for step in 0..10_000_u64 {
        screen.bells += 1;
        let now = Duration::from_millis(step * 40);
        sent += u64::from(sender.poll_update(&screen, now).is_some());
    }
    assert!(sent <= UPDATES_UNDER_WAY_MAX as u64, "{sent}");
    let now = Duration::from_secs(1000);
    assert_eq!(sender.wait(now), Wait::Acknowledgement);
    sender.on_ack(sent, now);
    assert_eq!(sender.wait(now), Wait::Now);
    assert!(sender.poll_update(&screen, now).is_some(), "one update with all that it missed");
    assert_eq!(sender.poll_update(&screen, now + Duration::from_secs(1)), None, "nothing changed");
}
