//! The handle that apps hold: calls from any thread, answered by the mailbox.

use std::sync::Arc;
use std::time::Duration;

use protocol::message::is_heartbeat;
use thiserror::Error;
use tungstenite::Message;

use crate::driver::Start;
use crate::event::ClientEvent;
use crate::mailbox::Mailbox;
use crate::outbox::ClientSendError;
use crate::settings::ConnectionSettings;

/// A running client. One thread of its own holds the connection; all methods may be called from any thread,
/// and several at once.
///
/// The app must read its events: while about a MiB of them lies unread, nothing more is taken from the relay,
/// and the relay slows the other role down. Dropping the client closes the connection without waiting for
/// anything.
pub struct Client {
    mailbox: Arc<Mailbox>,
}

/// Why a client could not be started.
#[derive(Debug, Error)]
#[error("can't start a client: {0}")]
pub struct ConnectError(#[from] std::io::Error);

impl Client {
    /// Starts a client that connects in the background and reconnects until it is closed or refused; the
    /// first word of it is an event. Does not block.
    ///
    /// # Errors
    /// The system gave no thread, poll or random bits.
    pub fn connect(settings: ConnectionSettings) -> Result<Self, ConnectError> {
        let start = Start::new()?;
        let mailbox = Arc::new(Mailbox::new(start.wake(), settings.role));
        start.run(settings, Arc::clone(&mailbox))?;
        Ok(Client { mailbox })
    }

    /// Sends a text message. Blocks while the queue (256 messages, 1 MiB) is full; ends at once when the link
    /// does.
    ///
    /// `Ok` means accepted while the link was up: if it ends before the message is written, the next `Left`
    /// counts it as unsent; a message written before the link ended may or may not have arrived.
    ///
    /// # Errors
    /// Every [`ClientSendError`] but `Full`.
    pub fn send_text(&self, text: impl Into<String>) -> Result<(), ClientSendError> {
        self.mailbox.send(text_message(text.into())?)
    }

    /// Sends a binary message. As [`Client::send_text`].
    ///
    /// # Errors
    /// Every [`ClientSendError`] but `Full` and `LooksLikeHeartbeat`.
    pub fn send_binary(&self, bytes: impl Into<Vec<u8>>) -> Result<(), ClientSendError> {
        self.mailbox.send(Message::binary(bytes.into()))
    }

    /// Sends a text message without ever blocking.
    ///
    /// # Errors
    /// Every [`ClientSendError`]; `Full` if the queue has no room now.
    pub fn try_send_text(&self, text: impl Into<String>) -> Result<(), ClientSendError> {
        self.mailbox.try_send(text_message(text.into())?)
    }

    /// Sends a binary message without ever blocking.
    ///
    /// # Errors
    /// Every [`ClientSendError`] but `LooksLikeHeartbeat`; `Full` if the queue has no room now.
    pub fn try_send_binary(&self, bytes: impl Into<Vec<u8>>) -> Result<(), ClientSendError> {
        self.mailbox.try_send(Message::binary(bytes.into()))
    }

    /// The next event; blocks for at most `timeout`. `None` if none came, and at once after `Stopped` was
    /// read.
    pub fn next_event(&self, timeout: Duration) -> Option<ClientEvent> {
        self.mailbox.next_event(timeout)
    }

    /// Ends the client: no more messages are accepted, accepted ones are written, then the connection is
    /// closed with 1000. Does not block; `Stopped` is the last event and comes within ten seconds.
    pub fn close(&self) {
        self.mailbox.request_close();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.mailbox.abandon();
    }
}

fn text_message(text: String) -> Result<Message, ClientSendError> {
    // The relay answers a heartbeat instead of passing it on; better to say so than to lose it.
    if is_heartbeat(text.as_bytes()) {
        Err(ClientSendError::LooksLikeHeartbeat)
    } else {
        Ok(Message::text(text))
    }
}
