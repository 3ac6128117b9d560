//! The app's side of a connection, as the driver sees it: in plain frames or through the
//! tunnel.

use std::time::Duration;

use tungstenite::{Bytes, Message};

use crate::event::{ClientEvent, Stop};
use crate::session::Input;

/// The app's side. Called on the driver's thread only; nothing here waits for a network.
pub(crate) trait App {
    /// A turn of the driver begins: from here on, news must wake it again.
    fn begin_turn(&mut self) {}

    /// Gives the app its events since the last call, together.
    fn give_events(&mut self) {}

    /// The next input for the machine; `None` when there is no more.
    fn poll_input(&mut self) -> Option<Input>;

    /// True if the app has dropped its handle: events are no longer read.
    fn is_abandoned(&self) -> bool;

    /// When the driver must have another turn at the latest, counted from now.
    fn due_in(&mut self) -> Option<Duration> {
        None
    }

    /// The link is up. The relay dropped `missed` frames in the absence, and takes messages up to
    /// `message_bytes_max`.
    fn on_link(&mut self, missed: u64, message_bytes_max: usize);

    /// The link ended.
    fn on_unlink(&mut self);

    /// Something else happened; never `Joined`, `Left` or `Stopped`.
    fn tell(&mut self, event: ClientEvent);

    /// A bare binary message came.
    fn on_binary(&mut self, bytes: Bytes);

    /// A message is longer than this client accepts: the input for the machine.
    fn on_too_long(&mut self, words: String) -> Input;

    /// The relay does not know the session: the machine waits for an answer through `poll_input`.
    fn on_session_gone(&mut self, why: Stop);

    /// The end. Only the first call counts.
    fn stop(&mut self, why: Stop);

    /// True if the app takes no more events now. Then the driver leaves the socket unread, and is woken when
    /// there is room again.
    fn pause_if_full(&mut self) -> bool;

    /// The next message for the other end.
    fn next_outgoing(&mut self) -> Option<Message>;
}
