//! `relayctl`: the command line of operators. It speaks HTTP over the socket, and prints what comes.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use protocol::ids::SessionHash;

use super::client::{self, Answer, AskError};
use crate::http::admin::HashDigits;

/// Looks at a running relayd, ends a session, or drains the node.
#[derive(Debug, Parser)]
#[command(
    name = "relayctl",
    version,
    after_help = "Exit codes:\n  0  done\n  1  the server refused: the message says why\n  2  wrong usage\n  \
                  3  no server answers at the socket",
    next_line_help = true
)]
struct Arguments {
    /// The server's socket [default: relayctl.sock in $RUNTIME_DIRECTORY or in /run/relayd]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The 100 sessions with most bytes, of those with a connection on this node
    Sessions {
        /// Only sessions whose hash begins so, such as the 8 digits in the log. Prints whole hashes
        #[arg(value_name = "DIGITS", value_parser = digits)]
        digits: Option<HashDigits>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The 100 WebSockets with most bytes
    Connections {
        /// Only those of sessions whose hash begins so
        #[arg(value_name = "DIGITS", value_parser = digits)]
        digits: Option<HashDigits>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The other nodes that this one has a stream with
    Nodes {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a session for good, on all nodes. Its connections are closed with 4410
    Kill {
        /// The session's whole hash, 64 digits: see `relayctl sessions DIGITS`
        #[arg(value_name = "HASH", value_parser = hash)]
        hash: SessionHash,
    },
    /// Stop the server as SIGTERM does: every client is told and closed, and the process ends
    Drain,
}

/// The command line, for the manual pages and completions of packages.
pub fn line() -> clap::Command {
    Arguments::command()
}

/// Runs it.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // A closed output is ignored.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    let socket = arguments.socket.unwrap_or_else(|| default_socket(std::env::var_os("RUNTIME_DIRECTORY")));
    match run(&socket, &arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, words)) => {
            let _ = writeln!(io::stderr(), "relayctl: {words}");
            ExitCode::from(code)
        }
    }
}

fn run(socket: &Path, command: &Command) -> Result<(), (u8, String)> {
    let (method, path, is_json) = request_of(command);
    let accept = if is_json { "application/json" } else { "text/plain" };
    let answer = client::ask(socket, method, &path, accept).map_err(|error| explain(socket, &error))?;
    match answer {
        Answer { status: 200, body } => print(command, &body),
        Answer { body, .. } => {
            return Err((EXIT_REFUSED, message_in(&body).unwrap_or("the server refused").to_owned()));
        }
    }
    Ok(())
}

/// Method, path, and true if JSON is to be printed.
fn request_of(command: &Command) -> (&'static str, String, bool) {
    let listed = |what: &str, digits: &Option<HashDigits>| {
        let query = digits.as_ref().map(|digits| format!("?hash={}", digits.as_str()));
        format!("/debug/{what}{}", query.unwrap_or_default())
    };
    match command {
        Command::Sessions { digits, json } => ("GET", listed("sessions", digits), *json),
        Command::Connections { digits, json } => ("GET", listed("connections", digits), *json),
        Command::Nodes { json } => ("GET", listed("nodes", &None), *json),
        Command::Kill { hash } => ("POST", format!("/kill/{hash}"), false),
        Command::Drain => ("POST", "/drain".to_owned(), false),
    }
}

fn print(command: &Command, body: &str) {
    let words = match command {
        Command::Kill { .. } | Command::Drain => message_in(body).map(|words| format!("{words}\n")),
        _ => None,
    };
    // A reader that has seen enough, such as `head`, is no error.
    let _ = io::stdout().write_all(words.as_deref().unwrap_or(body).as_bytes());
}

/// The words of an answer. They are plain ASCII without quotes.
fn message_in(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("\"message\":\"")?;
    rest.split_once('"').map(|(message, _)| message)
}

fn explain(socket: &Path, error: &AskError) -> (u8, String) {
    let socket = socket.display();
    let words = match error {
        AskError::Connect(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            format!("the socket {socket} is only for root and the user of relayd: use sudo")
        }
        AskError::Connect(error) => format!(
            "no relayd answers at the socket {socket} ({error}): is it running, and with which --admin-socket?"
        ),
        AskError::Exchange(error) => {
            format!("the server at {socket} did not answer in time or in words: {error}")
        }
    };
    (EXIT_NO_SERVER, words)
}

fn digits(text: &str) -> Result<HashDigits, String> {
    HashDigits::parse(text).ok_or_else(|| "write lower-case hex digits, 64 at most".to_owned())
}

fn hash(text: &str) -> Result<SessionHash, String> {
    SessionHash::parse(text).ok_or_else(|| {
        format!(
            "write all 64 digits of the hash; `relayctl sessions {}` shows them",
            text.get(..8).unwrap_or(text)
        )
    })
}

fn default_socket(runtime_directory: Option<OsString>) -> PathBuf {
    crate::config::default_admin_socket(runtime_directory)
        .unwrap_or_else(|| "/run/relayd/relayctl.sock".into())
}

const EXIT_REFUSED: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_NO_SERVER: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(args: &[&str]) -> Option<(&'static str, String, bool)> {
        let arguments = Arguments::try_parse_from(["relayctl"].iter().chain(args)).ok()?;
        Some(request_of(&arguments.command))
    }

    #[test]
    fn each_command_is_one_request() {
        let hash = "a5".repeat(32);
        let is = |args: &[&str], method, path: &str, is_json| {
            assert_eq!(request(args), Some((method, path.to_owned(), is_json)), "{args:?}");
        };
        is(&["sessions"], "GET", "/debug/sessions", false);
        is(&["sessions", "fb224481", "--json"], "GET", "/debug/sessions?hash=fb224481", true);
        is(&["connections", "--json"], "GET", "/debug/connections", true);
        is(&["nodes", "--socket", "/run/x"], "GET", "/debug/nodes", false);
        is(&["kill", &hash], "POST", &format!("/kill/{hash}"), false);
        is(&["drain"], "POST", "/drain", false);
        for wrong in [&["kill", "a5a5a5a5"][..], &["kill"], &["sessions", "XYZ"], &["drain", "now"], &[]] {
            assert_eq!(request(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn words_are_taken_out_of_an_answer() {
        assert_eq!(message_in(r#"{"error":"x","message":"do this"}"#), Some("do this"));
        assert_eq!(message_in("<html>"), None);
    }
}
