//! Fuzz bodies for both clients: what must hold for any bytes of a relay, a peer, a code or a file. No part
//! of the library but in tests and for `fuzz/`.

#[path = "../../fuzz/support.rs"]
pub(crate) mod support;

use protocol::ids::Role;
use protocol::message::{Frame, ServerMessage};

use self::support::Input;
use crate::event::ClientEvent;
use crate::lines::{LineError, event_line, harmless, read_line};
use crate::net::endpoint::Endpoint;
use crate::net::proxy::ProxyUrl;
use crate::text::reorders_or_hides;
use crate::tunnel::{Saved, parse_pairing};

pub use crate::app::file::fuzz::file_messages;
pub use crate::app::fuzz::{app_bytes, app_machine};
pub use crate::app::notice::fuzz::notice_messages;
pub use crate::app::terminal::fuzz::terminal_messages;
pub use crate::http::fuzz::http_answer;
pub use crate::net::proxy::fuzz::proxy_answer;
pub use crate::tunnel::fuzz::{tunnel_bytes, tunnel_machine};

/// Texts from a relay, a screen, a file or a terminal: no panic, nothing that acts on a terminal is shown,
/// and a value that was read is written so that it reads back.
pub fn client_text(bytes: &[u8]) {
    let mut lines = bytes;
    loop {
        match read_line(&mut lines) {
            Ok(None) => break,
            Ok(Some(line)) => assert!(!line.contains('\n'), "{line:?}"),
            Err(error) => assert!(matches!(error, LineError::NotText), "{error}"),
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let shown = harmless(text);
    assert!(!shown.chars().any(|char| char.is_control() || reorders_or_hides(char)), "{shown:?}");
    if let Ok(ServerMessage::Frame(frame)) = ServerMessage::parse(text) {
        let event = match frame {
            Frame::Text(text) => ClientEvent::Text(text),
            Frame::Binary(bytes) => ClientEvent::Binary(bytes),
        };
        let line = event_line(&event, Role::Phone);
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    if let Ok(code) = parse_pairing(text) {
        let again = parse_pairing(&code.to_json()).expect("what was written parses");
        assert_eq!(*again.to_json(), *code.to_json());
        if let Some(link) = code.to_link() {
            let linked = parse_pairing(&link).unwrap_or_else(|error| panic!("{error}: {}", &*link));
            assert_eq!(linked.pairing.session, code.pairing.session);
        }
    }
    if let Ok(saved) = Saved::parse(text) {
        assert_eq!(Saved::parse(&saved.to_json()).as_ref(), Ok(&saved));
    }
    if let Ok(proxy) = text.parse::<ProxyUrl>() {
        let again = proxy.to_string().parse::<ProxyUrl>();
        assert_eq!(again.map(|again| again.to_string()), Ok(proxy.to_string()));
    }
    for endpoint in [Endpoint::parse_ws(text), Endpoint::parse_http(text)].into_iter().flatten() {
        let shown = endpoint.to_string();
        let again = Endpoint::parse_ws(&shown).or_else(|_| Endpoint::parse_http(&shown));
        assert_eq!(again.map(|again| again.to_string()).as_ref(), Ok(&shown));
    }
}

/// Choices from the input's front also replace randomness, so that one input is one run.
pub(crate) struct Chosen(u64);

impl Chosen {
    pub(crate) fn new(input: &mut Input<'_>) -> Self {
        Chosen(u64::from(input.byte()))
    }
}

impl crate::tunnel::Entropy for Chosen {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), crate::tunnel::RandomError> {
        for byte in out {
            self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            *byte = self.0.to_be_bytes()[0];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        support::drive("client_text", 30_000, client_text);
    }

    #[test]
    fn answers() {
        support::drive("http_answer", 10_000, http_answer);
    }

    #[test]
    fn answers_of_proxies() {
        support::drive("proxy_answer", 10_000, proxy_answer);
    }

    #[test]
    fn bytes_of_the_app_protocol() {
        support::drive("app_bytes", 20_000, app_bytes);
    }

    #[test]
    fn ends_of_the_app_protocol_that_hear_anything() {
        support::drive("app_machine", 2_000, app_machine);
    }

    #[test]
    fn bytes_of_the_tunnel() {
        support::drive("tunnel_bytes", 50_000, tunnel_bytes);
    }

    #[test]
    fn a_tunnel_that_hears_anything() {
        support::drive("tunnel_machine", 2_000, tunnel_machine);
    }

    #[test]
    fn messages_of_files() {
        support::drive("file_messages", 20_000, file_messages);
    }

    #[test]
    fn messages_of_a_terminal() {
        support::drive("terminal_messages", 20_000, terminal_messages);
    }
    #[test]
    fn messages_about_notices() {
        support::drive("notice_messages", 20_000, notice_messages);
    }
}
