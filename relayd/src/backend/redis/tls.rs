//! TLS to Redis: what a failure means for an operator.
//!
//! The server's certificate and its name are always verified. This can't be switched off.

use std::io;

use rustls::{AlertDescription, CertificateError};

/// A TLS failure in words for an operator. `None` for any other error.
pub(super) fn explain(error: &io::Error) -> Option<String> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match tls {
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => {
            "its certificate is not signed by a CA that is trusted here: name the CA's file with --redis-ca (REDIS_CA)"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("its certificate is not for the host that was dialed: {tls}"),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it requires a client certificate, which relayd does not have: set its tls-auth-clients to no"
                .to_owned()
        }
        rustls::Error::InvalidMessage(_) => format!("it does not speak TLS at this port: {tls}"),
        _ => format!("TLS failed: {tls}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_to_do() {
        let explain = |error: rustls::Error| explain(&io::Error::new(io::ErrorKind::InvalidData, error));
        for (error, said) in [
            (rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer), "--redis-ca"),
            (
                rustls::Error::InvalidCertificate(CertificateError::NotValidForName),
                "the host that was dialed",
            ),
            (
                rustls::Error::InvalidCertificate(CertificateError::Expired),
                "TLS failed: invalid peer certificate",
            ),
            (rustls::Error::AlertReceived(AlertDescription::CertificateRequired), "tls-auth-clients"),
            (
                rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
                "not speak TLS at this port",
            ),
        ] {
            let shown = explain(error).unwrap();
            assert!(shown.contains(said), "{shown}");
        }
        assert_eq!(super::explain(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
