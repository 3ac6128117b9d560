//! The phone through the tunnel: an engine, one thread that reads it, and one that types. The pair ends with the program.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use relay_mobile::engine::{Engine, Event, KeepNothing, Settings};
use relay_mobile::lines::engine_line;
use relay_mobile::{Ca, Code, Role, Stop};

use super::{Failure, each_line, print_line};

/// How long the workstation's app may take with the last messages.
const FLUSH_MAX: Duration = Duration::from_secs(10);

/// Talks until the end; true if the phone was asked for it.
pub(super) fn talk(code: Code, ca: Option<Ca>) -> Result<bool, Failure> {
    let mut settings = Settings::new(Role::Phone);
    settings.ca = ca;
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
            if let Some(line) = engine_line(&event, Role::Workstation) {
                print_line(&line);
            }
            if let Event::Stopped { why, .. } = event {
                return Ok(why == Stop::Closed);
            }
        }
    }
}
