//! The one line that tells people how things are. Pure: events and time in, a line out.
//!
//! What needs the user comes first, as a narrow window cuts the end: the next try, then who is here, then who
//! is away.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{Event, PhoneState, RelayState, quoted, secs};
use crate::output::width::cut;

/// How things are, as far as events have told.
#[derive(Debug, Default)]
pub(crate) struct StatusLine {
    /// A code is shown that a phone may use.
    waits_for_phone: bool,
    /// The user is being asked: the question is on the screen, and nothing is put below it.
    asks: bool,
    phones: BTreeMap<String, Known>,
    /// The connection at which a phone is waited for; `None` while it is there.
    relay: Option<Known>,
}

/// What is known of one phone.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Connecting,
    /// The next try, by the clock of [`Moment::at`].
    RetryAt(Duration),
    /// Since when, in the words of [`Moment::clock`].
    Away(String),
    Encrypted,
}

/// A moment by two clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Since any fixed point.
    pub(crate) at: Duration,
    /// For people, such as `12:03`.
    pub(crate) clock: String,
}

impl StatusLine {
    /// Takes note of what happened `now`.
    pub(crate) fn on(&mut self, event: &Event, now: &Moment) {
        match event {
            Event::Code { .. } => (self.waits_for_phone, self.relay) = (true, Some(Known::Connecting)),
            Event::CodeEnded { .. } | Event::Paired { .. } => {
                (self.waits_for_phone, self.asks, self.relay) = (false, false, None);
            }
            Event::Asking { .. } => (self.waits_for_phone, self.asks) = (false, true),
            Event::Relay { state: RelayState::Connected } => self.relay = None,
            Event::Relay { state: RelayState::Retry { after, .. } } => {
                self.relay = Some(Known::RetryAt(now.at + *after));
            }
            Event::Phone { phone, state } => self.on_phone(phone, state, now),
            Event::Message { .. }
            | Event::Delivered { .. }
            | Event::NotSent { .. }
            | Event::Note { .. }
            | Event::Progress { .. }
            | Event::File { .. }
            | Event::Transfer { .. } => {}
        }
    }

    fn on_phone(&mut self, phone: &str, state: &PhoneState, now: &Moment) {
        let known = match state {
            PhoneState::Connecting => Known::Connecting,
            PhoneState::Retry { after, .. } => Known::RetryAt(now.at + *after),
            PhoneState::Away => match self.phones.get(phone) {
                Some(Known::Away(since)) => Known::Away(since.clone()),
                _ => Known::Away(now.clock.clone()),
            },
            PhoneState::Encrypted => Known::Encrypted,
            PhoneState::Ended => return drop(self.phones.remove(phone)),
        };
        self.phones.insert(phone.to_owned(), known);
    }

    /// True if nothing is shown, because the question must stay the last line.
    pub(super) fn is_hidden(&self) -> bool {
        self.asks
    }

    /// The line at the time `at`, cut to the columns that a window has; empty if there is nothing to tell.
    pub(crate) fn line(&self, at: Duration, columns: usize, unicode: bool) -> String {
        if self.is_hidden() {
            return String::new();
        }
        let retry = self.retry_at().map(|next| match secs(next.saturating_sub(at)) {
            0 => "connecting".to_owned(),
            left => format!("retry in {left} s: Enter tries now"),
        });
        let connects = self.connections().any(|known| *known == Known::Connecting);
        let connecting = (connects && retry.is_none()).then(|| "connecting".to_owned());
        let waits = (self.waits_for_phone && self.relay.is_none()).then(|| "waiting for a phone".to_owned());
        let parts = [retry, connecting, waits, self.encrypted(), self.away()];
        cut(&parts.into_iter().flatten().collect::<Vec<_>>().join("; "), columns, unicode)
    }

    /// When the line changes by itself, which is once a second while a try is counted down.
    pub(crate) fn changes_at(&self, at: Duration) -> Option<Duration> {
        let left = self.retry_at()?.checked_sub(at).filter(|left| !left.is_zero())?;
        let part = Duration::from_nanos(left.subsec_nanos().into());
        Some(at + if part.is_zero() { Duration::from_secs(1) } else { part })
    }

    /// The next try of all.
    fn retry_at(&self) -> Option<Duration> {
        let tries = self.connections().filter_map(|known| match known {
            Known::RetryAt(at) => Some(*at),
            _ => None,
        });
        tries.min()
    }

    fn connections(&self) -> impl Iterator<Item = &Known> {
        self.phones.values().chain(&self.relay)
    }

    fn encrypted(&self) -> Option<String> {
        let here = self.phones.iter().filter(|(_, known)| **known == Known::Encrypted);
        let names: Vec<String> = here.map(|(name, _)| quoted(name)).collect();
        (!names.is_empty()).then(|| format!("encrypted with {}", names.join(", ")))
    }

    fn away(&self) -> Option<String> {
        let away = self.phones.iter().filter_map(|(name, known)| match known {
            Known::Away(since) => Some(format!("{} away since {since}", quoted(name))),
            _ => None,
        });
        let away: Vec<String> = away.collect();
        (!away.is_empty()).then(|| away.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::CodeEnd;
    use super::*;

    fn moment(secs: u64) -> Moment {
        Moment { at: Duration::from_secs(secs), clock: format!("12:{secs:02}") }
    }

    fn phone(name: &str, state: PhoneState) -> Event {
        Event::Phone { phone: name.into(), state }
    }

    fn retry(secs: u64) -> PhoneState {
        PhoneState::Retry { after: Duration::from_secs(secs), why: "gone".into() }
    }

    #[test]
    fn what_the_line_says_after_each_event() {
        use PhoneState::*;
        let mut line = StatusLine::default();
        assert_eq!(line.line(Duration::ZERO, 80, true), "");
        let code = Event::Code { text: String::new(), valid_secs: 300 };
        let asking = Event::Asking { phone: "Pixel".into(), words: "a b".into() };
        let lost = RelayState::Retry { after: Duration::from_secs(5), why: "gone".into() };
        let connected = || Event::Relay { state: RelayState::Connected };
        let used = Event::CodeEnded { why: CodeEnd::Used };
        for (at, event, expected) in [
            (0, code, "connecting"),
            (0, connected(), "waiting for a phone"),
            (0, Event::Relay { state: lost }, "retry in 5 s: Enter tries now"),
            (1, connected(), "waiting for a phone"),
            (1, asking, ""),
            (2, Event::Paired { phone: "Pixel".into() }, ""),
            (3, phone("Pixel", Encrypted), "encrypted with \"Pixel\""),
            (3, phone("Pixel", Away), "\"Pixel\" away since 12:03"),
            (4, phone("Pixel", Away), "\"Pixel\" away since 12:03"),
            (5, phone("Mi", Connecting), "connecting; \"Pixel\" away since 12:03"),
            (6, phone("Mi", Encrypted), "encrypted with \"Mi\"; \"Pixel\" away since 12:03"),
            (7, phone("Pixel", Encrypted), "encrypted with \"Mi\", \"Pixel\""),
            (8, phone("Pixel", retry(8)), "retry in 8 s: Enter tries now; encrypted with \"Mi\""),
            (9, phone("Mi", retry(3)), "retry in 3 s: Enter tries now"),
            (12, Event::Note { text: "x".into() }, "connecting"),
            (13, phone("Mi", Ended), "retry in 3 s: Enter tries now"),
            (14, phone("Pixel", Connecting), "connecting"),
            (15, phone("Pixel", Away), "\"Pixel\" away since 12:15"),
            (
                16,
                phone("Pi\u{202e}\n", Encrypted),
                "encrypted with \"Pi\\u{202e}\\n\"; \"Pixel\" away since 12:15",
            ),
            (17, used, "encrypted with \"Pi\\u{202e}\\n\"; \"Pixel\" away since 12:15"),
        ] {
            line.on(&event, &moment(at));
            assert_eq!(line.line(Duration::from_secs(at), 80, true), expected, "{event:?}");
        }
        assert_eq!(line.line(Duration::from_secs(18), 16, true), "encrypted with …");
        assert_eq!(line.line(Duration::from_secs(18), 16, false), "encrypted with .");
    }

    #[test]
    fn a_countdown_changes_once_a_second_until_the_try() {
        let mut line = StatusLine::default();
        assert_eq!(line.changes_at(Duration::ZERO), None);
        let after = Duration::from_millis(2_500);
        let start = moment(10);
        line.on(&phone("Pixel", PhoneState::Retry { after, why: String::new() }), &start);
        let (mut at, mut shown) = (start.at, Vec::new());
        loop {
            shown.push(line.line(at, 80, true));
            match line.changes_at(at) {
                Some(next) => at = next,
                None => break,
            }
        }
        let counted = |secs| format!("retry in {secs} s: Enter tries now");
        assert_eq!(shown, [counted(3), counted(2), counted(1), "connecting".into()]);
        assert_eq!(at, start.at + after);
    }
}
