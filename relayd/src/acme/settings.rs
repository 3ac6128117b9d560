//! What an operator sets.

use std::path::PathBuf;

use super::url::HttpsUrl;
use crate::tls::CaBundle;

/// Which names to get a certificate for, and from whom.
#[derive(Clone, Debug)]
pub struct AcmeSettings {
    /// The DNS names of the certificate, in lower case. `1 <= names.len() <= NAMES_MAX`
    pub names: Vec<String>,
    /// Where the CA may write to. No quotes and no control characters.
    pub email: Option<String>,
    /// The CA's directory.
    pub directory: HttpsUrl,
    /// The CA that signed the directory's own certificate. `None`: this machine's CAs.
    pub ca: Option<CaBundle>,
    /// How the CA sees that the names are ours.
    pub challenge: ChallengeKind,
    /// Where the account and the certificate are kept. A server needs it.
    pub state_dir: Option<PathBuf>,
    /// The port for redirects and HTTP-01. `None`: no such listener.
    pub http_port: Option<u16>,
}

/// How the CA checks that a name leads to this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChallengeKind {
    /// By a handshake at port 443. RFC 8737.
    #[default]
    TlsAlpn01,
    /// By a request at port 80. RFC 8555 §8.3.
    Http01,
}

impl ChallengeKind {
    /// Its name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            ChallengeKind::TlsAlpn01 => "tls-alpn-01",
            ChallengeKind::Http01 => "http-01",
        }
    }
}

/// The most names of one certificate.
pub const NAMES_MAX: usize = 100;
