//! The phone through the tunnel: an engine, one thread that reads it, and one that types. The pair ends with
//! the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use relay_mobile::engine::{self, Engine, EngineEvent, EngineSettings, KeepNothing};
use relay_mobile::lines::engine_line;
use relay_mobile::{Code, Role, Stop};

use super::{Failure, Way, each_line, print_line};

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
            print_line(
                "no workstation is connected, and a code expires after five minutes: show a new one there",
            );
            return Ok(false);
        }
        if events.is_empty() {
            alone.tell();
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

/// How long nobody has been at the desk.
#[derive(Default)]
struct Alone {
    /// The relay is there since then, and nobody else.
    since: Option<Instant>,
    is_told: bool,
    /// The workstation was met: then it is waited for without an end.
    has_met: bool,
}

impl Alone {
    fn note(&mut self, event: &EngineEvent) {
        match event {
            EngineEvent::Connected | EngineEvent::Left if self.since.is_none() => {
                self.since = Some(Instant::now());
            }
            EngineEvent::Asked { .. } | EngineEvent::Opened { .. } => {
                *self = Alone { has_met: true, ..Alone::default() }
            }
            EngineEvent::Reconnecting { .. } => self.since = None,
            _ => {}
        }
    }

    /// Until something is to be said.
    fn left(&self) -> Option<Duration> {
        let limit = match self.is_told {
            false => TOLD_AFTER,
            true if self.has_met => return None,
            true => CODE_AGE_MAX,
        };
        self.since.map(|since| limit.saturating_sub(since.elapsed()))
    }

    /// True if the workstation that showed the code will not come back to it.
    fn is_for_good(&self) -> bool {
        self.is_told && !self.has_met && self.since.is_some_and(|since| since.elapsed() >= CODE_AGE_MAX)
    }

    fn tell(&mut self) {
        if self.since.is_some() && !std::mem::replace(&mut self.is_told, true) {
            print_line("waiting for the workstation");
        }
    }
}

/// A workstation that is there answers sooner.
const TOLD_AFTER: Duration = Duration::from_secs(5);

/// How long a workstation's code is valid by default.
const CODE_AGE_MAX: Duration = engine::limits::PAIR_FOR;
