//! Why there is no new certificate. Each message is one log line that says what to do.

use std::time::Duration;

use thiserror::Error;

use super::http::HttpError;
use super::state::StateError;
use crate::tls::AttemptOutcome;

/// Why an attempt failed.
#[derive(Debug, Error)]
pub enum AcmeError {
    /// The CA could not be talked to.
    #[error("the CA can't be reached: {0}")]
    Unreachable(#[from] HttpError),
    /// It answered with something else than the protocol has.
    #[error("the CA sent {0}; check that --acme-directory is the URL of an ACME directory")]
    Malformed(&'static str),
    /// A failure of its own.
    #[error("the CA has a failure of its own: {0}; it is asked again later")]
    Server(String),
    /// It did not finish in time.
    #[error("the CA did not finish {0} in time; it is asked again later")]
    Unfinished(&'static str),
    /// Too many requests.
    #[error("the CA asks to wait: {said}; use its staging directory for trials")]
    RateLimited {
        /// What it said.
        said: String,
        /// For how long, if it said that.
        after: Option<Duration>,
    },
    /// It does not know the account, or no longer serves it.
    #[error("the CA does not serve the account ({0}); a new one is registered")]
    AccountGone(String),
    /// It could not see that a name leads here.
    #[error(
        "the CA could not see that every name leads here by {kind}: {said}; check that the names' addresses in DNS \
         are this server's and that port {port} reaches it"
    )]
    NotValidated {
        /// The challenge.
        kind: &'static str,
        /// The port that it comes to.
        port: u16,
        /// Each name with what the CA said, for a few of them.
        said: String,
    },
    /// It offers no challenge of the kind.
    #[error("the CA does not offer {kind} for {name}; try another --acme-challenge")]
    NoSuchChallenge {
        /// The kind that is set.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Accounts need a contract outside of the protocol.
    #[error(
        "the CA takes only accounts that are bound to a contract with it (externalAccountRequired), which relayd can't \
         do; choose another --acme-directory, or use --tls-cert"
    )]
    ContractRequired,
    /// Its terms changed.
    #[error("the CA wants its terms to be agreed to again: {0}")]
    TermsChanged(String),
    /// Anything else.
    #[error("the CA refused {what}: {said}; {remedy}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        said: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The certificate that came can't be used.
    #[error("the certificate that the CA sent can't be used ({0}); please report it to the CA")]
    BadCertificate(String),
    /// The folder can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A key could not be made or used.
    #[error("this machine could not {0}; is its source of random bits there?")]
    Crypto(&'static str),
}

impl AcmeError {
    /// For the metrics.
    pub fn outcome(&self) -> AttemptOutcome {
        match self {
            AcmeError::Unreachable(_)
            | AcmeError::Malformed(_)
            | AcmeError::Server(_)
            | AcmeError::Unfinished(_) => AttemptOutcome::Unreachable,
            AcmeError::RateLimited { .. } => AttemptOutcome::RateLimited,
            AcmeError::NotValidated { .. } => AttemptOutcome::NotValidated,
            AcmeError::AccountGone(_)
            | AcmeError::NoSuchChallenge { .. }
            | AcmeError::ContractRequired
            | AcmeError::TermsChanged(_)
            | AcmeError::Refused { .. } => AttemptOutcome::Refused,
            AcmeError::BadCertificate(_) | AcmeError::State(_) | AcmeError::Crypto(_) => {
                AttemptOutcome::Failed
            }
        }
    }
}
