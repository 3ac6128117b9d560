//! The chat with the desk: over channels that come and go.

use std::time::{SystemTime, UNIX_EPOCH};

use relay_client::AppLink;
use relay_client::app::chat::{ChatMessage, ChatNews, Conversation};
use relay_client::app::{AppEvent, ChannelId, Kind, Reason};
use relay_client::tunnel::{Entropy, RandomError, SystemEntropy};

/// One chat, over any number of channels.
#[derive(Debug)]
pub(super) struct Chat {
    /// And whether it was accepted.
    channel: Option<(ChannelId, bool)>,
    talk: Conversation,
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
            talk: Conversation::default(),
            run: u64::from_be_bytes(run),
            count: 0,
            refused: None,
        })
    }

    /// False while as many messages wait as may.
    pub(super) fn has_room(&self) -> bool {
        !self.talk.is_full()
    }

    /// Messages that the desk has not confirmed.
    pub(super) fn unconfirmed(&self) -> usize {
        self.talk.waiting()
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
        self.talk.say(message).map_err(|error| error.to_string())
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
        self.talk.reopened();
    }

    fn on_data(&mut self, ch: ChannelId, bytes: &[u8], link: &AppLink, heard: &mut Vec<String>) {
        match self.talk.on_data(bytes) {
            Ok(Some(ChatNews::Message(message))) => {
                self.talk.confirm(message.id);
                heard.push(message.text);
            }
            Ok(_) => (),
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
        while let Some(part) = self.talk.next_part() {
            if link.try_send(ch, &part).is_err() {
                return;
            }
            self.talk.part_sent();
        }
    }
}
