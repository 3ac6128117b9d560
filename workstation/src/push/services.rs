//! Where may be posted to. The address comes from a phone, so this machine must not be led anywhere by it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use relay_client::Endpoint;

/// The push services of browsers. One that begins with a dot is the end of a name.
const KNOWN: [&str; 4] =
    ["fcm.googleapis.com", ".push.apple.com", "updates.push.services.mozilla.com", ".notify.windows.com"];

/// The services that the user named, besides the known ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services {
    named: Vec<Endpoint>,
}

/// A service that may be posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(super) server: Endpoint,
    /// As a token names it.
    pub(super) origin: String,
    pub(super) path: String,
    /// The user named it, so it may be in the user's own network.
    pub(super) may_be_private: bool,
}

impl Services {
    /// The services of these names, and the known ones.
    ///
    /// # Errors
    /// One of them can't be used.
    pub(crate) fn of(names: &[String]) -> Result<Self, String> {
        let named = names.iter().map(|name| named(name)).collect::<Result<_, _>>()?;
        Ok(Services { named })
    }

    /// The service at this address, if it may be posted to.
    ///
    /// # Errors
    /// It may not; the words are for people and do not show the path.
    pub(crate) fn find(&self, address: &str) -> Result<Service, String> {
        let scheme_end = address.find("://").map_or(0, |at| at + 3);
        let end = address[scheme_end..].find(['/', '?', '#']).map_or(address.len(), |at| scheme_end + at);
        let (origin, rest) = address.split_at(end);
        let server = Endpoint::parse_http(origin).map_err(|_| "the endpoint is not an address".to_owned())?;
        if rest.contains('#') {
            return Err("the endpoint has a fragment".to_owned());
        }
        let path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        let may_be_private = self.named.iter().any(|named| is_same(named, &server));
        if !may_be_private && !is_known(&server) {
            let words = "this desk does not send to the push service";
            return Err(format!("{words} {server}; its user can allow that by `setup --push-service`"));
        }
        Ok(Service { origin: origin_of(&server), server, path, may_be_private })
    }
}

impl Service {
    /// True for an address of the service that may be connected to.
    pub(super) fn may_reach(&self, address: IpAddr) -> bool {
        self.may_be_private || is_public(address)
    }
}

/// A service that the user names: a host, or an address without a path. Without TLS only on this machine.
pub(crate) fn named(name: &str) -> Result<Endpoint, String> {
    let address = if name.contains("://") { name.to_owned() } else { format!("https://{name}") };
    let server = Endpoint::parse_http(&address).map_err(|error| error.to_string())?;
    if server.path() != "/" {
        return Err(format!("{name:?} has a path: name the host of the push service alone"));
    }
    if !server.is_tls() && !server.is_loopback() {
        return Err(format!("{name:?} is not encrypted: a push service needs https://"));
    }
    Ok(server)
}

fn is_same(one: &Endpoint, other: &Endpoint) -> bool {
    let is_same_host = one.host().eq_ignore_ascii_case(other.host());
    is_same_host && one.port() == other.port() && one.is_tls() == other.is_tls()
}

fn is_known(server: &Endpoint) -> bool {
    let host = server.host().to_ascii_lowercase();
    let is_named = |known: &&str| match known.strip_prefix('.') {
        Some(_) => host.ends_with(*known) && host.len() > known.len(),
        None => host == **known,
    };
    server.is_tls() && server.port() == 443 && KNOWN.iter().any(is_named)
}

/// `https://host`, with the port where it is not the scheme's own.
fn origin_of(server: &Endpoint) -> String {
    let host = server.host().to_ascii_lowercase();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    match (server.is_tls(), server.port()) {
        (true, 443) => format!("https://{host}"),
        (true, port) => format!("https://{host}:{port}"),
        (false, port) => format!("http://{host}:{port}"),
    }
}

/// True for an address that anybody on the internet could reach.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = matches!(
        (first, second, third),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !is_special
}

/// Global unicast addresses, without those that carry an IPv4 address or are for documents.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let is_special = matches!((first, second), (0x2002 | 0x3fff, _) | (0x2001, 0 | 0xdb8));
    first & 0xe000 == 0x2000 && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str, named: &[&str]) -> Result<Service, String> {
        let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
        Services::of(&named).unwrap().find(address)
    }

    #[test]
    fn the_services_of_browsers_are_known() {
        for (address, origin, path) in [
            ("https://fcm.googleapis.com/fcm/send/a:b", "https://fcm.googleapis.com", "/fcm/send/a:b"),
            ("https://web.push.apple.com/Q", "https://web.push.apple.com", "/Q"),
            (
                "https://wns2-x.notify.windows.com/w/?token=B%2b",
                "https://wns2-x.notify.windows.com",
                "/w/?token=B%2b",
            ),
            (
                "https://Updates.push.services.mozilla.com:443",
                "https://updates.push.services.mozilla.com",
                "/",
            ),
        ] {
            let service = found(address, &[]).unwrap();
            assert_eq!((service.origin.as_str(), service.path.as_str()), (origin, path));
            assert!(!service.may_reach([10, 0, 0, 1].into()) && service.may_reach([8, 8, 8, 8].into()));
        }
    }

    #[test]
    fn no_other_place_is_posted_to() {
        for address in [
            "https://evil.example.org/",
            "https://fcm.googleapis.com.evil.example.org/",
            "https://evilpush.apple.com/",
            "https://.push.apple.com/",
            "https://push.apple.com/",
            "http://fcm.googleapis.com/",
            "https://fcm.googleapis.com:8443/",
            "https://x@fcm.googleapis.com/",
            "https://fcm.googleapis.com/#x",
            "https://127.0.0.1/",
            "//fcm.googleapis.com/",
            "https://",
            "é://",
            "",
        ] {
            assert!(found(address, &[]).is_err(), "{address}");
        }
        let words = found("https://evil.example.org/secret", &[]).unwrap_err();
        assert!(words.contains("evil.example.org") && !words.contains("secret"), "{words}");
    }

    #[test]
    fn what_the_user_named_may_be_private_and_on_this_machine_without_tls() {
        let named = ["http://127.0.0.1:9", "push.example.org"];
        assert!(found("http://127.0.0.1:9/x", &named).unwrap().may_reach([127, 0, 0, 1].into()));
        assert!(found("https://push.example.org/x", &named).unwrap().may_be_private);
        for other in ["http://127.0.0.1:8/x", "https://127.0.0.1:9/", "http://push.example.org/"] {
            assert!(found(other, &named).is_err(), "{other}");
        }
        for bad in ["http://push.example.org", "https://h/path", "ftp://h", "a b", ""] {
            assert!(Services::of(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_that_only_this_network_has_are_not_public() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in
            ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
