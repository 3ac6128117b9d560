//! TLS as a client that looks at everything and turns nothing away: what the server showed, and whether a
//! browser would trust it.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// What a server showed of itself.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its own certificate, DER.
    pub certificate: Vec<u8>,
    /// Why it would not be trusted.
    pub fault: Option<Error>,
}

/// Where the verifier leaves what it saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched(Arc<Mutex<Option<Shown>>>);

impl Watched {
    pub fn take(&self) -> Option<Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[derive(Debug)]
struct Watching {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    seen: Watched,
}

/// The CAs that this machine trusts, or else those that browsers trust.
pub fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() } } else { roots }
}

/// A configuration that trusts everybody, and where it leaves what it saw. Without `roots` nothing is
/// checked.
pub(super) fn watching(roots: RootCertStore) -> (Arc<ClientConfig>, Watched) {
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().ok();
    let seen = Watched::default();
    let watching = Watching { verifier, seen: seen.clone() };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("the provider has cipher suites of both versions");
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(watching));
    (Arc::new(config.with_no_client_auth()), seen)
}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fault = self.verifier.as_ref().and_then(|verifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).err()
        });
        let shown = Shown { certificate: end_entity.to_vec(), fault };
        *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let supported = ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &supported)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let supported = ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &supported)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
