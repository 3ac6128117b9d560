//! One viewer's own end.

use super::limits::DESK_BYTES_MAX;
use super::message::{DeskMessage, UPDATE};
use super::parts::Joiner;
use super::screen::{Screen, Size};
use super::update::Update;
use super::wire::Malformed;

/// What a message of the desk brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A part of a message; more parts follow.
    Part,
    /// [`ScreenReceiver::screen`] changed. Draw it, then acknowledge `seq`.
    Updated {
        /// The update's number.
        seq: u64,
    },
    /// Anything else.
    Message(DeskMessage),
    /// A message that this version does not know, to be ignored.
    Unknown,
}

/// Applies the desk's updates to a screen of its own. Never panics, whatever comes.
#[derive(Debug)]
pub struct ScreenReceiver {
    screen: Screen,
    seq: u64,
    joiner: Joiner,
}

impl Default for ScreenReceiver {
    fn default() -> Self {
        ScreenReceiver { screen: Screen::new(Size::clamped(80, 24)), seq: 0, joiner: Joiner::default() }
    }
}

impl ScreenReceiver {
    /// A blank screen of 80×24, until the first update comes.
    pub fn new() -> Self {
        ScreenReceiver::default()
    }

    /// Takes the next message of the channel.
    ///
    /// # Errors
    /// It is not a message of this kind, or does not follow the last one. The screen is as it was. The desk
    /// is at fault: reset the channel, and open it again for a whole screen.
    pub fn on_message(&mut self, message: &[u8]) -> Result<Received, Malformed> {
        let Some((kind, payload)) = self.joiner.add(message, DESK_BYTES_MAX)? else {
            return Ok(Received::Part);
        };
        if kind != UPDATE {
            let message = DeskMessage::read(kind, &payload)?;
            return Ok(message.map_or(Received::Unknown, Received::Message));
        }
        let update = Update::read(&payload, self.screen.size())?;
        if update.based_on != 0 && update.based_on != self.seq {
            return Err(Malformed::OutOfStep { based_on: update.based_on, last: self.seq });
        }
        self.seq = update.seq;
        update.apply(&mut self.screen);
        Ok(Received::Updated { seq: self.seq })
    }

    /// The screen after the last update.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }
}
