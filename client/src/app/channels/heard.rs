//! What the other end says about channels. Its faults cost it the channel, or are ignored; the caller counts
//! them.

use std::time::Duration;

use super::super::channel::Channel;
use super::super::control::Control;
use super::super::event::AppEvent;
use super::super::flow::{Excess, Outflow, TooMuchCredit};
use super::super::kind::Kind;
use super::super::limits::{CHANNELS_MAX, CREDIT_MAX, CREDIT_MIN};
use super::super::reason::Reason;
use super::super::rights::Rights;
use super::Channels;

/// What came of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::app) struct Heard {
    /// What the app is told.
    pub(in crate::app) event: Option<AppEvent>,
    /// The sender may not do that.
    pub(in crate::app) is_fault: bool,
}

impl Heard {
    pub(in crate::app) const FAULT: Heard = Heard { event: None, is_fault: true };

    pub(in crate::app) fn event(event: AppEvent) -> Self {
        Heard { event: Some(event), is_fault: false }
    }
}

/// A new channel, as `open` names it.
#[derive(Debug)]
pub(in crate::app) struct NewChannel {
    pub(in crate::app) number: u32,
    pub(in crate::app) kind: String,
    pub(in crate::app) credit: u32,
    pub(in crate::app) params: String,
}

const BAD_CREDIT: &str = "the credit of a new channel is 64 KiB to 4 MiB";

impl Channels {
    /// Some are refused without asking the app: unknown kinds, and kinds that the phone has no right to.
    pub(in crate::app) fn on_open(&mut self, new: NewChannel, rights: Rights) -> Heard {
        let NewChannel { number, kind, credit, params } = new;
        if self.is_own(number) || number <= self.highest {
            return self.on_misused(number);
        }
        self.highest = number;
        if self.count_like(number) >= CHANNELS_MAX {
            return Heard::FAULT;
        }
        let Some(kind) = Kind::parse(&kind) else {
            return self.turn_away(number, Reason::KIND, "this end does not know this kind of channel");
        };
        if !kind.is_allowed(rights) {
            return self.turn_away(number, Reason::RIGHTS, "this phone may not do that at this desk");
        }
        let Some(out) = first_credit(kind, credit) else {
            return Heard { is_fault: true, ..self.turn_away(number, Reason::CREDIT, BAD_CREDIT) };
        };
        self.channels.insert(number, Channel::asked(kind, out));
        Heard::event(AppEvent::Opened { ch: self.id(number), kind, params })
    }

    /// `open` with a number that is this end's, or was used before.
    fn on_misused(&mut self, number: u32) -> Heard {
        match self.channels.contains_key(&number) {
            true => self.fault(number, Reason::PROTOCOL, "its number was opened twice"),
            false => Heard::FAULT,
        }
    }

    fn turn_away(&mut self, ch: u32, token: &'static str, words: &str) -> Heard {
        self.farewells.push_back(Control::Refuse { ch, reason: Reason::new(token, words) });
        Heard::default()
    }

    pub(in crate::app) fn on_accept(&mut self, number: u32, credit: u32, params: String) -> Heard {
        let Some(channel) = self.channels.get_mut(&number) else { return self.on_stray(number) };
        if !channel.on_accept() {
            return self.fault(number, Reason::PROTOCOL, "it was accepted where that is not allowed");
        }
        match first_credit(channel.kind, credit) {
            Some(out) => channel.out = out,
            None => return self.fault(number, Reason::CREDIT, BAD_CREDIT),
        }
        Heard::event(AppEvent::Accepted { ch: self.id(number), params })
    }

    pub(in crate::app) fn on_refuse(&mut self, number: u32, reason: Reason) -> Heard {
        let Some(channel) = self.channels.get(&number) else { return self.on_stray(number) };
        if !channel.is_unanswered() {
            return self.fault(number, Reason::PROTOCOL, "it was refused where that is not allowed");
        }
        self.remove(number);
        Heard::event(AppEvent::Refused { ch: self.id(number), reason })
    }

    pub(in crate::app) fn on_data(&mut self, number: u32, payload: Vec<u8>) -> Heard {
        let Some(channel) = self.channels.get_mut(&number) else { return self.on_data_astray(number) };
        match channel.inn.take(payload.len()) {
            Ok(()) => Heard::event(AppEvent::Data { ch: self.id(number), bytes: payload }),
            Err(Excess::OverCredit) => {
                self.fault(number, Reason::CREDIT, "more came than there was credit for")
            }
            Err(Excess::AfterEnd) => self.fault(number, Reason::PROTOCOL, "data came after the end"),
        }
    }

    pub(in crate::app) fn on_credit(&mut self, number: u32, more: u32, now: Duration) -> Heard {
        let Some(channel) = self.channels.get_mut(&number) else { return self.on_stray(number) };
        if !channel.is_accepted() {
            return self.fault(number, Reason::PROTOCOL, "credit came before the channel was accepted");
        }
        match channel.out.grant(more as usize, now) {
            Ok(true) => Heard::event(AppEvent::Writable { ch: self.id(number) }),
            Ok(false) => Heard::default(),
            Err(TooMuchCredit) => self.fault(number, Reason::CREDIT, "a channel has at most 4 MiB of credit"),
        }
    }

    pub(in crate::app) fn on_end(&mut self, number: u32) -> Heard {
        let Some(channel) = self.channels.get_mut(&number) else { return self.on_stray(number) };
        if !channel.is_accepted() || !channel.inn.end() {
            return self.fault(number, Reason::PROTOCOL, "it was ended where that is not allowed");
        }
        if channel.is_over() {
            self.remove(number);
        }
        Heard::event(AppEvent::Ended { ch: self.id(number) })
    }

    pub(in crate::app) fn on_reset(&mut self, number: u32, reason: Reason) -> Heard {
        if !self.channels.contains_key(&number) {
            return self.on_stray(number);
        }
        self.remove(number);
        Heard::event(AppEvent::Reset { ch: self.id(number), reason })
    }

    /// A message about a channel that is gone was on its way when it went. About one that never was, it is a
    /// fault.
    fn on_stray(&self, number: u32) -> Heard {
        Heard { event: None, is_fault: !self.was_opened(number) }
    }

    /// The sender of data for a channel that never was is told, if there is room for it.
    fn on_data_astray(&mut self, number: u32) -> Heard {
        if !self.was_opened(number) && self.count_like(number) < CHANNELS_MAX {
            let reason = Reason::new(Reason::UNKNOWN, "this channel was never opened");
            self.farewells.push_back(Control::Reset { ch: number, reason });
        }
        self.on_stray(number)
    }

    fn fault(&mut self, number: u32, token: &'static str, words: &str) -> Heard {
        let reason = Reason::new(token, words);
        self.remove(number);
        self.farewells.push_back(Control::Reset { ch: number, reason: reason.clone() });
        Heard { event: Some(AppEvent::Reset { ch: self.id(number), reason }), is_fault: true }
    }
}

/// What this end may send on a new channel; `None` if it is out of bounds.
fn first_credit(kind: Kind, credit: u32) -> Option<Outflow> {
    let mut out = Outflow::new(kind.class());
    let is_within = (CREDIT_MIN..=CREDIT_MAX).contains(&(credit as usize));
    is_within.then(|| out.grant(credit as usize, Duration::ZERO).ok())??;
    Some(out)
}
