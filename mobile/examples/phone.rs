//! A phone in a terminal: `cargo run -p relay-mobile --example phone -- '<what the workstation said to paste>'`.
//!
//! Without an argument the first line of the input is the pairing code. Every further line is sent; the end of the
//! input ends the phone.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use protocol::ids::Role;
use relay_client::Event;
use relay_mobile::lines::{LineError, event_line, read_line, refusal_line};
use relay_mobile::{Listener, Lost, Phone, Stop, connect, parse_pairing};

/// Prints each event as one line; says how it ended.
struct Printer {
    ended: Sender<bool>,
}

impl Printer {
    fn print(&self, event: &Event) {
        print_line(&event_line(event, Role::Workstation));
    }
}

impl Listener for Printer {
    fn connected(&mut self) {
        self.print(&Event::Connected);
    }

    fn joined(&mut self, missed: u64) {
        self.print(&Event::Joined { missed });
    }

    fn left(&mut self, unsent: usize) {
        self.print(&Event::Left { unsent });
    }

    fn text(&mut self, text: String) {
        self.print(&Event::Text(text));
    }

    fn binary(&mut self, bytes: Vec<u8>) {
        self.print(&Event::Binary(bytes));
    }

    fn reconnecting(&mut self, after: Duration, why: Lost) {
        self.print(&Event::Reconnecting { after, why });
    }

    fn stopped(&mut self, why: Stop, unsent: usize) {
        let well = why == Stop::Closed;
        self.print(&Event::Stopped { why, unsent });
        // Nobody waits any more if the program is ending by itself.
        let _ = self.ended.send(well);
    }
}

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
fn run() -> Result<bool, Box<dyn std::error::Error>> {
    let mut input = io::stdin().lock();
    let payload = match std::env::args().nth(1) {
        Some(payload) => payload,
        None => read_line(&mut input)?.ok_or("paste the pairing code as the argument or the first line")?,
    };
    let pairing = parse_pairing(&payload)?;
    let (sender, ended) = channel();
    let phone = Arc::new(connect(&pairing, Box::new(Printer { ended: sender }))?);
    drop(input);
    let typing = Arc::clone(&phone);
    thread::spawn(move || send_lines(&typing, &mut io::stdin().lock()));
    Ok(ended.recv()?)
}

fn send_lines(phone: &Phone, input: &mut impl BufRead) {
    loop {
        match read_line(input) {
            Ok(Some(line)) => {
                if let Err(error) = phone.send_text(line) {
                    print_line(&refusal_line(&error, Role::Workstation));
                }
            }
            Ok(None) | Err(LineError::Io(_)) => return phone.close(),
            Err(error) => print_line(&error.to_string()),
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
