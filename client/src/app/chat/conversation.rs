//! A chat over channels that come and go: what was said and is not confirmed is kept, and said again on the
//! next channel; what comes twice is told once.

use std::collections::VecDeque;

use super::{ChatError, ChatMessage, ChatPart};
use crate::app::limits::CHAT_KEPT_MAX;

/// One end's side of a chat. Pure: its owner opens the channel, and moves bytes.
///
/// Send [`Conversation::next_part`] while the channel takes it, each time followed by
/// [`Conversation::part_sent`]. Call [`Conversation::reopened`] when the channel is gone or a new one is
/// there.
#[derive(Debug, Default)]
pub struct Conversation {
    /// Said, and the other app has not confirmed it. At most [`CHAT_KEPT_MAX`].
    waiting: VecDeque<ChatMessage>,
    /// So many of the first ones were sent on the present channel.
    sent: usize,
    /// To be confirmed. At most [`CHAT_KEPT_MAX`]; an older one is asked about again.
    owed: VecDeque<String>,
    /// The ids that were confirmed last. At most twice as many as an end keeps.
    seen: VecDeque<String>,
}

/// What a data message of the other end means to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatNews {
    /// A message to show. Until [`Conversation::confirm`] it may come again.
    Message(ChatMessage),
    /// The other app has this message of [`Conversation::say`].
    Delivered(String),
}

impl Conversation {
    /// The user says something.
    ///
    /// # Errors
    /// The text or the id is too long, or too many messages wait.
    pub fn say(&mut self, message: ChatMessage) -> Result<(), ChatError> {
        if self.is_full() {
            return Err(ChatError::TooMany);
        }
        ChatPart::Message(message.clone()).to_bytes()?;
        self.waiting.push_back(message);
        Ok(())
    }

    /// True if as many messages wait as may.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= CHAT_KEPT_MAX
    }

    /// A data message came. `None` if it changes nothing for the user: one that was confirmed is confirmed
    /// again.
    ///
    /// # Errors
    /// It is not one of a chat.
    pub fn on_data(&mut self, bytes: &[u8]) -> Result<Option<ChatNews>, ChatError> {
        match ChatPart::parse(bytes)? {
            ChatPart::Message(message) if self.seen.contains(&message.id) => {
                keep(&mut self.owed, message.id, CHAT_KEPT_MAX);
                Ok(None)
            }
            ChatPart::Message(message) => Ok(Some(ChatNews::Message(message))),
            ChatPart::Got(id) => Ok(self.on_got(id)),
        }
    }

    fn on_got(&mut self, id: String) -> Option<ChatNews> {
        let at = self.waiting.iter().position(|message| message.id == id)?;
        self.waiting.remove(at);
        self.sent -= usize::from(at < self.sent);
        Some(ChatNews::Delivered(id))
    }

    /// The user has the other end's message of this id.
    pub fn confirm(&mut self, id: String) {
        keep(&mut self.seen, id.clone(), 2 * CHAT_KEPT_MAX);
        keep(&mut self.owed, id, CHAT_KEPT_MAX);
    }

    /// Everything unconfirmed goes again.
    pub fn reopened(&mut self) {
        self.sent = 0;
    }

    /// The next data message to send, confirmations first.
    pub fn next_part(&self) -> Option<Vec<u8>> {
        let part = match self.owed.front() {
            Some(id) => ChatPart::Got(id.clone()),
            None => ChatPart::Message(self.waiting.get(self.sent)?.clone()),
        };
        // Its bounds were checked when it was said, or read.
        part.to_bytes().ok()
    }

    /// The channel has taken what [`Conversation::next_part`] gave.
    pub fn part_sent(&mut self) {
        if self.owed.pop_front().is_none() && self.sent < self.waiting.len() {
            self.sent += 1;
        }
    }

    /// Messages that the other app has not confirmed.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// Appends to a queue from which the oldest gives way.
fn keep(queue: &mut VecDeque<String>, id: String, most: usize) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(id);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(talk: &mut Conversation, text: &str) {
        talk.say(ChatMessage { id: format!("id of {text}"), at_ms: 1, text: text.into() }).unwrap();
    }

    /// Everything that `from` has to send. What is told is confirmed.
    fn pass(from: &mut Conversation, to: &mut Conversation) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(part) = from.next_part() {
            from.part_sent();
            match to.on_data(&part).unwrap() {
                Some(ChatNews::Message(message)) => {
                    to.confirm(message.id);
                    told.push(message.text);
                }
                Some(ChatNews::Delivered(id)) => told.push(format!("delivered: {id}")),
                None => (),
            }
        }
        told
    }

    #[test]
    fn a_message_is_told_once_and_confirmed() {
        let (mut desk, mut phone) = (Conversation::default(), Conversation::default());
        say(&mut desk, "hello");
        say(&mut desk, "again");
        assert_eq!(pass(&mut desk, &mut phone), ["hello", "again"]);
        assert_eq!(desk.waiting(), 2);
        assert_eq!(pass(&mut phone, &mut desk), ["delivered: id of hello", "delivered: id of again"]);
        assert_eq!((desk.waiting(), desk.next_part(), phone.next_part()), (0, None, None));
    }

    #[test]
    fn a_confirmation_between_two_messages_skips_none() {
        let (mut desk, mut phone) = (Conversation::default(), Conversation::default());
        say(&mut desk, "one");
        pass(&mut desk, &mut phone);
        say(&mut desk, "two");
        pass(&mut phone, &mut desk);
        assert_eq!(pass(&mut desk, &mut phone), ["two"]);
    }

    #[test]
    fn what_was_not_confirmed_is_said_again_on_a_new_channel() {
        let (mut desk, mut phone) = (Conversation::default(), Conversation::default());
        say(&mut desk, "one");
        assert_eq!(pass(&mut desk, &mut phone), ["one"]);
        say(&mut desk, "two");
        // The channel is gone, with the confirmation of the first and the second itself.
        desk.part_sent();
        phone.part_sent();
        desk.reopened();
        assert_eq!(pass(&mut desk, &mut phone), ["two"], "the first is known");
        assert_eq!(pass(&mut phone, &mut desk).len(), 2);
        // A new process at the other end knows nothing.
        say(&mut desk, "three");
        desk.reopened();
        assert_eq!(pass(&mut desk, &mut Conversation::default()), ["three"]);
    }

    #[test]
    fn what_nobody_has_seen_is_not_confirmed() {
        let (mut desk, mut phone) = (Conversation::default(), Conversation::default());
        say(&mut desk, "one");
        let part = desk.next_part().unwrap();
        for _ in 0..2 {
            assert!(matches!(phone.on_data(&part), Ok(Some(ChatNews::Message(_)))));
            assert_eq!(phone.next_part(), None);
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut desk = Conversation::default();
        for number in 0..CHAT_KEPT_MAX {
            say(&mut desk, &number.to_string());
        }
        let more = ChatMessage { id: "more".into(), at_ms: 1, text: "more".into() };
        assert_eq!(desk.say(more), Err(ChatError::TooMany));
        let mut phone = Conversation::default();
        for round in 0..3 {
            desk.reopened();
            pass(&mut desk, &mut phone);
            assert_eq!(phone.owed.len(), CHAT_KEPT_MAX, "{round}");
        }
    }
}
