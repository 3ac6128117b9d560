//! The thread that gets certificates and renews them. It may wait for the CA as long as it likes: the reactor
//! never waits for it.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;

use super::challenges::{Challenges, HttpTokens};
use super::client::{self, Client, Directory};
use super::error::AcmeError;
use super::http::HttpClient;
use super::order::{self, Wanted};
use super::schedule::Schedule;
use super::settings::AcmeSettings;
use super::state::StateFolder;
use super::times;
use crate::tls::{AttemptOutcome, Feed, Identity, Reloader, log_all};

/// The thread's state.
pub(super) struct Worker {
    pub settings: AcmeSettings,
    pub folder: StateFolder,
    pub http: HttpClient,
    pub feed: Feed,
    pub tokens: HttpTokens,
    pub reloader: Reloader,
    /// What clients are shown.
    pub current: Option<Identity>,
    /// The text of `current`, until the folder has it. Holds its key.
    pub unkept: Option<String>,
    pub schedule: Schedule,
}

impl Worker {
    /// Shows the certificate of an earlier run, if there is one.
    pub fn take_up(&mut self) -> Result<(), AcmeError> {
        match self.folder.certificate()? {
            Some(kept) => self.use_certificate(kept, "certificate")?,
            None => tracing::warn!(
                "there is no certificate yet: TLS handshakes fail until the CA has issued one; that takes a few seconds, \
                 or up to a minute"
            ),
        }
        Ok(())
    }

    pub fn run(mut self) {
        while self.feed.is_wanted() {
            let now = times::now();
            self.schedule.bound_pauses(now);
            if self.schedule.is_question_due(now) {
                self.ask_for_window(now);
            }
            let next = self.schedule.next_attempt();
            if next <= now {
                self.attempt();
                continue;
            }
            // In short steps by the wall clock, as a timer stands still while a machine sleeps.
            let wait = Duration::from_secs(next - now).min(LOOK_EVERY);
            if self.reloader.wait(wait) && !self.schedule.try_now() {
                tracing::warn!("the CA asked to wait, so it is not asked for a certificate now");
            }
            self.keep_again();
        }
    }

    /// Tries to get a certificate, and plans what comes next.
    pub(super) fn attempt(&mut self) {
        tracing::info!(names = %self.names_shown(), directory = %self.settings.directory, "asking the CA for a certificate");
        match self.issue().and_then(|text| self.take_over(text)) {
            Ok(()) => {
                self.schedule.on_issued(times::now());
                self.feed.count_attempt(AttemptOutcome::Issued);
            }
            Err(error) => self.on_failure(&error),
        }
    }

    /// Shows what the CA issued, also if the folder does not take it: CAs limit how many a name gets.
    pub(super) fn take_over(&mut self, text: String) -> Result<(), AcmeError> {
        let identity = self.folder.parse_certificate(&text)?;
        let kept = self.folder.keep_certificate(&text);
        self.unkept = kept.is_err().then_some(text);
        if let Err(error) = kept {
            tracing::error!("the new certificate is shown, but a restart would lose it: {error}");
        }
        self.use_certificate(identity, "issued certificate")
    }

    /// Writes the certificate that could not be written before. Says nothing until that works.
    pub(super) fn keep_again(&mut self) {
        let Some(text) = &self.unkept else { return };
        match self.folder.keep_certificate(text) {
            Ok(()) => {
                tracing::info!("the certificate is written now");
                self.unkept = None;
            }
            Err(error) => tracing::debug!("the certificate is still not written: {error}"),
        }
    }

    fn on_failure(&mut self, error: &AcmeError) {
        self.feed.count_attempt(error.outcome());
        let now = times::now();
        self.schedule.on_failure(error, random(), now);
        let retry_secs = self.schedule.next_attempt().saturating_sub(now);
        match &self.current {
            Some(current) if current.details.not_after > now => {
                let days = (current.details.not_after - now) / DAY_SECS;
                tracing::warn!(retry_secs, days, "no new certificate, the earlier one stays: {error}");
            }
            Some(_) => {
                tracing::error!(retry_secs, "no new certificate, and the earlier one has expired: {error}");
            }
            None => tracing::error!(retry_secs, "no certificate: {error}"),
        }
    }

    /// Blocks for minutes at most.
    pub(super) fn issue(&self) -> Result<String, AcmeError> {
        let directory = Directory::fetch(&self.http, &self.settings.directory)?;
        let key = self.folder.account_key()?;
        match self.order(&key, directory.clone()) {
            Err(AcmeError::AccountGone(said)) => {
                tracing::warn!(%said, "the CA does not serve the account any more: a new one is registered");
                self.order(&self.folder.new_account_key()?, directory)
            }
            other => other,
        }
    }

    fn order(&self, key: &super::account_key::AccountKey, directory: Directory) -> Result<String, AcmeError> {
        let mut client = Client::new(&self.http, key, directory);
        client.sign_in(self.settings.email.as_deref())?;
        let kind = self.settings.challenge;
        let replaces = self.current.as_ref().and_then(Identity::renewal_name);
        let challenges =
            Challenges { kind, feed: &self.feed, tokens: &self.tokens, current: self.current.as_ref() };
        let (names, replaces) = (self.settings.names.as_slice(), replaces.as_deref());
        order::issue(&mut client, Wanted { names, kind, replaces, patience: PATIENCE }, &challenges)
    }

    /// Shows it, and plans its renewal.
    fn use_certificate(&mut self, identity: Identity, what: &str) -> Result<(), AcmeError> {
        let shown = self.feed.show(std::slice::from_ref(&identity), &[]);
        log_all(what, &shown.map_err(|_| AcmeError::Crypto("show the certificate"))?);
        let details = &identity.details;
        if self.settings.names.iter().all(|name| details.names.contains(name)) {
            self.schedule.on_certificate(details.not_before, details.not_after, random());
        } else {
            tracing::info!("the kept certificate lacks a name of --domain: a new one is asked for");
        }
        self.current = Some(identity);
        Ok(())
    }

    /// RFC 9773: when the CA would like the certificate to be renewed. A failure changes nothing.
    pub(super) fn ask_for_window(&mut self, now: u64) {
        match self.window() {
            Ok(Some((window, again))) => {
                tracing::debug!(start = window.0, end = window.1, "the CA suggests when to renew");
                self.schedule.on_window(window, random(), now, again);
            }
            Ok(None) => self.schedule.on_no_window(now),
            Err(error) => {
                tracing::debug!("the CA did not say when to renew: {error}");
                self.schedule.on_no_window(now);
            }
        }
    }

    /// `None`: the CA, or the certificate, has nothing for such questions.
    pub(super) fn window(&self) -> Result<Option<Window>, AcmeError> {
        let Some(name) = self.current.as_ref().and_then(Identity::renewal_name) else { return Ok(None) };
        let directory = Directory::fetch(&self.http, &self.settings.directory)?;
        let Some(url) = directory.renewal_info.and_then(|url| url.join(&name)) else { return Ok(None) };
        let answer = client::get(&self.http, &url)?;
        if answer.status != 200 {
            return Ok(None);
        }
        let bad = "a window that can't be read";
        let info: RenewalInfo = client::json(&answer, bad)?;
        let time = |text: &str| times::rfc3339(text).ok_or(AcmeError::Malformed(bad));
        let window = (time(&info.suggested_window.start)?, time(&info.suggested_window.end)?);
        Ok(Some((window, client::retry_after(&answer))))
    }

    fn names_shown(&self) -> String {
        let names = &self.settings.names;
        let more = names.len().saturating_sub(NAMES_SHOWN);
        let shown = names.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(",");
        if more == 0 { shown } else { format!("{shown} and {more} more") }
    }
}

/// Start and end, and when to ask again.
type Window = ((u64, u64), Option<Duration>);

/// RFC 9773 §4.2.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RenewalInfo {
    suggested_window: SuggestedWindow,
}

#[derive(Debug, Deserialize)]
struct SuggestedWindow {
    start: String,
    end: String,
}

/// To spread what many servers do. Without random bits nothing is spread.
fn random() -> u16 {
    let mut bytes = [0; 2];
    let _ = SystemRandom::new().fill(&mut bytes);
    u16::from_be_bytes(bytes)
}

/// Between two looks at the clock.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// For each wait for the CA.
const PATIENCE: Duration = Duration::from_secs(180);

const NAMES_SHOWN: usize = 3;
const DAY_SECS: u64 = 24 * 60 * 60;
