//! A phone in a terminal; `--help` says how to call it.
//!
//! A code with a key is spoken to through the tunnel; one without, or any with `--plain`, in plain frames.

#[path = "phone/plain.rs"]
mod plain;
#[path = "phone/tunnel.rs"]
mod tunnel;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use relay_mobile::lines::{LineError, read_line};
use relay_mobile::{Ca, Proxy, engine, parse_pairing};

/// How the relay is reached.
struct Way {
    ca: Option<Ca>,
    proxy: Proxy,
}

type Failure = Box<dyn std::error::Error>;

const HELP: &str = "\
A phone in a terminal. It pairs by the code that the workstation shows, prints the workstation's messages, and
sends each line of its input. The end of the input ends it.

usage: phone [--plain] [--ca FILE] [--proxy URL] [CODE]

  CODE         the code that the workstation shows as text; without it, the input begins with the code
  --plain      talk without encryption: the relay can read every message
  --ca FILE    trust only certificates of the CAs in this PEM file
  --proxy URL  connect through this proxy, or with `none` directly, whatever HTTPS_PROXY and others say
  --help       show this help

exit code: 0 it ended as asked and the workstation received every line (with --plain: the relay did);
1 anything else; 2 a bad command line";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// True if the phone ended because it was asked to.
fn run() -> Result<bool, Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let had = arguments.len();
    arguments.retain(|argument| argument != "--help" && argument != "-h");
    if arguments.len() < had {
        print_line(HELP);
        return Ok(true);
    }
    let wants_plain = arguments.iter().any(|argument| argument == "--plain");
    arguments.retain(|argument| argument != "--plain");
    let ca = taken(&mut arguments, "--ca", "a PEM file")?.map(Ca::read).transpose()?;
    let proxy = taken(&mut arguments, "--proxy", "an address or `none`")?;
    let way = Way { ca, proxy: proxy.map(|proxy| proxy.parse()).transpose()?.unwrap_or_default() };
    if let Some(unknown) = arguments.iter().find(|argument| argument.starts_with('-')) {
        eprintln!("error: there is no option {unknown}; --help lists them");
        std::process::exit(2);
    }
    let text = match arguments.pop() {
        Some(text) => text,
        None => code_from_input()?,
    };
    if wants_plain {
        return plain::talk(&parse_pairing(&text)?, way);
    }
    let code = engine::parse_pairing(&text)?;
    if code.key.is_none() {
        return Err(
            "this code has no key, so nothing would be encrypted: pass --plain to talk without encryption"
                .into(),
        );
    }
    tunnel::talk(code, way)
}

/// Reads the code, which may be wrapped over several lines.
fn code_from_input() -> Result<String, Failure> {
    let mut input = io::stdin().lock();
    if input.is_terminal() {
        eprintln!("paste what the workstation shows behind \"or paste this:\", then press Enter");
    }
    let mut text = String::new();
    loop {
        let line = read_line(&mut input)?
            .ok_or("the input ended before a whole code came; --help says how to give one")?;
        text.push_str(&line);
        text.push('\n');
        match engine::parse_pairing(&text) {
            Err(error) if error.is_incomplete() => {}
            // The caller, which parses it again, reports any other error.
            _ => return Ok(text),
        }
    }
}

/// Takes `option` and the value behind it out of the arguments.
fn taken(arguments: &mut Vec<String>, option: &str, what: &str) -> Result<Option<String>, Failure> {
    let Some(at) = arguments.iter().position(|argument| argument == option) else { return Ok(None) };
    let value = arguments.get(at + 1).ok_or(format!("{option} needs {what} behind it"))?.clone();
    arguments.drain(at..=at + 1);
    Ok(Some(value))
}

/// Hands each line of the input to `send`, which may say why it was not sent; at the input's end says how
/// many were not.
fn each_line(mut send: impl FnMut(String) -> Result<(), String>) -> usize {
    let mut input = io::stdin().lock();
    let mut not_sent = 0;
    loop {
        let outcome = match read_line(&mut input) {
            Ok(Some(line)) => send(line),
            Ok(None) | Err(LineError::Io(_)) => return not_sent,
            Err(error) => Err(error.to_string()),
        };
        if let Err(words) = outcome {
            not_sent += 1;
            print_line(&words);
        }
    }
}

/// Prints a whole line at once, for a reader behind a pipe. If the reader is gone, the program ends.
fn print_line(line: &str) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}
