//! `Authorization: Bearer`, and the key that registering may need.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

/// The keys of which `POST /api/register` needs one: two while an operator changes it. Kept as digests; never
/// shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RegisterKeys {
    /// At least one, and at most [`KEYS_MAX`].
    digests: Vec<[u8; 32]>,
    is_short: bool,
}

/// Of so many characters nobody tries all.
const LEN_ENOUGH: usize = 16;

/// Keys that can't be used. It does not show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidRegisterKey {
    /// No client could send it.
    #[error("the key must be visible ASCII without spaces or line ends, so that it fits into a header field")]
    Unusable,
    /// An earlier key was not taken away.
    #[error("there are more than {KEYS_MAX} keys: give one, or the old and the new one while you change it")]
    TooMany,
}

impl RegisterKeys {
    /// Compares digests in constant time, and all of them, so that the time shows neither length nor content,
    /// nor which key it is.
    pub(super) fn matches(&self, presented: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(presented).into();
        let is_one = self.digests.iter().fold(Choice::from(0), |is_one, it| is_one | it.ct_eq(&digest));
        is_one.into()
    }

    /// True if one of them has so few characters that it may be guessed.
    pub fn is_short(&self) -> bool {
        self.is_short
    }
}

/// One key a line.
impl FromStr for RegisterKeys {
    type Err = InvalidRegisterKey;

    fn from_str(keys: &str) -> Result<Self, InvalidRegisterKey> {
        let lines: Vec<&str> = keys.lines().collect();
        let is_usable = |key: &&str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        if lines.is_empty() || !lines.iter().all(is_usable) {
            return Err(InvalidRegisterKey::Unusable);
        }
        if lines.len() > KEYS_MAX {
            return Err(InvalidRegisterKey::TooMany);
        }
        let is_short = lines.iter().any(|key| key.len() < LEN_ENOUGH);
        Ok(RegisterKeys { digests: lines.iter().map(|key| Sha256::digest(key).into()).collect(), is_short })
    }
}

impl fmt::Debug for RegisterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegisterKeys({}, redacted)", self.digests.len())
    }
}

/// The old and the new one.
const KEYS_MAX: usize = 2;

/// The credentials behind `Bearer`; `None` for another scheme. RFC 9110 §11.1: schemes are compared without
/// case.
pub(super) fn bearer(authorization: Option<&[u8]>) -> Option<&[u8]> {
    let (scheme, rest) = authorization?.split_at_checked(6)?;
    let separated = rest.is_empty() || rest[0] == b' ';
    (scheme.eq_ignore_ascii_case(b"bearer") && separated).then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_keys_themselves_match() {
        let one: RegisterKeys = "s3cret".parse().unwrap();
        let two: RegisterKeys = "old\r\ns3cret\n".parse().unwrap();
        assert!(one.matches(b"s3cret") && two.matches(b"s3cret") && two.matches(b"old"));
        for wrong in [&b""[..], b"s3cre", b"s3crett", b"S3CRET", b"old\ns3cret", b"old\n"] {
            assert!(!one.matches(wrong) && !two.matches(wrong));
        }
        assert_eq!(format!("{one:?} {two:?}"), "RegisterKeys(1, redacted) RegisterKeys(2, redacted)");
        for bad in ["", "\n", "a b", "\u{e9}", "a\n\nb", "a\nb c"] {
            assert_eq!(bad.parse::<RegisterKeys>(), Err(InvalidRegisterKey::Unusable), "{bad:?}");
        }
        assert_eq!("a\nb\nc".parse::<RegisterKeys>(), Err(InvalidRegisterKey::TooMany));
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        for (field, presented) in [
            ("Bearer abc", Some("abc")),
            ("bEARER   abc ", Some("abc")),
            ("Bearer", Some("")),
            ("Basic abc", None),
            ("Bearerabc", None),
            ("", None),
        ] {
            assert_eq!(bearer(Some(field.as_bytes())), presented.map(str::as_bytes), "{field}");
        }
        assert_eq!(bearer(None), None);
    }
}
