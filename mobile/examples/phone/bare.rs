//! The phone through the tunnel: an engine, one thread that reads it, and one that types. The pair ends with
//! the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use relay_mobile::engine::{Engine, EngineEvent, EngineSettings, KeepNothing};
use relay_mobile::lines::engine_line;
use relay_mobile::{Code, Role, Stop};

use crate::alone::{Alone, NOBODY};
use crate::args::Way;
use crate::{Failure, each_line, print_line};

/// How long the workstation's app may take with the last messages.
const FLUSH_MAX: Duration = Duration::from_secs(10);

/// Talks until the end; true if the phone was asked for it.
pub(super) fn talk(code: Code, way: Way) -> Result<bool, Failure> {
    let mut settings = EngineSettings::new(Role::Phone);
    settings.ca = way.ca;
    settings.proxy = way.proxy;
    settings.options.name = "a phone in a terminal".into();
    let engine = Arc::new(Engine::pair(Role::Phone, code, &settings, Box::new(KeepNothing))?);
    let typing = Arc::clone(&engine);
    let not_sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&not_sent);
    thread::spawn(move || {
        let not_sent = each_line(|line| {
            let sent = typing.send(line.as_bytes(), Duration::MAX);
            sent.map(drop).map_err(|error| error.to_string())
        });
        counter.store(not_sent, Ordering::Release);
        if let Err(error) = typing.flush(FLUSH_MAX) {
            print_line(&error.to_string());
        }
        typing.close();
    });
    let mut alone = Alone::default();
    loop {
        let events = engine.next_events(64, alone.left().unwrap_or(Duration::MAX));
        if events.is_empty() && alone.is_for_good() {
            print_line(NOBODY);
            return Ok(false);
        }
        if events.is_empty() && alone.try_tell() {
            print_line("waiting for the workstation");
        }
        for event in events {
            alone.note(&event);
            if let Some(line) = engine_line(&event, Role::Workstation) {
                print_line(&line);
            }
            if let EngineEvent::Stopped { why, unacknowledged } = event {
                let has_all = unacknowledged == 0 && not_sent.load(Ordering::Acquire) == 0;
                return Ok(why == Stop::Closed && has_all);
            }
        }
    }
}
