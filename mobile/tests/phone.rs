//! A phone's calls and callbacks against a relay that does what the test tells it.

#[path = "../../client/tests/fake/mod.rs"]
mod fake;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use fake::{Fake, LIMIT};
use relay_mobile::{ClientSendError, Listener, Lost, PairingError, Stop, connect, parse_pairing};
use tungstenite::Message;

struct Diary(Sender<String>);

impl Diary {
    fn note(&self, words: String) {
        self.0.send(words).unwrap();
    }
}

impl Listener for Diary {
    fn connected(&mut self) {
        self.note("connected".into());
    }

    fn joined(&mut self, missed: u64) {
        self.note(format!("joined {missed}"));
    }

    fn left(&mut self, unsent: usize) {
        self.note(format!("left {unsent}"));
    }

    fn text(&mut self, text: String) {
        self.note(format!("text {text}"));
    }

    fn binary(&mut self, bytes: Vec<u8>) {
        self.note(format!("binary {bytes:?}"));
    }

    fn reconnecting(&mut self, _: Duration, why: Lost) {
        self.note(format!("reconnecting {}", matches!(why, Lost::Broken(_))));
    }

    fn stopped(&mut self, why: Stop, unsent: usize) {
        self.note(format!("stopped {why} {unsent}"));
    }
}

fn next(notes: &Receiver<String>) -> String {
    notes.recv_timeout(LIMIT).expect("a note")
}

#[test]
fn a_listener_is_told_everything_in_order() {
    let fake = Fake::start();
    let (sender, notes) = channel();
    let pairing = parse_pairing(&fake.pairing()).unwrap();
    let phone = connect(&pairing, Box::new(Diary(sender))).unwrap();
    let mut peer = fake.accept_and_link("workstation");
    assert_eq!(next(&notes), "connected");
    assert_eq!(next(&notes), "joined 0");
    phone.send_text("a").unwrap();
    phone.try_send_binary([1]).unwrap();
    assert_eq!(peer.read(), Message::text("a"));
    assert_eq!(peer.read(), Message::binary([1].as_slice()));
    peer.frame("b", false);
    assert_eq!(next(&notes), "text b");
    peer.frame("AQ==", true);
    assert_eq!(next(&notes), "binary [1]");
    drop(peer);
    assert_eq!(next(&notes), "left 0");
    assert_eq!(phone.try_send_text("gap"), Err(ClientSendError::NotLinked));
    assert_eq!(next(&notes), "reconnecting true");
    let mut peer = fake.accept_and_link("workstation");
    assert_eq!(next(&notes), "connected");
    assert_eq!(next(&notes), "joined 0");
    phone.close();
    assert_eq!(peer.read_close_code(), Some(1000));
    assert_eq!(next(&notes), "stopped closed 0");
    assert!(notes.recv_timeout(LIMIT).is_err(), "the listener is gone, at once");
}

#[test]
fn a_dropped_phone_says_goodbye() {
    let fake = Fake::start();
    let (sender, notes) = channel();
    let pairing = parse_pairing(&fake.pairing()).unwrap();
    drop(connect(&pairing, Box::new(Diary(sender))).unwrap());
    assert_eq!(next(&notes), "stopped closed 0");
}

#[test]
fn what_is_no_code_is_told() {
    assert_eq!(parse_pairing("https://example.org").unwrap_err(), PairingError::NotPairing);
}
