//! Where a CA that checks names finds its proofs: in handshakes, or at the port for HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::certificate;
use super::error::AcmeError;
use super::settings::ChallengeKind;
use crate::tls::{Feed, Identity};

/// Shows the proofs of one attempt. They go when it is dropped.
pub(super) struct Challenges<'a> {
    pub kind: ChallengeKind,
    pub feed: &'a Feed,
    pub tokens: &'a HttpTokens,
    /// The certificate that clients get meanwhile.
    pub current: Option<&'a Identity>,
}

impl Challenges<'_> {
    fn shown(&self) -> &[Identity] {
        self.current.map(std::slice::from_ref).unwrap_or_default()
    }

    /// Each is a name, its token, and the token with the account's thumbprint.
    pub fn show(&self, proofs: &[(String, String, String)]) -> Result<(), AcmeError> {
        match self.kind {
            ChallengeKind::TlsAlpn01 => {
                let authorized =
                    proofs.iter().map(|(name, _, authorized)| (name.as_str(), authorized.as_str()));
                let proofs = certificate::proofs(authorized)?;
                let shown = self.feed.show(self.shown(), &proofs);
                shown.map(drop).map_err(|_| AcmeError::Crypto("show the certificate of a challenge"))
            }
            ChallengeKind::Http01 => {
                self.tokens
                    .set(proofs.iter().map(|(_, token, authorized)| (token.clone(), authorized.clone())));
                Ok(())
            }
        }
    }
}

impl Drop for Challenges<'_> {
    fn drop(&mut self) {
        self.tokens.set(std::iter::empty());
        if self.kind == ChallengeKind::TlsAlpn01
            && let Err(error) = self.feed.show(self.shown(), &[])
        {
            tracing::warn!(%error, "the certificates of challenges could not be taken away");
        }
    }
}

/// What HTTP-01 answers, by token. Shared with the thread of the port for HTTP.
#[derive(Clone, Debug, Default)]
pub(super) struct HttpTokens(Arc<Mutex<HashMap<String, String>>>);

impl HttpTokens {
    pub fn set(&self, tokens: impl Iterator<Item = (String, String)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = tokens.collect();
    }

    pub fn of(&self, token: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}
