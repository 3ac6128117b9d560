//! The protocol below orders: the directory, nonces, signed requests, and the account. RFC 8555 §6 and
//! §7.1–7.3.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::account_key::AccountKey;
use super::answer::Answer;
use super::error::AcmeError;
use super::http::{HttpClient, Request};
use super::problem::Problem;
use super::times;
use super::url::HttpsUrl;

/// A conversation with the CA about one certificate.
#[derive(Debug)]
pub(super) struct Client<'a> {
    http: &'a HttpClient,
    key: &'a AccountKey,
    pub directory: Directory,
    /// Each is good for one request.
    nonce: Option<String>,
    /// The account's URL, once it is known.
    account: Option<HttpsUrl>,
}

/// Where everything is. RFC 8555 §7.1.1.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    new_nonce: HttpsUrl,
    new_account: HttpsUrl,
    pub new_order: HttpsUrl,
    /// RFC 9773 §3.
    pub renewal_info: Option<HttpsUrl>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    external_account_required: bool,
}

impl Directory {
    pub fn fetch(http: &HttpClient, url: &HttpsUrl) -> Result<Self, AcmeError> {
        let answer = get(http, url)?;
        if answer.status != 200 {
            return Err(refused(&answer, "its directory"));
        }
        json(&answer, "a directory that can't be read")
    }
}

/// Asks without a signature.
pub(super) fn get(http: &HttpClient, url: &HttpsUrl) -> Result<Answer, AcmeError> {
    Ok(http.exchange(&Request { url, accept: "application/json", jose: None })?)
}

/// Reads an answer's body.
pub(super) fn json<T: DeserializeOwned>(answer: &Answer, bad: &'static str) -> Result<T, AcmeError> {
    sonic_rs::from_slice(&answer.body).map_err(|_| AcmeError::Malformed(bad))
}

impl<'a> Client<'a> {
    pub fn new(http: &'a HttpClient, key: &'a AccountKey, directory: Directory) -> Self {
        Client { http, key, directory, nonce: None, account: None }
    }

    pub fn key(&self) -> &'a AccountKey {
        self.key
    }

    /// Finds the account of the key, or registers it. RFC 8555 §7.3: both are the same request.
    pub fn sign_in(&mut self, email: Option<&str>) -> Result<(), AcmeError> {
        if self.directory.meta.external_account_required {
            return Err(AcmeError::ContractRequired);
        }
        let contact = email.map(|email| format!(r#","contact":["mailto:{email}"]"#)).unwrap_or_default();
        let payload = format!(r#"{{"termsOfServiceAgreed":true{contact}}}"#);
        let url = self.directory.new_account.clone();
        let answer = self.post(&url, &payload, "the account")?;
        let account = answer.header("location").and_then(|url| url.parse().ok());
        self.account = Some(account.ok_or(AcmeError::Malformed("an account without its URL"))?);
        Ok(())
    }

    /// A signed request. `what` is for messages.
    pub fn post(&mut self, url: &HttpsUrl, payload: &str, what: &'static str) -> Result<Answer, AcmeError> {
        for _ in 0..NONCE_TRIES {
            let nonce = self.take_nonce()?;
            let account = self.account.as_ref().map(HttpsUrl::as_str);
            let jose = self.key.sign(url.as_str(), &nonce, account, payload);
            let jose = jose.map_err(|_| AcmeError::Crypto("sign a request"))?;
            let answer = self.http.exchange(&Request { url, accept: "*/*", jose: Some(&jose) })?;
            self.nonce = nonce_of(&answer);
            if (200..300).contains(&answer.status) {
                return Ok(answer);
            }
            // RFC 8555 §6.5: the nonce of this answer is good for another try.
            if !Problem::of(&answer).is("badNonce") {
                return Err(refused(&answer, what));
            }
        }
        Err(AcmeError::Malformed("no nonce that it takes itself"))
    }

    /// RFC 8555 §6.3.
    pub fn fetch<T: DeserializeOwned>(
        &mut self,
        url: &HttpsUrl,
        what: &'static str,
    ) -> Result<(T, Answer), AcmeError> {
        let answer = self.post(url, "", what)?;
        Ok((json(&answer, "an answer that can't be read")?, answer))
    }

    fn take_nonce(&mut self) -> Result<String, AcmeError> {
        if let Some(nonce) = self.nonce.take() {
            return Ok(nonce);
        }
        let answer = get(self.http, &self.directory.new_nonce)?;
        nonce_of(&answer).ok_or(AcmeError::Malformed("no nonce"))
    }
}

/// RFC 8555 §6.5.1: base64url, so that it is safe in JSON.
fn nonce_of(answer: &Answer) -> Option<String> {
    let nonce = answer.header("replay-nonce")?;
    (nonce.len() <= TOKEN_BYTES_MAX && is_base64url(nonce)).then(|| nonce.to_owned())
}

pub(super) fn is_base64url(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// How long the CA asks to wait, within bounds.
pub(super) fn retry_after(answer: &Answer) -> Option<Duration> {
    let secs = times::retry_after(answer.header("retry-after")?, times::now())?;
    Some(Duration::from_secs(secs).min(RETRY_AFTER_MAX))
}

/// What a refusal means.
fn refused(answer: &Answer, what: &'static str) -> AcmeError {
    let problem = Problem::of(answer);
    let said = problem.to_string();
    let is_about_account = what == "the account";
    if problem.is("rateLimited") || answer.status == 429 {
        return AcmeError::RateLimited { said, after: retry_after(answer) };
    }
    if problem.is("accountDoesNotExist") || (is_about_account && problem.is("unauthorized")) {
        return AcmeError::AccountGone(said);
    }
    if problem.is("userActionRequired") {
        return AcmeError::TermsChanged(said);
    }
    if answer.status >= 500 {
        return AcmeError::Server(said);
    }
    let remedy = match () {
        () if problem.is("rejectedIdentifier") || problem.is("malformed") => "check the names of --domain",
        () if problem.is("caa") => "allow this CA in the CAA record of the name",
        () if problem.is("invalidContact") || problem.is("unsupportedContact") => "check --acme-email",
        () => "check --acme-directory and --domain",
    };
    AcmeError::Refused { what, said, remedy }
}

const NONCE_TRIES: usize = 8;
pub(super) const TOKEN_BYTES_MAX: usize = 512;

/// A CA that asks for more is asked after this.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
