//! A chat over channels that come and go: what was said and is not confirmed is kept, and said again on the
//! next channel; what comes twice is told once.

use std::collections::VecDeque;

use super::{ChatError, ChatMessage, ChatPart};
use crate::app::limits::CHAT_KEPT_MAX;

/// One end's side of a chat. Pure: the app opens the channel, and moves bytes.
///
/// Send [`Conversation::next_part`] while the channel takes it, each time followed by
/// [`Conversation::part_sent`]. Call [`Conversation::reopened`] when a new channel is accepted.
#[derive(Debug)]
pub struct Conversation {
    /// Makes this process's ids different from others'.
    prefix: String,
    said: u64,
    /// Said, and the other app has not confirmed it. At most [`CHAT_KEPT_MAX`].
    waiting: VecDeque<ChatMessage>,
    /// So many of the first ones were sent on the present channel.
    sent: usize,
    /// To be confirmed. At most [`CHAT_KEPT_MAX`]; an older one is asked about again.
    owed: VecDeque<String>,
    /// The ids that came last. At most twice as many as an end keeps.
    seen: VecDeque<String>,
}

/// What a data message of the other end means to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatNews {
    /// A message to show. It is confirmed by the next parts.
    Message(ChatMessage),
    /// The other app has this message of [`Conversation::say`].
    Delivered(String),
}

impl Conversation {
    /// `prefix` must be random, at most 40 bytes: the ids of messages begin with it.
    pub fn new(prefix: &str) -> Self {
        Conversation {
            prefix: prefix.to_owned(),
            said: 0,
            waiting: VecDeque::new(),
            sent: 0,
            owed: VecDeque::new(),
            seen: VecDeque::new(),
        }
    }

    /// The user says something, at this time in milliseconds since 1970. Gives the message as it is kept.
    ///
    /// # Errors
    /// The text is too long, or too many messages wait.
    pub fn say(&mut self, text: &str, at_ms: u64) -> Result<&ChatMessage, ChatError> {
        if self.waiting.len() >= CHAT_KEPT_MAX {
            return Err(ChatError::TooMany);
        }
        let id = format!("{}-{}", self.prefix, self.said + 1);
        let message = ChatMessage { id, at_ms, text: text.to_owned() };
        ChatPart::Message(message.clone()).to_bytes()?;
        self.said += 1;
        self.waiting.push_back(message);
        self.waiting.back().ok_or(ChatError::TooMany)
    }

    /// A data message came. `None` if the user knows it already.
    ///
    /// # Errors
    /// It is not one of a chat.
    pub fn on_data(&mut self, bytes: &[u8]) -> Result<Option<ChatNews>, ChatError> {
        match ChatPart::parse(bytes)? {
            ChatPart::Message(message) => {
                keep(&mut self.owed, message.id.clone(), CHAT_KEPT_MAX);
                if self.seen.contains(&message.id) {
                    return Ok(None);
                }
                keep(&mut self.seen, message.id.clone(), 2 * CHAT_KEPT_MAX);
                Ok(Some(ChatNews::Message(message)))
            }
            ChatPart::Got(id) => Ok(self.on_got(id)),
        }
    }

    fn on_got(&mut self, id: String) -> Option<ChatNews> {
        let at = self.waiting.iter().position(|message| message.id == id)?;
        self.waiting.remove(at);
        self.sent -= usize::from(at < self.sent);
        Some(ChatNews::Delivered(id))
    }

    /// A new channel is there: everything unconfirmed goes again.
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

    fn pass(from: &mut Conversation, to: &mut Conversation) -> Vec<ChatNews> {
        let mut news = Vec::new();
        while let Some(part) = from.next_part() {
            from.part_sent();
            news.extend(to.on_data(&part).unwrap());
        }
        news
    }

    fn texts(news: &[ChatNews]) -> Vec<&str> {
        let text = |news| match news {
            &ChatNews::Message(ChatMessage { ref text, .. }) => Some(text.as_str()),
            ChatNews::Delivered(_) => None,
        };
        news.iter().filter_map(text).collect()
    }

    #[test]
    fn a_message_is_told_once_and_confirmed() {
        let (mut desk, mut phone) = (Conversation::new("d"), Conversation::new("p"));
        assert_eq!(desk.say("hello", 5).unwrap().id, "d-1");
        desk.say("again", 6).unwrap();
        assert_eq!(texts(&pass(&mut desk, &mut phone)), ["hello", "again"]);
        assert_eq!(desk.waiting(), 2);
        let delivered = ["d-1", "d-2"].map(|id| ChatNews::Delivered(id.into()));
        assert_eq!(pass(&mut phone, &mut desk), delivered);
        assert_eq!((desk.waiting(), desk.next_part(), phone.next_part()), (0, None, None));
    }

    #[test]
    fn a_confirmation_between_two_messages_skips_none() {
        let (mut desk, mut phone) = (Conversation::new("d"), Conversation::new("p"));
        desk.say("one", 1).unwrap();
        pass(&mut desk, &mut phone);
        desk.say("two", 2).unwrap();
        pass(&mut phone, &mut desk);
        assert_eq!(texts(&pass(&mut desk, &mut phone)), ["two"]);
    }

    #[test]
    fn what_was_not_confirmed_is_said_again_on_a_new_channel() {
        let (mut desk, mut phone) = (Conversation::new("d"), Conversation::new("p"));
        desk.say("one", 1).unwrap();
        assert_eq!(texts(&pass(&mut desk, &mut phone)), ["one"]);
        desk.say("two", 2).unwrap();
        // The channel is gone, with the confirmation of the first and the second itself.
        desk.part_sent();
        phone.part_sent();
        desk.reopened();
        assert_eq!(texts(&pass(&mut desk, &mut phone)), ["two"], "the first is known");
        assert_eq!(pass(&mut phone, &mut desk).len(), 2);
        // A new process at the other end knows nothing.
        desk.say("three", 3).unwrap();
        let mut phone = Conversation::new("q");
        desk.reopened();
        assert_eq!(texts(&pass(&mut desk, &mut phone)), ["three"]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut desk = Conversation::new("d");
        for _ in 0..CHAT_KEPT_MAX {
            desk.say("x", 0).unwrap();
        }
        assert_eq!(desk.say("x", 0), Err(ChatError::TooMany));
        assert_eq!(desk.say(&"x".repeat(1 << 15), 0), Err(ChatError::TooMany));
        let mut phone = Conversation::new("p");
        for round in 0..3 {
            desk.reopened();
            pass(&mut desk, &mut phone);
            assert_eq!(phone.owed.len(), CHAT_KEPT_MAX, "{round}");
        }
    }
}
