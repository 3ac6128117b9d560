//! What a command knows of its channels, and the events that it has not read. Pure.
//!
//! The events are bounded: data by the credit of its channel, openings by the number of channels, and of each
//! phone only the newest news is kept.

use std::collections::{BTreeMap, VecDeque};

use relay_client::app::limits::PAYLOAD_BYTES_MAX;
use relay_client::app::{Kind, Reason};

use super::event::{CarriedChannel, CarriedError, CarriedEvent, Peer};
use crate::ipc::wire::FromAgent;
use crate::ipc::wire::carry::{FromCarrier, Presence, WINDOW, cost};

/// A good length for a message before the agent has named one.
const MESSAGE_LEN_FIRST: usize = 4 * 1024;

/// See the module.
#[derive(Default)]
pub(super) struct State {
    /// Counts the connections.
    era: u32,
    /// The agent of this one is gone, and there is no other yet.
    is_alone: bool,
    next_handle: u32,
    channels: BTreeMap<CarriedChannel, Channel>,
    phones: BTreeMap<String, Peer>,
    takes: Vec<(Kind, Vec<String>)>,
    events: VecDeque<CarriedEvent>,
}

struct Channel {
    is_accepted: bool,
    /// What may be sent.
    window: usize,
    message_len: usize,
    /// The cost of the last message that there was no window for.
    wanted: Option<usize>,
    has_ended: bool,
    has_phone_ended: bool,
}

/// Events.
impl State {
    pub(super) fn push(&mut self, event: CarriedEvent) {
        self.events.push_back(event);
    }

    pub(super) fn has_no_event(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn take_events(&mut self, max: usize) -> Vec<CarriedEvent> {
        self.events.drain(..max.min(self.events.len())).collect()
    }
}

/// What the command does.
impl State {
    /// Gives the connection to tell it.
    pub(super) fn take(&mut self, kind: Kind, from: Vec<String>) -> u32 {
        self.takes.retain(|(taken, _)| *taken != kind);
        self.takes.push((kind, from));
        self.era
    }

    pub(super) fn open(&mut self) -> CarriedChannel {
        self.next_handle += 1;
        let ch = CarriedChannel { era: self.era, handle: self.next_handle };
        if self.is_alone {
            // The command has not read yet that the phone is away. No other agent would hear of this channel.
            self.push(CarriedEvent::Lost { ch });
        } else {
            self.channels.insert(ch, Channel::new());
        }
        ch
    }

    /// False if the channel is gone.
    pub(super) fn accept(&mut self, ch: CarriedChannel) -> bool {
        let Some(channel) = self.channels.get_mut(&ch) else { return false };
        channel.is_accepted = true;
        true
    }

    /// False if the channel is gone.
    pub(super) fn forget(&mut self, ch: CarriedChannel) -> bool {
        self.channels.remove(&ch).is_some()
    }

    /// False if the channel is gone, or was ended before.
    pub(super) fn end(&mut self, ch: CarriedChannel) -> bool {
        let Some(channel) = self.channels.get_mut(&ch) else { return false };
        let is_first = !std::mem::replace(&mut channel.has_ended, true);
        if channel.has_phone_ended {
            self.channels.remove(&ch);
        }
        is_first
    }

    /// Takes a message's cost off the window.
    pub(super) fn send(&mut self, ch: CarriedChannel, len: usize) -> Result<(), CarriedError> {
        let channel = self.channels.get_mut(&ch).ok_or(CarriedError::Gone)?;
        match channel.window.checked_sub(cost(len)) {
            _ if !channel.is_accepted => Err(CarriedError::NotAccepted),
            _ if channel.has_ended => Err(CarriedError::Ended),
            _ if len > PAYLOAD_BYTES_MAX => Err(CarriedError::TooLong { len }),
            None => {
                channel.wanted = Some(cost(len));
                Err(CarriedError::Full)
            }
            Some(left) => {
                channel.window = left;
                Ok(())
            }
        }
    }

    pub(super) fn message_len(&self, ch: CarriedChannel) -> usize {
        self.channels.get(&ch).map_or(MESSAGE_LEN_FIRST, |channel| channel.message_len)
    }
}

/// What the agent says.
impl State {
    pub(super) fn on_data(&mut self, handle: u32, bytes: Vec<u8>) {
        let ch = self.channel(handle);
        if self.channels.contains_key(&ch) {
            self.push(CarriedEvent::Data { ch, bytes });
        }
    }

    pub(super) fn on_message(&mut self, message: FromAgent) {
        match message {
            FromAgent::Carried(news) => self.on_news(news),
            FromAgent::Failed { why } => self.push(CarriedEvent::Failed { why }),
            // The rest is for other commands.
            _ => {}
        }
    }

    fn on_news(&mut self, news: FromCarrier) {
        match news {
            FromCarrier::Phone { id, name, state } => self.on_phone(Peer { id, name, presence: state }),
            FromCarrier::Told => self.push(CarriedEvent::Told),
            FromCarrier::Opened { handle, phone, kind, params } => {
                let ch = self.channel(handle);
                // The agent gives what was asked for.
                let Some(kind) = Kind::parse(&kind) else { return };
                self.channels.insert(ch, Channel::new());
                self.push(CarriedEvent::Opened { ch, phone, kind, params });
            }
            FromCarrier::Accepted { handle, params, len } => self.on_accepted(handle, params, len),
            FromCarrier::Refused { handle, reason, words } => {
                let reason = Reason::of(reason, &words);
                self.remove(handle, |ch| CarriedEvent::Refused { ch, reason });
            }
            FromCarrier::Credit { handle, n, len } => self.on_credit(handle, n, len),
            FromCarrier::Ended { handle } => self.on_ended(handle),
            FromCarrier::Reset { handle, reason, words } => {
                let reason = Reason::of(reason, &words);
                self.remove(handle, |ch| CarriedEvent::Reset { ch, reason });
            }
            FromCarrier::Lost { handle } => self.remove(handle, |ch| CarriedEvent::Lost { ch }),
        }
    }

    /// Only the newest news of a phone is kept, in the place of the one that was not read: what comes behind
    /// that, as `Told` may, still comes behind it.
    fn on_phone(&mut self, peer: Peer) {
        match peer.presence {
            Presence::Gone => drop(self.phones.remove(&peer.id)),
            Presence::Here | Presence::Away => {
                self.phones.insert(peer.id.clone(), peer.clone());
            }
        }
        let is_older =
            |event: &&mut CarriedEvent| matches!(event, CarriedEvent::Phone(of) if of.id == peer.id);
        match self.events.iter_mut().find(is_older) {
            Some(older) => *older = CarriedEvent::Phone(peer),
            None => self.push(CarriedEvent::Phone(peer)),
        }
    }

    fn on_accepted(&mut self, handle: u32, params: String, len: usize) {
        let ch = self.channel(handle);
        let Some(channel) = self.channels.get_mut(&ch) else { return };
        (channel.is_accepted, channel.message_len) = (true, len);
        self.push(CarriedEvent::Accepted { ch, params });
    }

    fn on_credit(&mut self, handle: u32, n: usize, len: usize) {
        let ch = self.channel(handle);
        let Some(channel) = self.channels.get_mut(&ch) else { return };
        channel.window += n;
        channel.message_len = len;
        if channel.wanted.take_if(|wanted| *wanted <= channel.window).is_some() {
            self.push(CarriedEvent::Writable { ch });
        }
    }

    fn on_ended(&mut self, handle: u32) {
        let ch = self.channel(handle);
        let Some(channel) = self.channels.get_mut(&ch) else { return };
        channel.has_phone_ended = true;
        if channel.has_ended {
            self.channels.remove(&ch);
        }
        self.push(CarriedEvent::Ended { ch });
    }

    fn remove(&mut self, handle: u32, news: impl FnOnce(CarriedChannel) -> CarriedEvent) {
        let ch = self.channel(handle);
        if self.channels.remove(&ch).is_some() {
            self.push(news(ch));
        }
    }

    fn channel(&self, handle: u32) -> CarriedChannel {
        CarriedChannel { era: self.era, handle }
    }

    /// The agent is gone, and every channel with it. Phones are away until another agent tells of them.
    pub(super) fn on_agent_gone(&mut self) {
        self.is_alone = true;
        for ch in std::mem::take(&mut self.channels).into_keys() {
            self.push(CarriedEvent::Lost { ch });
        }
        for peer in std::mem::take(&mut self.phones).into_values() {
            self.on_phone(Peer { presence: Presence::Away, ..peer });
        }
    }

    /// There is another agent: gives the number of its connection, and what to tell it.
    pub(super) fn begin_era(&mut self) -> (u32, Vec<(Kind, Vec<String>)>) {
        self.era += 1;
        self.is_alone = false;
        (self.era, self.takes.clone())
    }
}

impl Channel {
    fn new() -> Self {
        Channel {
            is_accepted: false,
            window: WINDOW,
            message_len: MESSAGE_LEN_FIRST,
            wanted: None,
            has_ended: false,
            has_phone_ended: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(state: &mut State, news: FromCarrier) -> Vec<CarriedEvent> {
        state.on_message(FromAgent::Carried(news));
        state.take_events(usize::MAX)
    }

    fn accepted(state: &mut State) -> CarriedChannel {
        let ch = state.open();
        let events = news(state, FromCarrier::Accepted { handle: ch.handle, params: "{}".into(), len: 9000 });
        assert_eq!(events, [CarriedEvent::Accepted { ch, params: "{}".into() }]);
        ch
    }

    #[test]
    fn a_message_waits_for_the_window_and_the_command_is_told_when_it_is_there() {
        let mut state = State::default();
        let ch = state.open();
        assert_eq!(state.send(ch, 1), Err(CarriedError::NotAccepted));
        let ch = accepted(&mut state);
        assert_eq!(state.message_len(ch), 9000);
        let mut sent = 0;
        while state.send(ch, 10_000).is_ok() {
            sent += cost(10_000);
        }
        assert!(sent <= WINDOW && sent + cost(10_000) > WINDOW);
        assert_eq!(state.send(ch, 10_000), Err(CarriedError::Full));
        let credit = |n| FromCarrier::Credit { handle: ch.handle, n, len: 100 };
        assert_eq!(news(&mut state, credit(1)), []);
        assert_eq!(news(&mut state, credit(sent)), [CarriedEvent::Writable { ch }]);
        assert_eq!(state.send(ch, 10_000), Ok(()));
        assert_eq!(state.send(ch, PAYLOAD_BYTES_MAX + 1), Err(CarriedError::TooLong { len: 32_764 }));
    }

    #[test]
    fn a_channel_is_gone_when_both_have_ended_it() {
        let mut state = State::default();
        let ch = accepted(&mut state);
        assert!(state.end(ch) && !state.end(ch));
        assert_eq!(state.send(ch, 1), Err(CarriedError::Ended));
        let ended = FromCarrier::Ended { handle: ch.handle };
        assert_eq!(news(&mut state, ended.clone()), [CarriedEvent::Ended { ch }]);
        assert_eq!(state.send(ch, 1), Err(CarriedError::Gone));
        assert_eq!(news(&mut state, ended), []);
    }

    #[test]
    fn a_killed_agent_takes_the_channels_and_leaves_what_is_taken() {
        let mut state = State::default();
        let ch = accepted(&mut state);
        let phone = |state| FromCarrier::Phone { id: "1".into(), name: "x".into(), state };
        assert_eq!(news(&mut state, phone(Presence::Here)).len(), 1);
        state.take(Kind::File, vec!["1".into()]);
        state.on_agent_gone();
        let away = Peer { id: "1".into(), name: "x".into(), presence: Presence::Away };
        assert_eq!(state.take_events(9), [CarriedEvent::Lost { ch }, CarriedEvent::Phone(away)]);
        assert_eq!(state.begin_era(), (1, vec![(Kind::File, vec!["1".into()])]));
        let handle = ch.handle;
        assert_eq!(news(&mut state, FromCarrier::Ended { handle }), [], "it is of another agent");
        state.on_data(handle, vec![1]);
        assert!(state.has_no_event());
    }

    #[test]
    fn a_channel_that_is_opened_without_an_agent_is_lost_and_not_waited_for() {
        let mut state = State::default();
        state.on_agent_gone();
        let ch = state.open();
        assert_eq!(state.take_events(9), [CarriedEvent::Lost { ch }]);
        assert_eq!(state.send(ch, 1), Err(CarriedError::Gone));
        state.begin_era();
        accepted(&mut state);
    }

    #[test]
    fn a_phone_that_comes_before_the_list_is_read_is_in_the_list() {
        let mut state = State::default();
        let peer = |presence| Peer { id: "1".into(), name: "x".into(), presence };
        let phone = |state| FromCarrier::Phone { id: "1".into(), name: "x".into(), state };
        for news in [phone(Presence::Away), FromCarrier::Told, phone(Presence::Here)] {
            state.on_message(FromAgent::Carried(news));
        }
        let read = [CarriedEvent::Phone(peer(Presence::Here)), CarriedEvent::Told];
        assert_eq!(state.take_events(9), read);
    }

    #[test]
    fn of_a_phone_that_comes_and_goes_one_event_is_kept() {
        let mut state = State::default();
        for _ in 0..1000 {
            for presence in [Presence::Here, Presence::Away] {
                state.on_phone(Peer { id: "1".into(), name: "x".into(), presence });
            }
        }
        assert_eq!(state.take_events(usize::MAX).len(), 1);
    }
}
