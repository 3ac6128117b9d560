//! Whether the user is at the desk, and what phones are told of the command while the user is not. Pure: time
//! is an argument.

use std::time::Duration;

use super::emulator::EmulatorEvent;
use super::wire::{Attention, End};

/// A user who did nothing at an attached window for so long is away.
const AWAY_AFTER: Duration = Duration::from_secs(60);

/// The shortest time between two wishes for attention. What comes between them is dropped.
const INTERVAL: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// When a window was attached, resized or typed in.
    used_at: Option<Duration>,
    /// When a phone typed: its user sees what the command does.
    phone_used_at: Option<Duration>,
    told_at: Option<Duration>,
    has_told_end: bool,
}

impl Away {
    /// Somebody did something at the desk.
    pub(super) fn note_used(&mut self, now: Duration) {
        self.used_at = Some(now);
    }

    /// Somebody typed at a phone.
    pub(super) fn note_phone_used(&mut self, now: Duration) {
        self.phone_used_at = Some(now);
    }

    /// True if nobody sees what the command does.
    fn is_away(&self, has_window: bool, now: Duration) -> bool {
        let is_long_ago = |at: Option<Duration>| at.is_none_or(|at| now >= at + AWAY_AFTER);
        is_long_ago(self.phone_used_at) && (!has_window || is_long_ago(self.used_at))
    }

    /// What to tell of an event of the command in the terminal of this name, if anything.
    pub(super) fn on_event(
        &mut self,
        event: &EmulatorEvent,
        (name, has_window): (&str, bool),
        now: Duration,
    ) -> Option<Attention> {
        let (title, text) = match event {
            EmulatorEvent::Bells(_) => (name, "The bell rang."),
            EmulatorEvent::Notice(notice) if notice.text.is_empty() => (name, notice.title.as_str()),
            EmulatorEvent::Notice(notice) if notice.title.is_empty() => (name, notice.text.as_str()),
            EmulatorEvent::Notice(notice) => (notice.title.as_str(), notice.text.as_str()),
            _ => return None,
        };
        let is_soon = self.told_at.is_some_and(|at| now < at + INTERVAL);
        if is_soon || !self.is_away(has_window, now) {
            return None;
        }
        self.told_at = Some(now);
        Some(Attention { title: title.to_owned(), text: text.to_owned() })
    }

    /// What to tell of the command's end, once.
    pub(super) fn on_end(
        &mut self,
        end: &End,
        command: &str,
        (name, has_window): (&str, bool),
        now: Duration,
    ) -> Option<Attention> {
        if std::mem::replace(&mut self.has_told_end, true) || !self.is_away(has_window, now) {
            return None;
        }
        let how = match end {
            End::Code(0) => "has ended".to_owned(),
            End::Code(code) => format!("has ended with exit code {code}"),
            End::Signal(signal) => format!("was ended by signal {signal}"),
            End::NotStarted { .. } => return None,
        };
        Some(Attention { title: name.to_owned(), text: format!("{command} {how}") })
    }
}

#[cfg(test)]
mod tests {
    use relay_client::app::terminal::Notice;

    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn told(away: &mut Away, event: &EmulatorEvent, has_window: bool, now: u64) -> Option<(String, String)> {
        away.on_event(event, ("sh", has_window), secs(now)).map(|told| (told.title, told.text))
    }

    fn notice(title: &str, text: &str) -> EmulatorEvent {
        EmulatorEvent::Notice(Notice { title: title.into(), text: text.into() })
    }

    #[test]
    fn phones_are_told_when_nobody_is_at_the_desk() {
        let mut away = Away::default();
        away.note_used(secs(0));
        assert_eq!(told(&mut away, &EmulatorEvent::Bells(1), true, 59), None, "somebody is there");
        let bell = Some(("sh".to_owned(), "The bell rang.".to_owned()));
        assert_eq!(told(&mut away, &EmulatorEvent::Bells(1), true, 60), bell);
        away.note_used(secs(61));
        assert_eq!(told(&mut away, &EmulatorEvent::Bells(1), false, 71), bell, "no window is attached");
        away.note_phone_used(secs(81));
        assert_eq!(told(&mut away, &EmulatorEvent::Bells(1), false, 99), None, "a phone is used");
        assert_eq!(told(&mut away, &EmulatorEvent::Title("x".into()), false, 99), None);
    }

    #[test]
    fn what_comes_fast_is_told_once_in_a_while() {
        let mut away = Away::default();
        let count = (0..100).filter(|now| told(&mut away, &EmulatorEvent::Bells(9), false, *now).is_some());
        assert_eq!(count.count(), 10);
    }

    #[test]
    fn a_notice_of_the_command_has_its_own_words() {
        for (title, text, told_of) in
            [("", "done", ("sh", "done")), ("make", "", ("sh", "make")), ("make", "done", ("make", "done"))]
        {
            let told = told(&mut Away::default(), &notice(title, text), false, 0).unwrap();
            assert_eq!((told.0.as_str(), told.1.as_str()), told_of);
        }
    }

    #[test]
    fn the_end_is_told_once_and_says_how() {
        for (end, words) in [
            (End::Code(0), "make all has ended"),
            (End::Code(2), "make all has ended with exit code 2"),
            (End::Signal(9), "make all was ended by signal 9"),
        ] {
            let mut away = Away::default();
            let told = away.on_end(&end, "make all", ("sh", false), secs(0)).unwrap();
            assert_eq!((told.title.as_str(), told.text.as_str()), ("sh", words));
            assert_eq!(away.on_end(&end, "make all", ("sh", false), secs(0)), None);
        }
        let mut away = Away::default();
        away.note_used(secs(0));
        assert_eq!(away.on_end(&End::Code(0), "ls", ("sh", true), secs(1)), None, "its user sees it");
    }
}
