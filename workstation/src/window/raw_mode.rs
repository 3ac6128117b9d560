//! Raw mode of the desk's terminal, and the way back from it.
//!
//! However the program ends, the terminal is left as it was found: when the [`RawMode`] is dropped, by a
//! panic, by a signal, and by a process beside it if it is killed.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::guard::Guard;

/// The terminal as it was found, while it is in raw mode.
static FOUND: Mutex<Option<Found>> = Mutex::new(None);

#[derive(Debug)]
struct Found {
    modes: Termios,
    guard: Option<Guard>,
}

static HOOK: Once = Once::new();

/// The terminal is in raw mode until this is dropped.
#[derive(Debug)]
pub(crate) struct RawMode(());

impl RawMode {
    /// Switches raw mode on, if standard input and output are a terminal.
    ///
    /// # Errors
    /// The terminal refuses.
    pub(crate) fn enter() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !io::stdout().is_terminal() {
            return Ok(None);
        }
        // Remembered first: a signal may come at any time.
        let (raw_mode, mut raw) = Self::keep()?;
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Some(raw_mode))
    }

    /// Remembers the modes of standard input for a part of the program that changes them by itself. Gives
    /// them, too.
    ///
    /// # Errors
    /// It is no terminal.
    pub(crate) fn keep() -> io::Result<(Self, Termios)> {
        HOOK.call_once(restore_on_panic);
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match found.take() {
            // It is on already, if nobody has changed it meanwhile: those are not the modes to come back to.
            Some(known) => known,
            None => {
                let modes = exactly(tcgetattr(io::stdin())?);
                Found { guard: Guard::start(&modes), modes }
            }
        };
        let modes = known.modes.clone();
        *found = Some(known);
        Ok((Self(()), modes))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Leaves raw mode, if it is on. Any thread may call this at any time.
pub(crate) fn restore() {
    let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Found { modes, guard }) = found else { return };
    // A terminal that is gone has no modes.
    let _gone = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
    if let Some(guard) = guard {
        guard.dismiss();
    }
}

/// True if the terminal has other modes than it had when it was found.
pub(crate) fn is_changed() -> bool {
    let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    found.as_ref().is_some_and(|found| {
        tcgetattr(io::stdin()).is_ok_and(|now| now.local_modes != found.modes.local_modes)
    })
}

/// The same modes, so that setting them changes nothing.
///
/// Most terminals have no input speed of their own, which counts as the output's. Setting the modes would
/// write it down, and `stty -g` show it.
pub(crate) fn exactly(mut modes: Termios) -> Termios {
    if cfg!(target_os = "linux") && u64::from(modes.control_modes.bits()) & INPUT_SPEED == 0 {
        // 0 is always a speed: "as the output's".
        let _known = modes.set_input_speed(0);
    }
    modes
}

/// Linux's CIBAUD.
const INPUT_SPEED: u64 = 0x100f_0000;

fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        before(info);
    }));
}
