//! One text on its way to one phone.

use std::time::{Duration, Instant};

use relay_client::app::clipboard::{TextSender, is_got};
use relay_client::app::{Kind, Reason};

use crate::ipc::carried::{Carried, CarriedChannel, CarriedEvent, Peer};
use crate::ipc::wire::carry::Presence;

/// After a phone's app has started again, or an answer that may change.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The phone's user can see it.
    Shown,
    /// The phone does not want it; the words say why.
    Refused(String),
    /// The phone was not there in time.
    Absent,
}

/// See the module.
pub(super) struct TextOut {
    peer: Peer,
    text: TextSender,
    channel: Option<CarriedChannel>,
    is_accepted: bool,
    has_ended: bool,
    ask_at: Option<Instant>,
    fate: Option<Fate>,
}

impl TextOut {
    /// # Errors
    /// The text is too long.
    pub(super) fn new(peer: Peer, text: &str) -> anyhow::Result<Self> {
        let text = TextSender::new(text.to_owned()).map_err(|reason| anyhow::anyhow!("{reason}"))?;
        let (channel, ask_at, fate) = (None, None, None);
        Ok(TextOut { peer, text, channel, is_accepted: false, has_ended: false, ask_at, fate })
    }

    pub(super) fn name(&self) -> &str {
        &self.peer.name
    }

    pub(super) fn fate(&self) -> Option<&Fate> {
        self.fate.as_ref()
    }

    /// Waits no longer.
    pub(super) fn give_up(&mut self) {
        self.fate.get_or_insert(Fate::Absent);
    }

    /// Opens a channel where there is none, and sends what it takes.
    pub(super) fn settle(&mut self, carried: &Carried, now: Instant) {
        let may_ask = self.ask_at.is_none_or(|at| now >= at) && self.peer.presence == Presence::Here;
        if self.channel.is_none() && self.fate.is_none() && may_ask {
            (self.is_accepted, self.has_ended) = (false, false);
            self.text.begin_again();
            self.channel = Some(carried.open(&self.peer.id, Kind::Clipboard, &self.text.params()));
        }
        if let Some(ch) = self.channel.filter(|_| self.is_accepted && !self.has_ended) {
            self.send(carried, ch);
        }
    }

    fn send(&mut self, carried: &Carried, ch: CarriedChannel) {
        while let Some(piece) = self.text.next_piece(carried.message_len(ch)) {
            let len = piece.len();
            match carried.try_send(ch, piece) {
                Ok(()) => self.text.piece_sent(len),
                // `Writable` or the end of the channel follows.
                Err(_) => return,
            }
        }
        carried.end(ch);
        self.has_ended = true;
    }

    pub(super) fn on_event(&mut self, event: &CarriedEvent, carried: &Carried) {
        match event {
            CarriedEvent::Phone(peer) if peer.id == self.peer.id => {
                self.peer = peer.clone();
                if peer.presence == Presence::Gone {
                    self.fate.get_or_insert(Fate::Refused("it is no longer paired".to_owned()));
                }
            }
            CarriedEvent::Accepted { ch, .. } if self.is_own(*ch) => self.is_accepted = true,
            CarriedEvent::Refused { ch, reason } if self.is_own(*ch) => self.on_refused(reason),
            CarriedEvent::Data { ch, bytes } if self.is_own(*ch) => {
                carried.consumed(*ch, bytes.len());
                if is_got(bytes) {
                    self.fate = Some(Fate::Shown);
                }
            }
            CarriedEvent::Reset { ch, reason } if self.is_own(*ch) => {
                self.channel = None;
                self.fate.get_or_insert(Fate::Refused(reason.to_string()));
            }
            CarriedEvent::Ended { ch } if self.is_own(*ch) => {
                self.fate.get_or_insert(Fate::Refused("it did not show the text".to_owned()));
            }
            CarriedEvent::Lost { ch } if self.is_own(*ch) => self.ask_again(),
            _ => {}
        }
    }

    fn is_own(&self, ch: CarriedChannel) -> bool {
        self.channel == Some(ch)
    }

    fn on_refused(&mut self, reason: &Reason) {
        self.ask_again();
        if reason.token() != Reason::AWAY {
            self.fate = Some(Fate::Refused(reason.to_string()));
        }
    }

    fn ask_again(&mut self) {
        (self.channel, self.ask_at) = (None, Some(Instant::now() + ASK_EVERY));
    }
}
