//! The link form: the relay's page, and behind `#` a version and base64url digits.
//!
//! Version 1 is session, token and key (16 + 16 + 32 bytes); version 2 is one secret of 24 bytes, see
//! `derived`. `https://host/p` means `wss://host/ws`, and `http` means `ws`. Some scanners and chats drop
//! what follows `#`, so each kind of damage has its own words.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::ids::{SessionId, Token};
use protocol::qr::Pairing;
use zeroize::{Zeroize, Zeroizing};

use super::derived::{CodeSecret, SECRET_LEN};
use super::{Code, CodeError};
use crate::net::endpoint::Endpoint;
use crate::pasted::Pasted;
use crate::tunnel::secret::PairingKey;

const PAGE_PATH: &str = "/p";

const WS_PATH: &str = "/ws";

/// Session, token, key.
const V1_BYTES: usize = 16 + 16 + 32;

/// A version of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkVersion {
    /// Session, token and key. Its ends pass bare messages.
    One,
    /// One secret. Its ends speak the app protocol.
    Two,
}

impl LinkVersion {
    /// What the part after `#` begins with: the `#` and the version.
    pub(super) const fn mark(self) -> &'static str {
        match self {
            LinkVersion::One => "#1",
            LinkVersion::Two => "#2",
        }
    }

    /// How many digits follow the mark.
    pub(super) const fn digits(self) -> usize {
        match self {
            LinkVersion::One => (V1_BYTES * 8).div_ceil(6),
            LinkVersion::Two => (SECRET_LEN * 8).div_ceil(6),
        }
    }
}

/// Reads the link that was found in `pasted`.
pub(super) fn parse(pasted: &Pasted, link: &str) -> Result<Code, CodeError> {
    let Some((page, fragment)) = link.split_once('#') else {
        let page = Endpoint::parse_http(link).ok().filter(|page| page.path() == PAGE_PATH);
        return Err(page.map_or_else(|| not_link(link), |_| CodeError::NoFragment));
    };
    let page = Endpoint::parse_http(page).map_err(|_| not_link(link))?;
    let ws = ws_of(&page).ok_or_else(|| not_link(link))?;
    match fragment.chars().next() {
        None => Err(CodeError::NoFragment),
        Some('1') => Ok(of_version_1(ws, &*decode::<V1_BYTES>(pasted, link, LinkVersion::One)?)),
        Some('2') => {
            let secret = decode::<SECRET_LEN>(pasted, link, LinkVersion::Two)?;
            Ok(CodeSecret::from_bytes(&secret).code(ws))
        }
        Some(_) => Err(CodeError::LinkVersion),
    }
}

/// The bytes of the digits behind the mark.
fn decode<const N: usize>(
    pasted: &Pasted,
    link: &str,
    version: LinkVersion,
) -> Result<Zeroizing<[u8; N]>, CodeError> {
    let digits = pasted.digits_behind(version.mark(), version.digits()).unwrap_or_default();
    let mut bytes = Zeroizing::new([0; N]);
    let is_whole = digits.len() == version.digits();
    let len = is_whole.then(|| URL_SAFE_NO_PAD.decode_slice(digits, &mut *bytes).ok()).flatten();
    if len == Some(N) {
        return Ok(bytes);
    }
    let tail = link.split_once(version.mark()).and_then(|(_, tail)| tail.get(digits.len()..));
    let odd = tail.and_then(|tail| tail.chars().next());
    let odd = odd.filter(|odd| !may_follow(*odd) && digits.len() < version.digits());
    Err(CodeError::BadLink { version, digits: digits.len(), odd })
}

/// True for what people and chats put behind a link.
fn may_follow(character: char) -> bool {
    matches!(character, '"' | '\'' | '`' | ')' | ']' | '}' | '>' | '<' | '.' | ',' | ';' | '…' | '’' | '‘')
}

fn of_version_1(ws: String, bytes: &[u8; V1_BYTES]) -> Code {
    let (mut session, mut token, mut key) = ([0; 16], [0; 16], Zeroizing::new([0; 32]));
    session.copy_from_slice(&bytes[..16]);
    token.copy_from_slice(&bytes[16..32]);
    key.copy_from_slice(&bytes[32..]);
    let pairing = Pairing { ws, session: SessionId::from_bytes(session), token: Token::from_bytes(token) };
    token.zeroize();
    Code { pairing, key: Some(PairingKey::from_bytes(&key)), app: false }
}

/// The address of the relay whose page this is; `None` if it is not such a page.
fn ws_of(page: &Endpoint) -> Option<String> {
    let scheme = if page.is_tls() { "wss" } else { "ws" };
    (page.path() == PAGE_PATH).then(|| format!("{scheme}://{}{WS_PATH}", page.authority()))
}

/// That `text` is not a link, without what may be secret in it.
pub(super) fn not_link(text: &str) -> CodeError {
    CodeError::NotLink(text.split('#').next().unwrap_or_default().chars().take(80).collect())
}

/// The link of version 1. `None` without a key, for the app protocol, and where the relay's address is not
/// `/ws` at the root of a host.
pub(super) fn write_version_1(code: &Code) -> Option<Zeroizing<String>> {
    let key = code.key.as_ref().filter(|_| !code.app)?;
    let address = Endpoint::parse_ws(&code.pairing.ws).ok()?;
    if address.path() != WS_PATH {
        return None;
    }
    let mut bytes = Zeroizing::new([0; V1_BYTES]);
    bytes[..16].copy_from_slice(code.pairing.session.as_bytes());
    bytes[16..32].copy_from_slice(code.pairing.token.reveal_bytes());
    bytes[32..].copy_from_slice(key.secret().bytes());
    let scheme = if address.is_tls() { "https" } else { "http" };
    Some(write(&format!("{scheme}://{}{PAGE_PATH}", address.authority()), LinkVersion::One, &*bytes))
}

impl CodeSecret {
    /// The link of version 2 to the relay's page. `None` if `page` is not `/p` at the root of a host, which
    /// is the only page that a link can mean.
    pub fn to_link(&self, page: &Endpoint) -> Option<Zeroizing<String>> {
        ws_of(page)?;
        let scheme = if page.is_tls() { "https" } else { "http" };
        let page = format!("{scheme}://{}{PAGE_PATH}", page.authority());
        Some(write(&page, LinkVersion::Two, self.reveal_bytes()))
    }
}

fn write(page: &str, version: LinkVersion, bytes: &[u8]) -> Zeroizing<String> {
    let digits = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes));
    Zeroizing::new(format!("{page}{}{}", version.mark(), &*digits))
}
