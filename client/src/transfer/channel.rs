//! The channel of a set.

use crate::app::{ChannelError, ChannelId, Reason};
use crate::app_link::AppLink;

/// A channel of kind `file` that was accepted. No method waits.
pub trait FileChannel {
    /// Sends one message.
    ///
    /// # Errors
    /// Nothing was accepted.
    fn try_send(&mut self, payload: &[u8]) -> Result<(), SendRefused>;

    /// Sends what was accepted, now. A channel may keep a message until then.
    fn flush(&mut self) {}

    /// A good length for the next message.
    fn message_len(&self) -> usize;

    /// This many bytes of the messages that were handed over are dealt with, the oldest first.
    fn consumed(&mut self, bytes: usize);

    /// Nothing more will be sent.
    fn end(&mut self);

    /// Ends both directions now.
    fn reset(&mut self, reason: Reason);
}

/// Why a channel accepted nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendRefused {
    /// It has no credit. The program is told when it has.
    #[error("the channel is full")]
    Full,
    /// It has ended. The program is told so.
    #[error("the channel is gone")]
    Gone,
}

/// A channel of a link in this process.
#[derive(Clone, Copy)]
pub struct LinkChannel<'a> {
    link: &'a AppLink,
    ch: ChannelId,
}

impl<'a> LinkChannel<'a> {
    /// Channel `ch` of `link`.
    pub fn new(link: &'a AppLink, ch: ChannelId) -> Self {
        LinkChannel { link, ch }
    }
}

impl FileChannel for LinkChannel<'_> {
    fn try_send(&mut self, payload: &[u8]) -> Result<(), SendRefused> {
        self.link.try_send(self.ch, payload).map_err(|error| match error {
            ChannelError::Full(_) => SendRefused::Full,
            _ => SendRefused::Gone,
        })
    }

    fn message_len(&self) -> usize {
        self.link.message_len(self.ch)
    }

    fn consumed(&mut self, bytes: usize) {
        self.link.consumed(self.ch, bytes);
    }

    fn end(&mut self) {
        // A channel that is gone says so by an event.
        let _ = self.link.end(self.ch);
    }

    fn reset(&mut self, reason: Reason) {
        let _ = self.link.reset(self.ch, reason);
    }
}
