//! A process beside a program that has changed the terminal's modes. It gives the terminal back if the
//! program is killed, which no program can do for itself.
//!
//! It stays in a process group of its own, so that no key ends it, and ignores the signal by which the system
//! stops programs in the background that change modes. A shell's `trap` sets that, as it needs no `unsafe`.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::str::FromStr;

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr,
    tcsetattr,
};

use super::write_reset;

/// What the shell does before it becomes the guard.
const SCRIPT: &str = r#"trap "" HUP INT QUIT TERM TTOU; exec "$0" "$@""#;

/// The guard's process. If this is dropped in the end of the process, the guard acts.
#[derive(Debug)]
pub(super) struct Guard {
    word: ChildStdin,
    /// Its entry in the list of processes stays until this program has ended.
    _child: Child,
}

impl Guard {
    /// Starts the guard of a terminal that has these modes. `None` if there is no process for it: then
    /// nothing is lost but its work.
    pub(super) fn start(modes: &Termios) -> Option<Self> {
        let program = crate::program::own().ok()?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT]).arg(program).arg("terminal-guard").arg(Modes::of(modes).to_string());
        command.stdin(Stdio::piped()).stderr(Stdio::null()).current_dir("/").process_group(0);
        command.env_remove("REGISTER_KEY");
        let mut child = command.spawn().ok()?;
        let word = child.stdin.take()?;
        Some(Self { word, _child: child })
    }

    /// The terminal has its modes again, so there is nothing to guard.
    pub(super) fn dismiss(mut self) {
        // One that was killed needs no word.
        drop(self.word.write_all(b"."));
    }
}

/// What raw mode changes in a terminal's modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modes {
    flags: [u32; 4],
    codes: [u8; 2],
}

const CODES: [SpecialCodeIndex; 2] = [SpecialCodeIndex::VMIN, SpecialCodeIndex::VTIME];

impl Modes {
    #[expect(clippy::unnecessary_cast, reason = "the flags have another width on other systems")]
    fn of(modes: &Termios) -> Self {
        let flags = [
            modes.input_modes.bits() as u32,
            modes.output_modes.bits() as u32,
            modes.control_modes.bits() as u32,
            modes.local_modes.bits() as u32,
        ];
        Self { flags, codes: CODES.map(|code| modes.special_codes[code]) }
    }

    fn put_in(self, modes: &mut Termios) {
        modes.input_modes = InputModes::from_bits_retain(self.flags[0] as _);
        modes.output_modes = OutputModes::from_bits_retain(self.flags[1] as _);
        modes.control_modes = ControlModes::from_bits_retain(self.flags[2] as _);
        modes.local_modes = LocalModes::from_bits_retain(self.flags[3] as _);
        for (code, value) in CODES.into_iter().zip(self.codes) {
            modes.special_codes[code] = value;
        }
    }
}

impl std::fmt::Display for Modes {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [input, output, control, local] = self.flags;
        let [min, time] = self.codes;
        write!(out, "{input:x}:{output:x}:{control:x}:{local:x}:{min:x}:{time:x}")
    }
}

impl FromStr for Modes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("\"{text}\" are no modes");
        let mut numbers = text.split(':').map(|number| u32::from_str_radix(number, 16).map_err(|_| bad()));
        let mut next = || numbers.next().unwrap_or_else(|| Err(bad()));
        let flags = [next()?, next()?, next()?, next()?];
        let mut code = || u8::try_from(next()?).map_err(|_| bad());
        let codes = [code()?, code()?];
        if numbers.next().is_some() { Err(bad()) } else { Ok(Self { flags, codes }) }
    }
}

/// Waits for the end of the program beside. If that comes without a word, sets these modes in the terminal of
/// standard output.
pub(crate) fn stand(modes: Modes) {
    if is_dismissed(io::stdin()) {
        return;
    }
    let terminal = io::stdout();
    // A terminal that is gone has no modes.
    let Ok(mut now) = tcgetattr(&terminal) else { return };
    // A shell's own line editor has signals on: then the shell has the terminal, and has set its modes.
    if !now.local_modes.contains(LocalModes::ISIG) {
        modes.put_in(&mut now);
        write_reset(b"");
        let _gone = tcsetattr(&terminal, OptionalActions::Now, &super::raw_mode::exactly(now));
    }
}

fn is_dismissed(mut word: impl Read) -> bool {
    loop {
        match word.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.is_ok_and(|count| count > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_passed_as_text() {
        let modes = Modes { flags: [0x500, 5, 0xbf, 0x8a3b], codes: [1, 0] };
        assert_eq!(modes.to_string(), "500:5:bf:8a3b:1:0");
        assert_eq!("500:5:bf:8a3b:1:0".parse(), Ok(modes));
        for bad in ["", "1:2:3:4:5", "1:2:3:4:5:6:7", "1:2:3:4:100:0", "g:2:3:4:5:6"] {
            assert!(bad.parse::<Modes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn one_byte_is_a_word_and_none_is_a_death() {
        assert!(is_dismissed(&b"."[..]));
        assert!(!is_dismissed(io::empty()));
    }
}
