//! The chat with one phone: what is to be said until the phone has confirmed it, and what it said until a
//! command takes it.

use std::collections::VecDeque;

use relay_client::AppLink;
use relay_client::app::chat::{ChatMessage, ChatPart};
use relay_client::app::limits::CHAT_KEPT_MAX;
use relay_client::app::{ChannelId, Kind, Reason};

/// The ids that are known: more than the phone says again.
const KNOWN_MAX: usize = 2 * CHAT_KEPT_MAX;

/// One phone's chat. What was not said yet is bounded by [`CHAT_KEPT_MAX`], what was not heard yet by the
/// channel's credit, which is returned when a command has it.
#[derive(Debug, Default)]
pub(super) struct Chat {
    channel: Option<Channel>,
    /// Not confirmed, the oldest first.
    to_say: VecDeque<ChatMessage>,
    /// How many of them went out on this channel.
    said: usize,
    /// Not taken by a command, each with its bytes on the wire.
    heard: VecDeque<(ChatMessage, usize)>,
    /// Taken, and not confirmed to the phone.
    to_confirm: VecDeque<(String, usize)>,
    /// The newest ids that were taken: a phone says again what was not confirmed to it.
    known: VecDeque<String>,
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
        self.channel = Some(Channel { ch, is_accepted });
        self.said = 0;
        self.heard.clear();
        self.to_confirm.clear();
    }

    /// True if this is the chat's channel.
    pub(super) fn has(&self, ch: ChannelId) -> bool {
        self.channel.as_ref().is_some_and(|channel| channel.ch == ch)
    }

    /// The channel is gone. What it left unconfirmed is said again on the next one.
    pub(super) fn on_closed(&mut self) {
        self.channel = None;
        self.said = 0;
        self.heard.clear();
        self.to_confirm.clear();
    }

    /// True if too many messages wait.
    pub(super) fn is_full(&self) -> bool {
        self.to_say.len() >= CHAT_KEPT_MAX
    }

    /// Takes a message to say, unless it is full.
    pub(super) fn say(&mut self, message: ChatMessage) {
        if !self.is_full() {
            self.to_say.push_back(message);
        }
    }

    /// Takes what came on the channel. Gives the id of a message that the phone has confirmed.
    pub(super) fn on_data(&mut self, link: &AppLink, ch: ChannelId, bytes: &[u8]) -> Option<String> {
        match ChatPart::parse(bytes) {
            Ok(ChatPart::Got(id)) => {
                link.consumed(ch, bytes.len());
                self.on_confirmed(&id);
                return Some(id);
            }
            Ok(ChatPart::Message(message)) if self.known.contains(&message.id) => {
                self.to_confirm.push_back((message.id, bytes.len()));
            }
            Ok(ChatPart::Message(message)) => self.heard.push_back((message, bytes.len())),
            Err(error) => {
                let _ = link.reset(ch, Reason::new(Reason::MALFORMED, error.to_string()));
                self.on_closed();
            }
        }
        None
    }

    fn on_confirmed(&mut self, id: &str) {
        if let Some(at) = self.to_say.iter().position(|message| message.id == id) {
            self.to_say.remove(at);
            self.said -= usize::from(at < self.said);
        }
    }

    /// The next message for a command, which has it then.
    pub(super) fn take_heard(&mut self) -> Option<ChatMessage> {
        let (message, bytes) = self.heard.pop_front()?;
        self.to_confirm.push_back((message.id.clone(), bytes));
        if self.known.len() >= KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back(message.id.clone());
        Some(message)
    }

    /// Sends what the channel takes; opens one if something is to be said and the phone has opened none.
    pub(super) fn pump(&mut self, link: &AppLink) {
        if self.channel.is_none() && !self.to_say.is_empty() && link.is_ready() {
            // It is tried again with the next event.
            if let Ok(ch) = link.open(Kind::Chat, "{}") {
                self.begin(ch, false);
            }
        }
        let Some(Channel { ch, is_accepted: true }) = self.channel else { return };
        while let Some((id, bytes)) = self.to_confirm.front() {
            if !sends(link, ch, &ChatPart::Got(id.clone())) {
                return;
            }
            link.consumed(ch, *bytes);
            self.to_confirm.pop_front();
        }
        while let Some(message) = self.to_say.get(self.said) {
            if !sends(link, ch, &ChatPart::Message(message.clone())) {
                return;
            }
            self.said += 1;
        }
    }
}

/// False if the channel takes no more now.
fn sends(link: &AppLink, ch: ChannelId, part: &ChatPart) -> bool {
    // The lengths were checked when the part was made.
    part.to_bytes().is_ok_and(|bytes| link.try_send(ch, &bytes).is_ok())
}
