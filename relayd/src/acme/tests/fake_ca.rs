//! A CA on a free port that answers as a test says. It verifies nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::super::url::HttpsUrl;

/// It ends when it is dropped.
pub struct FakeCa {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    seen: Arc<Mutex<Vec<String>>>,
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A request.
pub struct Asked {
    pub path: String,
    pub body: String,
    /// The CA's address without a slash at its end.
    pub base: String,
}

/// An answer.
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    pace: Pace,
}

#[derive(PartialEq)]
enum Pace {
    Usual,
    Silent,
    Dripping,
}

impl Reply {
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Reply { status, headers: Vec::new(), body: body.into(), pace: Pace::Usual }
    }

    pub fn problem(status: u16, kind: &str, detail: &str) -> Self {
        let kind = format!("urn:ietf:params:acme:error:{kind}");
        Self::json(status, format!(r#"{{"type":"{kind}","detail":"{detail}"}}"#))
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn silent(mut self) -> Self {
        self.pace = Pace::Silent;
        self
    }

    pub fn dripping(mut self) -> Self {
        self.pace = Pace::Dripping;
        self
    }
}

impl Asked {
    /// What a CA without surprises answers to the first requests.
    pub fn usual(&self) -> Reply {
        match self.path.as_str() {
            "/dir" => self.directory(""),
            "/nonce" => Reply::json(204, ""),
            _ => Reply::problem(404, "malformed", "no such thing"),
        }
    }

    /// The directory, with more members.
    pub fn directory(&self, more: &str) -> Reply {
        let base = &self.base;
        Reply::json(
            200,
            format!(
                r#"{{"newNonce":"{base}/nonce","newAccount":"{base}/account","newOrder":"{base}/order"{more}}}"#
            ),
        )
    }

    /// The head of a signed request.
    pub fn protected(&self) -> String {
        let rest = self.body.split_once("\"protected\":\"").unwrap().1;
        String::from_utf8(URL_SAFE_NO_PAD.decode(rest.split_once('"').unwrap().0).unwrap()).unwrap()
    }
}

impl FakeCa {
    pub fn start(answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialized_der().to_vec().into());
        let certificate = made.cert.der().clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::default());
        let (end, ended) = mpsc::channel();
        let serving = Serving { config: Arc::new(config), seen: Arc::clone(&seen), ended, answer };
        let thread = thread::spawn(move || serving.run(&listener));
        FakeCa { address, certificate, seen, end: Some(end), thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> HttpsUrl {
        format!("https://localhost:{}{path}", self.address.port()).parse().unwrap()
    }

    /// A configuration that trusts it.
    pub fn trusted(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }

    /// The paths of all requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for FakeCa {
    fn drop(&mut self) {
        drop(self.end.take());
        // Ends the wait for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Serving<F> {
    config: Arc<ServerConfig>,
    seen: Arc<Mutex<Vec<String>>>,
    ended: mpsc::Receiver<()>,
    answer: F,
}

impl<F: FnMut(&Asked) -> Reply> Serving<F> {
    fn run(mut self, listener: &TcpListener) {
        for socket in listener.incoming() {
            if matches!(self.ended.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                return;
            }
            // A client may refuse the certificate, or go.
            let _ = self.serve(socket.unwrap());
        }
    }

    fn serve(&mut self, socket: TcpStream) -> std::io::Result<()> {
        let port = socket.local_addr()?.port();
        let connection = ServerConnection::new(Arc::clone(&self.config)).unwrap();
        let mut reader = BufReader::new(StreamOwned::new(connection, socket));
        let (mut first, mut len) = (String::new(), 0);
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                len = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; len];
        reader.read_exact(&mut body)?;
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        self.seen.lock().unwrap().push(path.clone());
        let base = format!("https://localhost:{port}");
        let asked = Asked { path, body: String::from_utf8(body).unwrap(), base };
        let reply = (self.answer)(&asked);
        self.send(reader.get_mut(), &reply)
    }

    fn send(&self, stream: &mut impl Write, reply: &Reply) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        if !reply.headers.iter().any(|(name, _)| name == "Replay-Nonce") {
            head += "Replay-Nonce: fresh-1_A\r\n";
        }
        for (name, value) in &reply.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let text = format!("{head}\r\n{}", reply.body);
        match reply.pace {
            Pace::Usual => stream.write_all(text.as_bytes())?,
            Pace::Silent => self.pause(Duration::from_secs(60)),
            Pace::Dripping => {
                for byte in text.as_bytes() {
                    stream.write_all(&[*byte])?;
                    stream.flush()?;
                    self.pause(Duration::from_millis(20));
                }
            }
        }
        stream.flush()
    }

    /// Ends with the CA.
    fn pause(&self, within: Duration) {
        assert!(matches!(
            self.ended.recv_timeout(within),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)
        ));
    }
}
