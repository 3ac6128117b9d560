//! What the commands and the agent say to each other, as JSON in frames of `frame`.
//!
//! A command says `hello` first and the agent answers with its own; both name their version. Unknown members
//! are ignored, and a message that one end does not know is answered by `Failed` or ignored.

pub(crate) mod carry;

use relay_client::app::Rights;
use serde::{Deserialize, Serialize};

use self::carry::{FromCarrier, ToCarrier};
use super::frame;
use crate::state::profile::RelayRecord;

/// The version of these messages. An agent with a lower one is replaced by the command that finds it.
pub(crate) const VERSION: u32 = 2;

/// The type of a frame with one message of JSON.
pub(crate) const JSON: u8 = 1;

/// The type of a frame with a message of a carried channel: its handle (4 bytes, in network order), and the
/// message.
pub(crate) const DATA: u8 = 2;

/// What a command says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum ToAgent {
    /// First of all.
    Hello { version: u32 },
    /// End, so that a newer agent can take over.
    StepDown,
    /// Answered by `Devices`.
    Devices,
    /// Answered by `Done` or `Failed`.
    Rename { old: String, new: String },
    /// Answered by `Done` or `Failed`.
    Revoke { name: String },
    /// Answered by `Devices`, in which this phone has its new rights, or `Failed`.
    Rights { name: String, change: RightsChange },
    /// While this command is connected, the agent lives, and `Status` and `Note` come here. With `shell`,
    /// phones that have the right open shells. Answered by `Devices`.
    Serve { shell: bool },
    /// From now on `Heard`, `Status` and `Note` come here. `to` names phones; empty is all. Answered by
    /// `Devices`, or `Failed`.
    Chat { to: Vec<String> },
    /// Say this to the phones of `Chat`. `Delivered` with this number follows, or `NotSaid`. No other line
    /// has the same `id`: a phone that gets it twice shows it once.
    Say { number: u64, id: String, text: String },
    /// The `Heard` of this number is printed: until then nothing is confirmed to the phone.
    Heard { number: u64 },
    /// Try to connect at once.
    Retry,
    /// Pair by this code, which the command shows. `Pairing` follows, again and again.
    Pair(Box<PairRequest>),
    /// The user's word about a phone that wants to pair.
    Answer { question: u64, yes: bool },
    /// About channels that the agent carries for this command.
    Carry(ToCarrier),
    /// Raise a notice. Answered by `Notifying` or `Failed`; `Notified` follows.
    Notify(Box<NotifyRequest>),
}

/// A notice to raise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotifyRequest {
    /// No other notice has the same one.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) urgent: bool,
    /// Names of phones; empty is all.
    pub(crate) to: Vec<String>,
}

/// What became of a notice at one phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// The phone has shown it.
    Shown,
    /// A push service has it.
    Pushed,
    /// No push service will get it. The phone may still show it.
    NotPushed,
    /// It is given up.
    Dropped,
}

/// What to change of a phone's rights, in the words of `relay_client::app::Right`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RightsChange {
    /// Begin with these alone; `None`: with those that it has.
    pub(crate) only: Option<Vec<String>>,
    pub(crate) add: Vec<String>,
    pub(crate) remove: Vec<String>,
}

impl RightsChange {
    /// The rights after the change.
    pub(crate) fn applied_to(&self, rights: Rights) -> Rights {
        let parse = |words: &[String]| Rights::parse(words.iter().map(String::as_str));
        let begin = self.only.as_deref().map_or(rights, parse);
        let with = parse(&self.add).iter().fold(begin, Rights::with);
        parse(&self.remove).iter().fold(with, Rights::without)
    }
}

/// A code to pair by.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PairRequest {
    /// The code's text.
    pub(crate) code: String,
    /// How long it is valid.
    pub(crate) valid_secs: u32,
    pub(crate) relay: RelayRecord,
    /// What the phone is to be called, if not by its own name.
    pub(crate) name: Option<String>,
}

/// What the agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum FromAgent {
    /// The answer to the command's.
    Hello {
        version: u32,
        pid: u32,
        /// The program's version, for people.
        #[serde(default)]
        program: String,
    },
    /// It is done.
    Done,
    /// It is not done.
    Failed {
        why: String,
    },
    Devices {
        phones: Vec<Phone>,
        damaged: Vec<String>,
    },
    /// A phone said something. Answered by `Heard` with this number.
    Heard {
        number: u64,
        phone: String,
        text: String,
        at_ms: u64,
    },
    /// Every phone has confirmed the line of this number.
    Delivered {
        number: u64,
    },
    /// The line of this number will not be sent.
    NotSaid {
        number: u64,
        why: String,
    },
    /// A phone's connection changed.
    Status {
        phone: String,
        state: State,
        /// Until the next try, where one is waited for.
        retry_in_ms: Option<u64>,
        /// Why there is no connection, or no pair.
        why: String,
    },
    /// Something that the user at the desk should know.
    Note {
        line: String,
    },
    Pairing(Pairing),
    /// About channels that the agent carries for this command.
    Carried(FromCarrier),
    /// The notice goes to the phones of these names.
    Notifying {
        phones: Vec<String>,
    },
    /// What became of the notice at this phone; `Pushed` and `NotPushed` may be followed by `Shown`.
    Notified {
        phone: String,
        fate: Fate,
        why: String,
    },
}

/// One paired phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Phone {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) rights: Vec<String>,
    /// In seconds since 1970; 0 is never.
    pub(crate) last_seen: u64,
    /// The relay's address.
    pub(crate) relay: String,
}

/// What is known of a phone's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Its tunnel is open.
    Online,
    /// The relay is there, and the phone is not.
    Away,
    /// There is no connection to the relay.
    Connecting,
    /// The pair is over.
    Ended,
}

/// How a pairing goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "p", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum Pairing {
    /// A phone has the code. Answer with `Answer`.
    Ask { question: u64, name: String, words: String },
    /// The question is over.
    AskOver { question: u64 },
    /// The relay is there.
    Connected,
    /// There is no connection to the relay; the next try is automatic.
    Retry { in_ms: u64, why: String },
    /// Something to tell.
    Line { line: String },
    /// The phone is paired under this name. The last word.
    Paired { name: String },
    /// No phone was paired. The last word.
    Over { why: Over, line: String },
}

/// Why no phone was paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Over {
    /// The user said no.
    Denied,
    /// The code was not used in time, or the question not answered.
    Expired,
    /// The relay said no.
    Refused,
    /// Something else.
    Failed,
}

/// Shows no code.
impl std::fmt::Debug for PairRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PairRequest")
            .field("relay", &self.relay)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The payload of a message, not longer than a frame may be.
pub(crate) fn payload(message: &impl Serialize) -> Vec<u8> {
    // These types have no maps and no floats, so nothing in them can't be written.
    let bytes = sonic_rs::to_vec(message).unwrap_or_default();
    debug_assert!(bytes.len() <= frame::PAYLOAD_MAX, "a message of {} bytes", bytes.len());
    bytes
}

/// The message of a payload; `None` if it is not one of these.
pub(crate) fn parsed<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Option<T> {
    sonic_rs::from_slice(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_and_read() {
        let relay = RelayRecord {
            server: "http://h".into(),
            ca: None,
            proxy: None,
            register_key: Some("secret".into()),
        };
        let pair = PairRequest { code: "#2hidden".into(), valid_secs: 300, relay, name: None };
        for message in [
            ToAgent::Hello { version: 1 },
            ToAgent::Say { number: u64::MAX, id: "a-1".into(), text: "ä\n\"".into() },
            ToAgent::Pair(Box::new(pair)),
            ToAgent::Answer { question: 7, yes: true },
        ] {
            assert_eq!(parsed::<ToAgent>(&payload(&message)).as_ref(), Some(&message));
            let shown = format!("{message:?}");
            assert!(!shown.contains("secret") && !shown.contains("hidden"), "{shown}");
        }
        for message in [
            FromAgent::Heard { number: 1, phone: "x".into(), text: "y".into(), at_ms: 1 },
            FromAgent::Status {
                phone: "x".into(),
                state: State::Away,
                retry_in_ms: None,
                why: String::new(),
            },
            FromAgent::Pairing(Pairing::Connected),
            FromAgent::Pairing(Pairing::Retry { in_ms: 900, why: "gone".into() }),
            FromAgent::Pairing(Pairing::Over { why: Over::Expired, line: "late".into() }),
            FromAgent::Pairing(Pairing::Ask { question: 1, name: "x".into(), words: "a b".into() }),
        ] {
            assert_eq!(parsed::<FromAgent>(&payload(&message)), Some(message));
        }
    }

    #[test]
    fn members_of_a_later_version_are_ignored_and_other_messages_are_not_understood() {
        let hello = br#"{"t":"hello","version":2,"more":[1]}"#;
        assert_eq!(parsed(hello), Some(ToAgent::Hello { version: 2 }));
        for bad in [&b"{\"t\":\"fly\"}"[..], b"", b"[", b"\xff"] {
            assert_eq!(parsed::<ToAgent>(bad), None);
        }
    }
}
