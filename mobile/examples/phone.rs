//! A phone in a terminal: `cargo run -p relay-mobile --example phone -- [--plain] [--ca FILE] '<what the workstation said to paste>'`.
//!
//! Without a code as argument the first line of the input is the code. Every further line is sent; the end of the input ends
//! the phone. A code with a key is spoken to through the tunnel; one without, or any with `--plain`, in plain frames.

#[path = "phone/plain.rs"]
mod plain;
#[path = "phone/tunnel.rs"]
mod tunnel;

use std::io::{self, Write};
use std::process::ExitCode;

use relay_mobile::lines::{LineError, read_line};
use relay_mobile::{Ca, engine, parse_pairing};

type Failure = Box<dyn std::error::Error>;

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
    let wants_plain = arguments.iter().any(|argument| argument == "--plain");
    arguments.retain(|argument| argument != "--plain");
    let ca = taken_ca(&mut arguments)?;
    let text = match arguments.pop() {
        Some(text) => text,
        None => {
            let first = read_line(&mut io::stdin().lock())?;
            first.ok_or("paste the pairing code as the argument or the first line")?
        }
    };
    if wants_plain {
        return plain::talk(&parse_pairing(&text)?, ca);
    }
    let code = engine::parse_pairing(&text)?;
    if code.key.is_none() {
        return Err(
            "this code has no key, so nothing would be encrypted: pass --plain to talk all the same".into()
        );
    }
    tunnel::talk(code, ca)
}

/// Takes `--ca FILE` out of the arguments: a PEM file of CAs, whose certificates alone are believed.
fn taken_ca(arguments: &mut Vec<String>) -> Result<Option<Ca>, Failure> {
    let Some(at) = arguments.iter().position(|argument| argument == "--ca") else { return Ok(None) };
    let file = arguments.get(at + 1).ok_or("--ca needs a PEM file behind it")?;
    let ca = Ca::read(file)?;
    arguments.drain(at..=at + 1);
    Ok(Some(ca))
}

/// Hands each line of the input to `send`, which may say why it was not sent; returns at the input's end.
fn each_line(mut send: impl FnMut(String) -> Result<(), String>) {
    let mut input = io::stdin().lock();
    loop {
        let outcome = match read_line(&mut input) {
            Ok(Some(line)) => send(line),
            Ok(None) | Err(LineError::Io(_)) => return,
            Err(error) => Err(error.to_string()),
        };
        if let Err(words) = outcome {
            print_line(&words);
        }
    }
}

/// Whole lines at once, for whoever reads them through a pipe; if nobody does any more, the program is of no use.
fn print_line(line: &str) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}
