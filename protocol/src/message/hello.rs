//! The first message of a connection.

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use thiserror::Error;

use super::loose::{Loose, MemberName};
use crate::close::CloseCode;
use crate::ids::{Role, SessionId, Token};
use crate::json;
use crate::limits::{HELLO_BYTES_MAX, JSON_DEPTH_MAX};

/// A hello that is well formed. Whether its session exists and its token fits is the store's to say.
#[derive(Debug, Clone, Copy)]
pub struct Hello {
    /// The session and its token; `None` if either is malformed, which is answered like an unknown session.
    pub credentials: Option<(SessionId, Token)>,
    /// The role that is claimed.
    pub role: Role,
    /// What the client asked for.
    pub version: Version,
    /// Which client instance this is, if it says.
    pub instance: Option<InstanceClaim>,
}

/// What a client asks for by `"v"`. Each version includes the ones before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The first contract: no `v`, one below 2, or one that is not a whole number.
    #[default]
    V1,
    /// `"v":2`: more message types.
    V2,
    /// `"v":3` or more: a dead path is noticed in seconds.
    V3,
}

/// `"i"` and `"n"` of a hello: tells a late straggler of the same client from a newer connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceClaim {
    /// 64 random bits per client instance.
    pub instance: u64,
    /// Rises with each connect of that instance.
    pub attempt: u64,
}

/// Why a first message is not a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HelloError {
    /// Longer than 4 KiB.
    #[error("the hello has {0} bytes; at most {HELLO_BYTES_MAX} are allowed")]
    TooBig(usize),
    /// A binary message.
    #[error("the hello must be a text message")]
    Binary,
    /// No JSON object, a member twice, or nested too deep.
    #[error("the hello must be one JSON object without repeated members")]
    NotAnObject,
    /// `type` is not `"hello"`.
    #[error("the first message must have \"type\":\"hello\"")]
    NotHello,
    /// `s`, `t` or `r` is missing or no string.
    #[error("the hello's \"{0}\" must be there and be a string")]
    Member(&'static str),
    /// `r` is neither role.
    #[error("the hello's \"r\" must be \"workstation\" or \"phone\"")]
    UnknownRole,
}

impl HelloError {
    /// The code that this is answered with.
    pub const fn close_code(self) -> CloseCode {
        match self {
            HelloError::TooBig(_) => CloseCode::TooBig,
            _ => CloseCode::BadHello,
        }
    }
}

impl Hello {
    /// Reads a first message. `is_text` is what kind of message it was.
    pub fn parse(payload: &[u8], is_text: bool) -> Result<Self, HelloError> {
        if payload.len() > HELLO_BYTES_MAX {
            return Err(HelloError::TooBig(payload.len()));
        }
        if !is_text {
            return Err(HelloError::Binary);
        }
        if !json::nesting_within(payload, JSON_DEPTH_MAX) {
            return Err(HelloError::NotAnObject);
        }
        let members: Members<'_> = sonic_rs::from_slice(payload).map_err(|_| HelloError::NotAnObject)?;
        members.judge()
    }

    /// The JSON that a client of version 2 sends.
    pub fn to_json(session: SessionId, token: &Token, role: Role, instance: Option<InstanceClaim>) -> String {
        Self::to_json_as(Version::V2, session, token, role, instance)
    }

    /// The JSON that a client of this version sends.
    pub fn to_json_as(
        version: Version,
        session: SessionId,
        token: &Token,
        role: Role,
        instance: Option<InstanceClaim>,
    ) -> String {
        let (token, version) = (token.reveal(), version as u8 + 1);
        match instance {
            None => format!(r#"{{"type":"hello","s":"{session}","t":"{token}","r":"{role}","v":{version}}}"#),
            Some(InstanceClaim { instance, attempt }) => format!(
                r#"{{"type":"hello","s":"{session}","t":"{token}","r":"{role}","v":{version},"i":"{instance:016x}","n":{attempt}}}"#
            ),
        }
    }
}

/// The members of a hello that matter, as they were sent.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Loose<'a>>,
    session: Option<Loose<'a>>,
    token: Option<Loose<'a>>,
    role: Option<Loose<'a>>,
    version: Option<Loose<'a>>,
    instance: Option<Loose<'a>>,
    attempt: Option<Loose<'a>>,
}

impl Members<'_> {
    fn judge(&self) -> Result<Hello, HelloError> {
        if text(&self.kind) != Some("hello") {
            return Err(HelloError::NotHello);
        }
        let session = text(&self.session).ok_or(HelloError::Member("s"))?;
        let token = text(&self.token).ok_or(HelloError::Member("t"))?;
        let role = text(&self.role).ok_or(HelloError::Member("r"))?;
        let role = Role::parse(role).ok_or(HelloError::UnknownRole)?;
        let credentials = SessionId::parse(session).ok().zip(Token::parse(token).ok());
        Ok(Hello { credentials, role, version: self.asked_version(), instance: self.instance_claim() })
    }

    /// Anything but a whole number counts as absent: a client of the first contract may use the name for
    /// something else.
    fn asked_version(&self) -> Version {
        match self.version {
            Some(Loose::Number(3..)) => Version::V3,
            Some(Loose::Number(2)) => Version::V2,
            _ => Version::V1,
        }
    }

    fn instance_claim(&self) -> Option<InstanceClaim> {
        let digits = text(&self.instance)?;
        let well_formed =
            digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let instance = well_formed.then(|| u64::from_str_radix(digits, 16).ok())??;
        match self.attempt {
            Some(Loose::Number(attempt)) => Some(InstanceClaim { instance, attempt }),
            _ => None,
        }
    }
}

fn text<'a>(member: &'a Option<Loose<'_>>) -> Option<&'a str> {
    member.as_ref().and_then(Loose::as_str)
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members::default();
                let mut seen: HashSet<Cow<'de, str>> = HashSet::new();
                while let Some(name) = object.next_key::<MemberName<'de>>()?.map(|name| name.0) {
                    let value = object.next_value::<Loose<'de>>()?;
                    match &*name {
                        "type" => members.kind = Some(value),
                        "s" => members.session = Some(value),
                        "t" => members.token = Some(value),
                        "r" => members.role = Some(value),
                        "v" => members.version = Some(value),
                        "i" => members.instance = Some(value),
                        "n" => members.attempt = Some(value),
                        _ => {}
                    }
                    if !seen.insert(name) {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: &str = "00112233445566778899aabbccddeeff";

    fn parse(text: &str) -> Result<Hello, HelloError> {
        Hello::parse(text.as_bytes(), true)
    }

    fn hello(rest: &str) -> String {
        format!(r#"{{"type":"hello","s":"{S}","t":"{S}","r":"phone"{rest}}}"#)
    }

    #[test]
    fn members_come_in_any_order_and_unknown_ones_are_ignored() {
        let text = format!(r#" {{"x":[{{}}],"r":"workstation","t":"{S}","s":"{S}","type":"h\u0065llo"}} "#);
        let hello = parse(&text).unwrap();
        assert_eq!(hello.role, Role::Workstation);
        assert!(hello.credentials.is_some() && hello.version == Version::V1 && hello.instance.is_none());
    }

    #[test]
    fn version_and_instance_are_read_where_well_formed_and_else_ignored() {
        let full = parse(&hello(r#","v":2,"i":"00000000000000ff","n":7"#)).unwrap();
        assert_eq!(full.version, Version::V2);
        assert_eq!(full.instance, Some(InstanceClaim { instance: 255, attempt: 7 }));
        for (v, version) in [("0", Version::V1), ("1", Version::V1), ("2", Version::V2), ("3", Version::V3)] {
            assert_eq!(parse(&hello(&format!(r#","v":{v}"#))).unwrap().version, version, "{v}");
        }
        let later = parse(&hello(r#","v":18446744073709551615"#)).unwrap();
        assert_eq!(later.version, Version::V3);
        for odd in [r#""2""#, "null", "-2", "2.5", "2.0", "2e0", "[2]", "18446744073709551616", "true"] {
            let version = parse(&hello(&format!(r#","v":{odd}"#))).unwrap().version;
            assert_eq!(version, Version::V1, "{odd}");
        }
        for odd in [
            r#","i":"ff","n":7"#,
            r#","i":"00000000000000ff""#,
            r#","n":7"#,
            r#","i":"00000000000000FF","n":1"#,
            r#","i":255,"n":1"#,
            r#","i":"00000000000000ff","n":1.5"#,
            r#","i":"00000000000000ff","n":"1""#,
            r#","i":"00000000000000ff","n":-1"#,
            r#","i":"00000000000000ff","n":18446744073709551616"#,
        ] {
            assert_eq!(parse(&hello(odd)).unwrap().instance, None, "{odd}");
        }
    }

    #[test]
    fn an_id_that_cant_be_valid_is_no_malformed_hello() {
        for bad in ["", "zz", &"0".repeat(31), &"0".repeat(33), &"A".repeat(32), "../../etc/passwd"] {
            let text = format!(r#"{{"type":"hello","s":"{bad}","t":"{S}","r":"phone"}}"#);
            assert!(parse(&text).unwrap().credentials.is_none(), "{bad}");
        }
    }

    #[test]
    fn every_malformed_hello_has_its_word_and_code() {
        use HelloError::*;
        for (text, error) in [
            (String::new(), NotAnObject),
            ("hello".into(), NotAnObject),
            ("[]".into(), NotAnObject),
            ("null".into(), NotAnObject),
            ("{".into(), NotAnObject),
            (hello("") + "x", NotAnObject),
            (hello(r#","s":"twice""#), NotAnObject),
            (hello(r#","\u0073":"twice""#), NotAnObject),
            (hello(r#","x":1,"x":2"#), NotAnObject),
            ("[".repeat(4000), NotAnObject),
            (hello("").replace("hello", "hullo"), NotHello),
            (hello("").replace("type", "kind"), NotHello),
            (hello("").replace("\"s\"", "\"z\""), Member("s")),
            (hello("").replace(&format!("\"t\":\"{S}\""), "\"t\":7"), Member("t")),
            (hello("").replace("\"phone\"", "null"), Member("r")),
            (hello("").replace("\"phone\"", "\"tablet\""), UnknownRole),
        ] {
            assert_eq!(parse(&text).unwrap_err(), error, "{text}");
            assert_eq!(error.close_code(), CloseCode::BadHello);
        }
        assert_eq!(Hello::parse(hello("").as_bytes(), false).unwrap_err(), Binary);
        let big = hello(&format!(r#","x":"{}""#, "y".repeat(HELLO_BYTES_MAX)));
        assert_eq!(parse(&big).unwrap_err().close_code(), CloseCode::TooBig);
    }

    #[test]
    fn what_a_client_writes_parses_back() {
        let (session, token) = (SessionId::random().unwrap(), Token::random().unwrap());
        let claim = InstanceClaim { instance: u64::MAX, attempt: 3 };
        let text = Hello::to_json(session, &token, Role::Phone, Some(claim));
        let back = parse(&text).unwrap();
        assert_eq!(back.credentials.unwrap().0, session);
        assert_eq!((back.role, back.version, back.instance), (Role::Phone, Version::V2, Some(claim)));
        assert!(parse(&Hello::to_json(session, &token, Role::Phone, None)).unwrap().instance.is_none());
        for version in [Version::V1, Version::V2, Version::V3] {
            let text = Hello::to_json_as(version, session, &token, Role::Phone, Some(claim));
            assert_eq!(parse(&text).unwrap().version, version);
        }
    }
}
