//! Through the tunnel: asks the user about a new phone. Nothing is ever said without encryption here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use protocol::ids::Role;
use relay_client::Stop;
use relay_client::engine::{AllowError, Engine, Event, SendError, Spent};
use relay_client::lines::{engine_line, harmless};

use super::{Speaker, listen_to_user};
use crate::print;

/// Events that are shown before the phone hears that the messages among them were taken.
const EVENTS_MAX: usize = 64;

/// How a conversation is held.
pub(crate) struct Manners {
    /// Let in the first phone without a question.
    pub(crate) yes: bool,
    /// End when the phone stays away for so long.
    pub(crate) resume_for: Option<Duration>,
    /// At the end, end the pair, too.
    pub(crate) forget: bool,
}

/// The only question: may this phone pair?
const QUESTION: &str = "allow it? [y/n]";

struct Talk {
    engine: Arc<Engine>,
    manners: Manners,
    /// What the next line of input answers.
    question: Mutex<Option<Question>>,
    /// Held while the pair is being forgotten; true once it was.
    forgotten: Mutex<bool>,
}

/// The question about a phone, until it is over.
#[derive(Clone, Copy)]
struct Question {
    number: u64,
    /// The user said yes, which is being carried out; a no may still take it back.
    is_answered: bool,
}

/// Talks until the engine has stopped, and says why. If stdout fails, the engine is let go.
pub(crate) fn until_stopped(engine: Engine, manners: Manners) -> anyhow::Result<Stop> {
    let engine = Arc::new(engine);
    let talk = Arc::new(Talk { engine, manners, question: Mutex::default(), forgotten: Mutex::default() });
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
                Event::Left => away_since = Some(Instant::now()),
                Event::CodeSpent(Spent::Expired) => {
                    failure = Some("nobody used the code; start again for a new one");
                }
                Event::CodeSpent(Spent::Unanswered | Spent::PhoneGone) => {
                    failure = Some("nobody was let in; start again for a new code");
                }
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
    fn question(&self) -> MutexGuard<'_, Option<Question>> {
        self.question.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints an event and does what follows from it; at the end, why it ended.
    fn show(&self, event: Event) -> anyhow::Result<Option<Stop>> {
        // A no tells of itself.
        let is_told = matches!(event, Event::CodeSpent(Spent::Denied));
        if let Some(line) = engine_line(&event, Role::Phone).filter(|_| !is_told) {
            print(&(line + "\n"))?;
        }
        match event {
            Event::Ask { question, .. } if self.manners.yes => {
                if let Err(why) = self.allow(question) {
                    print(&(why + "\n"))?;
                }
            }
            Event::Ask { question, .. } => {
                *self.question() = Some(Question { number: question, is_answered: false });
                print(&format!("{QUESTION}\n"))?;
            }
            Event::AskOver { question, .. } => {
                self.question().take_if(|asked| asked.number == question);
            }
            Event::CodeSpent(_) if !is_told => self.close(),
            Event::Stopped { why, .. } => return Ok(Some(why)),
            _ => {}
        }
        Ok(None)
    }

    /// Asking the relay for a session takes up to ten seconds, in which a no must still be heard.
    fn allow(&self, question: u64) -> Result<(), String> {
        let engine = Arc::clone(&self.engine);
        let work = move || let_in(&engine, question);
        let begun = thread::Builder::new().name("allow".into()).spawn(work);
        begun.map(drop).map_err(|error| format!("no thread for the answer: {error}; answer again"))
    }

    fn answer(&self, question: Question, answer: &str) -> Result<(), String> {
        match answer {
            "y" | "yes" if question.is_answered => {}
            "y" | "yes" => {
                self.allow(question.number)?;
                if let Some(asked) = self.question().as_mut().filter(|asked| asked.number == question.number)
                {
                    asked.is_answered = true;
                }
            }
            "n" | "no" => {
                self.engine.deny(question.number).map_err(|error| error.to_string())?;
                // The close may end the program before anything more is shown.
                drop(print("the phone was sent away; start again for a new code\n"));
                self.close();
            }
            _ if question.is_answered => return Err("not sent: no phone".to_owned()),
            _ => return Err(QUESTION.to_owned()),
        }
        Ok(())
    }

    fn send(&self, line: &str) -> Result<(), String> {
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

/// Carries a yes out.
fn let_in(engine: &Engine, question: u64) {
    let done = match engine.allow(question) {
        // It is better to be paired where the code was shown than not at all, and the user is told.
        Err(AllowError::NoSession(error)) => {
            let why = harmless(&error.to_string());
            drop(print(&format!(
                "no fresh session ({why}): paired in the code's; show the code to nobody\n"
            )));
            engine.allow_here(question).map_err(AllowError::from)
        }
        done => done,
    };
    if let Err(error) = done {
        drop(print(&format!("the phone was not let in: {error}\n")));
    }
}

impl Speaker for Talk {
    fn take(&self, line: String) -> Result<(), String> {
        let question = *self.question();
        match question {
            None => self.send(&line),
            Some(question) => self.answer(question, &line.trim().to_ascii_lowercase()),
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
