//! The one secret of a link of version 2, and what it stands for: session, token and key of the code.
//!
//! Each is derived with HKDF-SHA256 without a salt, under a label of its own. The relay learns session and
//! token, and can compute neither the secret nor the key from them. Pure; called by `link` and by the
//! workstation.

use std::fmt;

use protocol::ids::{SessionId, Token};
use protocol::qr::Pairing;
use zeroize::Zeroizing;

use super::Code;
use crate::tunnel::credentials::Credentials;
use crate::tunnel::entropy::{Entropy, RandomError};
use crate::tunnel::hkdf::PseudoRandomKey;
use crate::tunnel::secret::PairingKey;

/// The bytes of the secret: 192 random bits.
pub(super) const SECRET_LEN: usize = 24;

const SESSION_LABEL: &[u8] = b"relay code 2 session";

const TOKEN_LABEL: &[u8] = b"relay code 2 token";

const KEY_LABEL: &[u8] = b"relay code 2 key";

/// The secret that a workstation makes for one pairing. Wiped when dropped, redacted in `Debug`.
pub struct CodeSecret(Zeroizing<[u8; SECRET_LEN]>);

impl CodeSecret {
    /// A fresh secret.
    ///
    /// # Errors
    /// The source of randomness failed.
    pub fn random(entropy: &mut dyn Entropy) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; SECRET_LEN]);
        entropy.fill(&mut *bytes)?;
        Ok(CodeSecret(bytes))
    }

    /// From the bytes themselves.
    pub fn from_bytes(bytes: &[u8; SECRET_LEN]) -> Self {
        CodeSecret(Zeroizing::new(*bytes))
    }

    /// The session that the workstation registers, with its token.
    pub fn credentials(&self) -> Credentials {
        let key = self.pseudo_random_key();
        Credentials {
            session: SessionId::from_bytes(*key.expand(SESSION_LABEL)),
            token: Token::from_bytes(*key.expand(TOKEN_LABEL)),
        }
    }

    /// The code that this secret means at the relay's address `ws`. Its two ends speak the app protocol.
    pub fn code(&self, ws: String) -> Code {
        let Credentials { session, token } = self.credentials();
        let key = PairingKey::from_bytes(&self.pseudo_random_key().expand(KEY_LABEL));
        Code { pairing: Pairing { ws, session, token }, key: Some(key), app: true }
    }

    pub(super) fn reveal_bytes(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }

    fn pseudo_random_key(&self) -> PseudoRandomKey {
        PseudoRandomKey::extract(&[], &*self.0)
    }
}

impl fmt::Debug for CodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeSecret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tunnel::SystemEntropy;

    #[test]
    fn the_three_differ_and_a_secret_always_means_the_same() {
        let code = |byte| CodeSecret::from_bytes(&[byte; SECRET_LEN]).code("ws://h/ws".into());
        assert_eq!(*code(7).to_json(), *code(7).to_json());
        let (one, other) = (code(7), code(8));
        assert_ne!(one.pairing.session, other.pairing.session);
        assert_ne!(one.key, other.key);
        let (session, token) = (one.pairing.session.as_bytes(), one.pairing.token.reveal_bytes());
        let key = one.key.as_ref().unwrap().secret().bytes();
        assert!(session != token && session != &key[..16] && token != &key[..16]);
        assert!(one.app);
    }

    #[test]
    fn a_secret_is_random_and_never_shown() {
        let draw = || CodeSecret::random(&mut SystemEntropy).unwrap();
        assert_ne!(draw().reveal_bytes(), draw().reveal_bytes());
        assert_eq!(format!("{:?}", CodeSecret::from_bytes(&[0x77; SECRET_LEN])), "CodeSecret(redacted)");
    }
}
