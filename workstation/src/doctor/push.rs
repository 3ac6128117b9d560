//! The push services that phones get their notices by.

use std::collections::BTreeSet;
use std::time::Duration;

use relay_client::Endpoint;
use relay_client::http::{self, HttpError};

use super::{Finding, within};
use crate::ipc::folder::Folders;
use crate::state::phones::load_all;

/// Such as the question to the relay.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Looks at the services of phones that have subscribed.
pub(super) fn examine(folders: &Folders) -> Vec<Finding> {
    // Files that can't be used are another finding's.
    let phones = load_all(folders.state()).map(|(phones, _)| phones).unwrap_or_default();
    let endpoints = phones.iter().filter_map(|phone| Some(phone.push()?.endpoint));
    let servers: BTreeSet<String> = endpoints.filter_map(|endpoint| server_of(&endpoint)).collect();
    servers.into_iter().map(|server| ask(&server)).collect()
}

fn ask(server: &str) -> Finding {
    let Ok(endpoint) = Endpoint::parse_http(server) else {
        return Finding::wrong("push", format!("{server} is not an address"), "subscribe again on the phone");
    };
    let remedy = "let this machine reach it, or phones get notices only while they are open";
    match within(ANSWER_WITHIN, move || http::health(&endpoint)) {
        // It is not a relay, and need not answer as one.
        Ok(Ok(_) | Err(HttpError::NotARelay { .. } | HttpError::Refused { .. })) => {
            Finding::good("push", format!("{server} answers"))
        }
        Ok(Err(error)) => Finding::wrong("push", error.to_string(), remedy),
        Err(words) => Finding::wrong("push", format!("{server}: {words}"), remedy),
    }
}

/// The part of the address that names no phone.
fn server_of(endpoint: &str) -> Option<String> {
    let (scheme, rest) = endpoint.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_service_is_named_without_the_phones_secret() {
        for (endpoint, server) in [
            ("https://fcm.googleapis.com/fcm/send/secret", Some("https://fcm.googleapis.com")),
            ("https://push.example:444?secret", Some("https://push.example:444")),
            ("nonsense", None),
        ] {
            assert_eq!(server_of(endpoint).as_deref(), server);
        }
    }
}
