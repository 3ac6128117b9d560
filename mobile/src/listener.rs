//! The events of a phone, one method each.

use std::time::Duration;

use relay_client::{Client, ClientEvent, Lost, Stop};

/// Receives what an app is told. All methods are called on one thread of the library's own, one at a time and
/// in order; `joined` and `left` alternate, and texts and binaries come only in between.
///
/// A method may block: then nothing more is taken from the relay, and the workstation is slowed down once a
/// MiB waits. It must not panic. It may call [`crate::Phone::close`] and the `try_send_*` methods; `send_*`
/// could wait for room that only this thread can make.
pub trait Listener {
    /// The relay accepted this phone; the workstation may still be absent.
    fn connected(&mut self) {}

    /// The workstation is here. The relay dropped `missed` messages of ours while it was not.
    fn joined(&mut self, missed: u64);

    /// The workstation, or the connection, is gone. `unsent` messages had been accepted and are dropped.
    fn left(&mut self, unsent: usize);

    /// The workstation sent a text.
    fn text(&mut self, text: String);

    /// The workstation sent bytes.
    fn binary(&mut self, bytes: Vec<u8>);

    /// There is no connection; the next try is automatic after this time.
    fn reconnecting(&mut self, after: Duration, why: Lost);

    /// The end: nothing is called after it. `unsent` messages had been accepted and are dropped.
    fn stopped(&mut self, why: Stop, unsent: usize);
}

/// Tells `listener` everything until the client has stopped.
pub(crate) fn listen(client: &Client, listener: &mut dyn Listener) {
    loop {
        match client.next_event(Duration::MAX) {
            None => {}
            Some(ClientEvent::Connected) => listener.connected(),
            Some(ClientEvent::Joined { missed }) => listener.joined(missed),
            Some(ClientEvent::Left { unsent }) => listener.left(unsent),
            Some(ClientEvent::Text(text)) => listener.text(text),
            Some(ClientEvent::Binary(bytes)) => listener.binary(bytes),
            Some(ClientEvent::Reconnecting { after, why }) => listener.reconnecting(after, why),
            Some(ClientEvent::Stopped { why, unsent }) => return listener.stopped(why, unsent),
        }
    }
}
