//! What clients are shown: the certificate is chosen by the name that they ask for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::identity::Identity;

/// The certificates of one moment, and the configuration that shows them.
#[derive(Clone, Debug)]
pub struct Presented {
    /// For new connections.
    pub config: Arc<ServerConfig>,
    /// The name and the end of validity, in seconds since 1970, of each certificate.
    pub certificates: Vec<(String, u64)>,
}

impl Presented {
    /// Shows these, and `proofs` to a CA that asks for them. `tickets` outlives them, so that clients resume
    /// after a renewal.
    ///
    /// # Errors
    /// The cryptographic provider lacks a version of TLS, which is a mistake of the build.
    pub fn new(
        identities: &[Identity],
        proofs: &[Proof],
        tickets: Arc<dyn ProducesTickets>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
        let resolver = Arc::new(ByName::new(identities, proofs));
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if !proofs.is_empty() {
            config.alpn_protocols.push(ACME_TLS.to_vec());
        }
        // Tickets need no memory for clients that are away.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = tickets;
        let named = |identity: &Identity| (identity.name().to_owned(), identity.details.not_after);
        Ok(Presented { config: Arc::new(config), certificates: identities.iter().map(named).collect() })
    }
}

/// A certificate that shows to a CA that a name leads here. RFC 8737.
#[derive(Clone)]
pub struct Proof {
    /// The name, in lower case.
    pub name: String,
    /// The certificate with its key.
    pub certified: Arc<CertifiedKey>,
}

/// The key is not shown.
impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proof").field(&self.name).finish()
    }
}

/// Chooses by the name in the ClientHello. An unknown name, or none, gets the first certificate: the client
/// then says which name it misses. A CA that checks a name gets the proof for it, and nothing else.
#[derive(Debug)]
struct ByName {
    names: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
    proofs: HashMap<String, Arc<CertifiedKey>>,
}

/// RFC 8737 §6.2.
const ACME_TLS: &[u8] = b"acme-tls/1";

impl ByName {
    fn new(identities: &[Identity], proofs: &[Proof]) -> Self {
        let mut names = HashMap::new();
        for identity in identities {
            for name in &identity.details.names {
                names.entry(name.clone()).or_insert_with(|| Arc::clone(&identity.certified));
            }
        }
        let first = identities.first().map(|identity| Arc::clone(&identity.certified));
        let proofs = proofs.iter().map(|proof| (proof.name.clone(), Arc::clone(&proof.certified)));
        ByName { names, first, proofs: proofs.collect() }
    }

    fn proof_of(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        self.proofs.get(&name?.to_ascii_lowercase())
    }

    fn of(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase);
        let exact = name.as_ref().and_then(|name| self.names.get(name));
        // RFC 6125 §6.4.3: a `*` stands for one label.
        let wildcard = || self.names.get(&format!("*.{}", name.as_ref()?.split_once('.')?.1));
        exact.or_else(wildcard).or(self.first.as_ref())
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_check = hello.alpn().is_some_and(|offered| offered.into_iter().eq([ACME_TLS]));
        let name = hello.server_name();
        if is_check { self.proof_of(name).cloned() } else { self.of(name).cloned() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::tests::identity;
    use super::*;

    #[test]
    fn the_name_chooses_and_the_first_is_for_all_others() {
        let identities = [identity(&["a.example"]), identity(&["b.example", "*.c.example"])];
        let by_name = ByName::new(&identities, &[]);
        for (name, at) in [
            (None, 0),
            (Some("a.example"), 0),
            (Some("B.Example"), 1),
            (Some("x.c.example"), 1),
            (Some("c.example"), 0),
            (Some("x.y.c.example"), 0),
            (Some("d.example"), 0),
        ] {
            assert!(Arc::ptr_eq(by_name.of(name).unwrap(), &identities[at].certified), "{name:?}");
        }
    }
}
