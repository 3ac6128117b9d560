//! RFC 8292: the header that says who sends. A token serves an origin for an hour, as some services refuse
//! senders that sign more often.

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use relay_client::app::notice::VapidKey;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

/// How long a token is used.
const USED_FOR_SECS: u64 = 3600;

/// How long a token is valid. Services accept one day at most.
const VALID_FOR_SECS: u64 = 12 * 3600;

/// Tokens that are kept: one for each phone and a few more.
const TOKENS_MAX: usize = 64;

/// The tokens that were signed last.
#[derive(Default)]
pub(super) struct Tokens {
    all: Vec<Token>,
}

struct Token {
    public: [u8; 65],
    audience: String,
    contact: String,
    made_at: u64,
    header: String,
}

impl Tokens {
    /// The header `Authorization` for a service of this origin, from a sender that this origin names, at this
    /// time in seconds since 1970.
    ///
    /// # Errors
    /// The key is none of P-256.
    pub(super) fn header(
        &mut self,
        key: &VapidKey,
        audience: &str,
        contact: &str,
        now: u64,
    ) -> anyhow::Result<String> {
        // A clock that was set back makes new ones.
        self.all.retain(|token| (token.made_at..token.made_at + USED_FOR_SECS).contains(&now));
        let is_same = |token: &&Token| {
            token.public == key.public && token.audience == audience && token.contact == contact
        };
        if let Some(token) = self.all.iter().find(is_same) {
            return Ok(token.header.clone());
        }
        let header = signed(key, audience, contact, now)?;
        if self.all.len() >= TOKENS_MAX {
            self.all.remove(0);
        }
        let (audience, contact) = (audience.to_owned(), contact.to_owned());
        self.all.push(Token { public: key.public, audience, contact, made_at: now, header: header.clone() });
        Ok(header)
    }
}

/// Checks that private and public key belong together.
///
/// # Errors
/// They do not, or are not of P-256.
pub(super) fn key_pair(key: &VapidKey) -> anyhow::Result<EcdsaKeyPair> {
    EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &*key.private,
        &key.public,
        &SystemRandom::new(),
    )
    .map_err(|_| anyhow!("the VAPID key is not a key pair of P-256"))
}

fn signed(key: &VapidKey, audience: &str, contact: &str, now: u64) -> anyhow::Result<String> {
    let pair = key_pair(key)?;
    let expires = now + VALID_FOR_SECS;
    // Origins have no characters that JSON escapes.
    let claims = format!(r#"{{"aud":"{audience}","exp":{expires},"sub":"{contact}"}}"#);
    let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#);
    let text = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).map_err(|_| anyhow!("can't sign"))?;
    let (signature, public) = (URL_SAFE_NO_PAD.encode(signature), URL_SAFE_NO_PAD.encode(key.public));
    Ok(format!("vapid t={text}.{signature},k={public}"))
}

#[cfg(test)]
pub(super) mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use zeroize::Zeroizing;

    use super::*;

    /// The sender's key of RFC 8291, appendix A.
    pub(in crate::push) fn key() -> VapidKey {
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let private: [u8; 32] = decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").try_into().unwrap();
        let public =
            "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
        VapidKey { private: Zeroizing::new(private), public: decoded(public).try_into().unwrap() }
    }

    #[test]
    fn a_token_says_who_sends_to_whom_and_is_signed() {
        let header = Tokens::default().header(&key(), "https://push", "https://page", 1_000).unwrap();
        let (token, public) = header.strip_prefix("vapid t=").unwrap().split_once(",k=").unwrap();
        let (text, signature) = token.rsplit_once('.').unwrap();
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let claims = String::from_utf8(decoded(text.split_once('.').unwrap().1)).unwrap();
        assert_eq!(claims, r#"{"aud":"https://push","exp":44200,"sub":"https://page"}"#);
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decoded(public));
        assert!(key.verify(text.as_bytes(), &decoded(signature)).is_ok());
    }

    #[test]
    fn a_token_serves_one_origin_for_an_hour() {
        let (mut tokens, key) = (Tokens::default(), key());
        let mut at = |audience: &str, now| tokens.header(&key, audience, "https://page", now).unwrap();
        let first = at("https://a", 1_000);
        assert_eq!(at("https://a", 4_599), first);
        assert_ne!(at("https://b", 4_599), first);
        let second = at("https://a", 4_600);
        assert_ne!(second, first);
        assert_ne!(at("https://a", 10), second, "the clock was set back");
        for number in 0..100 {
            at(&format!("https://{number}"), 10);
        }
        assert_eq!(tokens.all.len(), TOKENS_MAX);
    }

    #[test]
    fn keys_that_do_not_belong_together_are_refused() {
        let wrong = VapidKey { private: Zeroizing::new([7; 32]), ..key() };
        assert!(key_pair(&wrong).is_err());
        assert!(Tokens::default().header(&wrong, "https://a", "https://b", 1).is_err());
    }
}
