//! The rights that relayd's user in Redis needs. A test here compares `docs/operations.md` with this list,
//! and an integration case plays the whole life of a session as a user with exactly these rights.

/// Every command that relayd sends, or that its scripts call.
pub(super) const COMMANDS: [&str; 14] = [
    "eval",
    "evalsha",
    "script|load",
    "ping",
    "del",
    "hset",
    "hgetall",
    "hdel",
    "pexpire",
    "pexpireat",
    "time",
    "subscribe",
    "publish",
    "client|reply",
];

/// The command that confirms the master, if sentinels name it.
pub(super) const WITH_SENTINEL: &str = "role";

/// The command that selects a database, if the URL names one other than the first.
pub(super) const WITH_DATABASE: &str = "select";

/// The command as an operator writes it: `SCRIPT LOAD`.
pub(super) fn shown(command: &str) -> String {
    command.replace('|', " ").to_uppercase()
}

/// The command in single quotes in a server's text, if relayd needs one of that name.
pub(super) fn quoted_in(text: &str) -> Option<&'static str> {
    let quoted = text.split('\'').nth(1)?;
    named(quoted)
}

/// The command of that name, if relayd needs it.
pub(super) fn named(name: &str) -> Option<&'static str> {
    let all = COMMANDS.into_iter().chain([WITH_SENTINEL, WITH_DATABASE]);
    // A server may name a command without its second word.
    let is_it = |command: &&str| {
        command.eq_ignore_ascii_case(name)
            || command.split_once('|').is_some_and(|(first, _)| first.eq_ignore_ascii_case(name))
    };
    all.into_iter().find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule, as it must stand in the documents.
    fn rule() -> String {
        let commands = COMMANDS.map(|command| format!("+{command}")).join(" ");
        format!(
            "ACL SETUSER relay on >password resetkeys ~relay:* resetchannels &relay:node:* -@all {commands}"
        )
    }

    #[test]
    fn the_documents_say_the_same() {
        let page = include_str!("../../../../docs/operations.md");
        let said = page.split_once("    ACL SETUSER").expect("a rule").1;
        let said = said.split_once("\n\n").expect("a paragraph").0;
        let said = format!("ACL SETUSER{said}")
            .split_whitespace()
            .filter(|word| *word != "\\")
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(said, rule(), "left: docs/operations.md");
        for more in [WITH_SENTINEL, WITH_DATABASE] {
            assert!(page.contains(&format!("`+{more}`")), "no `+{more}` in docs/operations.md");
        }
    }

    #[test]
    fn a_command_is_found_by_the_names_that_servers_use() {
        for (text, command) in [
            ("no permissions to run the 'hset' command", Some("hset")),
            ("no permissions to run the 'SCRIPT' command or its subcommand", Some("script|load")),
            ("no permissions to run the 'client|reply' command", Some("client|reply")),
            ("no permissions to run the 'flushall' command", None),
            ("no name", None),
        ] {
            assert_eq!(quoted_in(text), command, "{text}");
        }
        assert_eq!(shown("script|load"), "SCRIPT LOAD");
    }
}
