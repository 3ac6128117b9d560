//! The phone in plain frames, which the relay can read: a [`Listener`] that prints.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use relay_client::ClientEvent;
use relay_mobile::lines::{event_line, refusal_line};
use relay_mobile::{Listener, Lost, Pairing, Role, Stop, connect_through};

use crate::args::Way;
use crate::{Failure, each_line, print_line};

/// Talks until the end; true if the phone was asked for it and every line was sent.
pub(super) fn talk(pairing: &Pairing, way: Way) -> Result<bool, Failure> {
    let (sender, ended) = channel();
    let not_sent = Arc::new(AtomicUsize::new(0));
    let printer = Printer { not_sent: Arc::clone(&not_sent), ended: sender };
    let phone = Arc::new(connect_through(pairing, way.ca, way.proxy, Box::new(printer))?);
    let typing = Arc::clone(&phone);
    thread::spawn(move || {
        let refused =
            each_line(|line| typing.send_text(line).map_err(|error| refusal_line(&error, Role::Workstation)));
        not_sent.fetch_add(refused, Ordering::AcqRel);
        typing.close();
    });
    Ok(ended.recv()?)
}

/// Prints each event as one line; says how it ended.
struct Printer {
    /// Lines of the input that did not reach the workstation.
    not_sent: Arc<AtomicUsize>,
    /// Gets true if the phone ended as asked and every line was sent.
    ended: Sender<bool>,
}

impl Printer {
    fn print(&self, event: &ClientEvent) {
        print_line(&event_line(event, Role::Workstation));
    }

    fn count(&self, not_sent: usize) {
        self.not_sent.fetch_add(not_sent, Ordering::AcqRel);
    }
}

impl Listener for Printer {
    fn connected(&mut self) {
        self.print(&ClientEvent::Connected);
    }

    fn joined(&mut self, missed: u64) {
        self.count(usize::try_from(missed).unwrap_or(usize::MAX));
        self.print(&ClientEvent::Joined { missed });
    }

    fn left(&mut self, unsent: usize) {
        self.count(unsent);
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
        self.count(unsent);
        let is_well = why == Stop::Closed && self.not_sent.load(Ordering::Acquire) == 0;
        self.print(&ClientEvent::Stopped { why, unsent });
        // The receiver is gone if the program is ending already.
        let _ = self.ended.send(is_well);
    }
}
