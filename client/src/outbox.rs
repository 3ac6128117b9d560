//! The frames that were accepted for sending and are not yet written, and the gate before them.

use std::collections::VecDeque;

use thiserror::Error;
use tungstenite::Message;

/// Why a message was not accepted for sending.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientSendError {
    /// The other role is not here; the relay would drop the message.
    #[error("not sent: the other side is not here")]
    NotLinked,
    /// The client is closing or has stopped.
    #[error("not sent: this client is closed")]
    Closed,
    /// The queue is full; only `try_send_*` says so.
    #[error("not sent: too much is waiting to be sent; try again later")]
    Full,
    /// Larger than the relay takes.
    #[error("not sent: the message has {len} bytes and this relay takes at most {max}; send it in pieces")]
    TooLarge {
        /// Its bytes.
        len: usize,
        /// The relay's limit.
        max: usize,
    },
    /// The relay would take this text for a heartbeat and keep it.
    #[error(
        "not sent: a JSON object with \"type\":\"hb\" is a heartbeat and stays at the relay; send it as binary"
    )]
    LooksLikeHeartbeat,
}

/// At most this many bytes wait; a single larger message passes when nothing else waits.
const OUTBOX_BYTES_MAX: usize = 1 << 20;
/// At most this many messages wait.
const OUTBOX_MESSAGES_MAX: usize = 256;

/// Whether messages are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Gate {
    /// The other role is not here.
    #[default]
    NotLinked,
    /// The other role is here, and the relay takes messages up to this size.
    Linked { message_bytes_max: usize },
    /// Closing or closed: never again.
    Closed,
}

/// A bounded queue behind a gate. `bytes` is the sum of the messages' sizes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    gate: Gate,
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Outbox {
    /// Accepts `message`, or gives it back with the reason.
    pub(crate) fn push(&mut self, message: Message) -> Result<(), (ClientSendError, Message)> {
        let len = message.len();
        let refusal = match self.gate {
            Gate::NotLinked => ClientSendError::NotLinked,
            Gate::Closed => ClientSendError::Closed,
            Gate::Linked { message_bytes_max: max } if len > max => ClientSendError::TooLarge { len, max },
            Gate::Linked { .. } if !self.has_room_for(len) => ClientSendError::Full,
            Gate::Linked { .. } => {
                self.bytes += len;
                self.messages.push_back(message);
                return Ok(());
            }
        };
        Err((refusal, message))
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Opens the gate, unless it is closed.
    pub(crate) fn open(&mut self, message_bytes_max: usize) {
        if self.gate != Gate::Closed {
            self.gate = Gate::Linked { message_bytes_max };
        }
    }

    /// Shuts the gate; what waits stays. `Closed` is never left again.
    pub(crate) fn shut(&mut self, gate: Gate) {
        if self.gate != Gate::Closed {
            self.gate = gate;
        }
    }

    /// Shuts the gate and drops what waits; says how many.
    pub(crate) fn shut_and_drop(&mut self, gate: Gate) -> usize {
        self.shut(gate);
        self.bytes = 0;
        let dropped = self.messages.len();
        self.messages.clear();
        dropped
    }

    fn has_room_for(&self, len: usize) -> bool {
        self.messages.is_empty()
            || (self.messages.len() < OUTBOX_MESSAGES_MAX && self.bytes + len <= OUTBOX_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outbox: &mut Outbox, len: usize) -> Result<(), ClientSendError> {
        outbox.push(Message::binary(vec![0; len])).map_err(|(error, _)| error)
    }

    #[test]
    fn only_an_open_gate_lets_through() {
        let mut outbox = Outbox::default();
        assert_eq!(push(&mut outbox, 1), Err(ClientSendError::NotLinked));
        outbox.open(10);
        assert_eq!(push(&mut outbox, 10), Ok(()));
        assert_eq!(push(&mut outbox, 11), Err(ClientSendError::TooLarge { len: 11, max: 10 }));
        assert_eq!(outbox.shut_and_drop(Gate::NotLinked), 1);
        assert!(outbox.is_empty() && outbox.pop().is_none());
        outbox.shut(Gate::Closed);
        outbox.open(10);
        assert_eq!(push(&mut outbox, 1), Err(ClientSendError::Closed));
    }

    #[test]
    fn both_bounds_hold_and_room_comes_back() {
        let mut outbox = Outbox::default();
        outbox.open(usize::MAX);
        assert_eq!(push(&mut outbox, 3 * OUTBOX_BYTES_MAX), Ok(()), "one large message alone");
        assert_eq!(push(&mut outbox, 0), Err(ClientSendError::Full));
        assert!(outbox.pop().is_some());
        for _ in 0..OUTBOX_MESSAGES_MAX {
            assert_eq!(push(&mut outbox, 1), Ok(()));
        }
        assert_eq!(push(&mut outbox, 1), Err(ClientSendError::Full));
        assert!(outbox.pop().is_some());
        assert_eq!(push(&mut outbox, 1), Ok(()));
    }
}
