//! The key and the request of a new certificate, and what of the CA's answer is kept.

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use std::sync::Arc;

use super::error::AcmeError;
use super::pem;
use crate::tls::{CertificateFiles, Identity, Proof};

/// The key of a certificate that does not exist yet.
pub(super) struct NewKey(KeyPair);

impl NewKey {
    pub fn generate() -> Result<Self, AcmeError> {
        KeyPair::generate().map(NewKey).map_err(|_| AcmeError::Crypto("make a key"))
    }

    /// The request for the CA: PKCS 10, DER.
    pub fn request(&self, names: &[String]) -> Result<Vec<u8>, AcmeError> {
        let bad = |_| AcmeError::Crypto("sign the request for a certificate");
        let params = params(names).map_err(bad)?;
        Ok(params.serialize_request(&self.0).map_err(bad)?.der().to_vec())
    }
}

/// One text with the key and the chain, once they fit together and have all names.
pub(super) fn join(key: &NewKey, chain: &[u8], names: &[String]) -> Result<String, AcmeError> {
    let bad = |why: String| AcmeError::BadCertificate(why);
    let mut text = pem::text("PRIVATE KEY", key.0.serialized_der());
    for certificate in CertificateDer::pem_slice_iter(chain) {
        let certificate = certificate.map_err(|_| bad("it is damaged".to_owned()))?;
        text += &pem::text("CERTIFICATE", &certificate);
    }
    let files = CertificateFiles { certificate: "the answer".into(), key: "the answer".into() };
    let identity = Identity::from_pem(text.as_bytes(), text.as_bytes(), &files);
    let details = identity.map_err(|error| bad(error.to_string()))?.details;
    match names.iter().find(|name| !details.names.contains(name)) {
        Some(name) => Err(bad(format!("it lacks the name {name}"))),
        None => Ok(text),
    }
}

/// What a CA gets to see that checks a name. RFC 8737 §3.
pub(super) fn proofs<'a>(
    authorized: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<Proof>, AcmeError> {
    let bad = |_| AcmeError::Crypto("make the certificate of a challenge");
    let key = KeyPair::generate().map_err(bad)?;
    let signing = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialized_der().to_vec().into());
    let signing = rustls::crypto::ring::sign::any_supported_type(&signing)
        .map_err(|_| AcmeError::Crypto("use the key of a challenge"))?;
    let proof = |(name, authorized): (&str, &str)| {
        let mut params = params(&[name.to_owned()]).map_err(bad)?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(&Sha256::digest(authorized))];
        let certificate = params.self_signed(&key).map_err(bad)?.der().clone();
        let certified = Arc::new(CertifiedKey::new(vec![certificate], Arc::clone(&signing)));
        Ok(Proof { name: name.to_owned(), certified })
    };
    authorized.map(proof).collect()
}

/// Without a subject: names are in the extension alone.
fn params(names: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}
