//! The relay between two drivers: connections that come and go, frames that are lost with a link, sessions
//! that are deleted, and an attacker that replays messages and flips bits.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::ids::{Role, SessionId};

use super::judge::{HEADING, Judge};
use super::side::{self, Item, SimulatedEnd, Wish};
use super::{Counts, Rng};
use crate::tunnel::{Answer, SendError};

const MS: Duration = Duration::from_millis(1);

/// Two ends and the network between them. End 0 is the phone.
pub(super) struct World {
    rng: Rng,
    now: Duration,
    sides: [SimulatedEnd; 2],
    /// What side 0 sends, what side 1 sends.
    judges: [Judge; 2],
    /// The relay has joined the two connections.
    joined: bool,
    dead: BTreeSet<SessionId>,
    sessions: u64,
    /// Frames of the past, with the end they were for.
    recorded: Vec<(usize, Vec<u8>)>,
    tells: bool,
    /// No more faults.
    is_calm: bool,
    /// No more messages.
    is_silent: bool,
    pub(super) counts: Counts,
}

impl World {
    pub(super) fn new(seed: u64, tells: bool) -> Self {
        let mut rng = Rng::new(seed);
        let now = Duration::from_secs(1 << 30);
        let sides = Role::ALL.map(Role::other).map(|role| SimulatedEnd::new(role, &mut rng, now));
        World {
            rng,
            now,
            sides,
            judges: Default::default(),
            joined: false,
            dead: BTreeSet::new(),
            sessions: 0,
            recorded: Vec::new(),
            tells,
            is_calm: false,
            is_silent: false,
            counts: Counts::default(),
        }
    }

    /// The apps send nothing from here on.
    pub(super) fn fall_silent(&mut self) {
        self.is_silent = true;
    }

    /// One random thing happens.
    pub(super) fn step(&mut self) {
        let at = self.rng.index(2);
        match self.rng.below(200) {
            0..=29 => self.connect(at),
            30..=89 => self.read(at),
            90..=129 => self.write(at),
            130..=159 if !self.is_silent => self.send(at),
            130..=177 => self.take(at),
            178..=182 => self.pass_time(300),
            183 => self.pass_time(20_000),
            184 | 185 => self.tick(),
            186..=188 => self.sides[at].store_late(self.now),
            189 | 190 => self.answer(),
            191 | 192 => self.cut(at),
            193 if self.rng.one_in(2) => self.restart(at),
            194 if self.rng.one_in(2) => self.replay(),
            195 if self.rng.one_in(2) => self.jump(),
            196 if self.rng.one_in(3) => self.flip(),
            _ => drop(self.sides[at].tunnel.ping(self.now)),
        }
        self.work_off();
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{:?} {}", self.now, what());
        }
    }

    fn connect(&mut self, at: usize) {
        let side = &mut self.sides[at];
        if side.connected.is_some() {
            return;
        }
        let session = side.tunnel.credentials().session;
        if self.dead.contains(&session) {
            assert!(side.tunnel.on_session_gone(self.now), "no session is left to {at}");
            return;
        }
        side.connected = Some(session);
        if self.sides[1 - at].connected == Some(session) {
            self.joined = true;
            self.sides.iter_mut().for_each(|side| side.inbox.push_back(Item::Joined));
        }
        self.say(|| format!("{at} connects to {session:?}, joined {}", self.joined));
    }

    /// The connection of `at` ends. Its peer is told, and may lose the last messages that were on their way.
    fn disconnect(&mut self, at: usize) {
        if self.sides[at].connected.is_none() {
            return;
        }
        self.say(|| format!("{at} disconnects"));
        self.sides[at].disconnect(self.now);
        if std::mem::take(&mut self.joined) {
            let lost = self.rng.below(6);
            let peer = &mut self.sides[1 - at];
            for _ in 0..lost {
                if matches!(peer.inbox.back(), Some(Item::Frame(_))) {
                    peer.inbox.pop_back();
                }
            }
            peer.inbox.push_back(Item::Left);
        }
    }

    fn cut(&mut self, at: usize) {
        self.counts.cuts += 1;
        self.disconnect(at);
        if self.rng.one_in(3) {
            self.disconnect(1 - at);
        }
    }

    fn read(&mut self, at: usize) {
        for _ in 0..=self.rng.below(4) {
            self.sides[at].read(self.now);
            self.work_off();
        }
    }

    fn write(&mut self, at: usize) {
        for _ in 0..=self.rng.below(6) {
            self.write_one(at);
        }
    }

    fn write_one(&mut self, at: usize) -> bool {
        let Some(message) = self.sides[at].tunnel.poll_transmit() else { return false };
        if self.recorded.len() < 64 || self.rng.one_in(8) {
            let place = self.recorded.len().min(self.rng.index(64));
            self.recorded.splice(place..(place + 1).min(self.recorded.len()), [(1 - at, message.clone())]);
        }
        // Without a link the relay drops it.
        if self.joined {
            self.sides[1 - at].inbox.push_back(Item::Frame(message));
        }
        true
    }

    fn send(&mut self, at: usize) {
        let len = match self.rng.below(12) {
            0 => self.rng.index(300_000),
            1 | 2 => self.rng.index(40_000),
            3 => 0,
            _ => self.rng.index(300),
        };
        let payload = self.judges[at].next_payload(len);
        match self.sides[at].tunnel.try_send(&payload) {
            Ok(number) => self.judges[at].accepted(number),
            Err(SendError::Full) => {
                self.counts.full += 1;
                self.sides[at].is_full = true;
            }
            Err(SendError::TooLarge { len, limit }) => {
                assert!(len > limit);
            }
            Err(SendError::NotOpen) => {}
            Err(SendError::Closed) => panic!("nobody closed"),
        }
    }

    fn take(&mut self, at: usize) {
        for _ in 0..self.rng.below(20) {
            if !self.take_one(at) {
                return;
            }
        }
    }

    fn take_one(&mut self, at: usize) -> bool {
        let Some(message) = self.sides[at].take(self.now) else { return false };
        let heading: Vec<u64> = message.bytes[..HEADING]
            .chunks(8)
            .map(|part| u64::from_be_bytes(part.try_into().expect("8")))
            .collect();
        self.judges[1 - at].taken(((heading[0], heading[1]), heading[2]));
        true
    }

    fn pass_time(&mut self, ms_max: u64) {
        self.now += MS * u32::try_from(self.rng.below(ms_max)).expect("small");
        self.time_out();
    }

    /// To the next deadline of either side.
    fn tick(&mut self) {
        let next = self.sides.iter().filter_map(|side| side.tunnel.poll_timeout()).min();
        self.now += next.unwrap_or_default().min(MS * 20_000);
        self.time_out();
    }

    fn time_out(&mut self) {
        self.sides.iter_mut().for_each(|side| side.tunnel.on_timeout(self.now));
        self.work_off();
    }

    /// The machines slept, or somebody set the clock.
    fn jump(&mut self) {
        // Half the time by just enough that the keys are due for renewal and not yet refused.
        let hours = if self.rng.one_in(2) { 24 } else { 1 + self.rng.below(60) };
        let hours = Duration::from_secs(3600 * hours);
        self.now = if self.rng.one_in(2) { self.now + hours } else { self.now.saturating_sub(hours) };
        self.say(|| "the clock jumps".to_owned());
        self.time_out();
    }

    fn answer(&mut self) {
        let Some(question) = self.sides[1].question else { return };
        let is_slow = !self.is_calm && self.rng.one_in(2);
        if is_slow && !std::mem::replace(&mut self.sides[1].is_answering, true) {
            assert!(self.sides[1].tunnel.begin_answer(question));
            return;
        }
        self.sessions += 1;
        let session = (!self.rng.one_in(3)).then(|| side::credentials(self.sessions));
        self.say(|| format!("the user allows, {session:?}"));
        let desk = &mut self.sides[1];
        assert!(!desk.tunnel.answer(question - 1, Answer::Deny, self.now), "an older question");
        assert!(desk.tunnel.answer(question, Answer::Allow { session }, self.now));
        (desk.question, desk.is_answering) = (None, false);
    }

    /// A workstation that has kept nothing yet would show another code; that run would be over.
    fn restart(&mut self, at: usize) {
        if at == 1 && self.sides[1].saved.is_none() {
            return;
        }
        self.say(|| format!("{at} restarts"));
        self.counts.restarts += 1;
        self.disconnect(at);
        self.sides[at].restart(&mut self.rng, self.now);
        let life = self.sides[at].life;
        self.judges[at].reborn(life);
    }

    /// An attacker replays an old message.
    fn replay(&mut self) {
        if self.recorded.is_empty() {
            return;
        }
        let (to, mut message) = self.recorded[self.rng.index(self.recorded.len())].clone();
        if self.rng.one_in(2) {
            message[1] ^= 1;
        }
        if self.sides[to].connected.is_some() && self.joined {
            self.counts.replays += 1;
            self.say(|| format!("a replay of type {} to {to}", message[0]));
            self.sides[to].inbox.push_back(Item::Frame(message));
        }
    }

    /// Somebody on the way changes a bit.
    fn flip(&mut self) {
        let at = self.rng.index(2);
        let bit = self.rng.next();
        let frames = self.sides[at].inbox.iter_mut().filter_map(|item| match item {
            Item::Frame(bytes) => Some(bytes),
            _ => None,
        });
        if let Some(bytes) = frames.last() {
            let byte = usize::try_from(bit >> 3).expect("64 bits") % bytes.len();
            bytes[byte] ^= 1 << (bit & 7);
            self.say(|| format!("a bit of byte {byte} flips on its way to {at}"));
        }
    }

    /// Does what the ends ask for until nothing is left, and checks the invariants.
    fn work_off(&mut self) {
        loop {
            let is_slow = !self.is_calm && self.rng.one_in(5);
            let (now, counts) = (self.now, &mut self.counts);
            let wishes = [0, 1].map(|at| self.sides[at].drain(is_slow, now, counts));
            if wishes.iter().all(Vec::is_empty) {
                break;
            }
            for (at, wishes) in wishes.into_iter().enumerate() {
                wishes.into_iter().for_each(|wish| self.grant(at, wish));
            }
        }
        self.sides.iter().for_each(SimulatedEnd::check_memory);
    }

    fn grant(&mut self, at: usize, wish: Wish) {
        self.say(|| format!("{at}: {wish:?}"));
        match wish {
            Wish::Disconnect => self.disconnect(at),
            Wish::Delete(session) => self.delete(session),
            Wish::Acknowledged(number) => self.judges[at].acknowledged(number),
            Wish::Restarted(unconfirmed) => self.judges[at].restarted(unconfirmed),
            Wish::Arrived(number) => {
                self.counts.delivered += 1;
                let side = &self.sides[at];
                let message = side.unread.iter().find(|message| message.number == number).expect("unread");
                self.judges[1 - at].arrived(&message.bytes, side.life);
            }
        }
    }

    fn delete(&mut self, session: SessionId) {
        self.dead.insert(session);
        for at in 0..2 {
            if self.sides[at].connected == Some(session) {
                self.disconnect(at);
            }
        }
    }

    /// Everything calms down for a while; then everything must have arrived.
    pub(super) fn settle(&mut self) {
        self.is_calm = true;
        for _ in 0..ROUNDS {
            if self.settle_round() {
                self.judges.iter().for_each(Judge::check_settled);
                self.is_calm = false;
                return;
            }
        }
        panic!("not settled after {ROUNDS} rounds: {:?}", self.sides.each_ref().map(|side| &side.tunnel));
    }

    /// A few seconds of calm: true if at the end all is done. An end that hears nothing connects again.
    fn settle_round(&mut self) -> bool {
        for at in 0..2 {
            self.sides[at].store_late(self.now);
            self.connect(at);
            self.work_off();
            self.answer();
        }
        self.carry_all();
        let asked = [0, 1].map(|at| {
            self.sides[at].ponged = false;
            self.sides[at].tunnel.ping(self.now)
        });
        for _ in 0..4 {
            self.now += MS * 500;
            self.time_out();
            self.carry_all();
        }
        let is_done = (0..2).all(|at| {
            let side = &self.sides[at];
            asked[at] && side.ponged && side.tunnel.unacknowledged() == 0 && side.tunnel.buffered() == (0, 0)
        });
        for (at, was_asked) in asked.into_iter().enumerate() {
            if was_asked && !self.sides[at].ponged {
                self.disconnect(at);
            }
        }
        is_done && self.sides.iter().all(|side| !side.is_full)
    }

    fn carry_all(&mut self) {
        loop {
            let mut did = false;
            for at in 0..2 {
                while self.write_one(at) {
                    did = true;
                }
                did |= !self.sides[at].inbox.is_empty();
                while !self.sides[at].inbox.is_empty() {
                    self.sides[at].read(self.now);
                    self.work_off();
                    while self.take_one(at) {}
                }
                while self.take_one(at) {}
                self.answer();
                self.work_off();
            }
            if !did {
                return;
            }
        }
    }
}

/// More than two searches of ten seconds each for a workstation in two sessions.
const ROUNDS: usize = 100;
