//! The tunnel between the two: in order and once within an epoch, with a window, over links that break. A new
//! process at one end is met at the next link; what was under way is lost then, and what the other end says
//! before it has heard of the restart reaches the new process.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::*;
use super::Counts;
use super::judge::Judge;
use super::side::SimulatedEnd;
use crate::tunnel::limits::{PIECE_COST, WINDOW_MIN};
use crate::tunnel::model::Rng;

/// What a driver reads.
#[derive(Debug)]
enum Item {
    Opened,
    Restarted,
    Message(Vec<u8>),
}

/// One direction.
#[derive(Default)]
struct Line {
    items: VecDeque<Item>,
    /// So many of them are at the receiver, which has not read them.
    arrived: usize,
}

impl Line {
    fn cost(&self) -> usize {
        let cost = |item: &Item| if let Item::Message(bytes) = item { bytes.len() + PIECE_COST } else { 0 };
        self.items.iter().map(cost).sum()
    }

    fn tell(&mut self, item: Item) {
        self.items.insert(self.arrived, item);
        self.arrived += 1;
    }
}

/// See the module.
pub(super) struct World {
    rng: Rng,
    ends: [SimulatedEnd; 2],
    /// To the phone, to the desk.
    lines: [Line; 2],
    linked: bool,
    now: Duration,
    /// New since the last link.
    is_new: [bool; 2],
    judge: Judge,
    /// Channels opened so far.
    globals: u64,
    tells: bool,
    pub(super) counts: Counts,
}

impl World {
    pub(super) fn new(seed: u64, tells: bool) -> Self {
        let mut rng = Rng::new(seed);
        let ends = [0, 1].map(|at| SimulatedEnd::new(at, &mut rng));
        World {
            rng,
            ends,
            lines: Default::default(),
            linked: false,
            now: Duration::ZERO,
            is_new: [true; 2],
            judge: Judge::default(),
            globals: 0,
            tells,
            counts: Counts::default(),
        }
    }

    pub(super) fn step(&mut self) {
        self.now += Duration::from_millis(self.rng.below(20));
        let at = self.rng.index(2);
        match self.rng.below(100) {
            0 if self.rng.one_in(10) => self.restart(at),
            1 => self.cut(),
            2..=7 => self.link(),
            8..=27 => self.carry(at),
            28..=49 => self.read(at),
            50..=69 => self.pump(at),
            _ => {
                self.globals += 1;
                let World { ends, rng, judge, counts, globals, .. } = self;
                ends[at].act(*globals, rng, judge, counts);
            }
        }
        self.drain();
    }

    fn say(&self, words: &str) {
        if self.tells {
            println!("{words}");
        }
    }

    fn drain(&mut self) {
        let World { ends, rng, judge, counts, .. } = self;
        ends.iter_mut().for_each(|end| end.drain(rng, judge, counts));
    }

    /// The process dies, with all that it had not read.
    fn restart(&mut self, at: usize) {
        self.say(&format!("end {at} begins again"));
        self.cut();
        self.counts.restarts += 1;
        self.counts.early += self.ends[at].end.ignored().early;
        self.ends[at] = SimulatedEnd::new(at, &mut self.rng);
        self.lines[at] = Line::default();
        self.is_new[at] = true;
    }

    fn cut(&mut self) {
        self.counts.cuts += u64::from(std::mem::take(&mut self.linked));
    }

    fn link(&mut self) {
        if std::mem::replace(&mut self.linked, true) {
            return;
        }
        self.say("linked");
        let is_new = std::mem::take(&mut self.is_new);
        for at in 0..2 {
            let line = &mut self.lines[at];
            if is_new[1 - at] {
                // What the old process said and had not arrived is lost.
                line.items.truncate(line.arrived);
                if !is_new[at] {
                    line.tell(Item::Restarted);
                }
            }
            if is_new[at] {
                *line = Line::default();
            }
            line.tell(Item::Opened);
            self.ends[at].has_opened = true;
        }
    }

    /// Some of what is under way arrives.
    fn carry(&mut self, to: usize) {
        let line = &mut self.lines[to];
        if self.linked {
            line.arrived += self.rng.index(line.items.len() - line.arrived + 1);
        }
    }

    /// The driver reads some of what arrived.
    fn read(&mut self, at: usize) {
        for _ in 0..=self.rng.below(4) {
            let line = &mut self.lines[at];
            if line.arrived == 0 {
                return;
            }
            line.arrived -= 1;
            let Some(item) = line.items.pop_front() else { return };
            let side = &mut self.ends[at];
            match item {
                Item::Opened => side.end.on_open(),
                Item::Restarted => {
                    side.held = None;
                    side.end.on_restart();
                }
                Item::Message(bytes) => side.end.on_message(bytes, self.now),
            }
            self.drain();
        }
    }

    /// The driver gives the tunnel what the end has to say, as far as it takes it.
    fn pump(&mut self, from: usize) {
        let (side, line, now) = (&mut self.ends[from], &mut self.lines[1 - from], self.now);
        if !side.has_opened {
            assert!(side.end.poll_message(now).is_none());
            return;
        }
        loop {
            let may_bulk = line.cost() <= WINDOW_MIN as usize / 2;
            let next = side.held.take().or_else(|| side.end.poll_interactive(now));
            let next = next.or_else(|| if may_bulk { side.end.poll_bulk(now) } else { None });
            let Some(message) = next else { return };
            assert!(message.len() <= limits::DATA_BYTES_MAX);
            if line.cost() + message.len() + PIECE_COST > WINDOW_MIN as usize {
                self.counts.held += 1;
                side.held = Some(message);
                return;
            }
            line.items.push_back(Item::Message(message));
        }
    }

    /// No more faults: everything that was sent arrives, and both ends know the same channels.
    pub(super) fn settle(&mut self) {
        for _ in 0..SETTLE_ROUNDS {
            self.now += Duration::from_millis(20);
            self.link();
            for at in 0..2 {
                let side = &mut self.ends[at];
                side.answer(false);
                let known: Vec<ChannelId> = side.channels.keys().copied().collect();
                known.into_iter().for_each(|ch| side.consume(ch, true, &mut self.rng));
                self.pump(at);
                self.lines[1 - at].arrived = self.lines[1 - at].items.len();
                while self.lines[1 - at].arrived > 0 {
                    self.read(1 - at);
                }
            }
            self.drain();
        }
        let [phone, desk] = &mut self.ends;
        assert_eq!(phone.live(), desk.live(), "both know the same channels");
        assert_eq!((phone.end.buffered(), desk.end.buffered()), ((0, 0), (0, 0)));
        for (global, _) in phone.live() {
            (0..2).for_each(|to| self.judge.check_whole(global, to));
        }
        phone.check_writable();
        desk.check_writable();
        self.counts.early += phone.end.ignored().early + desk.end.ignored().early;
    }
}

/// More than enough for every queue, half a window at a time.
const SETTLE_ROUNDS: usize = 600;
