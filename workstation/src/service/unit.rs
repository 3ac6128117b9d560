//! The unit file for systemd. Pure.

use std::ffi::OsStr;
use std::fmt::Write as _;

use super::Service;

/// The text of the unit.
pub(crate) fn unit(service: &Service) -> String {
    let mut command = quoted(service.program.as_os_str(), Place::Program);
    for argument in &service.arguments {
        command.push(' ');
        command.push_str(&quoted(argument, Place::Argument));
    }
    let mut environment = String::new();
    for (name, value) in &service.environment {
        let mut setting = name.clone();
        setting.push('=');
        setting.push_str(&value.to_string_lossy());
        // Writing into memory can't fail.
        let _ = writeln!(environment, "Environment={}", quoted(OsStr::new(&setting), Place::Program));
    }
    TEXT.replace("{profile}", &service.profile)
        .replace("{environment}", &environment)
        .replace("{command}", &command)
}

/// A stop ends `serve` alone (`KillMode`), and a program of the user's that runs out of memory ends nothing
/// else (`OOMPolicy`): the agent and the terminals are in the same group of processes.
const TEXT: &str = "\
# Written by `workstation service install`, which replaces it.
[Unit]
Description=Phones of this user, profile {profile} (workstation serve)
StartLimitIntervalSec=300
StartLimitBurst=20

[Service]
Type=exec
{environment}ExecStart={command}
Restart=on-failure
RestartSec=1
KillMode=process
OOMPolicy=continue
TimeoutStopSec=10

[Install]
WantedBy=default.target
";

/// Where a word is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Dollar signs mean themselves.
    Program,
    Argument,
}

/// A word as systemd.syntax(7) and systemd.service(5) have it.
fn quoted(word: &OsStr, place: Place) -> String {
    let mut quoted = String::from("\"");
    for char in word.to_string_lossy().chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '%' => quoted.push_str("%%"),
            '$' if place == Place::Argument => quoted.push_str("$$"),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_quoted() {
        let service = Service {
            profile: "default".into(),
            program: "/opt/my programs/100%/workstation".into(),
            arguments: ["serve", "a \"b\" $HOME \\ %h"].map(Into::into).to_vec(),
            environment: vec![("NO_PROXY".into(), "a b$".into())],
        };
        let text = unit(&service);
        let command = r#"ExecStart="/opt/my programs/100%%/workstation" "serve" "a \"b\" $$HOME \\ %%h""#;
        assert!(text.lines().any(|line| line == command), "{text}");
        assert!(text.lines().any(|line| line == r#"Environment="NO_PROXY=a b$""#), "{text}");
        assert!(!text.contains('{'), "{text}");
    }
}
