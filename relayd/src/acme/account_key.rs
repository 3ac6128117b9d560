//! The key of the account at the CA: signs every request. ES256, RFC 7515 and RFC 7518.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::pem;

/// The private key. Never shown.
pub(super) struct AccountKey {
    pair: EcdsaKeyPair,
    /// PKCS 8.
    der: Vec<u8>,
}

/// The random source failed, or a key is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadKey;

impl AccountKey {
    pub fn generate() -> Result<Self, BadKey> {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Self::from_pkcs8(der.map_err(|_| BadKey)?.as_ref())
    }

    pub fn from_pem(text: &[u8]) -> Result<Self, BadKey> {
        match PrivateKeyDer::from_pem_slice(text) {
            Ok(PrivateKeyDer::Pkcs8(der)) => Self::from_pkcs8(der.secret_pkcs8_der()),
            _ => Err(BadKey),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, BadKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new());
        Ok(AccountKey { pair: pair.map_err(|_| BadKey)?, der: der.to_vec() })
    }

    /// To be kept where nobody else reads it.
    pub fn to_pem(&self) -> String {
        pem::text("PRIVATE KEY", &self.der)
    }

    /// A signed message. RFC 7515 §7.2.2 and RFC 8555 §6.2. `account`: its URL, once the CA gave one.
    pub fn sign(
        &self,
        url: &str,
        nonce: &str,
        account: Option<&str>,
        payload: &str,
    ) -> Result<String, BadKey> {
        let who = match account {
            Some(url) => format!(r#""kid":"{url}""#),
            None => format!(r#""jwk":{}"#, self.jwk()),
        };
        let protected = encoded(&format!(r#"{{"alg":"ES256",{who},"nonce":"{nonce}","url":"{url}"}}"#));
        let payload = encoded(payload);
        let signed = format!("{protected}.{payload}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| BadKey)?;
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        Ok(format!(r#"{{"protected":"{protected}","payload":"{payload}","signature":"{signature}"}}"#))
    }

    /// What proves to the CA that a challenge was answered by this account. RFC 8555 §8.1.
    pub fn authorize(&self, token: &str) -> String {
        format!("{token}.{}", URL_SAFE_NO_PAD.encode(Sha256::digest(self.jwk())))
    }

    /// Its members are in the order that RFC 7638 §3 asks for.
    fn jwk(&self) -> String {
        // A byte that says "uncompressed", then both coordinates.
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(COORDINATE_BYTES);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey")
    }
}

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

const COORDINATE_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn member<'a>(json: &'a str, name: &str) -> &'a str {
        let rest = json.split_once(&format!("\"{name}\":\"")).unwrap().1;
        rest.split_once('"').unwrap().0
    }

    #[test]
    fn what_it_signs_can_be_verified() {
        let key = AccountKey::generate().unwrap();
        let message = key.sign("https://ca/x", "abc", None, "{}").unwrap();
        let (protected, payload) = (member(&message, "protected"), member(&message, "payload"));
        let signature = URL_SAFE_NO_PAD.decode(member(&message, "signature")).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.pair.public_key().as_ref());
        public.verify(format!("{protected}.{payload}").as_bytes(), &signature).unwrap();
        let head = String::from_utf8(URL_SAFE_NO_PAD.decode(protected).unwrap()).unwrap();
        assert!(head.contains(r#""nonce":"abc""#) && head.contains(r#""jwk":{"crv":"P-256""#), "{head}");
        let later = key.sign("https://ca/x", "abc", Some("https://ca/1"), "").unwrap();
        let head = String::from_utf8(URL_SAFE_NO_PAD.decode(member(&later, "protected")).unwrap()).unwrap();
        assert!(head.contains(r#""kid":"https://ca/1""#) && !head.contains("jwk"), "{head}");
    }

    #[test]
    fn it_is_the_same_after_it_was_kept_and_is_never_shown() {
        let key = AccountKey::generate().unwrap();
        let again = AccountKey::from_pem(key.to_pem().as_bytes()).unwrap();
        assert_eq!(key.authorize("t"), again.authorize("t"));
        assert_ne!(key.authorize("t"), AccountKey::generate().unwrap().authorize("t"));
        assert_eq!(format!("{key:?}"), "AccountKey");
        for bad in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(AccountKey::from_pem(bad.as_bytes()).is_err());
        }
    }
}
