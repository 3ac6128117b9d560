//! One certificate: the order, the proofs for its names, and the download. RFC 8555 §7.4 and §7.5.

use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::certificate::{self, NewKey};
use super::challenges::Challenges;
use super::client::{self, Client, is_base64url};
use super::error::AcmeError;
use super::problem::{Identifier, Problem, SHOWN_MAX};
use super::settings::ChallengeKind;
use super::url::HttpsUrl;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub names: &'a [String],
    pub kind: ChallengeKind,
    /// What the CA calls the certificate that this one replaces. RFC 9773 §5.
    pub replaces: Option<&'a str>,
    /// How long each wait for the CA may take.
    pub patience: Duration,
}

#[derive(Debug, Deserialize)]
struct Order {
    status: Status,
    #[serde(default)]
    authorizations: Vec<HttpsUrl>,
    finalize: HttpsUrl,
    certificate: Option<HttpsUrl>,
    error: Option<Problem>,
}

#[derive(Debug, Deserialize)]
struct Authorization {
    status: Status,
    identifier: Identifier,
    #[serde(default)]
    challenges: Vec<Challenge>,
}

#[derive(Debug, Deserialize)]
struct Challenge {
    #[serde(rename = "type")]
    kind: String,
    url: HttpsUrl,
    #[serde(default)]
    token: String,
    error: Option<Problem>,
}

/// Of orders and authorizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pending,
    Ready,
    Processing,
    Valid,
    #[serde(other)]
    Invalid,
}

/// Gets a certificate: one PEM text with its key and its chain. Blocks for minutes at most.
pub(super) fn issue(
    client: &mut Client<'_>,
    wanted: Wanted<'_>,
    challenges: &Challenges<'_>,
) -> Result<String, AcmeError> {
    let (order, url) = begin(client, &wanted)?;
    if order.authorizations.len() > wanted.names.len() {
        return Err(AcmeError::Malformed("more authorizations than names"));
    }
    if order.status == Status::Pending {
        prove(client, &order, &wanted, challenges)?;
    }
    let order = settle(client, &url, &wanted, &[Status::Pending], "the check of the names")?;
    if order.status == Status::Invalid {
        return Err(not_validated(client, &order, &wanted));
    }
    let key = NewKey::generate()?;
    let csr = URL_SAFE_NO_PAD.encode(key.request(wanted.names)?);
    client.post(&order.finalize, &format!(r#"{{"csr":"{csr}"}}"#), "the order")?;
    let busy = [Status::Pending, Status::Ready, Status::Processing];
    let order = settle(client, &url, &wanted, &busy, "the certificate")?;
    let said = order.error.map_or_else(|| "it did not say why".to_owned(), |error| error.to_string());
    let remedy = "check --acme-directory and --domain";
    let at = order.certificate.filter(|_| order.status == Status::Valid);
    let at = at.ok_or(AcmeError::Refused { what: "the certificate", said, remedy })?;
    let chain = client.post(&at, "", "the certificate")?.body;
    certificate::join(&key, &chain, wanted.names)
}

fn begin(client: &mut Client<'_>, wanted: &Wanted<'_>) -> Result<(Order, HttpsUrl), AcmeError> {
    let names: Vec<String> =
        wanted.names.iter().map(|name| format!(r#"{{"type":"dns","value":"{name}"}}"#)).collect();
    let names = names.join(",");
    let replaces = wanted.replaces.filter(|_| client.directory.renewal_info.is_some());
    let replaces = replaces.map(|name| format!(r#","replaces":"{name}""#)).unwrap_or_default();
    let url = client.directory.new_order.clone();
    let plain = format!(r#"{{"identifiers":[{names}]}}"#);
    let answer = match client.post(&url, &format!(r#"{{"identifiers":[{names}]{replaces}}}"#), "the order") {
        // It does not know that certificate, or another order replaced it. Neither is a reason to have none.
        Err(AcmeError::Refused { .. }) if !replaces.is_empty() => client.post(&url, &plain, "the order")?,
        other => other?,
    };
    let at = answer.header("location").and_then(|url| url.parse().ok());
    let at = at.ok_or(AcmeError::Malformed("an order without its URL"))?;
    Ok((client::json(&answer, "an order that can't be read")?, at))
}

/// Shows the proofs for all names, then has the CA look.
fn prove(
    client: &mut Client<'_>,
    order: &Order,
    wanted: &Wanted<'_>,
    challenges: &Challenges<'_>,
) -> Result<(), AcmeError> {
    let (mut proofs, mut urls) = (Vec::new(), Vec::new());
    for url in &order.authorizations {
        let (authorization, _) = client.fetch::<Authorization>(url, "an authorization")?;
        let name = authorization.identifier.value.to_ascii_lowercase();
        if !wanted.names.contains(&name) {
            return Err(AcmeError::Malformed("an authorization for a name that was not ordered"));
        }
        if authorization.status == Status::Valid {
            continue;
        }
        let kind = wanted.kind.name();
        let challenge = authorization.challenges.into_iter().find(|challenge| challenge.kind == kind);
        let challenge = challenge.ok_or_else(|| AcmeError::NoSuchChallenge { kind, name: name.clone() })?;
        if !is_base64url(&challenge.token) || challenge.token.len() > client::TOKEN_BYTES_MAX {
            return Err(AcmeError::Malformed("a challenge without a token"));
        }
        let authorized = client.key().authorize(&challenge.token);
        proofs.push((name, challenge.token, authorized));
        urls.push(challenge.url);
    }
    challenges.show(&proofs)?;
    urls.iter().try_for_each(|url| client.post(url, "{}", "a challenge").map(drop))
}

/// Asks for the order until its status is another than these.
fn settle(
    client: &mut Client<'_>,
    url: &HttpsUrl,
    wanted: &Wanted<'_>,
    busy: &[Status],
    what: &'static str,
) -> Result<Order, AcmeError> {
    let deadline = Instant::now() + wanted.patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let (order, answer) = client.fetch::<Order>(url, "the order")?;
        if !busy.contains(&order.status) {
            return Ok(order);
        }
        let asked = client::retry_after(&answer).unwrap_or(pause).clamp(FIRST_PAUSE, LAST_PAUSE);
        if Instant::now() + asked > deadline {
            return Err(AcmeError::Unfinished(what));
        }
        thread::sleep(asked);
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// The CA's word on each name, for a few of them.
fn not_validated(client: &mut Client<'_>, order: &Order, wanted: &Wanted<'_>) -> AcmeError {
    let mut said = Vec::new();
    for url in &order.authorizations {
        let Ok((authorization, _)) = client.fetch::<Authorization>(url, "an authorization") else { break };
        let errors = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        said.extend(errors.take(1).map(|error| format!("{}: {error}", authorization.identifier.value)));
        if said.len() >= SHOWN_MAX {
            break;
        }
    }
    if said.is_empty() {
        let reason = order.error.as_ref().map(ToString::to_string);
        said.push(reason.unwrap_or_else(|| "it did not say why".to_owned()));
    }
    let port = if wanted.kind == ChallengeKind::Http01 { 80 } else { 443 };
    AcmeError::NotValidated { kind: wanted.kind.name(), port, said: said.join("; ") }
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(15);
