//! The abilities of the terminal: how much room its window has, whether it takes colours and characters
//! beyond ASCII.
//!
//! `of_stderr` and `beside_stderr` ask the system; the rest is pure.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use crate::output::width::width;

/// A terminal that shows text to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Its height and width in characters; `None` if unknown.
    pub(crate) size: Option<Size>,
    pub(crate) style: Style,
    /// It moves its cursor when told to, so that what was written can be replaced.
    pub(crate) moves: bool,
    /// It wraps the lines it shows again when its window changes.
    pub(crate) rewraps: bool,
}

/// Height and width in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// The style that it can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Escape sequences for colours.
    pub(crate) colours: bool,
    /// Characters beyond ASCII.
    pub(crate) unicode: bool,
}

/// The terminal that stderr goes to; `None` if it goes elsewhere.
pub(crate) fn of_stderr() -> Option<Terminal> {
    of(&std::io::stderr())
}

/// The terminal that the user sits at where stderr goes elsewhere: that of stdin or stdout. A terminal that
/// the process only was started from, as a service may be, is left alone.
pub(crate) fn beside_stderr() -> Option<File> {
    let (input, output) = (std::io::stdin(), std::io::stdout());
    let tty = match (std::io::stderr().is_terminal(), input.is_terminal(), output.is_terminal()) {
        (true, ..) | (_, false, false) => return None,
        (_, true, _) => input.as_fd(),
        (_, _, true) => output.as_fd(),
    };
    // A window's input and outputs are one file, open for both.
    tty.try_clone_to_owned().ok().map(File::from)
}

/// What `output` can show; `None` if it is not a terminal.
pub(crate) fn of(output: &(impl IsTerminal + AsFd)) -> Option<Terminal> {
    let variable = |name: &str| env::var_os(name);
    output.is_terminal().then(|| Terminal {
        size: size_of(output),
        style: style(variable),
        moves: !is_dumb(variable),
        rewraps: !KEEP_THEIR_LINES.iter().any(|name| variable(name).is_some()),
    })
}

fn size_of(terminal: &impl AsFd) -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    let size = Size { rows: size.ws_row.into(), columns: size.ws_col.into() };
    Some(size).filter(|size| size.rows > 0 && size.columns > 0)
}

/// True without a `TERM`, or with that of a terminal that understands no escape sequences.
fn is_dumb(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// By the environment: `NO_COLOR` (no-color.org), `TERM`, and the locale as POSIX has it: the first of
/// `LC_ALL`, `LC_CTYPE` and `LANG` that is not empty.
fn style(variable: impl Fn(&str) -> Option<OsString>) -> Style {
    let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
    let is_dumb = is_dumb(&variable);
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(filled).unwrap_or_default();
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    Style {
        colours: filled("NO_COLOR").is_none() && !is_dumb,
        unicode: !is_dumb && (locale.contains("utf-8") || locale.contains("utf8")),
    }
}

/// What xterm and screen set, two terminals that leave their lines as they are when the window changes.
const KEEP_THEIR_LINES: [&str; 2] = ["XTERM_VERSION", "STY"];

impl Size {
    /// How many rows a line of text takes, which may have escape sequences.
    pub(crate) fn rows_of(self, line: &str) -> usize {
        width(line).div_ceil(self.columns).max(1)
    }

    /// How many rows several lines take.
    pub(crate) fn rows_of_lines(self, lines: &str) -> usize {
        lines.lines().map(|line| self.rows_of(line)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_what_may_be_written() {
        for (variables, colours, unicode) in [
            (&[("TERM", "xterm"), ("LANG", "de_DE.UTF-8")][..], true, true),
            (&[("TERM", "xterm"), ("LANG", "de_DE.utf8"), ("NO_COLOR", "1")], false, true),
            (&[("TERM", "xterm"), ("LANG", "de_DE.UTF-8"), ("NO_COLOR", "")], true, true),
            (&[("TERM", "xterm"), ("LANG", "C.UTF-8"), ("LC_ALL", "C")], true, false),
            (&[("TERM", "xterm"), ("LANG", "C"), ("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8")], true, true),
            (&[("TERM", "xterm")], true, false),
            (&[("TERM", "dumb"), ("LANG", "C.UTF-8")], false, false),
            (&[("LANG", "C.UTF-8")], false, false),
        ] {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            assert_eq!(style(variable), Style { colours, unicode }, "{variables:?}");
        }
    }

    #[test]
    fn long_lines_are_counted_as_the_window_wraps_them() {
        let size = Size { rows: 24, columns: 80 };
        for (characters, rows) in [(0, 1), (80, 1), (81, 2), (161, 3)] {
            assert_eq!(size.rows_of(&"x".repeat(characters)), rows, "{characters}");
        }
        assert_eq!(size.rows_of(&format!("\x1b[1m{}\x1b[0m", "日".repeat(40))), 1);
        assert_eq!(size.rows_of_lines("a\nb\n"), 2);
    }
}
