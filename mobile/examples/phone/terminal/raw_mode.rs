//! This terminal while it shows another one: raw, on its other screen, and given back as it was found,
//! however the program ends.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, Once, PoisonError};

use relay_client::app::terminal::Size;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::painter::{ENTER, LEAVE};

/// How the terminal was found, while it is raw.
static FOUND: Mutex<Option<Termios>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// The terminal is raw until this is dropped.
#[derive(Debug)]
pub(super) struct RawMode(());

impl RawMode {
    /// Makes the terminal raw.
    ///
    /// # Errors
    /// Input or output is not a terminal.
    pub(super) fn enter() -> io::Result<Self> {
        let (input, mut output) = (io::stdin(), io::stdout());
        if !input.is_terminal() || !output.is_terminal() {
            return Err(io::Error::other(
                "a shared terminal is shown in a terminal only; pass --watch NAME --dump to read it as text",
            ));
        }
        HOOK.call_once(restore_on_panic);
        let found = exactly(tcgetattr(&input)?);
        let mut raw = found.clone();
        raw.make_raw();
        *FOUND.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        tcsetattr(&input, OptionalActions::Now, &raw)?;
        output.write_all(ENTER.as_bytes())?;
        output.flush()?;
        Ok(RawMode(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// The same modes, so that setting them changes nothing: a terminal without an input speed of its own would
/// get one.
fn exactly(mut modes: Termios) -> Termios {
    if cfg!(target_os = "linux") && u64::from(modes.control_modes.bits()) & INPUT_SPEED == 0 {
        // 0 is always a speed: "as the output's".
        let _ = modes.set_input_speed(0);
    }
    modes
}

/// Linux's CIBAUD.
const INPUT_SPEED: u64 = 0x100f_0000;

/// Does nothing if the terminal is not raw.
fn restore() {
    if let Some(found) = FOUND.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // A terminal that is gone needs nothing.
        let mut output = io::stdout();
        let _ = output.write_all(LEAVE.as_bytes()).and_then(|()| output.flush());
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &found);
    }
}

fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        before(info);
    }));
}

/// The size of this terminal.
pub(super) fn window_size() -> Size {
    let found = tcgetwinsize(io::stdout()).map(|size| (size.ws_col, size.ws_row));
    let (columns, rows) = found.ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or((80, 24));
    Size::clamped(columns, rows)
}
