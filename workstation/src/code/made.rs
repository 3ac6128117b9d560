//! A code for a session of its own, and the form it is shown in.
//!
//! For the app protocol one secret means everything: its session is registered under its own ids. The code is
//! the short link, or where no link can name the relay's address the JSON of the same ids. For bare messages
//! the relay chooses session and token, as it always did.

use anyhow::Context;
use protocol::qr::Pairing;
use relay_client::Endpoint;
use relay_client::http::{HttpError, Registration};
use relay_client::tunnel::{Code, CodeSecret, PairingKey, SystemEntropy};
use zeroize::Zeroizing;

use crate::address::{self, Address};
use crate::relay::Relay;

/// A code whose session is registered.
pub(crate) struct MadeCode {
    pub(crate) code: Code,
    /// The form to show.
    pub(crate) text: Zeroizing<String>,
    /// Where it leads the phone.
    pub(crate) address: Address,
}

/// Another secret is tried when the relay has a session of that id: with 128 bits that is a fault and not
/// chance, so the tries are few.
const TRIES: usize = 3;

impl MadeCode {
    /// A code whose two ends speak the app protocol. Asks the relay, which takes up to ten seconds.
    ///
    /// # Errors
    /// The relay gave no session, or the phone cannot reach it.
    pub(crate) fn for_app(relay: &Relay) -> anyhow::Result<Self> {
        let mut tries = 1;
        loop {
            let secret =
                CodeSecret::random(&mut SystemEntropy).context("could not make a secret for the code")?;
            match relay.register_own(secret.credentials()) {
                Ok(registration) => return Self::of_secret(relay, &secret, &registration),
                Err(error) if tries < TRIES && is_taken(&error) => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn of_secret(relay: &Relay, secret: &CodeSecret, registration: &Registration) -> anyhow::Result<Self> {
        if let Some(page) = page(relay, registration.page.as_deref())
            && let Some(text) = secret.to_link(&page)
        {
            let address = Address::of(page.server().web_socket());
            let code = secret.code(address.endpoint.to_string());
            return Ok(MadeCode { code, text, address });
        }
        if let Some(page) = &relay.page_url {
            anyhow::bail!("--page-url {page} cannot be in a code: write it like https://relay.example.org/p");
        }
        let address = address::for_phone(relay, &registration.pairing.ws)?;
        let code = secret.code(address.endpoint.to_string());
        let link = page_beside(&address.endpoint).and_then(|page| secret.to_link(&page));
        Ok(MadeCode { text: link.unwrap_or_else(|| code.to_json()), code, address })
    }
}

impl MadeCode {
    /// A code for bare messages.
    ///
    /// # Errors
    /// As [`MadeCode::for_app`].
    pub(crate) fn for_bare_messages(relay: &Relay) -> anyhow::Result<Self> {
        let registration = relay.register()?;
        let address = address::for_phone(relay, &registration.pairing.ws)?;
        let pairing = Pairing { ws: address.endpoint.to_string(), ..registration.pairing };
        let key = PairingKey::random(&mut SystemEntropy).context("could not make a key for the code")?;
        let code = Code { pairing, key: Some(key), app: false };
        let text = match relay.page_url {
            Some(_) => {
                code.to_link().context("could not make a link to this relay's page; leave out --page-url")?
            }
            None => code.to_json(),
        };
        Ok(MadeCode { code, text, address })
    }
}

/// The page that the link leads to: what the user says, or else what the relay answered, unless the user
/// names another address for the phone.
fn page(relay: &Relay, answered: Option<&str>) -> Option<Endpoint> {
    if let Some(page) = &relay.page_url {
        return Some(page.clone());
    }
    let page = Endpoint::parse_http(answered?).ok()?;
    let fits =
        relay.public_url.as_ref().is_none_or(|url| url.to_string() == page.server().web_socket().to_string());
    fits.then_some(page)
}

/// The page's address on the relay of this WebSocket address; `None` where a link would mean another one.
fn page_beside(web_socket: &Endpoint) -> Option<Endpoint> {
    let server = web_socket.server();
    let page = Endpoint::parse_http(&format!("{}/p", server.to_string().trim_end_matches('/'))).ok()?;
    (page.server().web_socket().to_string() == web_socket.to_string()).then_some(page)
}

/// True if the relay has, or had, a session of this id.
fn is_taken(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|error: &HttpError| error.status() == Some(409))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(public_url: Option<&str>, page_url: Option<&str>) -> Relay {
        Relay {
            server: Endpoint::parse_http("https://relay.example.org").unwrap(),
            register_key: None,
            public_url: public_url.map(|url| Endpoint::parse_ws(url).unwrap()),
            page_url: page_url.map(|url| Endpoint::parse_http(url).unwrap()),
        }
    }

    fn made(relay: &Relay, page: Option<&str>) -> anyhow::Result<String> {
        let secret = CodeSecret::from_bytes(&[7; 24]);
        let pairing = secret.code("wss://relay.example.org/ws".into()).pairing;
        let idle_max = std::time::Duration::from_secs(7200);
        let registration = Registration { pairing, idle_max, page: page.map(str::to_owned) };
        MadeCode::of_secret(relay, &secret, &registration).map(|made| made.text.to_string())
    }

    #[test]
    fn it_is_a_link_wherever_one_can_name_the_address_and_else_json_of_the_app_protocol() {
        const PAGE: &str = "https://relay.example.org/p";
        const LINK: &str = "https://relay.example.org/p#2BwcH";
        for (public_url, page_url, answered, start) in [
            (None, None, None, LINK),
            (None, None, Some(PAGE), LINK),
            (None, None, Some("https://relay.example.org/other"), LINK),
            (None, None, Some("no address"), LINK),
            (None, Some("https://a.example/p"), Some(PAGE), "https://a.example/p#2BwcH"),
            (Some("wss://relay.example.org/ws"), None, Some(PAGE), LINK),
            (Some("wss://b.example/ws"), None, Some(PAGE), "https://b.example/p#2BwcH"),
            (Some("wss://b.example/relay/ws"), None, Some(PAGE), "{\"u\":\"wss://b.example/relay/ws\""),
            (Some("wss://b.example/other"), None, None, "{\"u\":\"wss://b.example/other\""),
        ] {
            let text = made(&relay(public_url, page_url), answered).unwrap();
            assert!(text.starts_with(start), "{public_url:?} {page_url:?} {answered:?}: {text}");
            assert_eq!(text.starts_with('{'), text.ends_with(",\"a\":1}"), "{text}");
        }
    }

    #[test]
    fn a_page_that_no_link_can_name_is_an_error_with_its_remedy() {
        let error = made(&relay(None, Some("https://a.example/pages/p")), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--page-url https://a.example/pages/p cannot be in a code: write it like https://relay.example.org/p"
        );
    }

    #[test]
    fn a_taken_id_is_told_from_other_refusals() {
        let refused = |status| {
            let (server, code, message) = (String::new(), String::new(), String::new());
            anyhow::Error::from(HttpError::Refused { server, status, code, message }).context("words")
        };
        assert!(is_taken(&refused(409)) && !is_taken(&refused(401)));
    }
}
