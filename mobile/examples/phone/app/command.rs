//! A line of the input, as a command or as something to say. Pure.

use std::path::{Path, PathBuf};

/// What a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Say(&'a str),
    /// Show this shared terminal.
    Open(&'a str),
    /// Open a shell.
    Shell,
    Terminals,
    /// Send this text for the clipboard.
    Clip(&'a str),
    /// Send these files and folders.
    Send(Vec<PathBuf>),
    Quit,
}

impl<'a> Command<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// It begins with a slash and is not a command; the words say what is.
    pub(super) fn parse(line: &'a str) -> Result<Self, String> {
        let (word, rest) = line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim()));
        match (word, rest) {
            ("/quit", "") => Ok(Command::Quit),
            ("/shell", "") => Ok(Command::Shell),
            ("/terminals", "") => Ok(Command::Terminals),
            ("/send", "") => Err("what? write /send FILE…".to_owned()),
            ("/send", files) => Ok(Command::Send(paths(files))),
            ("/clip", "") => Err("which text? write /clip TEXT".to_owned()),
            ("/clip", text) => Ok(Command::Clip(text)),
            ("/open", "") => Err("which one? write /open NAME; /terminals lists them".to_owned()),
            ("/open", name) => Ok(Command::Open(name)),
            _ if line.starts_with("//") => Ok(Command::Say(&line[1..])),
            _ if line.starts_with('/') => Err(format!(
                "there is no {line:?} here, but /send FILE…, /clip TEXT, /terminals, /open NAME, /shell and /quit; write //{} to say it",
                &line[1..]
            )),
            _ => Ok(Command::Say(line)),
        }
    }
}

/// One path, if there is something of that name, else several with spaces between them.
fn paths(files: &str) -> Vec<PathBuf> {
    if Path::new(files).exists() {
        return vec![files.into()];
    }
    files.split_whitespace().map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_unless_it_is_a_command() {
        for (line, command) in [
            ("hello /quit", Command::Say("hello /quit")),
            ("", Command::Say("")),
            ("//quit", Command::Say("/quit")),
            ("/quit", Command::Quit),
            ("/terminals", Command::Terminals),
            ("/open  a b ", Command::Open("a b")),
            ("/send no-such-a no-such-b", Command::Send(vec!["no-such-a".into(), "no-such-b".into()])),
            ("/send src/lib.rs", Command::Send(vec!["src/lib.rs".into()])),
        ] {
            assert_eq!(Command::parse(line), Ok(command), "{line}");
        }
        for (line, words) in [
            ("/open", "which one?"),
            ("/send", "what?"),
            ("/quit now", "there is no \"/quit now\" here"),
            ("/etc/passwd", "write //etc/passwd to say it"),
        ] {
            assert!(Command::parse(line).unwrap_err().contains(words), "{line}");
        }
    }
}
