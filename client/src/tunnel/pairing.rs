//! The code on the workstation's screen, as text: the contract's JSON with a key, and the shorter links.
//!
//! JSON: `{"u","s","t","k"}`; without `k` there is no tunnel. Link of version 2: `https://host/p#2` and
//! one secret, from which all else is derived; of version 1: `#1` and session, token and key. Both mean
//! `wss://host/ws`, with `http` `ws://host/ws`. A link of version 2, or JSON with `"a":1`, means that the two
//! ends speak the app protocol. Pure text; called by the clients.

mod derived;
mod json;
mod link;

use std::cmp::Ordering;

use protocol::qr::{Pairing, PairingError};
use thiserror::Error;
use zeroize::Zeroizing;

use super::limits::PAIRING_BYTES_MAX;
use super::secret::PairingKey;
use crate::pasted::Pasted;

pub use derived::CodeSecret;
pub use link::LinkVersion;

/// The content of a code. `Debug` shows neither token nor key.
#[derive(Debug)]
pub struct Code {
    /// Where, which session, and its token.
    pub pairing: Pairing,
    /// The key of the tunnel; `None` where the workstation speaks plain frames only.
    pub key: Option<PairingKey>,
    /// The two ends speak the app protocol; else they pass bare messages.
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
        "{0:?} is not a pairing link: expected https://host/p#2 and 32 digits; scan or paste the whole code"
    )]
    NotLink(String),
    /// A link of another version.
    #[error(
        "this pairing link is of a version that this program does not know: update it, or scan a newer code"
    )]
    LinkVersion,
    /// A link whose part after its version is damaged.
    #[error("{}", bad_link(*.version, *.digits, *.odd))]
    BadLink {
        /// The version that it names.
        version: LinkVersion,
        /// How many digits follow.
        digits: usize,
        /// A character behind them that no link has.
        odd: Option<char>,
    },
}

impl CodeError {
    /// True if more of the same text may make it a code, as where a terminal hands over a wrapped one line by
    /// line.
    pub fn is_incomplete(&self) -> bool {
        match self {
            CodeError::Empty | CodeError::EndMissing => true,
            CodeError::BadLink { version, digits, odd } => *digits < version.digits() && odd.is_none(),
            _ => false,
        }
    }
}

fn bad_link(version: LinkVersion, digits: usize, odd: Option<char>) -> String {
    let (mark, wanted) = (version.mark(), version.digits());
    match digits.cmp(&wanted) {
        Ordering::Less => odd.map_or_else(
            || format!(
            "the end of the pairing link is missing: it has {digits} of {wanted} characters after {mark:?}; copy all of it"
            ),
            |odd| {
                format!(
                    "the pairing link is damaged: {odd:?} follows {digits} characters after {mark:?}, and no link has that character; scan it again"
                )
            },
        ),
        Ordering::Equal => "the pairing link is damaged: a character was changed; scan it again".to_owned(),
        Ordering::Greater => format!(
            "the pairing link is damaged: {digits} characters follow {mark:?} where {wanted} should; copy the link alone"
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
        (Some(object), _) => json::parse(object),
        (None, Some(link)) => link::parse(&pasted, link),
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
        None if text.contains("://") => link::not_link(text),
        None => PairingError::NotPairing.into(),
    }
}

impl Code {
    /// The JSON form, members in the order `u`, `s`, `t`, `k`, `a`.
    pub fn to_json(&self) -> Zeroizing<String> {
        json::write(self)
    }

    /// The link of version 1; `None` where there is no key, where the ends speak the app protocol, and where
    /// the address is not `/ws` at the root of a host. The link of version 2 is its secret's:
    /// [`CodeSecret::to_link`].
    pub fn to_link(&self) -> Option<Zeroizing<String>> {
        link::write_version_1(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::endpoint::Endpoint;
    use crate::tunnel::model::Rng;

    const S: &str = "00112233445566778899aabbccddeeff";
    const T: &str = "ffeeddccbbaa99887766554433221100";

    fn page() -> Endpoint {
        Endpoint::parse_http("https://relay.example.org/p").unwrap()
    }

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
    fn a_link_of_version_2_is_one_secret_and_means_the_app_protocol() {
        let secret = CodeSecret::from_bytes(&[0xfe; 24]);
        let link = secret.to_link(&page()).expect("a link");
        assert_eq!(*link, "https://relay.example.org/p#2_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-");
        let code = parse_pairing(&link).unwrap();
        assert_eq!(*code.to_json(), *secret.code("wss://relay.example.org/ws".into()).to_json());
        assert!(code.app && code.to_link().is_none());
        let port = Endpoint::parse_http("http://[fd00::1]:3001/p").unwrap();
        let link = secret.to_link(&port).expect("a link");
        assert!(link.starts_with("http://[fd00::1]:3001/p#2"), "{}", &*link);
        assert_eq!(parse_pairing(&link).unwrap().pairing.ws, "ws://[fd00::1]:3001/ws");
        for elsewhere in ["https://h/", "https://h/relay/p", "https://h/pp"] {
            let page = Endpoint::parse_http(elsewhere).unwrap();
            assert!(secret.to_link(&page).is_none(), "{elsewhere}");
        }
    }

    #[test]
    fn json_says_whether_the_app_protocol_is_spoken() {
        let key = whole()[json("").len() - 1..whole().len() - 1].to_owned();
        for (member, app) in [(",\"a\":1", true), (",\"a\": 1 ", true), (",\"a\":0", false), ("", false)] {
            let code = parse_pairing(&json(&format!("{key}{member}"))).unwrap();
            assert_eq!(code.app, app, "{member}");
            assert_eq!(parse_pairing(&code.to_json()).unwrap().app, app);
        }
        for unknown in ["2", "-1", "\"1\"", "[1]"] {
            let error = parse_pairing(&json(&format!("{key},\"a\":{unknown}"))).unwrap_err();
            assert_eq!(error, CodeError::AppVersion, "{unknown}");
        }
        let bare = parse_pairing(&json(",\"a\":1")).unwrap();
        assert!(!bare.app, "the app protocol needs the tunnel");
    }

    #[test]
    fn each_kind_of_damage_has_its_own_word() {
        use CodeError::*;
        let link = parse_pairing(&whole()).unwrap().to_link().expect("a link").to_string();
        let second = CodeSecret::from_bytes(&[0xfe; 24]).to_link(&page()).expect("a link").to_string();
        let not_link = |page: &str| NotLink(page.into());
        let bad = |digits, odd| BadLink { version: super::LinkVersion::One, digits, odd };
        let bad_second = |digits, odd| BadLink { version: super::LinkVersion::Two, digits, odd };
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
            (link.replace("#1", "#3"), LinkVersion),
            (link.replace("#1", "#2"), bad_second(86, None)),
            (link[..link.len() - 1].into(), bad(85, None)),
            (format!("{link}A"), bad(87, None)),
            (link.replace("#1A", "#1+"), bad(0, Some('+'))),
            (format!("{}_", &link[..link.len() - 1]), bad(86, None)),
            (second[..second.len() - 1].into(), bad_second(31, None)),
            (format!("'{}'", &second[..second.len() - 3]), bad_second(29, None)),
            (format!("{second}A"), bad_second(33, None)),
            (second.replace("_v7-_v7-", "_v7-_v7?"), bad_second(7, Some('?'))),
            (second.replace("#2", "#1"), bad(32, None)),
            (second.replace("/p#", "#"), not_link("https://relay.example.org")),
            (second[..second.len() - 32].into(), bad_second(0, None)),
            (second[..second.len() - 33].into(), NoFragment),
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
        let secret = CodeSecret::from_bytes(&[0x1b; 24]);
        let second = secret.to_link(&page()).expect("a link").to_string();
        let app_json = secret.code("wss://relay.example.org/ws".into()).to_json().to_string();
        for (text, json) in [(&json, &json), (&link, &json), (&second, &app_json), (&app_json, &app_json)] {
            for column in 1..text.len() {
                let (head, tail) = text.split_at(column);
                for broken in [format!("{head}\n{tail}"), format!("{head}\r\n   {tail}\r\n")] {
                    assert_eq!(*parse_pairing(&broken).unwrap().to_json(), *json, "{broken}");
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
                assert_eq!(*parse_pairing(&around).unwrap().to_json(), *json, "{around}");
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let link = parse_pairing(&whole()).unwrap().to_link().expect("a link").to_string();
        let second = CodeSecret::from_bytes(&[0xfe; 24]).to_link(&page()).expect("a link").to_string();
        let texts = [link, second, whole(), whole().replace('}', ",\"a\":1}")];
        let mut rng = Rng::new(7);
        for _ in 0..20_000 {
            let mut bytes = texts[usize::try_from(rng.below(4)).unwrap()].clone().into_bytes();
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
