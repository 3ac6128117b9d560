//! The two keys of a pairing, and the id of a key, which may be sent in clear.
//!
//! A [`PairingKey`] goes from screen to camera and dies at the first confirmed pairing; a [`PairKey`] goes
//! from workstation to phone inside the first tunnel and stays. Both are wiped when dropped, redacted in
//! `Debug`, compared in constant time, and never cloned by accident: there is no `Clone`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::entropy::{Entropy, RandomError};

/// The key `k` of a QR code: 256 random bits, made for one pairing.
pub struct PairingKey(Secret);

/// The long-term key of a pair: 256 random bits that the workstation hands over at pairing.
pub struct PairKey(Secret);

/// Which key a handshake is under: the first 8 bytes of SHA-256(`"relay-tunnel key id v1"` ‖ key). Sent in
/// clear, so that a wrong key is an exact error; tells nothing else about the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

/// 32 secret bytes.
pub(super) struct Secret(Zeroizing<[u8; 32]>);

/// The common part of the code's key and the pair's; two types, as one must never be taken for the other.
macro_rules! key {
    ($name:ident, $shown:literal) => {
        impl $name {
            /// A fresh key.
            ///
            /// # Errors
            /// The source of randomness failed.
            pub fn random(entropy: &mut dyn Entropy) -> Result<Self, RandomError> {
                Secret::random(entropy).map(Self)
            }

            /// From the 32 bytes themselves.
            pub fn from_bytes(bytes: &[u8; 32]) -> Self {
                Self(Secret::from_bytes(bytes))
            }

            /// Parses 43 digits of base64url; `None` for anything else.
            pub fn parse(text: &str) -> Option<Self> {
                Secret::parse(text).map(Self)
            }

            #[doc = concat!("The 43 base64url digits in clear: for ", $shown, " only.")]
            pub fn reveal(&self) -> Zeroizing<String> {
                self.0.reveal()
            }

            /// Names this key without showing it.
            pub fn id(&self) -> KeyId {
                self.0.id()
            }

            pub(super) fn secret(&self) -> &Secret {
                &self.0
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

key!(PairingKey, "the QR picture");
key!(PairKey, "the saved state");

impl PairKey {
    /// A second holder of the same key: the saved state is one.
    pub(super) fn copy(&self) -> Self {
        Self::from_bytes(self.0.bytes())
    }
}

impl KeyId {
    /// From the 8 bytes on the wire.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The 8 bytes on the wire.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl Secret {
    fn random(entropy: &mut dyn Entropy) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        // Room for what a longer text decodes to is not given: such a text is not a key.
        let mut bytes = Zeroizing::new([0; 32]);
        let len =
            (text.len() == KEY_DIGITS).then(|| URL_SAFE_NO_PAD.decode_slice(text, &mut *bytes).ok())??;
        (len == bytes.len()).then_some(Self(bytes))
    }

    fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.bytes()))
    }

    fn id(&self) -> KeyId {
        let digest: [u8; 32] =
            Sha256::new().chain_update(KEY_ID_LABEL).chain_update(self.bytes()).finalize().into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        KeyId(id)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({:016x})", u64::from_be_bytes(self.0))
    }
}

const KEY_ID_LABEL: &[u8] = b"relay-tunnel key id v1";

/// 32 bytes in base64url without padding.
const KEY_DIGITS: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_43_base64url_digits_and_nothing_else() {
        let key = PairingKey::from_bytes(&[0xfb; 32]);
        let text = key.reveal();
        assert_eq!(text.len(), 43);
        assert_eq!(PairingKey::parse(&text).as_ref(), Some(&key));
        let plain_alphabet = text.replace('-', "+").replace('_', "/");
        for wrong in ["", &text[1..], &format!("{}A", &*text), &format!("{}=", &*text), &plain_alphabet, "ä"]
        {
            assert_eq!(PairingKey::parse(wrong), None, "{wrong}");
        }
        // The last digit carries 4 bits; one with the other two set is not canonical.
        assert_eq!(PairingKey::parse(&format!("{}B", "A".repeat(42))), None);
    }

    #[test]
    fn nothing_shows_a_key() {
        let (code, pair) = (PairingKey::from_bytes(&[7; 32]), PairKey::from_bytes(&[7; 32]));
        assert_eq!(format!("{code:?} {pair:?}"), "PairingKey(redacted) PairKey(redacted)");
    }

    #[test]
    fn the_key_id_is_what_sha256_says() {
        let digest = Sha256::digest([b"relay-tunnel key id v1".as_slice(), &[7; 32]].concat());
        let id = PairKey::from_bytes(&[7; 32]).id();
        assert_eq!(id.as_bytes(), &digest[..8]);
        assert_ne!(id, PairKey::from_bytes(&[8; 32]).id());
    }
}
