//! `Authorization: Bearer`, and the key that registering may need.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// The key that `POST /api/register` needs. Kept as a digest; never shown.
#[derive(Clone)]
pub struct RegisterKey {
    digest: [u8; 32],
    is_short: bool,
}

/// Of so many characters nobody tries all.
const LEN_ENOUGH: usize = 16;

/// A key that no client could send. It does not show the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the key must be visible ASCII without spaces or line ends, so that it fits into a header field")]
pub struct InvalidRegisterKey;

impl RegisterKey {
    /// Compares digests in constant time, so neither length nor content shows in how long it takes.
    pub(super) fn matches(&self, presented: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(presented).into();
        self.digest.ct_eq(&digest).into()
    }

    /// True if it has so few characters that it may be guessed.
    pub fn is_short(&self) -> bool {
        self.is_short
    }
}

impl FromStr for RegisterKey {
    type Err = InvalidRegisterKey;

    fn from_str(key: &str) -> Result<Self, InvalidRegisterKey> {
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidRegisterKey);
        }
        Ok(RegisterKey { digest: Sha256::digest(key).into(), is_short: key.len() < LEN_ENOUGH })
    }
}

impl fmt::Debug for RegisterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegisterKey(redacted)")
    }
}

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
    fn only_the_key_itself_matches() {
        let key: RegisterKey = "s3cret".parse().unwrap();
        assert!(key.matches(b"s3cret"));
        for wrong in [&b""[..], b"s3cre", b"s3crett", b"S3CRET"] {
            assert!(!key.matches(wrong));
        }
        assert_eq!(format!("{key:?}"), "RegisterKey(redacted)");
        for bad in ["", "a b", "a\n", "\u{e9}"] {
            assert!(bad.parse::<RegisterKey>().is_err(), "{bad:?}");
        }
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
