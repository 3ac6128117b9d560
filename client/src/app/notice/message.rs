//! The data messages of the kind: one JSON object each, whose `t` says which.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::json;
use protocol::limits::JSON_DEPTH_MAX;
use serde::Deserialize;

use super::limits::{ID_BYTES_MAX, WORDS_BYTES_MAX};
use super::subscription::{Subscription, Texts};
use super::{Notice, NoticeError, Target, Urgency};
use crate::app::cut;
use crate::text::harmless;

/// What a desk says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromDesk {
    /// Show this.
    Notice(Notice),
    /// What has become of the phone's subscription.
    Push {
        /// The state.
        state: PushState,
        /// Why, for people; may be empty.
        words: String,
    },
}

/// What a phone says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromPhone {
    /// The notice of this id was shown to the user.
    Shown(String),
    /// Reach me by Web Push too, from now on by this.
    Subscribe(Box<Subscription>),
    /// Do not reach me by Web Push any more.
    Unsubscribe,
}

/// A desk's word on a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushState {
    /// It is kept and will be used.
    On,
    /// None is kept.
    Off,
    /// The push service does not know it any more: subscribe again.
    Gone,
    /// This desk does not use it.
    Refused,
}

impl PushState {
    const ALL: [PushState; 4] = [PushState::On, PushState::Off, PushState::Gone, PushState::Refused];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            PushState::On => "on",
            PushState::Off => "off",
            PushState::Gone => "gone",
            PushState::Refused => "refused",
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Members<'a> {
    #[serde(borrow)]
    t: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    at: u64,
    #[serde(borrow)]
    title: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    urgency: Cow<'a, str>,
    #[serde(borrow)]
    target: Option<TargetMembers<'a>>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(borrow)]
    words: Cow<'a, str>,
    #[serde(borrow)]
    endpoint: Cow<'a, str>,
    #[serde(borrow)]
    p256dh: Cow<'a, str>,
    #[serde(borrow)]
    auth: Cow<'a, str>,
    #[serde(borrow)]
    private: Cow<'a, str>,
    #[serde(borrow)]
    public: Cow<'a, str>,
    #[serde(borrow)]
    page: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TargetMembers<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl<'a> Members<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, NoticeError> {
        if !json::nesting_within(bytes, JSON_DEPTH_MAX) {
            return Err(NoticeError::Malformed);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| NoticeError::Malformed)?;
        sonic_rs::from_str(text).map_err(|_| NoticeError::Malformed)
    }

    fn notice(self) -> Result<Notice, NoticeError> {
        let target = self.target.and_then(|target| Target::parse(&target.kind, &target.name));
        let notice = Notice {
            id: self.id.into_owned(),
            at_ms: self.at,
            title: self.title.into_owned(),
            text: self.text.into_owned(),
            urgency: Urgency::parse(&self.urgency),
            target,
        };
        notice.check().map(|()| notice)
    }
}

impl FromDesk {
    /// The data message.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            FromDesk::Notice(notice) => notice_bytes(notice),
            FromDesk::Push { state, words } => {
                let mut out = begun("push");
                member(&mut out, "state", state.as_str());
                member(&mut out, "words", cut(words, WORDS_BYTES_MAX));
                ended(out)
            }
        }
    }

    /// Reads a data message; `None` for one of a later version.
    ///
    /// # Errors
    /// It is not one of this kind, or out of its bounds.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, NoticeError> {
        let members = Members::read(bytes)?;
        Ok(match &*members.t {
            "notice" => Some(FromDesk::Notice(members.notice()?)),
            "push" => {
                let state = PushState::ALL.into_iter().find(|state| state.as_str() == members.state);
                let words = cut(&harmless(&members.words), WORDS_BYTES_MAX).to_owned();
                state.map(|state| FromDesk::Push { state, words })
            }
            "" => return Err(NoticeError::Malformed),
            _ => None,
        })
    }
}

fn notice_bytes(notice: &Notice) -> Vec<u8> {
    let mut out = begun("notice");
    member(&mut out, "id", &notice.id);
    out.extend_from_slice(format!(",\"at\":{}", notice.at_ms).as_bytes());
    member(&mut out, "title", &notice.title);
    member(&mut out, "text", &notice.text);
    member(&mut out, "urgency", notice.urgency.as_str());
    match &notice.target {
        None => {}
        Some(Target::Chat) => out.extend_from_slice(b",\"target\":{\"kind\":\"chat\"}"),
        Some(Target::Terminal(name)) => {
            out.extend_from_slice(b",\"target\":{\"kind\":\"terminal\"");
            member(&mut out, "name", name);
            out.push(b'}');
        }
    }
    ended(out)
}

impl FromPhone {
    /// The data message.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            FromPhone::Shown(id) => {
                let mut out = begun("shown");
                member(&mut out, "id", cut(id, ID_BYTES_MAX));
                ended(out)
            }
            FromPhone::Subscribe(subscription) => subscribe_bytes(subscription),
            FromPhone::Unsubscribe => ended(begun("unsubscribe")),
        }
    }

    /// Reads a data message; `None` for one of a later version.
    ///
    /// # Errors
    /// It is not one of this kind, or out of its bounds.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, NoticeError> {
        let members = Members::read(bytes)?;
        Ok(match &*members.t {
            "shown" if (1..=ID_BYTES_MAX).contains(&members.id.len()) => {
                Some(FromPhone::Shown(members.id.into_owned()))
            }
            "shown" => return Err(NoticeError::BadId),
            "subscribe" => {
                let subscription = Subscription::read(Texts {
                    endpoint: &members.endpoint,
                    p256dh: &members.p256dh,
                    auth: &members.auth,
                    private: &members.private,
                    public: &members.public,
                    page: &members.page,
                })?;
                Some(FromPhone::Subscribe(Box::new(subscription)))
            }
            "unsubscribe" => Some(FromPhone::Unsubscribe),
            "" => return Err(NoticeError::Malformed),
            _ => None,
        })
    }
}

fn subscribe_bytes(subscription: &Subscription) -> Vec<u8> {
    let mut out = begun("subscribe");
    member(&mut out, "endpoint", &subscription.endpoint);
    member(&mut out, "p256dh", &URL_SAFE_NO_PAD.encode(subscription.p256dh));
    member(&mut out, "auth", &URL_SAFE_NO_PAD.encode(subscription.auth));
    member(&mut out, "public", &URL_SAFE_NO_PAD.encode(subscription.vapid.public));
    member(&mut out, "private", &URL_SAFE_NO_PAD.encode(*subscription.vapid.private));
    member(&mut out, "page", &subscription.page);
    ended(out)
}

fn begun(of_type: &str) -> Vec<u8> {
    format!("{{\"t\":\"{of_type}\"").into_bytes()
}

fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
    json::write_quoted(out, value);
}

fn ended(mut out: Vec<u8>) -> Vec<u8> {
    out.push(b'}');
    out
}
