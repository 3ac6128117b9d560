//! Channels that commands do the work of: the agent carries them between a command's socket and the phone's
//! link. It knows nothing of what is said in them.
//!
//! What a command sends is bounded by each channel's window, and what a phone sends by the channel's credit,
//! which is returned when the command is done with it. So a phone or a command that stops holds up its own
//! channels alone.

mod channel;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Token;
use relay_client::AppLink;
use relay_client::app::{ChannelId, Kind, OpenError, Reason};

use super::desk::Desk;
use super::lines::PhoneKey;
use super::openings;
use crate::ipc::wire::FromAgent;
use crate::ipc::wire::carry::{FromCarrier, PHONES_HANDLES, Presence};

pub(super) use self::channel::Channel;
pub(super) use self::requests::on_request;

/// How long a command may take to answer a phone that opens a channel: its user may be asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// How long a phone may take with what a command has said before it ended.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(30);

/// Kinds that one command may take.
const TAKEN_MAX: usize = 16;

/// How long phones are not told that nobody takes a kind: an agent that was killed has another one, and the
/// commands of the old one come to it after the phones, maybe.
const TAKERS_COME_WITHIN: Duration = Duration::from_secs(5);

/// The carried channels, and the commands that do their work.
pub(super) struct Carried {
    /// Commands that are told of phones.
    followers: BTreeSet<Token>,
    /// What they were told of each phone.
    phones: BTreeMap<PhoneKey, Followed>,
    /// The newest one last.
    takers: Vec<Taker>,
    channels: Vec<Channel>,
    next_handle: u32,
    /// Opened by phones, and nobody takes them yet.
    waiting: Vec<Waiting>,
    /// Until then they may wait.
    takers_come_until: Instant,
}

/// A phone's channel that nobody takes yet. Bounded by the channels that phones may open.
struct Waiting {
    phone: PhoneKey,
    app: Arc<AppLink>,
    ch: ChannelId,
    kind: Kind,
    params: String,
}

/// A phone, as followers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Followed {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_here: bool,
}

/// A command that does the work of a kind.
struct Taker {
    command: Token,
    kind: Kind,
    /// The ids of the phones; all if there is none.
    from: Vec<String>,
}

/// Commands.
impl Carried {
    pub(super) fn new() -> Self {
        Carried {
            followers: BTreeSet::new(),
            phones: BTreeMap::new(),
            takers: Vec::new(),
            channels: Vec::new(),
            next_handle: 0,
            waiting: Vec::new(),
            takers_come_until: Instant::now() + TAKERS_COME_WITHIN,
        }
    }

    /// Tells this command of the phones from now on.
    pub(super) fn follow(&mut self, command: Token, desk: &mut Desk) {
        self.followers.insert(command);
        for phone in self.phones.values() {
            tell(desk, command, phone.news());
        }
        tell(desk, command, FromCarrier::Told);
    }

    /// This command takes a kind from now on.
    pub(super) fn take(&mut self, command: Token, kind: Kind, from: Vec<String>) {
        self.takers.retain(|taker| taker.command != command || taker.kind != kind);
        let taken = self.takers.iter().filter(|taker| taker.command == command).count();
        if taken < TAKEN_MAX {
            self.takers.push(Taker { command, kind, from });
        }
    }

    /// The command that takes this kind from the phone of this id.
    pub(super) fn taker(&self, kind: Kind, phone: &str) -> Option<Token> {
        let takes = |taker: &&Taker| {
            taker.kind == kind && (taker.from.is_empty() || taker.from.iter().any(|id| id == phone))
        };
        self.takers.iter().rev().find(takes).map(|taker| taker.command)
    }

    /// The phone of this id, if channels can be opened to it now.
    ///
    /// # Errors
    /// It is not there; the words say so.
    pub(super) fn here(&self, id: &str) -> Result<PhoneKey, Reason> {
        let found = self.phones.iter().find(|(_, phone)| phone.id == id);
        match found {
            Some((key, phone)) if phone.is_here => Ok(*key),
            Some((_, phone)) => {
                Err(Reason::new(Reason::AWAY, format!("\"{}\" is not connected", phone.name)))
            }
            None => Err(Reason::new(Reason::NOT_FOUND, "this phone is not paired any more")),
        }
    }

    /// Opens a channel for a command.
    pub(super) fn open(
        &mut self,
        (command, handle): (Token, u32),
        (phone, app): (PhoneKey, &Arc<AppLink>),
        (kind, params): (Kind, &str),
        desk: &mut Desk,
    ) {
        let is_new = handle < PHONES_HANDLES && self.of_command(command, handle).is_none();
        let opened = match is_new {
            true => app.open(kind, params).map_err(not_opened),
            false => Err(Reason::new(Reason::PROTOCOL, "this handle is used already")),
        };
        match opened {
            Ok(ch) => {
                desk.expect_carried(command, kind.credit());
                self.channels.push(Channel::new((command, handle), (phone, Arc::clone(app), ch), kind, None));
            }
            Err(reason) => tell(desk, command, refused(handle, &reason)),
        }
    }

    /// Hands a phone's new channel to the command that takes its kind.
    pub(super) fn hand_over(
        &mut self,
        command: Token,
        (phone, app, ch): (PhoneKey, &Arc<AppLink>, ChannelId),
        (kind, params): (Kind, &str),
        desk: &mut Desk,
    ) {
        let handle = PHONES_HANDLES | self.next_handle;
        self.next_handle = (self.next_handle + 1) % PHONES_HANDLES;
        let until = Instant::now() + ANSWER_WITHIN;
        desk.expect_carried(command, kind.credit());
        self.channels.push(Channel::new((command, handle), (phone, Arc::clone(app), ch), kind, Some(until)));
        let id = self.phones.get(&phone).map(|phone| phone.id.clone()).unwrap_or_default();
        let (kind, params) = (kind.as_str().to_owned(), params.to_owned());
        tell(desk, command, FromCarrier::Opened { handle, phone: id, kind, params });
    }

    /// True if a command that takes this may still come.
    pub(super) fn may_wait(&self) -> bool {
        Instant::now() < self.takers_come_until
    }

    /// Keeps a phone's channel until a command takes it, or it is too late for that.
    pub(super) fn wait(
        &mut self,
        (phone, app, ch): (PhoneKey, &Arc<AppLink>, ChannelId),
        (kind, params): (Kind, &str),
    ) {
        self.waiting.push(Waiting { phone, app: Arc::clone(app), ch, kind, params: params.to_owned() });
    }

    /// Hands over the channels that a command takes now. Refuses them if none did in time.
    fn settle_waiting(&mut self, now: Instant, desk: &mut Desk) {
        for waiting in std::mem::take(&mut self.waiting) {
            let Some(phone) = self.phones.get(&waiting.phone).cloned() else { continue };
            let Waiting { phone: key, app, ch, kind, params } = waiting;
            if let Some(command) = self.taker(kind, &phone.id) {
                self.hand_over(command, (key, &app, ch), (kind, &params), desk);
            } else if now < self.takers_come_until {
                self.waiting.push(Waiting { phone: key, app, ch, kind, params });
            } else {
                let reason = Reason::new(Reason::UNAVAILABLE, openings::nobody(kind));
                let line = openings::denied(&phone.name, kind, &reason);
                desk.tell_chats(Some(&phone.name), &FromAgent::Note { line });
                // The phone may have dropped it meanwhile.
                let _ = app.refuse(ch, reason);
            }
        }
    }

    /// What a command wants of its channel. Nothing happens if that is gone: the command hears of it.
    pub(super) fn with(&mut self, command: Token, handle: u32, wish: impl FnOnce(&mut Channel)) {
        if let Some(channel) = self.of_command(command, handle) {
            wish(channel);
        }
    }

    /// A command sends a message on a channel. One that sends too much is let go.
    pub(super) fn on_command_data(&mut self, command: Token, handle: u32, message: Vec<u8>, desk: &mut Desk) {
        if self.of_command(command, handle).is_some_and(|channel| !channel.send(message)) {
            desk.give_up(command);
        }
    }

    /// This command is gone, and its channels end. Those that it had ended itself go on to their end.
    pub(super) fn on_command_gone(&mut self, command: Token) {
        self.followers.remove(&command);
        self.takers.retain(|taker| taker.command != command);
        let until = Instant::now() + LAST_WORDS_WITHIN;
        for channel in self.channels.iter_mut().filter(|channel| channel.command == command) {
            channel.on_command_gone(until);
        }
        self.channels.retain(|channel| channel.command != command || channel.is_orphan());
    }

    fn of_command(&mut self, command: Token, handle: u32) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.command == command && channel.handle == handle)
    }
}

/// Phones.
impl Carried {
    /// True if this channel is carried, or will be.
    pub(super) fn has(&self, phone: PhoneKey, ch: ChannelId) -> bool {
        self.channels.iter().any(|channel| channel.is(phone, ch))
            || self.waiting.iter().any(|waiting| waiting.phone == phone && waiting.ch == ch)
    }

    /// Passes on what came from a phone. False if this channel is not carried.
    pub(super) fn on_data(&mut self, phone: PhoneKey, ch: ChannelId, bytes: &[u8], desk: &mut Desk) -> bool {
        let Some(channel) = self.of_phone(phone, ch) else { return false };
        match channel.is_orphan() {
            true => channel.consumed(bytes.len()),
            false => desk.pass(channel.command, channel.handle, bytes),
        }
        true
    }

    pub(super) fn on_accepted(&mut self, phone: PhoneKey, ch: ChannelId, params: String, desk: &mut Desk) {
        let Some(channel) = self.of_phone(phone, ch) else { return };
        let (handle, len) = (channel.handle, channel.message_len());
        tell(desk, channel.command, FromCarrier::Accepted { handle, params, len });
    }

    /// The phone sends nothing more.
    pub(super) fn on_ended(&mut self, phone: PhoneKey, ch: ChannelId, desk: &mut Desk) {
        let Some(channel) = self.of_phone(phone, ch) else { return };
        channel.note_phone_ended();
        let handle = channel.handle;
        tell(desk, channel.command, FromCarrier::Ended { handle });
    }

    /// The channel is gone.
    pub(super) fn on_refused(&mut self, phone: PhoneKey, ch: ChannelId, reason: &Reason, desk: &mut Desk) {
        self.remove(desk, |channel| channel.is(phone, ch), |handle| refused(handle, reason));
    }

    /// The channel is gone.
    pub(super) fn on_reset(&mut self, phone: PhoneKey, ch: ChannelId, reason: &Reason, desk: &mut Desk) {
        self.waiting.retain(|waiting| waiting.phone != phone || waiting.ch != ch);
        let reset = |handle| {
            let (reason, words) = (reason.token().to_owned(), reason.words().to_owned());
            FromCarrier::Reset { handle, reason, words }
        };
        self.remove(desk, |channel| channel.is(phone, ch), reset);
    }

    /// All channels of this phone are gone.
    pub(super) fn on_phone_gone(&mut self, phone: PhoneKey, desk: &mut Desk) {
        self.waiting.retain(|waiting| waiting.phone != phone);
        self.remove(desk, |channel| channel.phone == phone, |handle| FromCarrier::Lost { handle });
    }

    /// Tells the followers what has changed: these are the paired phones now.
    pub(super) fn tell_phones(&mut self, phones: BTreeMap<PhoneKey, Followed>, desk: &mut Desk) {
        if phones == self.phones {
            return;
        }
        let changed = phones.iter().filter(|(key, phone)| self.phones.get(key) != Some(phone));
        let gone = self.phones.iter().filter(|(key, _)| !phones.contains_key(key));
        let news = changed.map(|(_, phone)| phone.news()).chain(gone.map(|(_, phone)| phone.parting()));
        for news in news {
            for command in &self.followers {
                tell(desk, *command, news.clone());
            }
        }
        self.phones = phones;
    }

    /// Passes on what can be passed on.
    pub(super) fn pump(&mut self, now: Instant, desk: &mut Desk) {
        self.settle_waiting(now, desk);
        for channel in &mut self.channels {
            channel.pump();
            if let Some((n, len)) = channel.take_credit() {
                let handle = channel.handle;
                tell(desk, channel.command, FromCarrier::Credit { handle, n, len });
            }
            if channel.is_late(now) {
                channel.give_up();
            }
        }
        self.remove(desk, Channel::is_lost, |handle| FromCarrier::Lost { handle });
        for channel in self.channels.extract_if(.., |channel| channel.is_over()) {
            desk.expect_carried_no_more(channel.command, channel.kind.credit());
        }
    }

    /// When something must have happened at the latest.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let waits = (!self.waiting.is_empty()).then_some(self.takers_come_until);
        self.channels.iter().filter_map(|channel| channel.until).chain(waits).min()
    }

    fn of_phone(&mut self, phone: PhoneKey, ch: ChannelId) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.is(phone, ch))
    }

    /// Lets channels go, and tells their commands.
    fn remove(
        &mut self,
        desk: &mut Desk,
        is_gone: impl Fn(&Channel) -> bool,
        news: impl Fn(u32) -> FromCarrier,
    ) {
        for channel in self.channels.extract_if(.., |channel| is_gone(channel)) {
            desk.expect_carried_no_more(channel.command, channel.kind.credit());
            tell(desk, channel.command, news(channel.handle));
        }
    }
}

impl Followed {
    fn news(&self) -> FromCarrier {
        let state = if self.is_here { Presence::Here } else { Presence::Away };
        FromCarrier::Phone { id: self.id.clone(), name: self.name.clone(), state }
    }

    fn parting(&self) -> FromCarrier {
        FromCarrier::Phone { id: self.id.clone(), name: self.name.clone(), state: Presence::Gone }
    }
}

/// Why a command's channel was not opened. A phone that has just come back may still have to say hello.
fn not_opened(error: OpenError) -> Reason {
    let token = match error {
        OpenError::NotReady => Reason::AWAY,
        OpenError::TooMany => Reason::TOO_MANY,
        OpenError::BadParams => Reason::OTHER,
    };
    Reason::new(token, error.to_string())
}

fn refused(handle: u32, reason: &Reason) -> FromCarrier {
    FromCarrier::Refused { handle, reason: reason.token().to_owned(), words: reason.words().to_owned() }
}

fn tell(desk: &mut Desk, command: Token, news: FromCarrier) {
    desk.tell(command, &FromAgent::Carried(news));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_that_has_not_said_hello_is_away_and_is_tried_again() {
        let errors = [OpenError::NotReady, OpenError::TooMany, OpenError::BadParams];
        let tokens = errors.map(|error| not_opened(error).token().to_owned());
        assert_eq!(tokens, [Reason::AWAY, Reason::TOO_MANY, Reason::OTHER]);
    }
}
