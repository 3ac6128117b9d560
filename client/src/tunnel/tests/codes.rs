//! What the secret of a link of version 2 means, byte by byte: `client/vectors/code-2.json`.
//!
//! Computed from fixed secrets and kept like the tunnel's vectors, see `vectors`. The other implementation
//! derives the same with the HKDF of WebCrypto.

use serde::{Deserialize, Serialize};

use super::vectors::{hex, kept, unhex};
use super::*;
use crate::net::endpoint::Endpoint;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vector {
    about: String,
    codes: Vec<Derived>,
}

/// Session, token and key in hex; the key of the JSON in base64url.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Derived {
    secret: String,
    link: String,
    session: String,
    token: String,
    key: String,
    json: String,
}

fn derived(page: &str, bytes: [u8; 24]) -> Derived {
    let secret = CodeSecret::from_bytes(&bytes);
    let page = Endpoint::parse_http(page).unwrap();
    let code = secret.code(page.server().web_socket().to_string());
    Derived {
        secret: hex(&bytes),
        link: secret.to_link(&page).unwrap().to_string(),
        session: hex(code.pairing.session.as_bytes()),
        token: hex(code.pairing.token.reveal_bytes()),
        key: hex(code.key.as_ref().unwrap().secret().bytes()),
        json: code.to_json().to_string(),
    }
}

fn computed() -> Vector {
    let mut rising = [0; 24];
    rising.iter_mut().zip(0..).for_each(|(byte, number)| *byte = number);
    let codes = vec![
        derived("https://relay.example.org/p", rising),
        derived("http://[fd00::1]:3001/p", [0xff; 24]),
        derived("https://relay.example.org:8443/p", [0; 24]),
    ];
    let about =
        "Codes by a link of version 2: see docs/tunnel.md. Secret, session, token and key are in hex.";
    Vector { about: about.into(), codes }
}

#[test]
fn the_vectors_of_the_code_are_met() {
    let computed = computed();
    assert_eq!(kept("code-2.json", &computed), computed);
}

#[test]
fn each_form_in_the_vectors_means_the_same_code() {
    for Derived { link, json, session, key, .. } in computed().codes {
        for text in [&link, &json] {
            let code = parse_pairing(text).unwrap();
            assert_eq!(hex(code.pairing.session.as_bytes()), session);
            assert_eq!(code.key.as_ref().unwrap().secret().bytes()[..], unhex(&key));
            assert!(code.app);
            assert_eq!(*code.to_json(), json);
        }
    }
}
