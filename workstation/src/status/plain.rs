//! Lines for people where no status line can be rewritten: one for each event that says something new. Pure.

use std::collections::BTreeMap;

use super::event::{Event, PhoneState, RelayState};

/// What was told of each connection last. A relay that is away for an hour is told once for each reason and
/// not for each try.
#[derive(Debug, Default)]
pub(super) struct PlainLines {
    phones: BTreeMap<String, Told>,
    relay: Told,
}

/// Why there was no connection, if that was told last.
type Told = Option<String>;

impl PlainLines {
    /// The line that tells about the event; `None` if it says nothing new. `enter`: the user may press it.
    pub(super) fn line(&mut self, event: &Event, enter: bool) -> Option<String> {
        let is_new = match event {
            Event::Phone { phone, state: PhoneState::Ended } => {
                self.phones.remove(phone);
                true
            }
            Event::Phone { phone, state } => {
                let told = self.phones.entry(phone.clone()).or_default();
                match state {
                    PhoneState::Retry { why, .. } => note_told(told, Some(why)),
                    // The try that was announced.
                    PhoneState::Connecting => told.is_none(),
                    _ => note_told(told, None),
                }
            }
            Event::Relay { state: RelayState::Retry { why, .. } } => note_told(&mut self.relay, Some(why)),
            Event::Relay { state: RelayState::Connected } => note_told(&mut self.relay, None),
            _ => true,
        };
        let waits = matches!(
            event,
            Event::Phone { state: PhoneState::Retry { .. }, .. }
                | Event::Relay { state: RelayState::Retry { .. } }
        );
        let line = event.plain().filter(|_| is_new)?;
        Some(if waits && enter { line + ": Enter tries now" } else { line })
    }
}

/// Notes what is told now. Returns false if that was told last already; that there is a connection is always
/// news, as it says more than that.
fn note_told(told: &mut Told, why: Option<&String>) -> bool {
    let was_told = why.is_some() && told.as_ref() == why;
    *told = why.cloned();
    !was_told
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reason_is_told_once_and_each_change_is_told() {
        use PhoneState::*;
        let retry = |secs, why: &str| Retry { after: Duration::from_secs(secs), why: why.into() };
        let mut lines = PlainLines::default();
        for (phone, state, line) in [
            ("Pixel", Away, Some("\"Pixel\" is away")),
            ("Pixel", Encrypted, Some("encrypted with \"Pixel\"")),
            (
                "Pixel",
                retry(1, "gone"),
                Some("\"Pixel\": no connection (gone); retry in 1 s: Enter tries now"),
            ),
            ("Pixel", Connecting, None),
            ("Pixel", retry(2, "gone"), None),
            ("Mi", retry(3, "gone"), Some("\"Mi\": no connection (gone); retry in 3 s: Enter tries now")),
            (
                "Pixel",
                retry(4, "refused"),
                Some("\"Pixel\": no connection (refused); retry in 4 s: Enter tries now"),
            ),
            ("Pixel", Away, Some("\"Pixel\" is away")),
            (
                "Pixel",
                retry(1, "refused"),
                Some("\"Pixel\": no connection (refused); retry in 1 s: Enter tries now"),
            ),
            ("Pixel", Ended, Some("\"Pixel\" is no longer paired")),
        ] {
            let event = Event::Phone { phone: phone.into(), state };
            assert_eq!(lines.line(&event, true).as_deref(), line, "{event:?}");
        }
        let lost = |secs| Event::Relay {
            state: RelayState::Retry { after: Duration::from_secs(secs), why: "gone".into() },
        };
        assert_eq!(lines.line(&lost(1), false).as_deref(), Some("no connection (gone); retry in 1 s"));
        assert_eq!(lines.line(&lost(2), false), None);
        let connected = Event::Relay { state: RelayState::Connected };
        assert_eq!(lines.line(&connected, false).as_deref(), Some("connected"));
        let note = Event::Note { text: "x".into() };
        assert_eq!((lines.line(&note, true), lines.line(&note, true)), (Some("x".into()), Some("x".into())));
    }
}
