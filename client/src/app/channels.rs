//! The channels of an end: opened, answered, ended and reset by its app. `heard` is what the other end says
//! about them, `turns` whose message goes next.

mod heard;
mod turns;

use std::collections::{BTreeMap, VecDeque};

use protocol::ids::Role;

use self::turns::Turns;
use super::channel::Channel;
use super::control::{self, Control};
use super::event::{ChannelError, ChannelId, OpenError};
use super::kind::Kind;
use super::limits::{CHANNELS_MAX, DATA_HEADER_BYTES, PAYLOAD_BYTES_MAX};
use super::reason::Reason;
use super::rights::Rights;
use super::wire;

pub(super) use heard::{Heard, NewChannel};

/// All channels that are not gone, and the last words about those that are.
pub(super) struct Channels {
    role: Role,
    era: u32,
    channels: BTreeMap<u32, Channel>,
    /// `refuse` and `reset` of channels that are gone here and may not be gone at the other end.
    ///
    /// `farewells and channels with an even number <= CHANNELS_MAX`, and the same for odd ones.
    farewells: VecDeque<Control>,
    turns: Turns,
    /// The number of the next channel that this end opens.
    next: u32,
    /// The highest number that the other end has opened; 0 is none.
    highest: u32,
}

impl Channels {
    pub(super) fn new(role: Role, era: u32) -> Self {
        Channels {
            role,
            era,
            channels: BTreeMap::new(),
            farewells: VecDeque::new(),
            turns: Turns::default(),
            next: if role == Role::Phone { 1 } else { 2 },
            highest: 0,
        }
    }

    /// The other end begins again: none of the channels is left, and their ids are void.
    pub(super) fn restart(&mut self) {
        *self = Channels::new(self.role, self.era.wrapping_add(1));
    }

    pub(super) fn open(&mut self, kind: Kind, params: &str) -> Result<ChannelId, OpenError> {
        if !control::is_params(params) {
            return Err(OpenError::BadParams);
        }
        let number = self.next;
        let after = number.checked_add(2).ok_or(OpenError::TooMany)?;
        if self.count_like(number) >= CHANNELS_MAX {
            return Err(OpenError::TooMany);
        }
        self.next = after;
        self.channels.insert(number, Channel::opening(kind, params));
        Ok(self.id(number))
    }

    pub(super) fn accept(&mut self, ch: ChannelId, params: &str) -> Result<(), ChannelError> {
        if !control::is_params(params) {
            return Err(ChannelError::BadParams);
        }
        if self.channel(ch)?.accept(params) { Ok(()) } else { Err(ChannelError::Ended(ch)) }
    }

    pub(super) fn refuse(&mut self, ch: ChannelId, reason: Reason) -> Result<(), ChannelError> {
        if !self.channel(ch)?.is_asked() {
            return Err(ChannelError::Ended(ch));
        }
        self.remove(ch.number);
        self.farewells.push_back(Control::Refuse { ch: ch.number, reason });
        Ok(())
    }

    pub(super) fn send(&mut self, ch: ChannelId, payload: &[u8]) -> Result<(), ChannelError> {
        self.push(ch, payload.len(), || wire::data(ch.number, payload))
    }

    pub(super) fn send_owned(&mut self, ch: ChannelId, message: &mut Vec<u8>) -> Result<(), ChannelError> {
        let len = message.len().saturating_sub(DATA_HEADER_BYTES);
        self.push(ch, len, || {
            wire::set_header(ch.number, message);
            std::mem::take(message)
        })
    }

    /// `message` gives the one of a payload of this length.
    fn push(
        &mut self,
        ch: ChannelId,
        len: usize,
        message: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), ChannelError> {
        let channel = self.accepted(ch)?;
        if channel.out.is_ended() {
            return Err(ChannelError::Ended(ch));
        }
        if len > PAYLOAD_BYTES_MAX {
            return Err(ChannelError::TooLong { len });
        }
        if !channel.out.push(len, message) {
            return Err(ChannelError::Full(ch));
        }
        let class = channel.kind.class();
        self.turns.line_up(ch.number, class);
        Ok(())
    }

    pub(super) fn consumed(&mut self, ch: ChannelId, bytes: usize) {
        if let Ok(channel) = self.channel(ch) {
            channel.inn.consume(bytes);
        }
    }

    pub(super) fn end(&mut self, ch: ChannelId) -> Result<(), ChannelError> {
        let channel = self.accepted(ch)?;
        if !channel.out.end() {
            return Err(ChannelError::Ended(ch));
        }
        let class = channel.kind.class();
        self.turns.line_up(ch.number, class);
        Ok(())
    }

    pub(super) fn reset(&mut self, ch: ChannelId, reason: Reason) -> Result<(), ChannelError> {
        let is_untold = self.channel(ch)?.is_untold();
        self.remove(ch.number);
        if !is_untold {
            self.farewells.push_back(Control::Reset { ch: ch.number, reason });
        }
        Ok(())
    }

    /// A good length for the next message on this channel.
    pub(super) fn message_len(&self, ch: ChannelId) -> usize {
        let channel = self.channels.get(&ch.number).filter(|_| ch.era == self.era);
        channel.map_or(PAYLOAD_BYTES_MAX, |channel| channel.out.message_len())
    }

    /// The other end's channels that it has no right to.
    pub(super) fn without_right(&self, rights: Rights) -> Vec<ChannelId> {
        let theirs = self.channels.iter().filter(|(number, _)| !self.is_own(**number));
        theirs
            .filter(|(_, channel)| !channel.kind.is_allowed(rights))
            .map(|(number, _)| self.id(*number))
            .collect()
    }

    /// Bytes of payload that wait to be sent, and that came and are not consumed.
    pub(super) fn buffered(&self) -> (usize, usize) {
        let each = self.channels.values().map(|channel| (channel.out.queued(), channel.inn.held()));
        each.fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1))
    }

    fn channel(&mut self, ch: ChannelId) -> Result<&mut Channel, ChannelError> {
        let is_now = ch.era == self.era;
        self.channels.get_mut(&ch.number).filter(|_| is_now).ok_or(ChannelError::Gone(ch))
    }

    fn accepted(&mut self, ch: ChannelId) -> Result<&mut Channel, ChannelError> {
        let channel = self.channel(ch)?;
        if channel.is_accepted() { Ok(channel) } else { Err(ChannelError::NotAccepted(ch)) }
    }

    fn id(&self, number: u32) -> ChannelId {
        ChannelId { era: self.era, number }
    }

    fn remove(&mut self, number: u32) {
        self.channels.remove(&number);
        self.turns.leave(number);
    }

    /// True if channels with this number are opened by this end.
    fn is_own(&self, number: u32) -> bool {
        number.is_multiple_of(2) == (self.role == Role::Workstation)
    }

    /// True if this number was opened by its end, so that a message may have been on its way to it.
    fn was_opened(&self, number: u32) -> bool {
        number > 0 && if self.is_own(number) { number < self.next } else { number <= self.highest }
    }

    /// Channels and farewells of the end that opens numbers like this one.
    fn count_like(&self, number: u32) -> usize {
        let is_like = |other: u32| other.is_multiple_of(2) == number.is_multiple_of(2);
        let channels = self.channels.keys().filter(|other| is_like(**other)).count();
        let farewells = self.farewells.iter().filter(|farewell| farewell.channel().is_some_and(is_like));
        channels + farewells.count()
    }

    pub(super) fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            assert!(self.count_like(0) <= CHANNELS_MAX && self.count_like(1) <= CHANNELS_MAX);
            self.turns.check_invariants(&self.channels);
        }
    }
}
