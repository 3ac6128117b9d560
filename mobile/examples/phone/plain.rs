//! The phone in plain frames, which whoever runs the relay can read: a [`Listener`] that prints.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use relay_client::ClientEvent;
use relay_mobile::lines::{event_line, refusal_line};
use relay_mobile::{Ca, Listener, Lost, Pairing, Role, Stop, connect_believing};

use super::{Failure, each_line, print_line};

/// Talks until the end; true if the phone was asked for it.
pub(super) fn talk(pairing: &Pairing, ca: Option<Ca>) -> Result<bool, Failure> {
    let (sender, ended) = channel();
    let phone = Arc::new(connect_believing(pairing, ca, Box::new(Printer { ended: sender }))?);
    let typing = Arc::clone(&phone);
    thread::spawn(move || {
        each_line(|line| typing.send_text(line).map_err(|error| refusal_line(&error, Role::Workstation)));
        typing.close();
    });
    Ok(ended.recv()?)
}

/// Prints each event as one line; says how it ended.
struct Printer {
    ended: Sender<bool>,
}

impl Printer {
    fn print(&self, event: &ClientEvent) {
        print_line(&event_line(event, Role::Workstation));
    }
}

impl Listener for Printer {
    fn connected(&mut self) {
        self.print(&ClientEvent::Connected);
    }

    fn joined(&mut self, missed: u64) {
        self.print(&ClientEvent::Joined { missed });
    }

    fn left(&mut self, unsent: usize) {
        self.print(&ClientEvent::Left { unsent });
    }

    fn text(&mut self, text: String) {
        self.print(&ClientEvent::Text(text));
    }

    fn binary(&mut self, bytes: Vec<u8>) {
        self.print(&ClientEvent::Binary(bytes));
    }

    fn reconnecting(&mut self, after: Duration, why: Lost) {
        self.print(&ClientEvent::Reconnecting { after, why });
    }

    fn stopped(&mut self, why: Stop, unsent: usize) {
        let well = why == Stop::Closed;
        self.print(&ClientEvent::Stopped { why, unsent });
        // Nobody waits any more if the program is ending by itself.
        let _ = self.ended.send(well);
    }
}
