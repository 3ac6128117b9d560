//! What the phone is told to connect to: an address that means the relay there, too.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::Context;
use relay_client::Endpoint;

use crate::args::Args;

/// The address for the phone, and a remark to put behind it. `announced` is what the relay calls its own.
pub(crate) fn for_phone(args: &Args, announced: &str) -> anyhow::Result<(Endpoint, String)> {
    if let Some(endpoint) = &args.public_url {
        return Ok((endpoint.clone(), String::new()));
    }
    if let Some(page) = &args.page_url {
        return Ok((page.server().web_socket(), String::new()));
    }
    let announced = Endpoint::parse_ws(announced)
        .with_context(|| format!("{} announces an address that no phone can use", args.server))?;
    Ok(choose(announced, &args.server, lan_address))
}

/// On a phone, "localhost" is the phone: puts a host in its place that means the relay.
fn choose(
    announced: Endpoint,
    server: &Endpoint,
    lan_address: impl FnOnce() -> Option<IpAddr>,
) -> (Endpoint, String) {
    if !announced.is_loopback() {
        return (announced, String::new());
    }
    if !server.is_loopback() {
        return (announced.with_host(server.host()), String::new());
    }
    match lan_address() {
        Some(ip) => {
            let remark = " (this machine in the local network; --public-url sets another address)";
            (announced.with_host(ip.to_string()), remark.to_owned())
        }
        None => {
            let remark = ", which only this machine can: no other address of it was found; set --public-url";
            (announced, remark.to_owned())
        }
    }
}

/// The address by which this machine would reach the world. Connecting a datagram socket picks a route and sends
/// nothing; the far address is one reserved for documentation (RFC 5737).
fn lan_address() -> Option<IpAddr> {
    let far = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(far).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(announced: &str, server: &str, lan: Option<IpAddr>) -> String {
        let announced = Endpoint::parse_ws(announced).unwrap();
        choose(announced, &Endpoint::parse_http(server).unwrap(), || lan).0.to_string()
    }

    #[test]
    fn the_phone_gets_a_host_that_means_the_relay() {
        let (local, lan) = ("http://localhost:3001", Some(IpAddr::from([10, 0, 0, 7])));
        assert_eq!(chosen("ws://localhost:3001/ws", local, lan), "ws://10.0.0.7:3001/ws");
        assert_eq!(chosen("ws://127.0.0.1:3001/ws", local, None), "ws://127.0.0.1:3001/ws");
        assert_eq!(chosen("wss://relay.example.org/ws", local, lan), "wss://relay.example.org/ws");
        assert_eq!(chosen("ws://localhost:3001/ws", "http://10.0.0.9:3001", lan), "ws://10.0.0.9:3001/ws");
    }
}
