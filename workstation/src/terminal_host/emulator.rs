//! A stand-in, until the emulator is here.

use relay_client::app::terminal::{Screen, Size};

/// A terminal's screen.
pub(super) struct Emulator {
    screen: Screen,
}
