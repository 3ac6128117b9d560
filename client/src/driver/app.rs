//! What the driver serves: the app's side of a connection, whether it speaks plain frames or through the tunnel.

use std::time::Duration;

use tungstenite::{Bytes, Message};

use crate::event::{ClientEvent, Stop};
use crate::session::Input;

/// The app's side. Called on the driver's thread only; nothing here waits for a network.
pub(crate) trait App {
    /// A turn of the driver begins: from here on, news must wake it again.
    fn begin_turn(&mut self) {}

    /// The next thing that the machine must know, until there is none.
    fn poll_input(&mut self) -> Option<Input>;

    /// True if nobody will read events or wait for anything.
    fn is_abandoned(&mut self) -> bool;

    /// When the driver must have another turn at the latest, counted from now.
    fn due_in(&mut self) -> Option<Duration> {
        None
    }

    /// The link stands. The relay dropped `missed` frames in the absence, and takes messages up to `message_bytes_max`.
    fn on_link(&mut self, missed: u64, message_bytes_max: usize);

    /// The link ended.
    fn on_unlink(&mut self);

    /// Something else happened; never `Joined`, `Left` or `Stopped`.
    fn tell(&mut self, event: ClientEvent);

    /// A bare binary message came.
    fn on_binary(&mut self, bytes: Bytes);

    /// A message came that is longer than this client takes: what the machine is told of it.
    fn on_too_long(&mut self, words: String) -> Input;

    /// The relay does not know the session (any more): the machine waits for an answer through `poll_input`.
    fn on_session_gone(&mut self, why: Stop);

    /// The end. Only the first call counts.
    fn stop(&mut self, why: Stop);

    /// True if the socket may be read. If not, the driver is woken when there is room again.
    fn has_room(&mut self) -> bool;

    /// The next message for the other end.
    fn next_outgoing(&mut self) -> Option<Message>;
}
