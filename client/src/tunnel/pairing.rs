//! The code on the workstation's screen, as text: the contract's JSON with a key, and the shorter link.
//!
//! JSON: `{"u","s","t","k"}`, `k` in base64url; without `k` there is no tunnel. A member `"a":1` says that
//! the two ends speak the app protocol inside the tunnel. Link: `https://host/p#1` and base64url of session,
//! token and key (16 + 16 + 32 bytes); it means `wss://host/ws`, with `http` for
//! `ws://host/ws`. Pure text; called by the clients.

use std::borrow::Cow;
use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::ids::{SessionId, Token};
use protocol::json;
use protocol::limits::JSON_DEPTH_MAX;
use protocol::qr::{Pairing, PairingError};
use serde::Deserialize;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::limits::PAIRING_BYTES_MAX;
use super::secret::PairingKey;
use crate::net::endpoint::Endpoint;
use crate::pasted::Pasted;

/// The content of a code. `Debug` shows neither token nor key.
#[derive(Debug)]
pub struct Code {
    /// Where, which session, and its token.
    pub pairing: Pairing,
    /// The key of the tunnel; `None` where the workstation speaks plain frames only.
    pub key: Option<PairingKey>,
    /// The ends speak the app protocol inside the tunnel; otherwise its messages are the apps' own.
    pub app: bool,
}

/// Why a text is not a code. No variant carries a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodeError {
    /// Longer than any code.
    #[error(
        "this is not a pairing code: it has {0} bytes and a code has at most {PAIRING_BYTES_MAX}; scan or paste the code alone"
    )]
    TooLong(usize),
    /// JSON, and not that of a code.
    #[error(transparent)]
    Json(#[from] PairingError),
    /// The key is malformed.
    #[error("the pairing code is damaged: \"k\" is not 43 base64url digits; scan it again")]
    BadKey,
    /// The app protocol is of a version that this program does not know.
    #[error(
        "this pairing code is of a version that this program does not know: update it, or scan a newer code"
    )]
    AppVersion,
    /// No text at all.
    #[error("nothing was pasted: copy the whole line behind \"or paste this:\"")]
    Empty,
    /// JSON without its last brace.
    #[error("the end of the pairing code is missing: copy it up to the closing brace")]
    EndMissing,
    /// JSON without its first brace, or a link without its beginning.
    #[error("the beginning of the pairing code is missing: copy it from the opening brace on")]
    StartMissing,
    /// The address of the relay instead of the code.
    #[error("this is the address of the relay, not the code: copy the line behind \"or paste this:\"")]
    AddressAlone,
    /// The page's address without its secret part.
    #[error(
        "the part of the link from # on is missing, which holds the secret; some scanners drop it: paste the whole link"
    )]
    NoFragment,
    /// A link that is not the page of a relay.
    #[error(
        "{0:?} is not a pairing link: expected https://host/p#1 and 86 digits; scan or paste the whole code"
    )]
    NotLink(String),
    /// A link of another version.
    #[error(
        "this pairing link is of a version that this program does not know: update it, or scan a newer code"
    )]
    LinkVersion,
    /// A link whose part after `#1` is damaged.
    #[error("{}", bad_link(*.0))]
    BadLink(usize),
}

impl CodeError {
    /// True if more of the same text may make it a code, as where a terminal hands over a wrapped one line by
    /// line.
    pub fn is_incomplete(&self) -> bool {
        match self {
            CodeError::Empty | CodeError::EndMissing => true,
            CodeError::BadLink(digits) => *digits < LINK_DIGITS,
            _ => false,
        }
    }
}

fn bad_link(digits: usize) -> String {
    match digits.cmp(&LINK_DIGITS) {
        Ordering::Less => format!(
            "the end of the pairing link is missing: it has {digits} of {LINK_DIGITS} characters after \"#1\"; copy all of it"
        ),
        Ordering::Equal => "the pairing link is damaged: a character was changed; scan it again".to_owned(),
        Ordering::Greater => format!(
            "the pairing link is damaged: {digits} characters follow \"#1\" where {LINK_DIGITS} should; copy the link alone"
        ),
    }
}

/// Reads a code, in either form, as people paste it: wrapped, quoted, with words around it. Never panics, and
/// looks at no more than 4 KiB.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn parse_pairing(text: &str) -> Result<Code, CodeError> {
    let text = text.trim();
    if text.len() > PAIRING_BYTES_MAX {
        return Err(CodeError::TooLong(text.len()));
    }
    let pasted = Pasted::new(text);
    match (pasted.json(), pasted.link()) {
        (Some(object), _) => parse_json(object),
        (None, Some(link)) => parse_link(&pasted, link),
        (None, None) => Err(not_a_code(pasted.text())),
    }
}

/// The kind of a text that has neither form.
fn not_a_code(text: &str) -> CodeError {
    if text.is_empty() {
        return CodeError::Empty;
    }
    if text.ends_with('}') || text.contains("\",\"t\":\"") {
        return CodeError::StartMissing;
    }
    match text.find("ws://").or_else(|| text.find("wss://")) {
        Some(_) => CodeError::AddressAlone,
        None if text.contains("://") => not_link(text),
        None => PairingError::NotPairing.into(),
    }
}

fn parse_json(text: &str) -> Result<Code, CodeError> {
    if !text.ends_with('}') {
        return Err(CodeError::EndMissing);
    }
    // The parser has no depth limit of its own and aborts the process.
    if !json::nesting_within(text.as_bytes(), JSON_DEPTH_MAX) {
        return Err(PairingError::NotPairing.into());
    }
    let pairing = Pairing::parse(text)?;
    let raw: RawKey<'_> = sonic_rs::from_str(text).map_err(|_| CodeError::BadKey)?;
    let key = raw.k.map(|k| PairingKey::parse(&k).ok_or(CodeError::BadKey)).transpose()?;
    let raw: RawApp = sonic_rs::from_str(text).map_err(|_| CodeError::AppVersion)?;
    let app = match raw.a {
        None | Some(0) => false,
        Some(APP_VERSION) => key.is_some(),
        Some(_) => return Err(CodeError::AppVersion),
    };
    Ok(Code { pairing, key, app })
}

/// The member that the contract's payload does not have.
#[derive(Deserialize)]
struct RawKey<'a> {
    #[serde(borrow, default)]
    k: Option<Cow<'a, str>>,
}

/// The version of the app protocol, read by itself, so that its error has its own words.
#[derive(Deserialize)]
struct RawApp {
    #[serde(default)]
    a: Option<u32>,
}

fn parse_link(pasted: &Pasted, link: &str) -> Result<Code, CodeError> {
    let Some((page, fragment)) = link.split_once('#') else {
        let page = Endpoint::parse_http(link).ok().filter(|page| page.path() == PAGE_PATH);
        return Err(page.map_or_else(|| not_link(link), |_| CodeError::NoFragment));
    };
    let page = Endpoint::parse_http(page).map_err(|_| not_link(link))?;
    if page.path() != PAGE_PATH {
        return Err(not_link(link));
    }
    if !fragment.starts_with(LINK_VERSION) {
        return Err(if fragment.is_empty() { CodeError::NoFragment } else { CodeError::LinkVersion });
    }
    let digits = pasted.digits_behind("#1", LINK_DIGITS).unwrap_or_default();
    let mut bytes = Zeroizing::new([0; LINK_BYTES]);
    let len = (digits.len() == LINK_DIGITS).then(|| URL_SAFE_NO_PAD.decode_slice(digits, &mut *bytes).ok());
    if len.flatten() != Some(LINK_BYTES) {
        return Err(CodeError::BadLink(digits.chars().count()));
    }
    let (mut session, mut token, mut key) = ([0; 16], [0; 16], Zeroizing::new([0; 32]));
    session.copy_from_slice(&bytes[..16]);
    token.copy_from_slice(&bytes[16..32]);
    key.copy_from_slice(&bytes[32..]);
    let scheme = if page.is_tls() { "wss" } else { "ws" };
    let pairing = Pairing {
        ws: format!("{scheme}://{}{WS_PATH}", page.authority()),
        session: SessionId::from_bytes(session),
        token: Token::from_bytes(token),
    };
    token.zeroize();
    Ok(Code { pairing, key: Some(PairingKey::from_bytes(&key)), app: false })
}

fn not_link(text: &str) -> CodeError {
    CodeError::NotLink(text.split('#').next().unwrap_or_default().chars().take(80).collect())
}

impl Code {
    /// The JSON form, members in the order `u`, `s`, `t`, `k`, `a`.
    pub fn to_json(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(self.pairing.to_json());
        if let Some(key) = &self.key {
            text.pop();
            let app = if self.app { format!(",\"a\":{APP_VERSION}") } else { String::new() };
            let with_key = format!("{},\"k\":\"{}\"{app}}}", &*text, &*key.reveal());
            text = Zeroizing::new(with_key);
        }
        text
    }

    /// The link form of version 1; `None` where there is no key, where the ends speak the app protocol, or
    /// where the address is not `/ws` at the root of a host.
    pub fn to_link(&self) -> Option<Zeroizing<String>> {
        let key = self.key.as_ref()?;
        let address = Endpoint::parse_ws(&self.pairing.ws).ok()?;
        if self.app || address.path() != WS_PATH {
            return None;
        }
        let mut bytes = Zeroizing::new([0; LINK_BYTES]);
        bytes[..16].copy_from_slice(self.pairing.session.as_bytes());
        bytes[16..32].copy_from_slice(self.pairing.token.reveal_bytes());
        bytes[32..].copy_from_slice(key.secret().bytes());
        let scheme = if address.is_tls() { "https" } else { "http" };
        let digits = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
        let link = format!("{scheme}://{}{PAGE_PATH}#{LINK_VERSION}{}", address.authority(), &*digits);
        Some(Zeroizing::new(link))
    }
}

/// The version of the app protocol.
const APP_VERSION: u32 = 1;

const PAGE_PATH: &str = "/p";

const WS_PATH: &str = "/ws";

const LINK_VERSION: char = '1';

/// Session, token, key.
const LINK_BYTES: usize = 16 + 16 + 32;

/// The same in base64url without padding.
const LINK_DIGITS: usize = 86;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tunnel::model::Rng;

    const S: &str = "00112233445566778899aabbccddeeff";
    const T: &str = "ffeeddccbbaa99887766554433221100";

    fn json(k: &str) -> String {
        format!(r#"{{"u":"wss://relay.example.org/ws","s":"{S}","t":"{T}"{k}}}"#)
    }

    fn whole() -> String {
        json(&format!(r#","k":"{}""#, &*PairingKey::from_bytes(&[0xfe; 32]).reveal()))
    }

    #[test]
    fn both_forms_say_the_same() {
        let code = parse_pairing(&whole()).unwrap();
        assert_eq!(*code.to_json(), whole());
        let link = code.to_link().expect("a link");
        assert!(link.starts_with("https://relay.example.org/p#1ABEiM0RV"), "{}", &*link);
        assert_eq!(link.len(), "https://relay.example.org/p#1".len() + 86);
        assert_eq!(*parse_pairing(&format!(" {}\n", &*link)).unwrap().to_json(), whole());
        let shown = format!("{code:?}");
        assert!(!shown.contains("ffee") && !shown.contains("fefe") && !shown.contains("_v7-"), "{shown}");
    }

    #[test]
    fn a_port_and_plain_http_are_kept() {
        let text = whole().replace("wss://relay.example.org/ws", "ws://[fd00::1]:3001/ws");
        let link = parse_pairing(&text).unwrap().to_link().expect("a link");
        assert!(link.starts_with("http://[fd00::1]:3001/p#1"), "{}", &*link);
        assert_eq!(*parse_pairing(&link).unwrap().to_json(), text);
    }

    #[test]
    fn without_a_key_there_is_no_tunnel_and_no_link() {
        let code = parse_pairing(&json("")).unwrap();
        assert_eq!((code.key.as_ref(), code.to_link().is_none()), (None, true));
        assert_eq!(*code.to_json(), json(""));
        let elsewhere = whole().replace("/ws", "/relay/ws");
        assert!(parse_pairing(&elsewhere).unwrap().to_link().is_none());
    }

    #[test]
    fn the_code_says_which_protocol_is_spoken_inside() {
        let with = |app: &str| whole().replace('}', &format!(",{app}}}"));
        let code = parse_pairing(&with("\"a\":1")).unwrap();
        assert!(code.app && code.to_link().is_none(), "version 1 of the link means bare messages");
        assert_eq!(*code.to_json(), with("\"a\":1"));
        for bare in [whole(), with("\"a\":0"), json(",\"a\":1")] {
            assert!(!parse_pairing(&bare).unwrap().app, "{bare}");
        }
        for unknown in ["\"a\":2", "\"a\":\"1\"", "\"a\":-1", "\"a\":[]"] {
            assert_eq!(parse_pairing(&with(unknown)).unwrap_err(), CodeError::AppVersion, "{unknown}");
        }
    }

    #[test]
    fn each_kind_of_damage_has_its_own_word() {
        use CodeError::*;
        let link = parse_pairing(&whole()).unwrap().to_link().expect("a link").to_string();
        let not_link = |page: &str| NotLink(page.into());
        for (text, error) in [
            (String::new(), Empty),
            (" \u{feff}\r\n".into(), Empty),
            ("hello".into(), Json(PairingError::NotPairing)),
            ("[".repeat(4000), Json(PairingError::NotPairing)),
            ("x".repeat(5000), TooLong(5000)),
            (
                whole().replace("wss:", "http:"),
                Json(PairingError::BadUrl("http://relay.example.org/ws".into())),
            ),
            (whole().replace("0011", "00"), Json(PairingError::BadId("s"))),
            (json(r#","k":"""#), BadKey),
            (json(r#","k":7"#), BadKey),
            (json(r#","k":"abc""#), BadKey),
            (whole().replace("\"k\":\"_", "\"k\":\"/"), BadKey),
            (format!("{},{}", &whole()[..whole().len() - 1], &whole()[1..]), Json(PairingError::NotPairing)),
            ("https://relay.example.org/p".into(), NoFragment),
            ("https://relay.example.org/p#".into(), NoFragment),
            ("wss://relay.example.org/ws".into(), AddressAlone),
            (link.replace("/p#", "/q#"), not_link("https://relay.example.org/q")),
            (link.replace("https", "ftp"), not_link("ftp://relay.example.org/p")),
            (link.replace("relay.", "user@relay."), not_link("https://user@relay.example.org/p")),
            (link.replace("#1", "#2"), LinkVersion),
            (link[..link.len() - 1].into(), BadLink(85)),
            (format!("{link}A"), BadLink(87)),
            (link.replace("#1A", "#1+"), BadLink(0)),
            (format!("{}_", &link[..link.len() - 1]), BadLink(86)),
            (whole()[..whole().len() - 1].into(), EndMissing),
            (whole()[..40].into(), EndMissing),
            (whole()[1..].into(), StartMissing),
            (whole()[20..].into(), StartMissing),
        ] {
            assert_eq!(parse_pairing(&text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn a_code_is_read_however_it_was_pasted() {
        let json = whole();
        let link = parse_pairing(&json).unwrap().to_link().expect("a link").to_string();
        for text in [&json, &link] {
            for column in 1..text.len() {
                let (head, tail) = text.split_at(column);
                for broken in [format!("{head}\n{tail}"), format!("{head}\r\n   {tail}\r\n")] {
                    assert_eq!(*parse_pairing(&broken).unwrap().to_json(), json, "{broken}");
                }
            }
            let typographic = text.replace('"', "\u{201d}");
            for around in [
                format!("or paste this: {text}\nthe phone connects to wss://relay.example.org/ws"),
                format!("or paste this: {text}\n\n"),
                format!("'{text}'"),
                format!("\"{text}\""),
                format!("\u{201e}{text}\u{201c}"),
                format!("\u{2018}{text}\u{2019}."),
                format!("`{text}`"),
                format!("\u{feff}\u{200b}{text}\u{200b}"),
                format!("\u{1b}[200~{text}\u{1b}[201~"),
                format!("$ phone '{typographic}'"),
            ] {
                assert_eq!(*parse_pairing(&around).unwrap().to_json(), json, "{around}");
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let link = parse_pairing(&whole()).unwrap().to_link().expect("a link").to_string();
        let mut rng = Rng::new(7);
        for _ in 0..20_000 {
            let mut bytes = if rng.one_in(2) { link.clone() } else { whole() }.into_bytes();
            for _ in 0..=rng.below(3) {
                let at = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
                match rng.below(4) {
                    0 => bytes.truncate(at),
                    1 => drop(bytes.remove(at)),
                    2 => bytes[at] = u8::try_from(rng.below(256)).unwrap(),
                    _ => bytes.insert(at, b"{[\"\\#:/\xc3"[usize::try_from(rng.below(8)).unwrap()]),
                }
                bytes.push(b'x');
            }
            let _ = parse_pairing(&String::from_utf8_lossy(&bytes));
        }
    }
}
