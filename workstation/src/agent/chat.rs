//! The chat with one phone: what is to be said until the phone has confirmed it, and what it said until a
//! command has printed it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::Token;
use relay_client::AppLink;
use relay_client::app::chat::{ChatError, ChatMessage, ChatNews, Conversation};
use relay_client::app::limits::CHAT_KEPT_MAX;
use relay_client::app::{ChannelId, Kind, Reason};

/// How long a phone that has closed the chat is left alone.
const REOPEN_AFTER: Duration = Duration::from_secs(10);

/// One phone's chat. What was not heard yet is bounded by the channel's credit, which is returned when a
/// command has printed it.
#[derive(Debug, Default)]
pub(super) struct Chat {
    channel: Option<Channel>,
    opening: Opening,
    talk: Conversation,
    /// Given to no command, each with its bytes on the wire.
    heard: VecDeque<(ChatMessage, usize)>,
    /// Given to commands, none of which has printed it yet.
    given: VecDeque<Given>,
}

/// A message that commands have and may still lose.
#[derive(Debug)]
struct Given {
    /// The agent's own, as a phone chooses its ids.
    number: u64,
    message: ChatMessage,
    /// Its bytes on this channel; `None` if it came on an earlier one, so that the phone says it again.
    bytes: Option<usize>,
    commands: Vec<Token>,
}

/// When a channel may be opened for what is to be said.
#[derive(Debug, Default, PartialEq, Eq)]
enum Opening {
    #[default]
    Now,
    /// The phone has closed one.
    At(Instant),
    /// The phone has refused one: when it has restarted, or opens one itself.
    AfterRestart,
}

#[derive(Debug)]
struct Channel {
    ch: ChannelId,
    is_accepted: bool,
}

impl Chat {
    /// The phone opened this channel. It takes the place of an earlier one.
    pub(super) fn on_opened(&mut self, link: &AppLink, ch: ChannelId) {
        if let Some(earlier) = self.channel.take() {
            // It may be gone already.
            let _ =
                link.reset(earlier.ch, Reason::new(Reason::CANCELLED, "another chat channel took its place"));
        }
        self.begin(ch, link.accept(ch, "{}").is_ok());
    }

    /// The phone accepted our channel.
    pub(super) fn on_accepted(&mut self, ch: ChannelId) {
        if let Some(channel) = self.channel.as_mut().filter(|channel| channel.ch == ch) {
            channel.is_accepted = true;
        }
    }

    fn begin(&mut self, ch: ChannelId, is_accepted: bool) {
        self.on_closed();
        self.channel = Some(Channel { ch, is_accepted });
    }

    /// True if this is the chat's channel.
    pub(super) fn has(&self, ch: ChannelId) -> bool {
        self.channel.as_ref().is_some_and(|channel| channel.ch == ch)
    }

    /// Ends the channel, if there is one.
    pub(super) fn close(&mut self, link: &AppLink, reason: Reason) {
        if let Some(channel) = self.channel.take() {
            // It may be gone already.
            let _ = link.reset(channel.ch, reason);
            self.on_closed();
        }
    }

    /// The channel is gone. What it left unconfirmed is said again on the next one.
    pub(super) fn on_closed(&mut self) {
        self.channel = None;
        self.talk.reopened();
        self.heard.clear();
        self.given.iter_mut().for_each(|given| given.bytes = None);
    }

    /// The phone has closed the channel, or wants none.
    pub(super) fn on_closed_by_phone(&mut self, is_refused: bool, now: Instant) {
        self.on_closed();
        self.opening = if is_refused { Opening::AfterRestart } else { Opening::At(now + REOPEN_AFTER) };
    }

    /// The phone has begun again.
    pub(super) fn on_restarted(&mut self) {
        self.on_closed();
        self.opening = Opening::Now;
    }

    fn may_open(&self, now: Instant) -> bool {
        match self.opening {
            Opening::Now => true,
            Opening::At(at) => at <= now,
            Opening::AfterRestart => false,
        }
    }

    /// Takes a message to say.
    ///
    /// # Errors
    /// It is too long, or too many messages wait.
    pub(super) fn say(&mut self, message: ChatMessage) -> Result<(), ChatError> {
        self.talk.say(message)
    }

    /// Takes what came on the channel. Gives the id of a message that the phone has confirmed.
    pub(super) fn on_data(&mut self, link: &AppLink, ch: ChannelId, bytes: &[u8]) -> Option<String> {
        match self.talk.on_data(bytes) {
            Ok(Some(ChatNews::Message(message))) => self.on_message(message, bytes.len()),
            Ok(news) => {
                link.consumed(ch, bytes.len());
                return news
                    .and_then(|news| if let ChatNews::Delivered(id) = news { Some(id) } else { None });
            }
            Err(error) => {
                let _ = link.reset(ch, Reason::new(Reason::MALFORMED, error.to_string()));
                self.on_closed_by_phone(false, Instant::now());
            }
        }
        None
    }

    /// One that waits for a command or is at one is said again: it is shown once.
    fn on_message(&mut self, message: ChatMessage, bytes: usize) {
        if let Some(given) = self.given.iter_mut().find(|given| given.message.id == message.id) {
            *given.bytes.get_or_insert_default() += bytes;
        } else if let Some((_, of)) = self.heard.iter_mut().find(|(heard, _)| heard.id == message.id) {
            *of += bytes;
        } else {
            self.heard.push_back((message, bytes));
        }
    }

    /// True if a message waits for commands, and they don't have too many already.
    pub(super) fn has_heard(&self) -> bool {
        !self.heard.is_empty() && self.given.len() < CHAT_KEPT_MAX
    }

    /// Gives the next message to these commands, under this number.
    pub(super) fn give(&mut self, number: u64, commands: Vec<Token>) -> Option<&ChatMessage> {
        let (message, bytes) = self.heard.pop_front()?;
        self.given.push_back(Given { number, message, bytes: Some(bytes), commands });
        self.given.back().map(|given| &given.message)
    }

    /// A command has printed the message of this number, so the phone may forget it.
    pub(super) fn on_printed(&mut self, link: &AppLink, number: u64) {
        let bytes = self.confirm(number);
        if let (Some(bytes), Some(channel)) = (bytes, &self.channel) {
            link.consumed(channel.ch, bytes);
        }
    }

    /// Gives the bytes that the message of this number holds on this channel.
    fn confirm(&mut self, number: u64) -> Option<usize> {
        let at = self.given.iter().position(|given| given.number == number)?;
        let Given { message, bytes, .. } = self.given.remove(at)?;
        self.talk.confirm(message.id);
        bytes
    }

    /// This command is gone. What it alone had and has not printed waits for another one.
    pub(super) fn on_command_gone(&mut self, command: Token) {
        for given in &mut self.given {
            given.commands.retain(|token| *token != command);
        }
        let (lost, held) = self.given.drain(..).partition(|given| given.commands.is_empty());
        self.given = held;
        let lost: VecDeque<Given> = lost;
        for Given { message, bytes, .. } in lost.into_iter().rev() {
            if let Some(bytes) = bytes {
                self.heard.push_front((message, bytes));
            }
        }
    }

    /// Sends what the channel takes; opens one if something is to be said and the phone has opened none.
    pub(super) fn pump(&mut self, link: &AppLink) {
        if self.channel.is_none()
            && self.talk.waiting() > 0
            && self.may_open(Instant::now())
            && link.is_ready()
        {
            // It is tried again with the next event.
            if let Ok(ch) = link.open(Kind::Chat, "{}") {
                self.begin(ch, false);
            }
        }
        let Some(Channel { ch, is_accepted: true }) = self.channel else { return };
        while let Some(part) = self.talk.next_part() {
            if link.try_send(ch, &part).is_err() {
                return;
            }
            self.talk.part_sent();
        }
    }
}

#[cfg(test)]
mod tests {
    use relay_client::app::chat::ChatPart;

    use super::*;

    fn said(chat: &mut Chat, id: &str) {
        chat.on_message(ChatMessage { id: id.into(), at_ms: 1, text: id.to_uppercase() }, 10);
    }

    #[test]
    fn a_message_is_confirmed_when_a_command_has_printed_it() {
        let (mut chat, one, two) = (Chat::default(), Token(1), Token(2));
        said(&mut chat, "a");
        said(&mut chat, "b");
        assert_eq!(chat.give(1, vec![one, two]).unwrap().text, "A");
        assert_eq!(chat.give(2, vec![one]).unwrap().text, "B");
        assert!(chat.talk.next_part().is_none() && !chat.has_heard());
        chat.on_command_gone(one);
        assert_eq!(chat.heard[0].0.id, "b", "the other one still has a");
        assert_eq!((chat.confirm(1), chat.confirm(1)), (Some(10), None));
        assert_eq!(chat.talk.next_part(), ChatPart::Got("a".into()).to_bytes().ok());
        assert_eq!(chat.give(3, vec![two]).unwrap().text, "B");
        said(&mut chat, "b");
        assert_eq!(chat.confirm(3), Some(20));
        assert!(!chat.has_heard(), "said twice is shown once");
    }

    #[test]
    fn a_phone_that_wants_no_chat_is_left_alone() {
        let (mut chat, now) = (Chat::default(), Instant::now());
        assert!(chat.may_open(now));
        chat.on_closed_by_phone(false, now);
        assert!(!chat.may_open(now) && chat.may_open(now + REOPEN_AFTER));
        chat.on_closed_by_phone(true, now);
        assert!(!chat.may_open(now + 100 * REOPEN_AFTER));
        chat.on_restarted();
        assert!(chat.may_open(now));
    }

    #[test]
    fn what_was_given_on_an_earlier_channel_is_known_when_it_is_printed() {
        let mut chat = Chat::default();
        said(&mut chat, "a");
        said(&mut chat, "b");
        chat.give(1, vec![Token(1)]);
        chat.give(2, vec![Token(1)]);
        chat.on_closed();
        assert_eq!(chat.confirm(1), None, "its bytes went with the channel");
        chat.on_command_gone(Token(1));
        assert!(chat.given.is_empty() && !chat.has_heard(), "the phone says it again");
    }
}
