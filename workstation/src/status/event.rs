//! What can happen while a command runs: plain data, with its JSON for scripts and its line for people.
//!
//! The names in the JSON are a promise: docs/configuration.md lists them, and a test compares.

use std::time::Duration;

use relay_client::app::Reason;
use relay_client::lines::harmless;
use serde::Serialize;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A code is shown, and valid for this long.
    Code { text: String, valid_secs: u64 },
    /// The code can't be used any more.
    CodeEnded { why: CodeEnd },
    /// A phone has used the code, and the user is asked.
    Asking { phone: String, words: String },
    /// The phone was let in.
    Paired { phone: String },
    /// A phone's connection changed.
    Phone {
        phone: String,
        #[serde(flatten)]
        state: PhoneState,
    },
    /// The connection to the relay, at which a phone is waited for, has changed.
    Relay {
        #[serde(flatten)]
        state: RelayState,
    },
    /// A phone said something. `at_ms` is milliseconds since 1970.
    Message { phone: String, text: String, at_ms: u64 },
    /// Every phone has confirmed the line of this number; the first is 1.
    Delivered { number: u64 },
    /// The line of this number will not be sent.
    NotSent { number: u64, why: String },
    /// Something else that the user should know.
    Note { text: String },
    /// How far the files to or from a phone are.
    Progress { phone: String, files: u64, files_total: u64, bytes: u64, bytes_total: u64 },
    /// One file, by its name at the sender.
    File {
        phone: String,
        name: String,
        #[serde(flatten)]
        state: FileState,
    },
    /// The files to or from a phone.
    Transfer {
        phone: String,
        #[serde(flatten)]
        state: TransferState,
    },
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum FileState {
    /// It comes; so much of it is there already.
    Started { size: u64, offset: u64 },
    /// So much of it need not be sent.
    Resumed { offset: u64 },
    /// It is whole at the receiver, under this name.
    Done { kept_as: String },
    /// It was not taken. `reason` is for programs.
    Failed { reason: String, why: String },
    /// It can't be sent.
    Skipped { why: String },
}

/// How the files to or from a phone are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum TransferState {
    /// The phone is not there.
    Waiting,
    /// Every file is settled.
    Complete { done: u64, failed: u64, bytes: u64 },
    /// The other end wants none of it.
    Refused { why: String },
    /// It ended in the middle.
    Broken { why: String },
    /// The phone was not there in time.
    Absent,
    /// The user stopped it.
    Cancelled,
}

/// Why a code can't be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CodeEnd {
    Used,
    Expired,
    Refused,
}

/// The state of the connection at which a phone is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum RelayState {
    /// The relay is there.
    Connected,
    /// It is not; the next try is automatic.
    Retry {
        #[serde(rename = "in_secs", serialize_with = "whole_secs")]
        after: Duration,
        why: String,
    },
}

/// The state of a phone's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum PhoneState {
    /// A connection to the relay is being made.
    Connecting,
    /// There is no connection to the relay; the next try is automatic.
    Retry {
        #[serde(rename = "in_secs", serialize_with = "whole_secs")]
        after: Duration,
        why: String,
    },
    /// The relay is there, and the phone is not.
    Away,
    /// The tunnel is open.
    Encrypted,
    /// The pair is over.
    Ended,
}

impl CodeEnd {
    /// What stands in the place of the code from now on.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            CodeEnd::Used => "(a phone has used the code)",
            CodeEnd::Expired => "(the code has expired)",
            CodeEnd::Refused => "(the code's phone was refused)",
        }
    }
}

impl Event {
    /// One line of JSON, without its line end.
    pub(crate) fn to_json(&self) -> String {
        // There are no maps and no floats in it that could not be written.
        sonic_rs::to_string(self).unwrap_or_default()
    }

    /// The line for people where there is no status line; `None` where the code itself or a question tells
    /// it.
    pub(crate) fn plain(&self) -> Option<String> {
        Some(match self {
            Event::Code { .. }
            | Event::CodeEnded { .. }
            | Event::Delivered { .. }
            | Event::Progress { .. } => return None,
            Event::Asking { phone, words } if phone.is_empty() => {
                format!("a phone without a name wants to pair; its screen shows: {words}")
            }
            Event::Asking { phone, words } => {
                format!("{} wants to pair; its screen shows: {words}", quoted(phone))
            }
            Event::Paired { phone } => format!("paired with {}", quoted(phone)),
            Event::Relay { state: RelayState::Connected } => "connected".to_owned(),
            Event::Relay { state: RelayState::Retry { after, why } } => {
                format!("no connection ({}); retry in {} s", harmless(why), secs(*after))
            }
            Event::Phone { phone, state } => state.plain(phone),
            Event::Message { phone, text, .. } => format!("{}: {}", harmless(phone), harmless(text)),
            Event::NotSent { number, why } => format!("line {number} was not sent: {}", harmless(why)),
            Event::Note { text } => harmless(text),
            Event::File { name, state, .. } => return state.plain(name),
            Event::Transfer { phone, state } => state.plain(phone),
        })
    }
}

impl FileState {
    pub(crate) fn failed(reason: &Reason) -> Self {
        FileState::Failed { reason: reason.token().to_owned(), why: reason.to_string() }
    }

    /// What goes well is in the totals.
    fn plain(&self, name: &str) -> Option<String> {
        let name = harmless(name);
        Some(match self {
            FileState::Started { offset: 0, .. } | FileState::Done { .. } => return None,
            FileState::Started { offset, .. } | FileState::Resumed { offset } => {
                format!("{name}: goes on at byte {offset}")
            }
            FileState::Failed { why, .. } => format!("{name}: not taken: {}", harmless(why)),
            FileState::Skipped { why } => format!("{name}: not sent: {}", harmless(why)),
        })
    }
}

impl TransferState {
    fn plain(&self, phone: &str) -> String {
        let name = quoted(phone);
        match self {
            TransferState::Waiting => {
                format!("waiting for {name}: open the app there; Ctrl-C ends the wait")
            }
            TransferState::Complete { done, failed: 0, .. } => format!("{name}: all {done} files are there"),
            TransferState::Complete { done, failed, .. } => {
                format!("{name}: {done} files are there, {failed} are not")
            }
            TransferState::Refused { why } => format!("{name} refuses: {}", harmless(why)),
            TransferState::Broken { why } => {
                format!("{name}: stopped: {}. Send it again to go on", harmless(why))
            }
            TransferState::Absent => format!("{name} was not there in time. Send it again to go on"),
            TransferState::Cancelled => format!("{name}: stopped. Send it again to go on"),
        }
    }
}

impl PhoneState {
    fn plain(&self, phone: &str) -> String {
        let name = quoted(phone);
        match self {
            PhoneState::Connecting => format!("{name}: connecting"),
            PhoneState::Retry { after, why } => {
                format!("{name}: no connection ({}); retry in {} s", harmless(why), secs(*after))
            }
            PhoneState::Away => format!("{name} is away"),
            PhoneState::Encrypted => format!("encrypted with {name}"),
            PhoneState::Ended => format!("{name} is no longer paired"),
        }
    }
}

/// A phone's name as a line shows it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", harmless(name))
}

/// Whole seconds, rounded up, so that a countdown ends with 1.
pub(super) fn secs(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn whole_secs<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(secs(*time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(state: PhoneState) -> Event {
        Event::Phone { phone: "Pixel".into(), state }
    }

    #[test]
    fn each_event_has_its_json_and_its_line() {
        let retry = PhoneState::Retry { after: Duration::from_millis(7_200), why: "refused\n".into() };
        for (event, json, line) in [
            (
                Event::Code { text: "https://h/p#2x".into(), valid_secs: 300 },
                r#"{"event":"code","text":"https://h/p#2x","valid_secs":300}"#,
                None,
            ),
            (Event::CodeEnded { why: CodeEnd::Used }, r#"{"event":"code-ended","why":"used"}"#, None),
            (
                Event::Asking { phone: "Pixel".into(), words: "a b".into() },
                r#"{"event":"asking","phone":"Pixel","words":"a b"}"#,
                Some("\"Pixel\" wants to pair; its screen shows: a b"),
            ),
            (
                Event::Paired { phone: "Pixel".into() },
                r#"{"event":"paired","phone":"Pixel"}"#,
                Some("paired with \"Pixel\""),
            ),
            (
                phone(retry),
                r#"{"event":"phone","phone":"Pixel","state":"retry","in_secs":8,"why":"refused\n"}"#,
                Some("\"Pixel\": no connection (refused\\n); retry in 8 s"),
            ),
            (
                phone(PhoneState::Encrypted),
                r#"{"event":"phone","phone":"Pixel","state":"encrypted"}"#,
                Some("encrypted with \"Pixel\""),
            ),
            (
                phone(PhoneState::Away),
                r#"{"event":"phone","phone":"Pixel","state":"away"}"#,
                Some("\"Pixel\" is away"),
            ),
            (
                Event::Relay { state: RelayState::Connected },
                r#"{"event":"relay","state":"connected"}"#,
                Some("connected"),
            ),
            (
                Event::Relay {
                    state: RelayState::Retry { after: Duration::from_secs(1), why: "gone".into() },
                },
                r#"{"event":"relay","state":"retry","in_secs":1,"why":"gone"}"#,
                Some("no connection (gone); retry in 1 s"),
            ),
            (
                Event::Message { phone: "Pixel".into(), text: "hi\u{1b}[2J\u{202e}".into(), at_ms: 7 },
                "{\"event\":\"message\",\"phone\":\"Pixel\",\"text\":\"hi\\u001b[2J\u{202e}\",\"at_ms\":7}",
                Some("Pixel: hi\\u{1b}[2J\\u{202e}"),
            ),
            (Event::Delivered { number: 3 }, r#"{"event":"delivered","number":3}"#, None),
            (
                Event::NotSent { number: 3, why: "too long".into() },
                r#"{"event":"not-sent","number":3,"why":"too long"}"#,
                Some("line 3 was not sent: too long"),
            ),
            (Event::Note { text: "x".into() }, r#"{"event":"note","text":"x"}"#, Some("x")),
            (
                Event::Progress { phone: "P".into(), files: 1, files_total: 2, bytes: 3, bytes_total: 4 },
                r#"{"event":"progress","phone":"P","files":1,"files_total":2,"bytes":3,"bytes_total":4}"#,
                None,
            ),
            (
                Event::File {
                    phone: "P".into(),
                    name: "a\nb".into(),
                    state: FileState::failed(&Reason::new(Reason::OTHER, "no room")),
                },
                r#"{"event":"file","phone":"P","name":"a\nb","state":"failed","reason":"other","why":"no room"}"#,
                Some("a\\nb: not taken: no room"),
            ),
            (
                Event::Transfer { phone: "P".into(), state: TransferState::Absent },
                r#"{"event":"transfer","phone":"P","state":"absent"}"#,
                Some("\"P\" was not there in time. Send it again to go on"),
            ),
        ] {
            assert_eq!(event.to_json(), json);
            assert_eq!(event.plain().as_deref(), line, "{event:?}");
            assert!(!event.to_json().contains('\n'));
        }
    }

    /// Each name and member in the JSON is in the page's table.
    #[test]
    fn the_page_lists_every_event() {
        let page = include_str!("../../../docs/configuration.md");
        let table = page.split_once("\n| event | members | meaning |\n").expect("the table").1;
        let rows: Vec<&str> = table.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
        let text = String::new;
        let retry = PhoneState::Retry { after: Duration::ZERO, why: text() };
        let events = [
            Event::Code { text: text(), valid_secs: 0 },
            Event::CodeEnded { why: CodeEnd::Refused },
            Event::Asking { phone: text(), words: text() },
            Event::Paired { phone: text() },
            phone(retry),
            Event::Relay { state: RelayState::Retry { after: Duration::ZERO, why: text() } },
            Event::Message { phone: text(), text: text(), at_ms: 0 },
            Event::Delivered { number: 0 },
            Event::NotSent { number: 0, why: text() },
            Event::Note { text: text() },
            Event::Progress { phone: text(), files: 0, files_total: 0, bytes: 0, bytes_total: 0 },
            Event::File {
                phone: text(),
                name: text(),
                state: FileState::Failed { reason: text(), why: text() },
            },
            Event::Transfer {
                phone: text(),
                state: TransferState::Complete { done: 0, failed: 0, bytes: 0 },
            },
        ];
        assert_eq!(rows.len(), events.len());
        for (row, event) in rows.iter().zip(&events) {
            let json = event.to_json();
            let named =
                json.split('"').skip(1).step_by(2).filter(|word| *word != "event" && !word.is_empty());
            for word in named.filter(|word| *word != "Pixel") {
                assert!(row.contains(&format!("`{word}`")), "{word}: {row}");
            }
        }
        for state in [PhoneState::Connecting, PhoneState::Away, PhoneState::Encrypted, PhoneState::Ended] {
            let json = phone(state).to_json();
            let word = json.split('"').nth_back(1).expect("a state");
            assert!(rows[4].contains(&format!("`{word}`")), "{word}");
        }
    }
}
