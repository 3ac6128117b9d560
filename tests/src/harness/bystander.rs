//! A pair in its own session that keeps talking while a case abuses the server, and must not notice.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::pair::Pair;
use super::peer::Event;
use super::relay::Relay;
use super::role::Role;
use super::sequence::{Checker, Numbered};

/// A running pair. [`Bystander::done`] ends it; without that call the case fails.
#[derive(Debug)]
#[must_use = "only done() says how the bystander fared"]
pub struct Bystander {
    stop: Sender<()>,
    talk: Option<JoinHandle<()>>,
}

impl Bystander {
    /// Links a pair and lets it talk.
    pub fn start(relay: &Relay) -> Self {
        let pair = Pair::link(relay);
        let (stop, stopped) = mpsc::channel();
        let talk = thread::spawn(move || {
            let mut ways = Role::BOTH
                .map(|role| (role, Numbered::new(&pair.session, role), Checker::new(&pair.session, role)));
            let mut pair = pair;
            // One frame each way, about ten times a second, and once more when told to stop.
            loop {
                let last = stopped.recv_timeout(Duration::from_millis(100)) != Err(RecvTimeoutError::Timeout);
                for (role, numbered, checker) in &mut ways {
                    pass(&mut pair, *role, numbered, checker);
                }
                if last {
                    break;
                }
            }
        });
        Self { stop, talk: Some(talk) }
    }

    /// Ends the talk. Every frame has passed, complete and in order, and one more does now.
    pub fn done(mut self) {
        let _ = self.stop.send(());
        let talk = self.talk.take().expect("started");
        assert!(talk.join().is_ok(), "the bystander pair was disturbed");
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        if let Some(talk) = self.talk.take() {
            let _ = self.stop.send(());
            let disturbed = talk.join().is_err();
            assert!(thread::panicking(), "done() was not called; disturbed: {disturbed}");
        }
    }
}

fn pass(pair: &mut Pair, from: Role, numbered: &mut Numbered, checker: &mut Checker) {
    let (sender, receiver) = pair.from(from);
    sender.text(&numbered.text(64));
    match receiver.event() {
        Event::Text(text) => checker.take(&text),
        other => panic!("{other:?} instead of a frame"),
    }
}
