//! Texts that programs in shared terminals put into the clipboard, on their way to one phone's box. Only
//! those of terminals that were shared with `--clipboard` come here.

use relay_client::AppLink;
use relay_client::app::clipboard::TextSender;
use relay_client::app::{AppEvent, ChannelId, Kind, Reason};

/// The newest text counts: a program may write one in a loop.
#[derive(Debug, Default)]
pub(super) struct Clips {
    /// It waits, or is on its way.
    text: Option<TextSender>,
    /// And whether it was accepted.
    channel: Option<(ChannelId, bool)>,
    /// It comes after the one that is on its way.
    next: Option<TextSender>,
}

impl Clips {
    /// Takes a text. One that is too long is left out.
    pub(super) fn copy(&mut self, text: &str) {
        let Ok(text) = TextSender::new(text.to_owned()) else { return };
        if self.channel.is_some() { self.next = Some(text) } else { self.text = Some(text) }
    }

    /// Takes an event of its channel. False if it is another one's.
    pub(super) fn on_event(&mut self, event: &AppEvent, link: &AppLink) -> bool {
        let Some((own, _)) = self.channel else { return false };
        match event {
            AppEvent::Accepted { ch, .. } if *ch == own => self.channel = Some((own, true)),
            AppEvent::Data { ch, bytes } if *ch == own => link.consumed(own, bytes.len()),
            AppEvent::Ended { ch } if *ch == own => {
                // It may be gone already.
                let _ = link.end(own);
                self.forget();
            }
            // A phone that does not want it is not asked twice.
            AppEvent::Refused { ch, .. } | AppEvent::Reset { ch, .. } if *ch == own => self.forget(),
            AppEvent::Restarted => {
                self.forget();
                return false;
            }
            _ => return false,
        }
        true
    }

    fn forget(&mut self) {
        (self.channel, self.text) = (None, self.next.take());
    }

    /// The phone is gone, or may not have it any more.
    pub(super) fn clear(&mut self, link: &AppLink) {
        if let Some((ch, _)) = self.channel.take() {
            // It may be gone already.
            let _ = link.reset(ch, Reason::new(Reason::CANCELLED, ""));
        }
        *self = Clips::default();
    }

    /// Opens a channel for the text, and sends what it takes.
    pub(super) fn pump(&mut self, link: &AppLink) {
        let Some(text) = &mut self.text else { return };
        if self.channel.is_none() && link.is_ready() {
            // It is tried again with the next event.
            self.channel = link.open(Kind::Clipboard, &text.params()).ok().map(|ch| (ch, false));
        }
        let Some((ch, true)) = self.channel else { return };
        while let Some(piece) = text.next_piece(link.message_len(ch)) {
            let len = piece.len();
            if link.try_send(ch, piece).is_err() {
                return;
            }
            text.piece_sent(len);
        }
        // Said again without effect until the phone has ended, too.
        let _ = link.end(ch);
    }
}
