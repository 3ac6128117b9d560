//! Files on their way to one phone, over any number of channels.

use std::time::Duration;

use relay_client::app::{Kind, Reason};
use relay_client::transfer::{Outcome, Progress, SendEvent, SendSet, Step, Totals};

use super::SetChannel;
use crate::ipc::carried::{Carried, CarriedChannel, CarriedEvent, Peer};
use crate::ipc::wire::carry::Presence;
use crate::status::{Event, FileState, TransferState};

/// When an opening that came just when the phone had gone is tried again.
const REOPEN_AFTER: Duration = Duration::from_millis(500);

/// A phone that was just found out to be away may be connecting: how long that is not said.
const SAY_AFTER: Duration = Duration::from_secs(2);

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Verdict {
    /// Both know of every file whether it was taken.
    Complete(Totals),
    /// The phone wants none of it.
    Refused(Reason),
    /// It ended in the middle.
    Broken(Reason),
    /// The phone was not there in time.
    Absent,
    /// The user does not want it any more.
    Cancelled,
}

/// See the module.
pub(in crate::commands) struct Delivery {
    peer: Peer,
    set: SendSet,
    /// And whether it was accepted.
    channel: Option<(CarriedChannel, bool)>,
    open_at: Duration,
    /// Since then the phone is not there.
    away_since: Option<Duration>,
    has_said_away: bool,
    has_begun: bool,
    verdict: Option<Verdict>,
}

impl Delivery {
    pub(in crate::commands) fn new(peer: Peer, set: SendSet) -> Self {
        let away_since = (peer.presence != Presence::Here).then_some(Duration::ZERO);
        Delivery {
            peer,
            set,
            channel: None,
            open_at: Duration::ZERO,
            away_since,
            has_said_away: false,
            has_begun: false,
            verdict: None,
        }
    }

    pub(in crate::commands) fn phone(&self) -> &str {
        &self.peer.name
    }

    pub(in crate::commands) fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    pub(in crate::commands) fn progress(&self) -> Progress {
        self.set.progress()
    }

    /// True if files are on their way, or will be.
    pub(in crate::commands) fn is_under_way(&self) -> bool {
        self.has_begun && self.verdict.is_none()
    }

    /// Takes an event that is about this phone, or its channel.
    pub(in crate::commands) fn on_event(&mut self, event: &CarriedEvent, now: Duration) {
        let own = self.channel.map(|(ch, _)| ch);
        match event {
            CarriedEvent::Phone(peer) if peer.id == self.peer.id => self.on_phone(peer, now),
            CarriedEvent::Accepted { ch, .. } if Some(*ch) == own => {
                (self.channel, self.has_begun) = (Some((*ch, true)), true);
                self.set.on_accepted(now);
            }
            CarriedEvent::Refused { ch, reason } if Some(*ch) == own => {
                self.channel = None;
                match reason.token() {
                    Reason::AWAY => self.open_at = now + REOPEN_AFTER,
                    _ => self.end(Verdict::Refused(reason.clone())),
                }
            }
            CarriedEvent::Data { ch, bytes } if Some(*ch) == own => self.set.on_data(bytes.clone(), now),
            CarriedEvent::Ended { ch } if Some(*ch) == own => self.set.on_ended(),
            CarriedEvent::Lost { ch } if Some(*ch) == own => {
                self.channel = None;
                self.set.on_gone();
            }
            CarriedEvent::Reset { ch, reason } if Some(*ch) == own => {
                self.channel = None;
                self.set.on_gone();
                self.end(Verdict::Broken(reason.clone()));
            }
            _ => {}
        }
    }

    fn on_phone(&mut self, peer: &Peer, now: Duration) {
        self.peer = peer.clone();
        let is_here = peer.presence == Presence::Here;
        self.set.on_link(is_here, now);
        self.away_since = if is_here { None } else { self.away_since.or(Some(now)) };
        self.has_said_away &= !is_here;
        if peer.presence == Presence::Gone {
            self.end(Verdict::Broken(Reason::new(Reason::NOT_FOUND, "the phone is no longer paired")));
        }
    }

    /// Works on. Gives what there is to tell, and when to call it again at the latest.
    pub(in crate::commands) fn work(
        &mut self,
        carried: &Carried,
        now: Duration,
        wait_max: Option<Duration>,
    ) -> (Vec<Event>, Option<Duration>) {
        let mut told = self.tell_away(now);
        if self.away_since.is_some_and(|since| wait_max.is_some_and(|max| now >= since + max)) {
            if let Some((ch, _)) = self.channel.take() {
                carried.reset(ch, &Reason::new(Reason::CANCELLED, "the desk has waited for too long"));
            }
            self.end(Verdict::Absent);
        }
        let until = if self.verdict.is_some() { None } else { self.step(carried, now) };
        while let Some(event) = self.set.poll_event() {
            told.push(self.told(event));
        }
        (told, until)
    }

    fn step(&mut self, carried: &Carried, now: Duration) -> Option<Duration> {
        match self.channel {
            None if self.peer.presence == Presence::Here => {
                if now < self.open_at {
                    return Some(self.open_at);
                }
                let ch = carried.open(&self.peer.id, Kind::File, &self.set.params());
                self.channel = Some((ch, false));
                None
            }
            Some((ch, true)) => match self.set.advance(&mut SetChannel::new(carried, ch), now) {
                Step::More => Some(now),
                Step::Wait { until } => Some(until),
                Step::Over(outcome) => {
                    self.channel = None;
                    self.end(match outcome {
                        Outcome::Complete(totals) => Verdict::Complete(totals),
                        Outcome::Broken(reason) => Verdict::Broken(reason),
                    });
                    None
                }
            },
            _ => None,
        }
    }

    /// The user wants no more of it.
    pub(in crate::commands) fn cancel(&mut self, carried: &Carried, now: Duration) {
        if self.verdict.is_some() {
            return;
        }
        self.set.cancel();
        if let Some((ch, is_accepted)) = self.channel.take() {
            let mut channel = SetChannel::new(carried, ch);
            let is_over = is_accepted && matches!(self.set.advance(&mut channel, now), Step::Over(_));
            if !is_over {
                carried.reset(ch, &Reason::new(Reason::CANCELLED, "the desk does not send it any more"));
            }
        }
        self.end(Verdict::Cancelled);
    }

    fn end(&mut self, verdict: Verdict) {
        self.verdict.get_or_insert(verdict);
    }

    /// Says once that the phone is not there.
    fn tell_away(&mut self, now: Duration) -> Vec<Event> {
        let is_long = self.away_since.is_some_and(|since| now >= since + SAY_AFTER);
        if !is_long || self.has_said_away || self.verdict.is_some() {
            return Vec::new();
        }
        self.has_said_away = true;
        vec![Event::Transfer { phone: self.peer.name.clone(), state: TransferState::Waiting }]
    }

    fn told(&self, event: SendEvent) -> Event {
        let (name, state) = match event {
            SendEvent::Skipped { name, why } => (name, FileState::Skipped { why }),
            SendEvent::Resumed { name, offset } => (name, FileState::Resumed { offset }),
            SendEvent::Done { name, kept_as } => (name, FileState::Done { kept_as }),
            SendEvent::Failed { name, reason } => (name, FileState::failed(&reason)),
        };
        Event::File { phone: self.peer.name.clone(), name, state }
    }
}
