//! One carried channel: what its command has sent and the phone's link has not taken yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use mio::Token;
use relay_client::AppLink;
use relay_client::app::limits::DATA_HEADER_BYTES;
use relay_client::app::{ChannelError, ChannelId, Kind, Reason};

use crate::agent::lines::PhoneKey;
use crate::ipc::wire::carry::{WINDOW, cost};

/// A channel between a command and a phone.
pub(in crate::agent) struct Channel {
    pub(super) command: Token,
    pub(super) handle: u32,
    pub(super) phone: PhoneKey,
    pub(super) kind: Kind,
    app: Arc<AppLink>,
    ch: ChannelId,
    /// For the phone; its link has no credit for them. Each has room for a header.
    queue: VecDeque<Vec<u8>>,
    /// The cost of the queue and of what was passed on and not returned to the command: at most the window.
    used: usize,
    /// The length of messages that the command was told.
    told_len: usize,
    /// Until then the command must answer the phone; or, after its end, the phone must take its last words.
    pub(super) until: Option<Instant>,
    /// The command is gone, and has said all that it had to say.
    is_orphan: bool,
    /// The command sends nothing more.
    is_ending: bool,
    /// And the link knows it.
    has_ended: bool,
    /// The phone sends nothing more.
    has_phone_ended: bool,
    /// The link does not know it any more, and the command must be told.
    is_lost: bool,
    /// It is gone at both ends.
    is_gone: bool,
}

fn cost_of(message: &[u8]) -> usize {
    cost(message.len().saturating_sub(DATA_HEADER_BYTES))
}

impl Channel {
    pub(super) fn new(
        (command, handle): (Token, u32),
        (phone, app, ch): (PhoneKey, Arc<AppLink>, ChannelId),
        kind: Kind,
        until: Option<Instant>,
    ) -> Self {
        Channel {
            command,
            handle,
            phone,
            kind,
            app,
            ch,
            queue: VecDeque::new(),
            used: 0,
            told_len: 0,
            until,
            is_orphan: false,
            is_ending: false,
            has_ended: false,
            has_phone_ended: false,
            is_lost: false,
            is_gone: false,
        }
    }

    pub(super) fn is(&self, phone: PhoneKey, ch: ChannelId) -> bool {
        self.phone == phone && self.ch == ch
    }

    pub(super) fn message_len(&self) -> usize {
        self.app.message_len(self.ch)
    }

    /// True if the link has dropped it.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// True if nothing more is said on it, and the command knows.
    pub(super) fn is_over(&self) -> bool {
        self.is_gone || (self.has_ended && self.has_phone_ended)
    }

    /// True if the command has left the phone without an answer for too long, or the phone its last words.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// True if its command is gone.
    pub(super) fn is_orphan(&self) -> bool {
        self.is_orphan
    }

    /// Its command is gone. What it has said is passed on until then, if it had come to an end.
    pub(super) fn on_command_gone(&mut self, until: Instant) {
        self.is_orphan = self.is_ending && !self.is_over();
        match self.is_orphan {
            true => self.until = Some(until),
            false => {
                self.reset(Reason::new(Reason::CANCELLED, "the program at the desk that did this has ended"));
            }
        }
    }

    pub(super) fn note_phone_ended(&mut self) {
        self.has_phone_ended = true;
    }

    /// Passes on what the link takes.
    pub(super) fn pump(&mut self) {
        if !self.queue.is_empty() {
            match self.app.try_send_all(self.ch, &mut self.queue) {
                Ok(()) => {}
                // There is an event when this changes.
                Err(ChannelError::Full(_) | ChannelError::NotAccepted(_)) => return,
                Err(_) => {
                    self.is_lost = true;
                    return;
                }
            }
        }
        self.pass_end();
    }

    /// The command does not answer the phone, or the phone does not take its last words.
    pub(super) fn give_up(&mut self) {
        match self.is_orphan {
            true => self.reset(Reason::new(Reason::CANCELLED, "the program at the desk has ended")),
            false => {
                let words = "nobody at the desk has answered in time";
                self.refuse(Reason::new(Reason::UNAVAILABLE, words));
                self.is_lost = true;
            }
        }
    }

    fn pass_end(&mut self) {
        if self.is_ending && !self.has_ended {
            self.has_ended = self.app.end(self.ch).is_ok();
            self.is_lost |= !self.has_ended;
        }
    }

    /// What the command may send again, and a good length for its next message. Half of the window comes
    /// together, unless that length is another one: then it is told with what there is.
    pub(super) fn take_credit(&mut self) -> Option<(usize, usize)> {
        let queued: usize = self.queue.iter().map(|message| cost_of(message)).sum();
        let unreturned = self.used - queued;
        if unreturned == 0 || self.is_ending {
            return None;
        }
        let len = self.message_len();
        if unreturned < WINDOW / 2 && len == self.told_len {
            return None;
        }
        self.told_len = len;
        self.used = queued;
        Some((unreturned, len))
    }
}

/// What its command wants.
impl Channel {
    /// A message for the phone. False if it is more than the window allows, or comes behind the end.
    pub(in crate::agent) fn send(&mut self, message: Vec<u8>) -> bool {
        let used = self.used + cost_of(&message);
        let is_allowed = used <= WINDOW && !self.is_ending;
        if is_allowed {
            self.used = used;
            self.queue.push_back(message);
        }
        is_allowed
    }

    pub(in crate::agent) fn accept(&mut self, params: &str) {
        self.until = None;
        self.is_lost |= self.app.accept(self.ch, params).is_err();
    }

    pub(in crate::agent) fn refuse(&mut self, reason: Reason) {
        // It may be gone already.
        let _ = self.app.refuse(self.ch, reason);
        (self.until, self.is_gone) = (None, true);
    }

    pub(in crate::agent) fn consumed(&self, bytes: usize) {
        self.app.consumed(self.ch, bytes);
    }

    /// What was sent goes before it.
    pub(in crate::agent) fn end(&mut self) {
        self.is_ending = true;
    }

    pub(in crate::agent) fn reset(&mut self, reason: Reason) {
        // It may be gone already.
        let _ = self.app.reset(self.ch, reason);
        self.is_gone = true;
    }
}
