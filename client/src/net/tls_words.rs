//! What a failure of TLS means to people: each kind has its own words, and what to do about it. Pure text.

use std::io;

use rustls::{AlertDescription, CertificateError};

use super::endpoint::Endpoint;

/// What people can do about a failure of TLS.
pub(super) fn explain(endpoint: &Endpoint, error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let host = endpoint.host();
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => certificate_words(host, why),
        Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            "it asks for a client's certificate, and this client has none: switch that off there".to_owned()
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            let plain = endpoint.plain_scheme();
            format!("it does not speak TLS at port {}: use another port, or {plain}://", endpoint.port())
        }
        _ => format!("TLS failed: {error}"),
    }
}

fn certificate_words(host: &str, why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is signed by no CA that is trusted here: give that CA's by --ca FILE or SSL_CERT_FILE"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("its certificate has expired ({why}): renew it there; if it is a new one, is this clock right?")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("its certificate is not valid yet ({why}): is this machine's clock right?")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate is not for {host:?} ({why}): use a name that it has, or let it name this one")
        }
        // The library has no variant of its own for it.
        _ if format!("{why:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is a CA's own, where a server's is needed: make one for the server that this CA has signed"
                .to_owned()
        }
        _ => format!("its certificate can't be used: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
    use rustls::pki_types::CertificateDer;
    use rustls::{RootCertStore, ServerConfig, ServerConnection};

    use super::super::ca::Ca;
    use super::super::stream::{Stream, unreachable_words};
    use super::super::way::Way;
    use super::*;

    /// A CA's certificate as the only one trusted, and the client's words of a server that shows `shown`.
    struct Scene {
        issuer: CertifiedIssuer<'static, KeyPair>,
        ca: Ca,
    }

    impl Scene {
        fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            let mut roots = RootCertStore::empty();
            roots.add(issuer.der().clone()).unwrap();
            Scene { ca: Ca::of(roots), issuer }
        }

        /// A certificate for this name, signed by the CA.
        fn signed(
            &self,
            name: &str,
            change: impl FnOnce(&mut CertificateParams),
        ) -> (CertificateDer<'static>, KeyPair) {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            change(&mut params);
            (params.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
        }

        fn said_of(&self, (certificate, key): (CertificateDer<'static>, KeyPair)) -> String {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key.serialize_der().try_into().unwrap())
                .unwrap();
            self.said(move |mut socket| {
                let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
                let _ = connection.complete_io(&mut socket);
            })
        }

        /// The client's words for a server that treats its connection like this.
        fn said(&self, serve: impl FnOnce(std::net::TcpStream) + Send + 'static) -> String {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = thread::spawn(move || serve(listener.accept().unwrap().0));
            let endpoint = Endpoint::parse_ws(&format!("wss://localhost:{}/ws", address.port())).unwrap();
            let endpoint = endpoint.with_ca(Some(self.ca.clone()));
            let deadline = Instant::now() + Duration::from_secs(20);
            let mut stream = Stream::connect(&endpoint, &[Way::direct(address)], deadline).unwrap();
            let error = stream.write_all(b"x").and_then(|()| stream.read(&mut [0])).unwrap_err();
            drop(stream);
            server.join().unwrap();
            unreachable_words(&endpoint, &error)
        }
    }

    #[test]
    fn each_failure_has_its_own_words() {
        let scene = Scene::new();
        let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let expired = |params: &mut CertificateParams| {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        };
        let early = |params: &mut CertificateParams| {
            (params.not_before, params.not_after) = (date_time_ymd(2998, 1, 1), date_time_ymd(2999, 1, 1));
        };
        let of_a_ca =
            |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let of_strangers = (stranger.cert.der().clone(), stranger.signing_key);
        for (shown, words) in [
            (
                of_strangers,
                "signed by no CA that is trusted here: give that CA's by --ca FILE or SSL_CERT_FILE",
            ),
            (scene.signed("localhost", expired), "its certificate has expired"),
            (scene.signed("localhost", early), "its certificate is not valid yet"),
            (scene.signed("relay.example.org", |_| ()), r#"its certificate is not for "localhost""#),
            (scene.signed("localhost", of_a_ca), "its certificate is a CA's own"),
        ] {
            let said = scene.said_of(shown);
            assert!(said.starts_with("can't reach wss://localhost:") && said.contains(words), "{said}");
        }
        let plain = scene.said(|mut socket| {
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        assert!(plain.contains("it does not speak TLS at port ") && plain.ends_with("or ws://"), "{plain}");
    }

    #[test]
    fn a_server_that_the_ca_has_signed_is_believed() {
        let scene = Scene::new();
        let good = scene.signed("localhost", |_| ());
        // It hangs up after the handshake, which is not a TLS error.
        let said = scene.said_of(good);
        assert!(!said.contains("certificate") && !said.contains("TLS failed"), "{said}");
    }
}
