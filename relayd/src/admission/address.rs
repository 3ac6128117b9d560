//! The address that limits count a client by, and the proxies that are trusted to report it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// The address of a client as limits count it: an IPv4 address, or the first 64 bits of an IPv6 address, as a
/// client may choose the rest itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(IpAddr);

impl Address {
    /// Of a client. An IPv4 address inside an IPv6 one counts as IPv4.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V6(ip) => Address(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into()),
            v4 => Address(v4),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

/// Proxies trusted to report the client's address: addresses and ranges. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Range>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    /// Canonical.
    base: IpAddr,
    /// Leading bits that count. `0 <= prefix <= 32` for IPv4, `<= 128` for IPv6.
    prefix: u32,
}

/// An entry that is not an address or a range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not an address or a range; write for example 10.0.0.0/8, 192.0.2.1 or fd00::/8, separated by commas"
)]
pub struct InvalidTrustedProxies(String);

impl TrustedProxies {
    /// True if this peer is trusted.
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|range| range.contains(peer))
    }

    /// The address that a new connection of this peer is counted for. `None` if it is not known before its
    /// first request.
    pub fn at_accept(&self, peer: IpAddr) -> Option<Address> {
        let is_known = !peer.to_canonical().is_loopback() && !self.contains(peer);
        is_known.then(|| Address::of(peer))
    }
}

impl Range {
    fn contains(self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                (base.to_bits() ^ ip.to_bits()).checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                (base.to_bits() ^ ip.to_bits()).checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().ok()?;
        let bits = if written.is_ipv4() { 32 } else { 128 };
        let prefix: u32 = match prefix {
            None => bits,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= bits)?
            }
            Some(_) => return None,
        };
        let base = written.to_canonical();
        let is_mapped = written.is_ipv6() && base.is_ipv4();
        // Of ::ffff:10.0.0.0/104 the first 96 bits only say that it is IPv4.
        let prefix = if is_mapped { prefix.checked_sub(96)? } else { prefix };
        Some(Range { base, prefix })
    }
}

impl FromStr for TrustedProxies {
    type Err = InvalidTrustedProxies;

    fn from_str(text: &str) -> Result<Self, InvalidTrustedProxies> {
        let range = |one: &str| Range::parse(one).ok_or_else(|| InvalidTrustedProxies(one.to_owned()));
        text.split(',').map(|one| range(one.trim())).collect::<Result<_, _>>().map(TrustedProxies)
    }
}

/// Reads `X-Forwarded-For` of a request that a trusted proxy passed on, field by field in their order.
///
/// Each proxy appends the address of its peer. So the client is the last address that is not a trusted proxy:
/// everything before it comes from an untrusted sender. If all are trusted, it is the first. Parsing stops at
/// the first entry, from the right, that is not an address.
#[derive(Clone, Copy, Debug)]
pub struct ForwardedFor<'a> {
    trusted: &'a TrustedProxies,
    found: Option<IpAddr>,
}

impl<'a> ForwardedFor<'a> {
    /// Before the first field.
    pub fn new(trusted: &'a TrustedProxies) -> Self {
        ForwardedFor { trusted, found: None }
    }

    /// Takes the value of one field: addresses with commas between.
    pub fn take(&mut self, value: &[u8]) {
        for hop in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            match parse_hop(hop) {
                // RFC 9110 §5.6.1.2: empty elements of a list are ignored.
                _ if hop.is_empty() => {}
                Some(ip) if self.trusted.contains(ip) => _ = self.found.get_or_insert(ip),
                other => self.found = other,
            }
        }
    }

    /// Where the request comes from; `None` if the fields do not say.
    pub fn client(self) -> Option<IpAddr> {
        self.found
    }
}

/// An address, with or without brackets and a port.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(hop).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|addr| addr.ip()))?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests;
