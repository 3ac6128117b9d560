//! Through the tunnel: asks the user about a new phone, sends stdin's lines, shows what comes. Nothing is
//! ever said without encryption here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use protocol::ids::Role;
use relay_client::Stop;
use relay_client::engine::{AllowError, Engine, EngineEvent, EngineState, SendError, Spent};
use relay_client::lines::{engine_line, harmless};

use super::close_on_signal;
use super::decisions::Decisions;
use super::keyboard::{Keyboard, Listener, listen_to_stdin};
use super::prompt::{Meaning, Prompt, Question};
use super::waiting::{Next, Waiting};
use crate::code::Shown;
use crate::exit::{Ending, Outcome};
use crate::output::{print, say};

/// Events that are shown before the phone hears that the messages among them were taken.
const EVENTS_MAX: usize = 64;

/// The options of a conversation.
pub(crate) struct Options {
    /// Let in the first phone without a question.
    pub(crate) yes: bool,
    /// End when the phone has been away for this long.
    pub(crate) resume_for: Option<Duration>,
    /// At the end, end the pair, too.
    pub(crate) forget: bool,
}

/// The user's side of the program, over all codes that are shown. Shared by all threads.
pub(crate) struct Conversation {
    options: Options,
    /// The terminal for questions; `None` without one.
    keyboard: Option<Keyboard>,
    /// The terminal is being read for answers.
    listens: Mutex<bool>,
    prompt: Mutex<Prompt>,
    waiting: Waiting,
    /// The engine of the code, or of the pair, that is in use.
    engine: Mutex<Option<Arc<Engine>>>,
    decisions: Decisions,
    /// Whether this engine's pair was forgotten. Held while it is being done.
    forgotten: Mutex<Forgotten>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Forgotten {
    #[default]
    No,
    InFull,
    /// What is kept is still there, or the relay was not told.
    InPart,
}

impl Conversation {
    /// Begins to listen to stdin and to signals.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn open(options: Options, keyboard: Option<Keyboard>) -> anyhow::Result<Arc<Self>> {
        let conversation = Arc::new(Conversation {
            options,
            keyboard,
            listens: Mutex::default(),
            prompt: Mutex::default(),
            waiting: Waiting::default(),
            engine: Mutex::default(),
            decisions: Decisions::default(),
            forgotten: Mutex::default(),
        });
        let closing = Arc::clone(&conversation);
        close_on_signal(move || closing.close())?;
        listen_to_stdin(Arc::clone(&conversation))?;
        Ok(conversation)
    }

    /// Talks through `engine`, whose code stands on the screen, until it has stopped. If stdout takes nothing
    /// more, the engine is let go.
    ///
    /// # Errors
    /// stdout takes nothing more, or there is no thread.
    pub(crate) fn talk(
        self: &Arc<Self>,
        engine: Engine,
        code: Option<&Shown>,
    ) -> anyhow::Result<(Outcome, Ending)> {
        let engine = Arc::new(engine);
        *lock(&self.forgotten) = Forgotten::No;
        *lock(&self.engine) = Some(Arc::clone(&engine));
        // The user may have ended the program before there was this engine.
        if self.decisions.is_closing() {
            self.end(&engine);
        }
        self.waiting.set_stopped(false);
        let sender = {
            let (conversation, engine) = (Arc::clone(self), Arc::clone(&engine));
            let send = move || conversation.send_lines(&engine);
            thread::Builder::new().name("send".into()).spawn(send).context("no thread to send")?
        };
        let stopped = self.show_events(&engine, code);
        if stopped.is_err() {
            // Its events are no longer read, and the sender must not wait for ever.
            engine.close();
        }
        lock(&self.engine).take();
        self.waiting.set_stopped(true);
        drop(engine);
        if sender.join().is_err() {
            anyhow::bail!("the thread that sends has failed");
        }
        let (why, mut ending) = stopped?;
        // Not before the sender has ended, which takes out what the engine has accepted.
        ending.not_taken += self.waiting.not_sent();
        Ok((ending.outcome(&why), ending))
    }

    /// True if the user wants a new code after one that has ended. Blocks until the user has
    /// answered.
    pub(crate) fn wants_new_code(self: &Arc<Self>) -> bool {
        if self.keyboard.is_none() || self.options.yes || self.decisions.is_closing() {
            return false;
        }
        self.ask(Question::NewCode);
        self.decisions.wait_for_new_code()
    }

    /// Sends the lines of the input, each once a phone is there. At the end of the input ends the
    /// conversation when the phone has taken them all.
    fn send_lines(&self, engine: &Engine) {
        loop {
            match self.waiting.next() {
                Next::Line(line) => match engine.send(line.as_bytes(), Duration::MAX) {
                    Ok(_) => self.waiting.sent(),
                    // It waits for the next code's phone, or counts as not taken.
                    Err(SendError::Closed) => return,
                    Err(error) => {
                        self.waiting.refused();
                        say(&error.to_string());
                    }
                },
                // If the engine has stopped before, the lines that were not taken are counted there.
                Next::Ended => {
                    return if engine.flush(Duration::MAX).is_ok() {
                        self.close();
                    };
                }
                Next::Stopped => return,
            }
        }
    }

    /// Shows what happens until the engine has stopped: why it has, and what is known then without the lines
    /// that wait here.
    fn show_events(
        self: &Arc<Self>,
        engine: &Engine,
        code: Option<&Shown>,
    ) -> anyhow::Result<(Stop, Ending)> {
        let mut ending = Ending::default();
        let mut limit = self.options.resume_for;
        let mut away_since = Some(Instant::now());
        loop {
            let left = limit.zip(away_since).map(|(limit, since)| limit.saturating_sub(since.elapsed()));
            let events = engine.next_events(EVENTS_MAX, left.unwrap_or(Duration::MAX));
            if events.is_empty() && left.is_some() {
                limit = None;
                ending.waited_in_vain = true;
                say("the phone was away for too long");
                self.end(engine);
            }
            for event in events {
                match &event {
                    EngineEvent::Opened { .. } => ending.had_phone = true,
                    EngineEvent::CodeSpent(why) => {
                        // A phone that is rejected because the program ends was not refused by the user.
                        ending.denied |= *why == Spent::Denied && !self.decisions.is_closing();
                        ending.waited_in_vain |= *why != Spent::Denied;
                        ending.code_spent = true;
                    }
                    _ => {}
                }
                away_since = away_after(&event, away_since);
                if let Some((code, end)) = code.zip(end_of_code(&event)) {
                    code.replace(end);
                }
                self.show(engine, &event)?;
                if let EngineEvent::Stopped { why, unacknowledged } = event {
                    // `end` may still be telling the relay.
                    ending.kill_failed = *lock(&self.forgotten) == Forgotten::InPart;
                    ending.denied |= self.decisions.has_denied();
                    ending.code_spent |= ending.denied;
                    ending.not_taken = unacknowledged;
                    return Ok((why, ending));
                }
            }
        }
    }

    /// Shows an event and does what follows from it.
    fn show(self: &Arc<Self>, engine: &Engine, event: &EngineEvent) -> anyhow::Result<()> {
        // `deny` prints its own line.
        let is_told = matches!(event, EngineEvent::CodeSpent(Spent::Denied));
        let line = engine_line(event, Role::Phone).filter(|_| !is_told);
        match (event, line) {
            (EngineEvent::Message(message), Some(line)) => print(&line, &message.bytes)?,
            (_, Some(line)) => say(&line),
            (_, None) => {}
        }
        match event {
            EngineEvent::Ask { question, .. } if self.options.yes => self.allow(*question),
            EngineEvent::Ask { question, .. } if self.keyboard.is_some() => {
                self.ask(Question::Phone(*question));
            }
            EngineEvent::Ask { question, .. } => {
                say(
                    "there is no terminal to ask at, so the phone was rejected; start with --yes to accept the \
                     first phone",
                );
                self.deny(*question);
            }
            EngineEvent::AskOver { question, .. } => lock(&self.prompt).end(Question::Phone(*question)),
            EngineEvent::CodeSpent(_) => self.end(engine),
            _ => {}
        }
        Ok(())
    }

    fn ask(self: &Arc<Self>, question: Question) {
        if let Some(keyboard) = &self.keyboard {
            keyboard.forget_typed();
            if !std::mem::replace(&mut *lock(&self.listens), true)
                && let Err(error) = keyboard.listen(self)
            {
                say(&format!("{error:#}: start with --yes to accept the first phone"));
            }
        }
        lock(&self.prompt).ask(question, Instant::now());
        say(question.words());
    }

    /// Takes what was typed at the terminal as an answer, if something is asked. False: the line is for the
    /// phone.
    fn try_answer(self: &Arc<Self>, line: &str, typed_at: Instant) -> bool {
        let meaning = lock(&self.prompt).take(line, typed_at);
        match meaning {
            Meaning::Message => return false,
            Meaning::Repeated => {}
            Meaning::Unclear(question) => say(question.words()),
            Meaning::Yes(Question::Phone(number)) => self.allow(number),
            Meaning::No(Question::Phone(number)) => self.deny(number),
            Meaning::Yes(Question::NewCode) => self.decide_on_code(true),
            Meaning::No(Question::NewCode) => self.decide_on_code(false),
        }
        true
    }

    fn decide_on_code(&self, wanted: bool) {
        lock(&self.prompt).end(Question::NewCode);
        self.decisions.decide_on_code(wanted);
    }

    /// Asking the relay for a session takes up to ten seconds, in which a no must still be heard.
    fn allow(&self, number: u64) {
        let Some(engine) = lock(&self.engine).clone() else { return };
        let work = move || let_in(&engine, number);
        if let Err(error) = thread::Builder::new().name("allow".into()).spawn(work) {
            say(&format!("could not start a thread for the answer ({error}): answer again"));
        }
    }

    fn deny(&self, number: u64) {
        let Some(engine) = lock(&self.engine).clone() else { return };
        match engine.deny(number) {
            Ok(()) => {
                self.decisions.deny();
                say("the phone was rejected, and its code cannot be used again");
                self.end(&engine);
            }
            Err(error) => say(&error.to_string()),
        }
    }

    /// The user ends the program; what was accepted is written first.
    fn close(&self) {
        self.decisions.close();
        self.waiting.close();
        let engine = lock(&self.engine).clone();
        if let Some(engine) = engine {
            self.reject_waiting_phone(&engine);
            self.end(&engine);
        }
    }

    /// Tells a phone that waits for an answer that it gets none: the program ends.
    fn reject_waiting_phone(&self, engine: &Engine) {
        let question = lock(&self.prompt).question();
        if let Some(Question::Phone(number)) = question
            && engine.deny(number).is_ok()
        {
            say("the phone was rejected, as this program ends");
        }
    }

    /// Ends this engine, and with `--kill` the pair.
    fn end(&self, engine: &Engine) {
        if !self.options.forget {
            return engine.close();
        }
        let mut forgotten = lock(&self.forgotten);
        if *forgotten != Forgotten::No {
            return;
        }
        *forgotten = match engine.forget() {
            Ok(()) => {
                say("session deleted");
                Forgotten::InFull
            }
            Err(error) => {
                say(&harmless(&error.to_string()));
                Forgotten::InPart
            }
        };
    }
}

impl Listener for Conversation {
    fn on_line(self: &Arc<Self>, line: String, typed_at: Instant) {
        if !matches!(self.keyboard, Some(Keyboard::Stdin)) {
            return self.waiting.put(line);
        }
        if self.try_answer(&line, typed_at) {
            return;
        }
        let engine = lock(&self.engine).clone();
        let state = engine.as_ref().map(|engine| engine.state());
        if let Some((engine, EngineState::Connecting)) = engine.as_ref().zip(state)
            && line.is_empty()
        {
            return engine.retry_now();
        }
        if !self.waiting.try_put(line) {
            self.waiting.lose();
            say("not sent: too many lines are waiting for the phone");
        } else if state != Some(EngineState::Open) {
            say("no phone is connected: the line is sent when one is");
        }
    }

    fn on_answer(self: &Arc<Self>, line: &str, typed_at: Instant) {
        // Without a question, a typed line has no receiver.
        if !self.try_answer(line, typed_at) && matches!(self.keyboard, Some(Keyboard::Stdin)) {
            say("not sent: the input has ended");
        }
    }

    fn on_bad_line(&self) {
        self.waiting.lose();
    }

    fn on_end(&self) -> bool {
        self.waiting.end()
    }
}

/// What stands in the place of the code from this event on, which ends it.
fn end_of_code(event: &EngineEvent) -> Option<&'static str> {
    match event {
        EngineEvent::Ask { .. } | EngineEvent::Opened { .. } => Some("(a phone has used the code)"),
        EngineEvent::CodeSpent(Spent::Expired) => Some("(the code has expired)"),
        EngineEvent::CodeSpent(_) | EngineEvent::Stopped { .. } => Some("(the code has ended)"),
        _ => None,
    }
}

/// Since when the phone is away, after this event.
fn away_after(event: &EngineEvent, before: Option<Instant>) -> Option<Instant> {
    match event {
        // A phone is not away while it waits for an answer.
        EngineEvent::Opened { .. } | EngineEvent::Ask { .. } => None,
        // One that was let in has still to come to its own session, and no other event tells if it never
        // does.
        EngineEvent::Left | EngineEvent::AskOver { .. } => Some(Instant::now()),
        _ => before,
    }
}

/// Carries a yes out.
fn let_in(engine: &Engine, number: u64) {
    let done = match engine.allow(number) {
        // Pairing in the code's session is better than no pairing, and the user is told.
        Err(AllowError::NoSession(error)) => {
            say(&format!(
                "Could not create a new session ({}). The one in the QR code stays in use, so keep that code secret.",
                harmless(&error.to_string())
            ));
            engine.allow_here(number).map_err(AllowError::from)
        }
        done => done,
    };
    if let Err(error) = done {
        say(&format!("the phone was not accepted: {error}"));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_that_was_let_in_is_away_until_it_has_come() {
        for allowed in [true, false] {
            assert!(away_after(&EngineEvent::AskOver { question: 1, allowed }, None).is_some());
        }
        let now = Some(Instant::now());
        assert!(away_after(&EngineEvent::Left, None).is_some());
        assert_eq!(away_after(&EngineEvent::Connected, now), now);
        assert_eq!(away_after(&EngineEvent::Acknowledged(1), None), None);
    }
}
