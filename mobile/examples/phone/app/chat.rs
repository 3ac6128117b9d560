//! The chat with the desk: what is said until the desk has confirmed it, and what was heard already.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use relay_client::AppLink;
use relay_client::app::chat::{ChatError, ChatMessage, ChatPart};
use relay_client::app::limits::CHAT_KEPT_MAX;
use relay_client::app::{AppEvent, ChannelId, Kind, Reason};
use relay_client::tunnel::{Entropy, RandomError, SystemEntropy};

/// One chat, over any number of channels.
#[derive(Debug)]
pub(super) struct Chat {
    /// And whether it was accepted.
    channel: Option<(ChannelId, bool)>,
    /// Not confirmed, the oldest first.
    to_say: VecDeque<ChatMessage>,
    /// How many of them went out on this channel.
    said: usize,
    /// Ids to confirm.
    to_confirm: VecDeque<String>,
    /// The newest ids that were heard: the desk says again what was not confirmed to it.
    known: VecDeque<String>,
    /// Makes ids differ between runs of this program.
    run: u64,
    count: u64,
    /// The desk does not want a chat, in its words.
    refused: Option<String>,
}

impl Chat {
    pub(super) fn new() -> Result<Self, RandomError> {
        let mut run = [0; 8];
        SystemEntropy.fill(&mut run)?;
        Ok(Chat {
            channel: None,
            to_say: VecDeque::new(),
            said: 0,
            to_confirm: VecDeque::new(),
            known: VecDeque::new(),
            run: u64::from_be_bytes(run),
            count: 0,
            refused: None,
        })
    }

    /// False while as many messages wait as may.
    pub(super) fn has_room(&self) -> bool {
        self.to_say.len() < CHAT_KEPT_MAX
    }

    /// Messages that the desk has not confirmed.
    pub(super) fn unconfirmed(&self) -> usize {
        self.to_say.len()
    }

    /// Takes a message to say; it is said when the desk is there.
    ///
    /// # Errors
    /// It is too long, or the desk wants no chat.
    pub(super) fn say(&mut self, text: &str) -> Result<(), String> {
        if let Some(why) = &self.refused {
            return Err(why.clone());
        }
        self.count += 1;
        let id = format!("{:016x}-{}", self.run, self.count);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let message = ChatMessage { id, at_ms, text: text.to_owned() };
        // Made again when it is said; here its length is checked.
        let checked = ChatPart::Message(message.clone()).to_bytes();
        checked.map_err(|error: ChatError| error.to_string())?;
        self.to_say.push_back(message);
        Ok(())
    }

    /// Takes an event of the chat: what was heard is added to `heard`. False if it is not the chat's.
    pub(super) fn on_event(&mut self, event: &AppEvent, link: &AppLink, heard: &mut Vec<String>) -> bool {
        let own = self.channel.map(|(ch, _)| ch);
        match event {
            AppEvent::Opened { ch, kind: Kind::Chat, .. } => {
                if let Some(earlier) = own {
                    let reason = Reason::new(Reason::CANCELLED, "another chat channel took its place");
                    // It may be gone already.
                    let _ = link.reset(earlier, reason);
                }
                self.begin(link.accept(*ch, "{}").is_ok().then_some((*ch, true)));
            }
            AppEvent::Accepted { ch, .. } if Some(*ch) == own => self.channel = Some((*ch, true)),
            AppEvent::Refused { ch, reason } if Some(*ch) == own => {
                self.begin(None);
                self.refused = Some(format!("the desk wants no chat: {reason}"));
            }
            AppEvent::Reset { ch, .. } | AppEvent::Ended { ch } if Some(*ch) == own => {
                // It may be gone already.
                let _ = link.end(*ch);
                self.begin(None);
            }
            AppEvent::Data { ch, bytes } if Some(*ch) == own => {
                link.consumed(*ch, bytes.len());
                self.on_data(*ch, bytes, link, heard);
            }
            AppEvent::Writable { ch } if Some(*ch) == own => {}
            AppEvent::Restarted => {
                self.begin(None);
                self.refused = None;
                return false;
            }
            _ => return false,
        }
        true
    }

    fn begin(&mut self, channel: Option<(ChannelId, bool)>) {
        self.channel = channel;
        self.said = 0;
        self.to_confirm.clear();
    }

    fn on_data(&mut self, ch: ChannelId, bytes: &[u8], link: &AppLink, heard: &mut Vec<String>) {
        match ChatPart::parse(bytes) {
            Ok(ChatPart::Got(id)) => {
                if let Some(at) = self.to_say.iter().position(|message| message.id == id) {
                    self.to_say.remove(at);
                    self.said -= usize::from(at < self.said);
                }
            }
            Ok(ChatPart::Message(message)) => {
                if !self.known.contains(&message.id) {
                    heard.push(message.text);
                    self.known.push_back(message.id.clone());
                    if self.known.len() > CHAT_KEPT_MAX {
                        self.known.pop_front();
                    }
                }
                self.to_confirm.push_back(message.id);
            }
            Err(error) => {
                let _ = link.reset(ch, Reason::new(Reason::MALFORMED, error.to_string()));
                self.begin(None);
            }
        }
    }

    /// Opens a channel if there is none, and sends what it takes.
    pub(super) fn settle(&mut self, link: &AppLink) {
        if self.channel.is_none() && self.refused.is_none() && link.is_ready() {
            // It is tried again with the next event.
            self.begin(link.open(Kind::Chat, "{}").ok().map(|ch| (ch, false)));
        }
        let Some((ch, true)) = self.channel else { return };
        while let Some(id) = self.to_confirm.front() {
            if !sends(link, ch, &ChatPart::Got(id.clone())) {
                return;
            }
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
    // Their lengths were checked before.
    part.to_bytes().is_ok_and(|bytes| link.try_send(ch, &bytes).is_ok())
}
