//! A line of the input, as a command or as something to say. Pure.

/// What a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Say(&'a str),
    /// Show this shared terminal.
    Open(&'a str),
    /// Open a shell.
    Shell,
    Terminals,
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
            ("/open", "") => Err("which one? write /open NAME; /terminals lists them".to_owned()),
            ("/open", name) => Ok(Command::Open(name)),
            _ if line.starts_with("//") => Ok(Command::Say(&line[1..])),
            _ if line.starts_with('/') => Err(format!(
                "there is no {line:?} here, but /terminals, /open NAME, /shell and /quit; write //{} to say it",
                &line[1..]
            )),
            _ => Ok(Command::Say(line)),
        }
    }
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
        ] {
            assert_eq!(Command::parse(line), Ok(command), "{line}");
        }
        for (line, words) in [
            ("/open", "which one?"),
            ("/quit now", "there is no \"/quit now\" here"),
            ("/etc/passwd", "write //etc/passwd to say it"),
        ] {
            assert!(Command::parse(line).unwrap_err().contains(words), "{line}");
        }
    }
}
