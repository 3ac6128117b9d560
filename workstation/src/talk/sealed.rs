//! Through the tunnel: asks about a new phone, and about one that speaks without encryption.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::ids::Role;
use relay_client::Stop;
use relay_client::engine::{Engine, Event, SendError};
use relay_client::lines::{engine_line, harmless, refusal_line};

use super::{Speaker, listen_to_user};
use crate::print;

/// Plain texts that are kept while the user is asked about their sender; more are dropped, and counted.
const HELD_MAX: usize = 64;

/// Events that are shown before the phone hears that the messages among them were taken.
const EVENTS_MAX: usize = 64;

/// How a conversation is held.
pub(crate) struct Manners {
    /// Let in the first phone without a question.
    pub(crate) yes: bool,
    /// Somebody sits at the terminal who can be asked about a phone without encryption.
    pub(crate) asks_about_plain: bool,
    /// End when the phone stays away for so long.
    pub(crate) resume_for: Option<Duration>,
    /// At the end, end the pair, too.
    pub(crate) forget: bool,
}

/// What the next line of input answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    /// May this phone pair?
    Pair,
    /// May this phone be talked to without encryption?
    Plain,
}

/// Whether this link's peer is talked to without encryption.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum PlainPeer {
    /// It speaks the tunnel, or said nothing yet.
    #[default]
    None,
    /// The user is asked, or said no.
    Held,
    Allowed,
}

struct Talk {
    engine: Engine,
    manners: Manners,
    floor: Mutex<Floor>,
    /// Held while the pair is being forgotten; true once it was.
    forgotten: Mutex<bool>,
}

/// What the thread that prints and the one that reads stdin share.
#[derive(Default)]
struct Floor {
    question: Option<Question>,
    plain: PlainPeer,
    held: Vec<String>,
    dropped: usize,
}

/// Talks until the engine has stopped, and says why. If stdout fails, the engine is let go.
pub(crate) fn until_stopped(engine: Engine, manners: Manners) -> anyhow::Result<Stop> {
    let talk = Arc::new(Talk { engine, manners, floor: Mutex::default(), forgotten: Mutex::default() });
    listen_to_user(&talk)?;
    let mut limit = talk.manners.resume_for;
    let mut failure = None;
    let mut away_since = Some(Instant::now());
    loop {
        let left = limit.zip(away_since).map(|(limit, since)| limit.saturating_sub(since.elapsed()));
        let events = talk.engine.next_events(EVENTS_MAX, left.unwrap_or(Duration::MAX));
        if events.is_empty() && left.is_some() {
            limit = None;
            failure = Some("the phone stayed away for too long");
            talk.close();
        }
        for event in events {
            match &event {
                Event::Opened { .. } => away_since = None,
                Event::Left { .. } => away_since = Some(Instant::now()),
                Event::CodeExpired => failure = Some("nobody used the code; start again for a new one"),
                _ => {}
            }
            if let Some(why) = talk.show(event)? {
                // What stopped the engine may still have to tell the relay.
                drop(talk.forgotten.lock());
                return failure.map_or(Ok(why), |failure| Err(anyhow::anyhow!(failure)));
            }
        }
    }
}

impl Talk {
    fn floor(&self) -> MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints an event and does what follows from it; at the end, why it ended.
    fn show(&self, event: Event) -> anyhow::Result<Option<Stop>> {
        if let Event::PlainText(text) = &event
            && self.hold(text)
        {
            return Ok(None);
        }
        if let Some(line) = engine_line(&event, Role::Phone) {
            print(&(line + "\n"))?;
        }
        match event {
            Event::Ask { .. } if self.manners.yes => self.allow(),
            Event::Ask { .. } => self.ask(Question::Pair)?,
            Event::PlainPeer if self.manners.asks_about_plain => self.ask(Question::Plain)?,
            Event::PlainPeer => {
                self.floor().plain = PlainPeer::Held;
                print("it is not talked to; start with --plain to talk without encryption\n")?;
            }
            Event::Left { .. } | Event::Opened { .. } => {
                let mut floor = self.floor();
                let asks = floor.question.filter(|question| *question == Question::Pair);
                *floor = Floor { question: asks, ..Floor::default() };
            }
            Event::CodeExpired => self.close(),
            Event::Stopped { why, .. } => return Ok(Some(why)),
            _ => {}
        }
        Ok(None)
    }

    /// True if this plain text is not to be shown (yet).
    fn hold(&self, text: &str) -> bool {
        let mut floor = self.floor();
        if floor.plain == PlainPeer::Allowed {
            return false;
        }
        if floor.question == Some(Question::Plain) && floor.held.len() < HELD_MAX {
            floor.held.push(text.to_owned());
        } else {
            floor.dropped += 1;
        }
        true
    }

    fn ask(&self, question: Question) -> anyhow::Result<()> {
        let mut floor = self.floor();
        floor.question = Some(question);
        if question == Question::Plain {
            floor.plain = PlainPeer::Held;
        }
        drop(floor);
        print(question.words())
    }

    fn allow(&self) {
        // It is better to be paired where the code was shown than not at all, and the user is told.
        if let Err(error) = self.engine.allow() {
            let why = harmless(&error.to_string());
            drop(print(&format!(
                "no fresh session ({why}): paired in the code's; show the code to nobody\n"
            )));
            self.engine.allow_here();
        }
    }

    fn answer(&self, question: Question, yes: bool) -> Result<(), String> {
        self.floor().question.take_if(|standing| *standing == question);
        match (question, yes) {
            (Question::Pair, true) => self.allow(),
            (Question::Pair, false) => {
                self.engine.deny();
                // The close may end the program before anything more is shown.
                drop(print("the phone was sent away; start again for a new code\n"));
                self.close();
            }
            (Question::Plain, true) => self.talk_plain(),
            (Question::Plain, false) => {
                self.floor().held.clear();
                return Err("the phone is not talked to".to_owned());
            }
        }
        Ok(())
    }

    fn talk_plain(&self) {
        let mut floor = self.floor();
        floor.plain = PlainPeer::Allowed;
        let (held, dropped) = (std::mem::take(&mut floor.held), std::mem::take(&mut floor.dropped));
        drop(floor);
        for text in held {
            if let Some(line) = engine_line(&Event::PlainText(text), Role::Phone) {
                drop(print(&(line + "\n")));
            }
        }
        if dropped > 0 {
            drop(print(&format!("{dropped} more were dropped meanwhile\n")));
        }
    }

    fn send(&self, line: &str) -> Result<(), String> {
        if self.floor().plain == PlainPeer::Allowed {
            let sent = self.engine.send_plain(line, Duration::MAX);
            return sent.map_err(|error| refusal_line(&error, Role::Phone));
        }
        let sent = match self.engine.try_send(line.as_bytes()) {
            Err(SendError::Full) => self.engine.send(line.as_bytes(), Duration::MAX),
            sent => sent,
        };
        match sent {
            Ok(_) => Ok(()),
            Err(SendError::NotOpen) => Err("not sent: no phone".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Question {
    const fn words(self) -> &'static str {
        match self {
            Question::Pair => "allow it? [y/n]\n",
            Question::Plain => "talk to it anyway? [y/n]\n",
        }
    }
}

impl Speaker for Talk {
    fn take(&self, line: String) -> Result<(), String> {
        let question = self.floor().question;
        match (question, line.trim().to_ascii_lowercase().as_str()) {
            (None, _) => self.send(&line),
            (Some(question), "y" | "yes") => self.answer(question, true),
            (Some(question), "n" | "no") => self.answer(question, false),
            (Some(question), _) => Err(question.words().trim_end().to_owned()),
        }
    }

    fn close(&self) {
        if !self.manners.forget {
            return self.engine.close();
        }
        let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *forgotten, true) {
            return;
        }
        match self.engine.forget() {
            Ok(()) => drop(print("session deleted\n")),
            Err(error) => drop(print(&format!("{}\n", harmless(&error.to_string())))),
        }
    }
}
