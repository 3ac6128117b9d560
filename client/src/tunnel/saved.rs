//! What outlives a process: keys and names, no counters. Written by the machine, kept by the driver.

use std::borrow::Cow;

use protocol::ids::{Role, SessionId, Token};
use protocol::json;
use protocol::limits::JSON_DEPTH_MAX;
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::credentials::Credentials;
use super::limits::SAVED_BYTES_MAX;
use super::name;
use super::secret::{KeyId, PairKey};

/// One pair, as one of its ends keeps it. Secret: a reader of it is that end. `Debug` shows no key and no
/// token. The relay's address is not in it; the driver keeps it beside.
#[derive(Debug, PartialEq, Eq)]
pub struct Saved {
    /// Which end this is.
    pub role: Role,
    /// Where the two meet.
    pub home: Credentials,
    /// While the pair moves: for the workstation the session it moves to, for the phone the one it came from.
    pub other: Option<Credentials>,
    /// The pair's key.
    pub key: PairKey,
    /// Phone: the workstation's user has said yes.
    pub welcomed: bool,
    /// The phone's name, at most 64 bytes.
    pub name: String,
    /// Workstation: the code that was used up, so that a second scan of it gets the right answer.
    pub used: Option<KeyId>,
}

/// The text is not a saved state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the saved pairing is damaged at {0:?}: delete it and pair again")]
pub struct SavedError(&'static str);

impl SavedError {
    /// Damaged at this member, which the driver keeps beside the machine's own.
    pub(crate) const fn at(member: &'static str) -> Self {
        Self(member)
    }
}

impl Saved {
    /// One line of JSON, to be kept where only the user can read it.
    pub fn to_json(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(Vec::with_capacity(SAVED_BYTES_MAX));
        let mut member = |name: &str, value: &str| {
            let opening = if out.is_empty() { b'{' } else { b',' };
            out.push(opening);
            json::write_quoted(&mut *out, name);
            out.push(b':');
            json::write_quoted(&mut *out, value);
        };
        member("role", self.role.as_str());
        member("s", &self.home.session.to_string());
        member("t", &Zeroizing::new(self.home.token.reveal()));
        if let Some(other) = &self.other {
            member("s2", &other.session.to_string());
            member("t2", &Zeroizing::new(other.token.reveal()));
        }
        member("k", &self.key.reveal());
        member("welcomed", if self.welcomed { "yes" } else { "no" });
        member("name", &self.name);
        if let Some(used) = &self.used {
            let digits: String = used.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            member("used", &digits);
        }
        out.push(b'}');
        Zeroizing::new(String::from_utf8_lossy(&out).into_owned())
    }

    /// Reads what [`Saved::to_json`] wrote. Members it does not know are ignored.
    ///
    /// # Errors
    /// A member is missing or damaged; the error names it.
    pub fn parse(text: &str) -> Result<Self, SavedError> {
        if text.len() > SAVED_BYTES_MAX || !json::nesting_within(text.as_bytes(), JSON_DEPTH_MAX) {
            return Err(SavedError("JSON"));
        }
        let raw: SavedFields<'_> = sonic_rs::from_str(text).map_err(|_| SavedError("JSON"))?;
        let other = match (&raw.s2, &raw.t2) {
            (None, None) => None,
            (Some(session), Some(token)) => Some(credentials(session, token).ok_or(SavedError("s2, t2"))?),
            _ => return Err(SavedError("s2, t2")),
        };
        let used = raw.used.as_deref().map(|used| key_id(used).ok_or(SavedError("used"))).transpose()?;
        Ok(Saved {
            role: Role::parse(&raw.role).ok_or(SavedError("role"))?,
            home: credentials(&raw.s, &raw.t).ok_or(SavedError("s, t"))?,
            other,
            key: PairKey::parse(&raw.k).ok_or(SavedError("k"))?,
            welcomed: raw.welcomed == "yes",
            name: name::cut(&raw.name).to_owned(),
            used,
        })
    }
}

#[derive(Deserialize)]
struct SavedFields<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    s: Cow<'a, str>,
    #[serde(borrow)]
    t: Cow<'a, str>,
    #[serde(borrow)]
    s2: Option<Cow<'a, str>>,
    #[serde(borrow)]
    t2: Option<Cow<'a, str>>,
    #[serde(borrow)]
    k: Cow<'a, str>,
    #[serde(borrow)]
    welcomed: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    used: Option<Cow<'a, str>>,
}

fn credentials(session: &str, token: &str) -> Option<Credentials> {
    Some(Credentials { session: SessionId::parse(session).ok()?, token: Token::parse(token).ok()? })
}

fn key_id(digits: &str) -> Option<KeyId> {
    let is_hex = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let id = u64::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some(KeyId::from_bytes(id.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Saved {
        let credentials = |byte| Credentials {
            session: SessionId::from_bytes([byte; 16]),
            token: Token::from_bytes([byte + 1; 16]),
        };
        Saved {
            role: Role::Phone,
            home: credentials(1),
            other: Some(credentials(3)),
            key: PairKey::from_bytes(&[5; 32]),
            welcomed: true,
            name: "Jürgen's \"phone\"".into(),
            used: Some(KeyId::from_bytes([0, 1, 2, 3, 4, 5, 6, 0xff])),
        }
    }

    #[test]
    fn what_is_kept_comes_back_and_does_not_show() {
        for saved in
            [saved(), Saved { role: Role::Workstation, other: None, used: None, welcomed: false, ..saved() }]
        {
            assert_eq!(Saved::parse(&saved.to_json()).as_ref(), Ok(&saved));
            let shown = format!("{saved:?}");
            assert!(
                !shown.contains(&*saved.key.reveal()) && !shown.contains(&saved.home.token.reveal()),
                "{shown}"
            );
        }
    }

    #[test]
    fn damage_is_named() {
        let text = saved().to_json();
        for (from, to, member) in [
            ("\"phone\"", "\"tablet\"", "role"),
            ("0101", "01", "s, t"),
            ("0303", "03", "s2, t2"),
            ("\"t2\"", "\"t3\"", "s2, t2"),
            ("\"k\":\"B", "\"k\":\"", "k"),
            ("\"used\":\"00", "\"used\":\"+0", "used"),
            ("{", "[[[[", "JSON"),
            ("\"name\"", "\"nom\"", "JSON"),
        ] {
            assert_eq!(Saved::parse(&text.replacen(from, to, 1)), Err(SavedError(member)), "{from}");
        }
        assert_eq!(Saved::parse(&"[".repeat(4000)), Err(SavedError("JSON")));
        assert_eq!(Saved::parse(""), Err(SavedError("JSON")));
    }
}
