//! Texts for the clipboard, both ways.

use std::collections::{BTreeMap, VecDeque};

use relay_client::AppLink;
use relay_client::app::clipboard::{GOT, TextReceiver, TextSender, is_got};
use relay_client::app::{AppEvent, ChannelId, Kind, Reason};

/// Texts that may wait or come at once.
const TEXTS_MAX: usize = 8;

/// The texts on their way.
#[derive(Debug, Default)]
pub(super) struct Clips {
    /// The first one has a channel.
    out: VecDeque<TextSender>,
    /// Whether it was accepted, and whether all was sent.
    channel: Option<(ChannelId, bool, bool)>,
    coming: BTreeMap<ChannelId, TextReceiver>,
}

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClipNews {
    /// The desk sent this text.
    Came(String),
    /// The desk has the text of this phone.
    Sent,
    /// It does not want it.
    NotSent(String),
}

impl Clips {
    /// Takes a text for the desk.
    ///
    /// # Errors
    /// It is too long, or too many wait.
    pub(super) fn send(&mut self, text: &str) -> Result<(), String> {
        if self.out.len() >= TEXTS_MAX {
            return Err("too many texts wait for the desk".to_owned());
        }
        self.out.push_back(TextSender::new(text.to_owned()).map_err(|reason| reason.to_string())?);
        Ok(())
    }

    /// Texts that the desk does not have.
    pub(super) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Takes an event of a text. False if it is not one.
    pub(super) fn on_event(&mut self, event: &AppEvent, link: &AppLink, news: &mut Vec<ClipNews>) -> bool {
        let own = self.channel.map(|(ch, ..)| ch);
        match event {
            AppEvent::Opened { ch, kind: Kind::Clipboard, params } => self.on_opened(*ch, params, link),
            AppEvent::Accepted { ch, .. } if Some(*ch) == own => self.channel = Some((*ch, true, false)),
            AppEvent::Refused { ch, reason } | AppEvent::Reset { ch, reason } if Some(*ch) == own => {
                self.channel = None;
                self.out.pop_front();
                news.push(ClipNews::NotSent(reason.to_string()));
            }
            AppEvent::Data { ch, bytes } if Some(*ch) == own => {
                link.consumed(*ch, bytes.len());
                if is_got(bytes) {
                    self.channel = None;
                    self.out.pop_front();
                    news.push(ClipNews::Sent);
                }
            }
            AppEvent::Data { ch, bytes } if self.coming.contains_key(ch) => {
                link.consumed(*ch, bytes.len());
                if let Some(Err(reason)) = self.coming.get_mut(ch).map(|text| text.on_data(bytes)) {
                    self.reset(*ch, reason, link);
                }
            }
            AppEvent::Ended { ch } if self.coming.contains_key(ch) => self.on_ended(*ch, link, news),
            AppEvent::Reset { ch, .. } => return self.coming.remove(ch).is_some(),
            AppEvent::Restarted => {
                self.coming.clear();
                if self.channel.take().is_some() {
                    self.out.iter_mut().for_each(TextSender::begin_again);
                }
                return false;
            }
            _ => return false,
        }
        true
    }

    fn on_opened(&mut self, ch: ChannelId, params: &str, link: &AppLink) {
        let text = match self.coming.len() {
            TEXTS_MAX.. => Err(Reason::new(Reason::TOO_MANY, "too many texts are on their way")),
            _ => TextReceiver::new(params),
        };
        // The channel may be gone already.
        match text {
            Ok(text) if link.accept(ch, "{}").is_ok() => drop(self.coming.insert(ch, text)),
            Ok(_) => {}
            Err(reason) => drop(link.refuse(ch, reason)),
        }
    }

    fn on_ended(&mut self, ch: ChannelId, link: &AppLink, news: &mut Vec<ClipNews>) {
        let Some(text) = self.coming.remove(&ch) else { return };
        match text.on_end() {
            Ok(text) => {
                news.push(ClipNews::Came(text));
                // A channel that is gone needs no answer; a new one has credit for it.
                let _ = link.try_send(ch, GOT);
                let _ = link.end(ch);
            }
            Err(reason) => self.reset(ch, reason, link),
        }
    }

    fn reset(&mut self, ch: ChannelId, reason: Reason, link: &AppLink) {
        self.coming.remove(&ch);
        // It may be gone already.
        let _ = link.reset(ch, reason);
    }

    /// Opens a channel for the next text, and sends what it takes.
    pub(super) fn settle(&mut self, link: &AppLink) {
        let Some(text) = self.out.front_mut() else { return };
        if self.channel.is_none() && link.is_ready() {
            // It is tried again with the next event.
            self.channel = link.open(Kind::Clipboard, &text.params()).ok().map(|ch| (ch, false, false));
        }
        let Some((ch, true, false)) = self.channel else { return };
        while let Some(piece) = text.next_piece(link.message_len(ch)) {
            let len = piece.len();
            if link.try_send(ch, piece).is_err() {
                return;
            }
            text.piece_sent(len);
        }
        self.channel = Some((ch, true, link.end(ch).is_ok()));
    }
}
