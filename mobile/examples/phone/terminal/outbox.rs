//! Messages for the desk that wait until the channel takes them.

use std::collections::VecDeque;

use relay_client::AppLink;
use relay_client::app::ChannelId;
use relay_client::app::terminal::{ViewerMessage, encode_viewer_message};

/// Bytes that wait. Beyond it, what is typed is dropped.
const BYTES_MAX: usize = 64 * 1024;

/// The messages, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Outbox(VecDeque<Vec<u8>>);

impl Outbox {
    /// Queues a message; false if there is no room for it. Acknowledgements, of which there are few, always
    /// have room, and so does a paste if nothing waits.
    pub(super) fn try_push(&mut self, message: &ViewerMessage) -> bool {
        let messages = encode_viewer_message(message);
        let has_room = match message {
            ViewerMessage::Ack { .. } => true,
            ViewerMessage::Paste(_) if self.0.is_empty() => true,
            _ => bytes(&self.0) + bytes(&messages) <= BYTES_MAX,
        };
        if has_room {
            self.0.extend(messages);
        }
        has_room
    }

    /// The channel is gone, and all of this with it.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Sends what the channel takes.
    pub(super) fn send(&mut self, link: &AppLink, ch: ChannelId) {
        while let Some(message) = self.0.front() {
            match link.try_send(ch, message) {
                Ok(()) => drop(self.0.pop_front()),
                // `Writable` follows, or the event that the channel is gone.
                Err(_) => return,
            }
        }
    }
}

fn bytes<'a>(messages: impl IntoIterator<Item = &'a Vec<u8>>) -> usize {
    messages.into_iter().map(Vec::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_acknowledgements_are_not_lost() {
        let mut outbox = Outbox::default();
        let typed = ViewerMessage::Text("x".repeat(10_000));
        let taken = (0..100).filter(|_| outbox.try_push(&typed)).count();
        assert_eq!(taken, 6);
        assert!(outbox.try_push(&ViewerMessage::Ack { seq: 1 }));
        assert!(!outbox.try_push(&ViewerMessage::Paste("x".repeat(100_000))));
        outbox.clear();
        assert!(outbox.try_push(&ViewerMessage::Paste("x".repeat(100_000))));
    }
}
