//! The conversation: events to stdout, stdin's lines to the phone, signals to a clean end.
//!
//! Three threads besides the client's own: this one prints events, one reads stdin, one waits for signals. The
//! latter two live until the process ends; only reading the input may block them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use protocol::ids::Role;
use relay_client::lines::{LineError, event_line, read_line, refusal_line};
use relay_client::{Client, Event, Stop};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::print;

/// The exit code after a second Ctrl-C: 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// Talks until the client has stopped, and says why. If stdout fails, the client is let go.
pub(crate) fn until_stopped(client: Client) -> anyhow::Result<Stop> {
    let client = Arc::new(client);
    close_on_signal(Arc::clone(&client))?;
    send_lines(Arc::clone(&client))?;
    loop {
        let Some(event) = client.next_event(Duration::MAX) else { continue };
        print(&(event_line(&event, Role::Phone) + "\n"))?;
        if let Event::Stopped { why, .. } = event {
            return Ok(why);
        }
    }
}

fn send_lines(client: Arc<Client>) -> anyhow::Result<()> {
    let read = move || {
        let mut input = io::stdin().lock();
        loop {
            match send_line(&client, &mut input) {
                Line::Sent => {}
                // If nobody reads what is said, the other thread finds out and ends the program.
                Line::Refused(why) => drop(print(&(why + "\n"))),
                Line::End => return client.close(),
            }
        }
    };
    thread::Builder::new().name("stdin".into()).spawn(read).context("no thread for stdin")?;
    Ok(())
}

/// What became of one line of input.
enum Line {
    Sent,
    Refused(String),
    End,
}

fn send_line(client: &Client, input: &mut impl io::BufRead) -> Line {
    match read_line(input) {
        Ok(Some(line)) => match client.send_text(line) {
            Ok(()) => Line::Sent,
            Err(error) => Line::Refused(refusal_line(&error, Role::Phone)),
        },
        Ok(None) | Err(LineError::Io(_)) => Line::End,
        Err(error) => Line::Refused(error.to_string()),
    }
}

/// The first Ctrl-C (or SIGTERM, SIGHUP) ends cleanly, a second one at once.
fn close_on_signal(client: Arc<Client>) -> anyhow::Result<()> {
    let signals = [SIGINT, SIGTERM, SIGHUP];
    let asked = Arc::new(AtomicBool::new(false));
    for signal in signals {
        flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    let mut signals = Signals::new(signals).context("can't wait for signals")?;
    let wait = move || signals.forever().for_each(|_| client.close());
    thread::Builder::new().name("signals".into()).spawn(wait).context("no thread for signals")?;
    Ok(())
}
