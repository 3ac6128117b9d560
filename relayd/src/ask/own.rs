//! A question to the server that runs with the same settings on this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use rustls::RootCertStore;

use super::{Answer, AskError, Line, Place, Question};
use crate::config::Config;

/// Asks for a path such as `/health`. The server's certificate is not checked, as it need not be for this
/// name.
///
/// # Errors
/// See [`AskError`].
pub fn ask_own(config: &Config, path: &str, within: Duration) -> Result<Answer, AskError> {
    let place = Place {
        is_tls: config.is_tls(),
        host: "localhost".to_owned(),
        port: config.port,
        path: "/ws".to_owned(),
    };
    let addresses: Vec<_> =
        own_addresses(config.listen).into_iter().map(|ip| SocketAddr::new(ip, config.port)).collect();
    let line = Line::dial_at(&place, &addresses, RootCertStore::empty(), Instant::now() + within)?;
    line.ask(&Question { method: "GET", path, host: "localhost", fields: &[] })
}

/// Where a listener on this address is reached from the same machine.
fn own_addresses(listen: Option<IpAddr>) -> Vec<IpAddr> {
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    match listen {
        Some(ip) if !ip.is_unspecified() => vec![ip],
        Some(IpAddr::V4(_)) => vec![v4],
        Some(IpAddr::V6(_)) => vec![v6, v4],
        None => vec![v4, v6],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_asked_where_it_listens() {
        let of = |listen: &str| own_addresses(Some(listen.parse().unwrap()))[0].to_string();
        assert_eq!(
            (of("10.0.0.1"), of("0.0.0.0"), of("::")),
            ("10.0.0.1".into(), "127.0.0.1".into(), "::1".into())
        );
        assert_eq!(own_addresses(None).len(), 2);
    }
}
