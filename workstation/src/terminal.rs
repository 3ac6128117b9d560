//! The abilities of the terminal: how much room its window has, whether it takes colours and characters
//! beyond ASCII.
//!
//! `of_stderr` asks the system; the rest is pure.

use std::env;
use std::ffi::OsString;
use std::io::IsTerminal;

/// A terminal that shows text to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Its height and width in characters; `None` if unknown.
    pub(crate) size: Option<Size>,
    pub(crate) style: Style,
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
    let stderr = std::io::stderr();
    stderr.is_terminal().then(|| Terminal { size: size_of(&stderr), style: style(|name| env::var_os(name)) })
}

#[cfg(unix)]
fn size_of(terminal: &std::io::Stderr) -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    let size = Size { rows: size.ws_row.into(), columns: size.ws_col.into() };
    Some(size).filter(|size| size.rows > 0 && size.columns > 0)
}

#[cfg(not(unix))]
fn size_of(_: &std::io::Stderr) -> Option<Size> {
    None
}

/// By the environment: `NO_COLOR` (no-color.org), `TERM`, and the locale as POSIX has it: the first of
/// `LC_ALL`, `LC_CTYPE` and `LANG` that is not empty.
fn style(variable: impl Fn(&str) -> Option<OsString>) -> Style {
    let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
    let is_dumb = filled("TERM").is_none_or(|term| term == "dumb");
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(filled).unwrap_or_default();
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    Style {
        colours: filled("NO_COLOR").is_none() && !is_dumb,
        unicode: !is_dumb && (locale.contains("utf-8") || locale.contains("utf8")),
    }
}

impl Size {
    /// How many rows a line of `characters` takes, each one column wide.
    pub(crate) fn rows_of(self, characters: usize) -> usize {
        characters.div_ceil(self.columns).max(1)
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
            assert_eq!(size.rows_of(characters), rows, "{characters}");
        }
    }
}
