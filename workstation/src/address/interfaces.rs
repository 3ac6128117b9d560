//! The addresses of this machine by which a phone may reach it, the most promising first.
//!
//! `order` decides and is pure; `list` asks the system.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// An address of this machine and the interface that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) ip: IpAddr,
    pub(crate) interface: String,
}

/// What an interface leads to. In the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A network card, or a bridge or bond over one.
    Network,
    /// A tunnel: the phone is rarely in it.
    Vpn,
    /// A network between this machine and its own containers or virtual machines.
    Container,
}

/// What an address is good for. In the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// Of a local network (RFC 1918).
    PrivateV4,
    OtherV4,
    V6,
    /// Chosen by the machine itself as nobody gave it one (RFC 3927).
    LinkLocalV4,
}

/// All addresses that another machine may reach. An error of the system gives an empty list.
pub(crate) fn list() -> Vec<Candidate> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let found = interfaces.into_iter().map(|interface| {
        (is_ethernet(&interface.name), Candidate { ip: interface.ip(), interface: interface.name })
    });
    order(found.collect(), default_route())
}

/// The candidates with the most promising first: network cards before tunnels before containers, then by
/// scope; the one that the system would use to reach the world comes first among equals.
fn order(found: Vec<(Option<bool>, Candidate)>, default_route: Option<IpAddr>) -> Vec<Candidate> {
    let mut ranked: Vec<_> = found
        .into_iter()
        .filter_map(|(is_ethernet, candidate)| {
            let rank = (kind(&candidate.interface, is_ethernet), scope(candidate.ip)?);
            Some(((rank, Some(candidate.ip) != default_route), candidate))
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, candidate)| candidate).collect()
}

fn kind(interface: &str, is_ethernet: Option<bool>) -> Kind {
    let starts_with_one_of = |prefixes: &[&str]| prefixes.iter().any(|prefix| interface.starts_with(prefix));
    if starts_with_one_of(&CONTAINERS) {
        Kind::Container
    } else if starts_with_one_of(&VPNS) || is_ethernet == Some(false) {
        Kind::Vpn
    } else {
        Kind::Network
    }
}

/// `None` for an address that no other machine can use.
fn scope(ip: IpAddr) -> Option<Scope> {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() || ip.is_unspecified() => None,
        IpAddr::V4(ip) if ip.is_link_local() => Some(Scope::LinkLocalV4),
        IpAddr::V4(ip) if ip.is_private() => Some(Scope::PrivateV4),
        IpAddr::V4(_) => Some(Scope::OtherV4),
        // A link-local address means nothing without the name of the phone's own interface.
        IpAddr::V6(ip) if ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local() => None,
        IpAddr::V6(_) => Some(Scope::V6),
    }
}

/// Whether Linux calls the interface an Ethernet (`ARPHRD_ETHER`), as tunnels are not. `None` where nobody
/// knows.
fn is_ethernet(interface: &str) -> Option<bool> {
    let kind = std::fs::read_to_string(format!("/sys/class/net/{interface}/type")).ok()?;
    Some(kind.trim() == "1")
}

/// The address by which this machine would reach the world. Connecting a datagram socket picks a route and
/// sends nothing; the far address is one reserved for documentation (RFC 5737).
fn default_route() -> Option<IpAddr> {
    let far = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(far).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// How the interfaces between a machine and its containers and virtual machines are named.
const CONTAINERS: [&str; 14] = [
    "docker",
    "br-",
    "veth",
    "virbr",
    "vmnet",
    "vboxnet",
    "cni",
    "podman",
    "lxc",
    "lxd",
    "flannel",
    "cali",
    "vEthernet",
    "bridge",
];

/// How the interfaces of tunnels are named, and Apple's links between its own devices.
const VPNS: [&str; 14] = [
    "tun",
    "tap",
    "wg",
    "tailscale",
    "utun",
    "zt",
    "ppp",
    "ipsec",
    "nordlynx",
    "proton",
    "gpd",
    "awdl",
    "llw",
    "nebula",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(found: &[(&str, &str)], default_route: Option<&str>) -> Vec<String> {
        let found = found.iter().map(|(interface, ip)| {
            let candidate = Candidate { ip: ip.parse().unwrap(), interface: (*interface).to_owned() };
            (None, candidate)
        });
        let route = default_route.map(|ip| ip.parse().unwrap());
        order(found.collect(), route).into_iter().map(|candidate| candidate.ip.to_string()).collect()
    }

    #[test]
    fn network_cards_come_before_tunnels_and_containers() {
        let found = [
            ("lo", "127.0.0.1"),
            ("docker0", "172.17.0.1"),
            ("wg0", "10.8.0.2"),
            ("eth0", "fe80::1"),
            ("eth0", "2001:db8::7"),
            ("eth0", "203.0.113.7"),
            ("wlan0", "192.168.1.7"),
            ("usb0", "169.254.3.4"),
            ("lo", "::1"),
        ];
        let expected = ["192.168.1.7", "203.0.113.7", "2001:db8::7", "169.254.3.4", "10.8.0.2", "172.17.0.1"];
        assert_eq!(ordered(&found, None), expected);
        // A tunnel that takes all traffic does not come before the local network.
        assert_eq!(ordered(&found, Some("10.8.0.2")), expected);
    }

    #[test]
    fn the_default_route_decides_among_equals() {
        let found = [("eth0", "10.0.0.7"), ("wlan0", "192.168.1.7")];
        assert_eq!(ordered(&found, None), ["10.0.0.7", "192.168.1.7"]);
        assert_eq!(ordered(&found, Some("192.168.1.7")), ["192.168.1.7", "10.0.0.7"]);
    }

    #[test]
    fn a_tunnel_of_any_name_is_known_by_its_kind() {
        assert_eq!(kind("home0", Some(false)), Kind::Vpn);
        assert_eq!(kind("enp3s0", Some(true)), Kind::Network);
        assert_eq!(kind("br0", None), Kind::Network);
        assert_eq!(kind("br-1a2b", Some(true)), Kind::Container);
    }
}
