//! The phone through the tunnel: an engine, one thread that reads it, and one that types. The pair ends with the program.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use relay_mobile::engine::{Engine, Event, KeepNothing, Settings};
use relay_mobile::lines::harmless;
use relay_mobile::{Code, Role, Stop};

use super::{Failure, each_line, print_line};

/// How long the workstation's app may take with the last messages.
const FLUSH_MAX: Duration = Duration::from_secs(10);

/// Talks until the end; true if the phone was asked for it.
pub(super) fn talk(code: Code) -> Result<bool, Failure> {
    let mut settings = Settings::new(Role::Phone);
    settings.options.name = "a phone in a terminal".into();
    let engine = Arc::new(Engine::pair(Role::Phone, code, &settings, Box::new(KeepNothing))?);
    let typing = Arc::clone(&engine);
    thread::spawn(move || {
        each_line(|line| {
            let sent = typing.send(line.as_bytes(), Duration::MAX);
            sent.map(drop).map_err(|error| error.to_string())
        });
        if let Err(error) = typing.flush(FLUSH_MAX) {
            print_line(&error.to_string());
        }
        typing.close();
    });
    loop {
        for event in engine.next_events(64, Duration::MAX) {
            if let Some(line) = line(&event) {
                print_line(&line);
            }
            if let Event::Stopped { why, .. } = event {
                return Ok(why == Stop::Closed);
            }
        }
    }
}

/// The line that tells people about `event`; none for what only programs need.
fn line(event: &Event) -> Option<String> {
    let line = match event {
        Event::Connected => "connected".to_owned(),
        Event::Asked { words } => format!("the workstation asks its user; compare the words: {words}"),
        Event::Opened { .. } => "workstation joined, encrypted".to_owned(),
        Event::Message(message) => {
            format!("workstation: {}", harmless(&String::from_utf8_lossy(&message.bytes)))
        }
        Event::Restarted { unconfirmed: 0 } => "the workstation's program is a new one".to_owned(),
        Event::Restarted { unconfirmed } => {
            format!("the workstation's program is a new one; {unconfirmed} sent to the old one may be lost")
        }
        Event::PeerClosed => "the workstation sends no more".to_owned(),
        Event::Left { .. } => "workstation left".to_owned(),
        Event::Reconnecting { after, why } => {
            format!("reconnecting in {:.1} s: {}", after.as_secs_f64(), harmless(&why.to_string()))
        }
        Event::PlainPeer => "the workstation does not encrypt; nothing of it is shown".to_owned(),
        Event::Stopped { why: Stop::Closed, .. } => "closed".to_owned(),
        Event::Stopped { why, .. } => format!("stopped: {}", harmless(&why.to_string())),
        // Acknowledgements, and what a workstation is told.
        _ => return None,
    };
    Some(line)
}
