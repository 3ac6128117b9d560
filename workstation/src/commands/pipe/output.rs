//! The standard output of `pipe`: bytes as they are, or what a terminal may show of them.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use relay_client::lines::harmless;

/// The output, without the buffer of lines.
pub(super) struct Output {
    file: File,
    is_terminal: bool,
}

impl Output {
    /// # Errors
    /// There is none.
    pub(super) fn open() -> io::Result<Self> {
        let output = io::stdout();
        let is_terminal = output.is_terminal();
        Ok(Output { file: File::from(output.as_fd().try_clone_to_owned()?), is_terminal })
    }

    /// Writes all of it. On a terminal, what could act there is written as escapes.
    ///
    /// # Errors
    /// It takes nothing more.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_terminal {
            self.file.write_all(shown(bytes).as_bytes())
        } else {
            self.file.write_all(bytes)
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => harmless(line.strip_suffix('\r').unwrap_or(line)) + "\n",
            None => harmless(line),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_shown_lines_and_nothing_that_acts() {
        assert_eq!(shown(b"a\x1b[2Jb\r\n\xff\nc"), "a\\u{1b}[2Jb\n\u{fffd}\nc");
    }
}
