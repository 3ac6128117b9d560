//! The address that clients are told: whether it leads here, with a certificate that they trust, through a
//! proxy that passes on WebSockets, small frames, quiet connections and the client's address.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rustls::{CertificateError, Error as TlsError, RootCertStore};
use tungstenite::{Message, WebSocket};

use super::clock::{self, compared, now_secs};
use super::port::is_relayd;
use super::{Finding, harmless, idle};
use crate::admission::TrustedProxies;
use crate::ask::{Answer, AskError, Line, NoWebSocket, Place, Question, Shown, Stream, machine_roots};
use crate::config::Config;
use crate::tls::details;

/// For one question.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A small frame and its answer take no longer through a proxy that passes them on at once.
const FRAME_WITHIN: Duration = Duration::from_secs(2);

/// With less time left, its renewal should have happened.
const RENEWED_BEFORE_DAYS: i64 = 14;

/// A client that no network has, of RFC 5737. A proxy must not report it, whatever a client says.
const FORGED: &str = "192.0.2.77";

/// The server under test, as clients see it.
pub(super) struct Public {
    pub place: Place,
    roots: RootCertStore,
}

pub(super) fn examine(config: &Config, slow: bool, tell: &mut dyn FnMut(Finding)) {
    let url = config.ws_url(config.port);
    let Some(place) = Place::of_ws_url(&url) else {
        return tell(Finding::bad("public", format!("{url} can't be asked"), "correct PUBLIC_WS_URL"));
    };
    let is_local = reaches_only(&place.host);
    key(config, is_local).into_iter().for_each(&mut *tell);
    let public = Public { place, roots: machine_roots() };
    let answer = match public.reach(is_local, tell) {
        Some(answer) if is_relayd(&answer) => answer,
        Some(answer) => {
            let words = format!("{} answers {}, and not as relayd does", url, answer.status);
            let remedy = match answer.status {
                502..=504 => {
                    "the proxy does not reach relayd: start relayd, and check the proxy's address of it"
                }
                _ => "check the host and path of PUBLIC_WS_URL, and what the proxy does with /health",
            };
            return tell(Finding::bad("public", words, remedy));
        }
        None => return,
    };
    tell(match is_local {
        true => Finding::warn(
            "public",
            format!("clients are told {url}, which only this machine or network reaches"),
            "set PUBLIC_WS_URL to an address that phones reach",
        ),
        false => Finding::ok("public", format!("relayd answers at {url}")),
    });
    if let Some(date) = answer.field("date").and_then(clock::of_date) {
        tell(compared("clock", "the Date of the public address", now_secs() - date));
    }
    public.websocket(tell);
    if slow {
        idle::examine(&public, config, tell);
    }
    tell(public.address(&config.policy.trusted_proxies));
}

/// True of a name or address within this machine or a network at home.
fn reaches_only(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn key(config: &Config, is_local: bool) -> Option<Finding> {
    const REMEDY: &str = "set REGISTER_KEY to a long random word, as from `openssl rand -hex 16`";
    match &config.policy.register_keys {
        Some(keys) if keys.is_short() => {
            Some(Finding::bad("key", "REGISTER_KEY has fewer than 16 characters and can be guessed", REMEDY))
        }
        Some(_) => Some(Finding::ok("key", "only workstations with the key get sessions")),
        None if is_local => None,
        None => Some(Finding::warn("key", "everybody can register sessions at the public address", REMEDY)),
    }
}

impl Public {
    pub(super) fn dial(&self, until: Instant) -> Result<Line, AskError> {
        let within = until.saturating_duration_since(Instant::now());
        Line::dial(&self.place, self.roots.clone(), within)
    }

    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<(Answer, IpAddr), AskError> {
        let line = self.dial(Instant::now() + ANSWER_WITHIN)?;
        let (local, host) = (line.local, self.place.address());
        let path = self.place.beside(path);
        Ok((line.ask(&Question { method, path: &path, host: &host, fields })?, local))
    }

    /// The answer to `/health`, if there is one. Tells of the certificate.
    fn reach(&self, is_local: bool, tell: &mut dyn FnMut(Finding)) -> Option<Answer> {
        let line = match self.dial(Instant::now() + ANSWER_WITHIN) {
            Ok(line) => line,
            Err(error) => {
                tell(Finding::bad("public", harmless(&error.to_string()), unreachable(&error)));
                return None;
            }
        };
        match &line.shown {
            Some(shown) => tell(certificate(shown, &self.place.host, now_secs())),
            None if is_local => {}
            None => tell(Finding::warn(
                "certificate",
                "clients are told an address without TLS, so others on the way can read tokens",
                "use wss:// in PUBLIC_WS_URL, with a proxy's certificate or --tls-cert",
            )),
        }
        let (path, host) = (self.place.beside("/health"), self.place.address());
        match line.ask(&Question { method: "GET", path: &path, host: &host, fields: &[] }) {
            Ok(answer) => Some(answer),
            Err(error) => {
                let words =
                    format!("{} takes connections and gives no answer: {error}", self.place.address());
                tell(Finding::bad(
                    "public",
                    harmless(&words),
                    "start relayd, and check the proxy in front of it",
                ));
                None
            }
        }
    }

    /// A WebSocket, and over it small frames.
    fn websocket(&self, tell: &mut dyn FnMut(Finding)) {
        let mut socket = match self.upgrade(Instant::now() + ANSWER_WITHIN) {
            Ok(socket) => socket,
            Err(finding) => return tell(finding),
        };
        tell(Finding::ok("websocket", "upgrades are passed on"));
        match echo(&mut socket, FRAME_WITHIN) {
            Ok(took) => {
                tell(Finding::ok("frames", format!("a small frame is back after {} ms", took.as_millis())));
            }
            Err(words) => {
                return tell(Finding::bad(
                    "frames",
                    format!("a small frame did not come back within {} s: {words}", FRAME_WITHIN.as_secs()),
                    "have the proxy pass on each frame at once: no buffering, no inspection of content",
                ));
            }
        }
        tell(idle::held(&mut socket, idle::SHORT));
    }

    pub(super) fn upgrade(&self, until: Instant) -> Result<WebSocket<Stream>, Finding> {
        let line = self
            .dial(until)
            .map_err(|error| Finding::bad("websocket", harmless(&error.to_string()), unreachable(&error)))?;
        line.upgrade(&self.place.ws_url()).map_err(|refused| match refused {
            NoWebSocket::Failed(error) => Finding::bad(
                "websocket",
                format!("the upgrade to WebSocket fails: {}", harmless(&error.to_string())),
                "have the proxy pass on upgrades; docs/configuration.md has its directives",
            ),
            NoWebSocket::Answered(answer) => Finding::bad(
                "websocket",
                format!("the upgrade to WebSocket is answered {}: {}", answer.status, harmless(&answer.body)),
                "have the proxy pass on upgrades of /ws; docs/configuration.md has its directives",
            ),
        })
    }

    /// Whether relayd knows its clients apart.
    fn address(&self, trusted: &TrustedProxies) -> Finding {
        let asked = self.ask("GET", "/api/address", &[("X-Forwarded-For", FORGED)]);
        let (answer, local) = match asked {
            Ok((answer, local)) if answer.status == 200 => (answer, local),
            Ok((answer, _)) => {
                let words = format!("/api/address is answered {}", answer.status);
                return Finding::warn("addresses", words, "have the proxy pass on all of /api/");
            }
            Err(error) => return Finding::warn("addresses", harmless(&error.to_string()), ""),
        };
        let seen = answer.body.split_once(r#""address":""#).and_then(|(_, rest)| rest.split_once('"'));
        match seen.and_then(|(seen, _)| seen.parse::<IpAddr>().ok()) {
            Some(seen) => judge_address(seen, local, trusted),
            None => Finding::warn("addresses", "/api/address does not answer as relayd does", ""),
        }
    }
}

/// `seen`: the address that relayd counts this program by. `local`: the one that it connected from.
fn judge_address(seen: IpAddr, local: IpAddr, trusted: &TrustedProxies) -> Finding {
    let forged = FORGED.parse().ok() == Some(seen);
    let (local, seen) = (local.to_canonical(), seen.to_canonical());
    // A client on a trusted proxy's own machine may speak for others.
    if forged && !trusted.contains(local) {
        return Finding::bad(
            "addresses",
            "the proxy passes on an X-Forwarded-For that the client wrote, so clients can take any address",
            "have the proxy append the client's address, as with nginx's $proxy_add_x_forwarded_for",
        );
    }
    if forged
        || seen == local
        || !reaches_only(&seen.to_string())
        || reaches_only(&local.to_string()) && !seen.is_loopback()
    {
        return Finding::ok("addresses", format!("relayd counts this machine as {seen}"));
    }
    Finding::bad(
        "addresses",
        format!("relayd counts the clients of the proxy as one, {seen}"),
        format!("add --trusted-proxy {seen}, and have the proxy send X-Forwarded-For"),
    )
}

/// Sends a ping, and waits for its pong.
pub(super) fn echo(socket: &mut WebSocket<Stream>, within: Duration) -> Result<Duration, String> {
    let begun = Instant::now();
    socket.get_mut().set_deadline(begun + within);
    let payload = &b"relayd doctor"[..];
    socket.send(Message::Ping(payload.into())).map_err(|error| error.to_string())?;
    loop {
        match socket.read() {
            Ok(Message::Pong(back)) if back == payload => return Ok(begun.elapsed()),
            Ok(Message::Close(_)) => return Err("the connection is closed".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn unreachable(error: &AskError) -> String {
    match error {
        AskError::Name { .. } => {
            "correct the host in PUBLIC_WS_URL, or give the name its DNS record".to_owned()
        }
        AskError::Connect { .. } => {
            "start relayd or the proxy there, open the port in the firewall, or correct PUBLIC_WS_URL"
                .to_owned()
        }
        AskError::Tls { .. } => {
            "write ws:// in PUBLIC_WS_URL, or have something speak TLS there: a proxy, or --tls-cert"
                .to_owned()
        }
        AskError::Broken(_) | AskError::NotHttp => "check what listens there".to_owned(),
    }
}

fn certificate(shown: &Shown, host: &str, now: i64) -> Finding {
    let details = details(&shown.certificate).unwrap_or_default();
    let left_days = (i64::try_from(details.not_after).unwrap_or(i64::MAX) - now).div_euclid(86_400);
    let bad = |words: String, remedy: &str| Finding::bad("certificate", words, remedy);
    match &shown.fault {
        None if left_days < RENEWED_BEFORE_DAYS => Finding::warn(
            "certificate",
            format!("it ends in {left_days} days"),
            "check that its renewal runs, and that the server reads the renewed file",
        ),
        None => Finding::ok("certificate", format!("trusted, and valid for {left_days} days")),
        Some(TlsError::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => bad(format!("it ended {} days ago", -left_days), "renew it, and check why it was not renewed"),
        Some(TlsError::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => bad("it is not valid yet".to_owned(), "check this machine's clock"),
        Some(TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => bad(
            format!("it is for {}, and not for {host}", harmless(&details.names.join(", "))),
            "have one issued for that name, or correct PUBLIC_WS_URL",
        ),
        Some(TlsError::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => bad(
            "no CA that this machine trusts has signed it, or one between them is not sent".to_owned(),
            "have the server send the whole chain, as in fullchain.pem; phones trust public CAs only",
        ),
        Some(other) => bad(format!("clients refuse it: {other}"), "have it issued again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn the_address_that_relayd_counts_is_judged() {
        let trusted: TrustedProxies = "10.0.0.0/8".parse().unwrap();
        for (seen, local, level) in [
            // Through a proxy that is trusted, and directly.
            ("198.51.100.7", "198.51.100.7", Level::Ok),
            ("192.168.1.7", "192.168.1.7", Level::Ok),
            // Behind a router at home, and within a data centre.
            ("198.51.100.7", "192.168.1.7", Level::Ok),
            ("172.16.0.9", "192.168.1.7", Level::Ok),
            // The proxy is not trusted, or sends nothing.
            ("127.0.0.1", "198.51.100.7", Level::Bad),
            ("10.0.0.2", "198.51.100.7", Level::Bad),
            // The client's own word is passed on. On a proxy's machine it may be.
            ("192.0.2.77", "198.51.100.7", Level::Bad),
            ("192.0.2.77", "10.0.0.2", Level::Ok),
        ] {
            let finding = judge_address(seen.parse().unwrap(), local.parse().unwrap(), &trusted);
            assert_eq!(finding.level, level, "{seen} {local}: {finding:?}");
        }
    }

    fn shown(names: &[&str], fault: Option<CertificateError>) -> Shown {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        Shown { certificate: made.cert.der().to_vec(), fault: fault.map(TlsError::InvalidCertificate) }
    }

    #[test]
    fn each_fault_of_a_certificate_is_named_with_its_remedy() {
        // These are valid until the year 4096.
        let (now, end) = (1_800_000_000, 67_090_000_000);
        for (fault, at, level, words, remedy) in [
            (None, now, Level::Ok, "trusted", ""),
            (None, end, Level::Warn, "it ends in", "renewal"),
            (Some(CertificateError::Expired), now, Level::Bad, "it ended", "renew it"),
            (Some(CertificateError::NotValidYet), now, Level::Bad, "not valid yet", "clock"),
            (
                Some(CertificateError::NotValidForName),
                now,
                Level::Bad,
                "for a.example, and not for b.example",
                "issued",
            ),
            (Some(CertificateError::UnknownIssuer), now, Level::Bad, "no CA", "fullchain.pem"),
            (Some(CertificateError::Revoked), now, Level::Bad, "clients refuse it", "again"),
        ] {
            let finding = certificate(&shown(&["a.example"], fault), "b.example", at);
            let is_right = finding.level == level && finding.words.contains(words);
            assert!(is_right && finding.remedy.contains(remedy), "{finding:?}");
        }
    }

    #[test]
    fn a_key_that_can_be_guessed_is_named() {
        let config = |flags: &[&str]| {
            let args = ["relayd", "--store", "memory"].iter().chain(flags).map(|arg| (*arg).into());
            crate::config::load(args).unwrap()
        };
        let level = |flags: &[&str], is_local| key(&config(flags), is_local).map(|finding| finding.level);
        assert_eq!(level(&["--register-key=short"], true), Some(Level::Bad));
        assert_eq!(level(&["--register-key=0123456789abcdef"], false), Some(Level::Ok));
        assert_eq!((level(&[], false), level(&[], true)), (Some(Level::Warn), None));
    }

    #[test]
    fn addresses_within_a_network_are_known() {
        for (host, is) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("192.168.0.9", true),
            ("fd00::1", true),
            ("relay.example.org", false),
            ("198.51.100.7", false),
        ] {
            assert_eq!(reaches_only(host), is, "{host}");
        }
    }
}
