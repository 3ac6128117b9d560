//! One end: a driver that acts like the real one, and an app that may be slow.

use std::collections::{BTreeMap, VecDeque};

use protocol::ids::Role;

use super::super::*;
use super::Counts;
use super::judge::{Global, Judge};
use crate::tunnel::model::Rng;

/// A channel as an app knows it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) global: Global,
    pub(super) kind: Kind,
    pub(super) is_accepted: bool,
    /// This end has said that nothing follows.
    has_ended: bool,
    /// The other end has.
    peer_ended: bool,
    /// Lengths of what came and is not consumed.
    unread: VecDeque<usize>,
    /// The app reads nothing of it until everything settles.
    is_stuck: bool,
}

/// One end. See the module.
pub(super) struct SimulatedEnd {
    pub(super) at: usize,
    pub(super) end: AppEnd,
    /// Taken from the end and not accepted by the tunnel yet.
    pub(super) held: Option<Vec<u8>>,
    /// The tunnel was open in this process.
    pub(super) has_opened: bool,
    pub(super) channels: BTreeMap<ChannelId, Known>,
    /// `Ready` was told, and no `Restarted` since.
    is_ready: bool,
}

impl SimulatedEnd {
    /// A new process.
    pub(super) fn new(at: usize, rng: &mut Rng) -> Self {
        let role = [Role::Phone, Role::Workstation][at];
        let mut end = AppEnd::new(role, Hello::new(role.as_str(), "model"), rng.next());
        if role == Role::Workstation {
            end.set_desk(offer(Rights::default(), 0));
        }
        let (held, channels) = (None, BTreeMap::new());
        SimulatedEnd { at, end, held, has_opened: false, channels, is_ready: false }
    }

    /// Works off all events.
    pub(super) fn drain(&mut self, rng: &mut Rng, judge: &mut Judge, counts: &mut Counts) {
        while let Some(event) = self.end.poll_event() {
            self.take(event, rng, judge, counts);
        }
        assert_eq!(self.end.ignored().faults, 0, "an honest end made a mistake");
        self.check_memory();
    }

    fn take(&mut self, event: AppEvent, rng: &mut Rng, judge: &mut Judge, counts: &mut Counts) {
        match event {
            AppEvent::Ready { .. } => assert!(!std::mem::replace(&mut self.is_ready, true)),
            AppEvent::Restarted => {
                assert!(std::mem::take(&mut self.is_ready));
                counts.restarted += 1;
                self.channels.clear();
            }
            AppEvent::Desk(_) | AppEvent::Hidden(_) => counts.offers += 1,
            AppEvent::Opened { ch, kind, params } => {
                let global =
                    params.trim_matches(|char: char| !char.is_ascii_digit()).parse().expect("a number");
                self.know(ch, global, kind, rng);
            }
            AppEvent::Accepted { ch, .. } => {
                let known = self.known(ch);
                assert!(!std::mem::replace(&mut known.is_accepted, true));
                counts.opened += 1;
            }
            AppEvent::Refused { ch, .. } => {
                assert!(!self.forget(ch).is_accepted);
                counts.refused += 1;
            }
            AppEvent::Data { ch, bytes } => {
                let at = self.at;
                let known = self.known(ch);
                assert!(known.is_accepted && !known.peer_ended);
                judge.arrived(known.global, at, &bytes);
                known.unread.push_back(bytes.len());
                counts.delivered += 1;
            }
            AppEvent::Writable { ch } => {
                assert!(self.known(ch).is_accepted);
                counts.writable += 1;
            }
            AppEvent::Ended { ch } => {
                let at = self.at;
                let known = self.known(ch);
                assert!(!std::mem::replace(&mut known.peer_ended, true));
                judge.check_whole(known.global, at);
                counts.ended += 1;
            }
            AppEvent::Reset { ch, .. } => {
                self.forget(ch);
                counts.resets += 1;
            }
        }
    }

    fn known(&mut self, ch: ChannelId) -> &mut Known {
        self.channels.get_mut(&ch).unwrap_or_else(|| panic!("{ch} is not known"))
    }

    fn forget(&mut self, ch: ChannelId) -> Known {
        self.channels.remove(&ch).unwrap_or_else(|| panic!("{ch} is not known"))
    }

    fn know(&mut self, ch: ChannelId, global: Global, kind: Kind, rng: &mut Rng) {
        let known = Known {
            global,
            kind,
            is_accepted: false,
            has_ended: false,
            peer_ended: false,
            unread: VecDeque::new(),
            is_stuck: rng.one_in(6),
        };
        assert!(self.channels.insert(ch, known).is_none(), "{ch} is not new");
    }

    /// What is kept is within the credit of the channels.
    fn check_memory(&self) {
        let (out, inn) = self.end.buffered();
        let windows: usize = self.channels.values().map(|known| known.kind.credit()).sum();
        // A channel that this app has ended may still be sending.
        assert!(inn <= windows, "{inn} bytes are kept within windows of {windows}");
        assert!(out <= limits::CHANNELS_MAX * 2 * limits::CREDIT_FILE);
    }

    /// The app does something.
    pub(super) fn act(&mut self, global: Global, rng: &mut Rng, judge: &mut Judge, counts: &mut Counts) {
        let some = |end: &Self, rng: &mut Rng| match end.channels.len() {
            0 => None,
            len => end.channels.keys().nth(rng.index(len)).copied(),
        };
        match rng.below(20) {
            0 => self.open(global, rng),
            1 => self.change(rng),
            2 => self.answer(rng.one_in(4)),
            choice => {
                let Some(ch) = some(self, rng) else { return };
                match choice {
                    3 if rng.one_in(3) => self.end_one(ch),
                    4 if rng.one_in(6) => self.reset(ch),
                    5..=9 => self.consume(ch, false, rng),
                    _ => {
                        let len = [16, 100, 4000, limits::PAYLOAD_BYTES_MAX][rng.index(4)];
                        (0..=rng.below(8)).for_each(|_| self.send(ch, len, judge, counts));
                    }
                }
            }
        }
    }

    fn open(&mut self, global: Global, rng: &mut Rng) {
        let kind = Kind::ALL[rng.index(Kind::ALL.len())];
        match self.end.open(kind, &format!("{{\"c\":{global}}}")) {
            Ok(ch) => self.know(ch, global, kind, rng),
            Err(OpenError::NotReady) => assert!(!self.is_ready),
            Err(error) => assert_eq!(error, OpenError::TooMany),
        }
    }

    /// The desk offers something else, or the phone's page comes and goes.
    fn change(&mut self, rng: &mut Rng) {
        if self.end.role() == Role::Phone {
            return self.end.set_hidden(rng.one_in(2));
        }
        let rights = if rng.one_in(4) { Rights::default().without(Right::Files) } else { Rights::default() };
        self.end.set_desk(offer(rights, u16::try_from(rng.below(300)).expect("small")));
    }

    /// Answers everything that is asked.
    pub(super) fn answer(&mut self, refuses: bool) {
        let is_own = |ch: ChannelId| ch.number().is_multiple_of(2) == (self.at == 1);
        let asked = self.channels.iter().filter(|(ch, known)| !known.is_accepted && !is_own(**ch));
        for ch in asked.map(|(ch, _)| *ch).collect::<Vec<_>>() {
            if refuses {
                self.end.refuse(ch, Reason::new(Reason::UNAVAILABLE, "")).expect("it was asked");
                self.forget(ch);
            } else {
                self.end.accept(ch, "{}").expect("it was asked");
                self.known(ch).is_accepted = true;
            }
        }
    }

    fn end_one(&mut self, ch: ChannelId) {
        let known = self.known(ch);
        if known.is_accepted && !known.has_ended {
            known.has_ended = true;
            self.end.end(ch).expect("it was not ended");
        }
    }

    fn reset(&mut self, ch: ChannelId) {
        let known = self.forget(ch);
        let done = self.end.reset(ch, Reason::new(Reason::CANCELLED, "the app is done with it"));
        // Both ends may have ended it.
        assert!(done.is_ok() || (known.has_ended && known.peer_ended));
    }

    /// The app reads some of what came, or all.
    pub(super) fn consume(&mut self, ch: ChannelId, all: bool, rng: &mut Rng) {
        let known = self.known(ch);
        if known.is_stuck && !all {
            return;
        }
        let count = if all { known.unread.len() } else { rng.index(known.unread.len() + 1) };
        let bytes: usize = known.unread.drain(..count).sum();
        self.end.consumed(ch, bytes);
    }

    fn send(&mut self, ch: ChannelId, len: usize, judge: &mut Judge, counts: &mut Counts) {
        let to = 1 - self.at;
        let known = self.known(ch);
        let (global, may_send) = (known.global, known.is_accepted && !known.has_ended);
        let payload = judge.next_payload(global, to, len);
        match self.end.send(ch, &payload) {
            Ok(()) => {
                assert!(may_send);
                judge.sent(global, to);
            }
            Err(ChannelError::Full(_)) => counts.full += 1,
            Err(error) => assert!(!may_send, "{error}"),
        }
    }

    /// Nothing is under way, and everything was read: each channel takes a message of full length.
    pub(super) fn check_writable(&mut self) {
        for (ch, known) in &self.channels {
            if known.is_accepted && !known.has_ended {
                self.end.send(*ch, &[0; limits::PAYLOAD_BYTES_MAX]).expect("all credit came back");
            }
        }
    }

    /// The channels that both ends must know alike: those that neither has ended.
    pub(super) fn live(&self) -> Vec<(Global, bool)> {
        let live = self.channels.values().filter(|known| !(known.has_ended && known.peer_ended));
        let mut live: Vec<_> = live.map(|known| (known.global, known.is_accepted)).collect();
        live.sort_unstable();
        live
    }
}

fn offer(rights: Rights, cols: u16) -> DeskInfo {
    let terminal = TerminalInfo { name: "t".into(), cols, ..TerminalInfo::default() };
    DeskInfo { name: "desk".into(), rights, terminals: vec![terminal] }
}
