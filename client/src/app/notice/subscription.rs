//! A phone's subscription to Web Push, with the VAPID key that it belongs to. The phone makes both.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::NoticeError;
use super::limits::{ENDPOINT_BYTES_MAX, PAGE_BYTES_MAX};

/// What a desk needs to reach a phone by its browser's push service. `Debug` shows none of it: with it,
/// anybody could send to the phone.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The address that the push service gave.
    pub endpoint: String,
    /// The browser's public key, an uncompressed point of P-256.
    pub p256dh: [u8; 65],
    /// The browser's secret for authentication.
    pub auth: [u8; 16],
    /// The key that signs for the sender.
    pub vapid: VapidKey,
    /// The address of the phone's page, which a tap opens. Its origin signs as the sender's contact.
    pub page: String,
}

/// A key pair of ES256.
#[derive(Clone, PartialEq, Eq)]
pub struct VapidKey {
    /// The private scalar.
    pub private: Zeroizing<[u8; 32]>,
    /// The public key, an uncompressed point of P-256.
    pub public: [u8; 65],
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription(redacted)")
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VapidKey(redacted)")
    }
}

/// The members of a subscription, as they are written.
#[derive(Clone, Copy, Default)]
pub(super) struct Texts<'a> {
    pub(super) endpoint: &'a str,
    pub(super) p256dh: &'a str,
    pub(super) auth: &'a str,
    pub(super) private: &'a str,
    pub(super) public: &'a str,
    pub(super) page: &'a str,
}

impl Subscription {
    /// Reads the members. Whether the points are on the curve is found when they are used.
    pub(super) fn read(texts: Texts<'_>) -> Result<Self, NoticeError> {
        let bad = NoticeError::BadSubscription;
        let is_address = |text: &str, most: usize| {
            text.len() <= most
                && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
                && (text.starts_with("https://") || text.starts_with("http://"))
        };
        if !is_address(texts.endpoint, ENDPOINT_BYTES_MAX) {
            return Err(bad("its endpoint is not an address"));
        }
        if !is_address(texts.page, PAGE_BYTES_MAX) || origin(texts.page).is_none() {
            return Err(bad("the page is not an https:// address"));
        }
        let vapid = VapidKey {
            private: Zeroizing::new(decoded(texts.private).ok_or(bad("the private key is damaged"))?),
            public: point(texts.public).ok_or(bad("the public key is not an uncompressed point"))?,
        };
        Ok(Subscription {
            endpoint: texts.endpoint.to_owned(),
            p256dh: point(texts.p256dh).ok_or(bad("p256dh is not an uncompressed point"))?,
            auth: decoded(texts.auth).ok_or(bad("auth does not have 16 bytes"))?,
            vapid,
            page: texts.page.to_owned(),
        })
    }

    /// The origin of the page: `https://host[:port]`.
    pub fn origin(&self) -> &str {
        // It was checked when it was read.
        origin(&self.page).unwrap_or_default()
    }

    /// The members as JSON, in one object.
    pub fn to_json(&self) -> Zeroizing<String> {
        let text = super::message::FromPhone::Subscribe(Box::new(self.clone())).to_bytes();
        Zeroizing::new(String::from_utf8(text).unwrap_or_default())
    }

    /// Reads what [`Subscription::to_json`] wrote.
    ///
    /// # Errors
    /// It is damaged.
    pub fn parse(text: &str) -> Result<Self, NoticeError> {
        match super::message::FromPhone::parse(text.as_bytes())? {
            Some(super::message::FromPhone::Subscribe(subscription)) => Ok(*subscription),
            _ => Err(NoticeError::Malformed),
        }
    }
}

fn origin(page: &str) -> Option<&str> {
    let rest = page.strip_prefix("https://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    (end > 0 && rest[..end].chars().all(is_host)).then(|| &page[.."https://".len() + end])
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    bytes.as_slice().try_into().ok()
}

/// An uncompressed point begins with 4.
fn point(text: &str) -> Option<[u8; 65]> {
    decoded(text).filter(|bytes: &[u8; 65]| bytes[0] == 4)
}
