//! The JSON form: `{"u","s","t","k","a"}`. `k` is the key in base64url; `"a":1` says that the two ends speak
//! the app protocol.

use std::borrow::Cow;

use protocol::json;
use protocol::limits::JSON_DEPTH_MAX;
use protocol::qr::{Pairing, PairingError};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Code, CodeError};
use crate::tunnel::secret::PairingKey;

/// Reads the JSON object that `text` starts with.
pub(super) fn parse(text: &str) -> Result<Code, CodeError> {
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
        // The app protocol is spoken inside the tunnel only.
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

/// The version of the app protocol.
const APP_VERSION: u32 = 1;

/// The members in the order `u`, `s`, `t`, `k`, `a`.
pub(super) fn write(code: &Code) -> Zeroizing<String> {
    let mut text = Zeroizing::new(code.pairing.to_json());
    if let Some(key) = &code.key {
        text.pop();
        let app = if code.app { format!(",\"a\":{APP_VERSION}") } else { String::new() };
        let with_key = format!("{},\"k\":\"{}\"{app}}}", &*text, &*key.reveal());
        text = Zeroizing::new(with_key);
    }
    text
}
