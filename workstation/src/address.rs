//! The address for the phone: one that leads to the relay from there, too.
//!
//! `plan` decides by the relay's answer and the user's options, and is pure; where the relay runs on this
//! machine, `interfaces` knows its addresses, and a connect to each finds out where the relay listens.

mod interfaces;

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;
use relay_client::Endpoint;

use crate::relay::Relay;
use interfaces::Candidate;

/// The address for the phone, and what to tell the user about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) endpoint: Endpoint,
    /// Where it comes from, to put behind it; empty if there was nothing to choose.
    pub(crate) remark: String,
    /// Why the phone may not get through.
    pub(crate) warning: Option<String>,
}

/// The decision from the user's options and the relay's answer.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Use(Endpoint),
    /// The relay is on this machine: one of its addresses, on the first of these that answers.
    ThisMachine(Vec<Endpoint>),
}

/// The address for the phone. `announced` is the address that the relay announces. Blocks for at most a
/// second.
pub(crate) fn for_phone(relay: &Relay, announced: &str) -> anyhow::Result<Address> {
    if let Some(endpoint) = &relay.public_url {
        return Ok(Address::of(endpoint.clone()));
    }
    if let Some(page) = &relay.page_url {
        return Ok(Address::of(page.server().web_socket()));
    }
    let announced = Endpoint::parse_ws(announced)
        .with_context(|| format!("{} announces an address that a phone cannot use", relay.server))?;
    Ok(match plan(announced, &relay.server) {
        Plan::Use(endpoint) => Address::of(endpoint),
        Plan::ThisMachine(endpoints) => on_this_machine(&endpoints, &interfaces::list(), answers),
    })
}

/// On a phone, "localhost" is the phone. Where the relay calls itself so, it does not know its own address;
/// the one by which we reach it is right, unless that is of this machine alone, too.
fn plan(announced: Endpoint, server: &Endpoint) -> Plan {
    let ours = server.web_socket();
    if server.is_loopback() && announced.is_loopback() {
        // The port that we reach it by may be forwarded to the one that the relay listens at.
        let other = announced.with_host(ours.host());
        let other = Some(other).filter(|other| other.port() != ours.port() && !ours.is_tls());
        return Plan::ThisMachine(std::iter::once(ours).chain(other).collect());
    }
    // A relay behind a proxy that does TLS, and without PUBLIC_WS_URL, announces an address without TLS.
    let knows_no_proxy = ours.is_tls() && !announced.is_tls() && !server.is_loopback();
    if announced.is_loopback() || knows_no_proxy { Plan::Use(ours) } else { Plan::Use(announced) }
}

/// Puts the first address of this machine that `answers` into one of `endpoints`.
fn on_this_machine(
    endpoints: &[Endpoint],
    candidates: &[Candidate],
    answers: impl Fn(&Endpoint, &Candidate) -> bool,
) -> Address {
    let mut tries = candidates.iter().flat_map(|candidate| endpoints.iter().map(move |to| (to, candidate)));
    let reached = tries.clone().find(|(endpoint, candidate)| answers(endpoint, candidate));
    let Some((endpoint, chosen)) = reached.or_else(|| tries.next()) else {
        let warning = "this machine has only a loopback address, so no phone can reach the relay; connect it to a \
            network, or name the relay's address with --public-url";
        return Address { warning: Some(warning.to_owned()), ..Address::of(endpoints[0].clone()) };
    };
    let endpoint = endpoint.clone().with_host(chosen.ip.to_string());
    let warning = reached.is_none().then(|| {
        format!(
            "nothing answers at {}: the relay seems to listen on loopback only; start it without --listen, \
             or name its address with --public-url",
            endpoint.authority()
        )
    });
    Address { remark: remark(chosen, candidates), warning, endpoint }
}

/// ` (eth0; this machine also has 10.8.0.2 on wg0; --public-url sets another)`
fn remark(chosen: &Candidate, candidates: &[Candidate]) -> String {
    let mut remark = format!(" ({}", chosen.interface);
    let others = candidates.iter().filter(|candidate| *candidate != chosen).take(OTHERS_SHOWN);
    for (at, other) in others.enumerate() {
        let start = if at == 0 { "; this machine also has" } else { "," };
        // Writing into memory can't fail.
        let _ = write!(remark, "{start} {} on {}", other.ip, other.interface);
    }
    remark + "; --public-url sets another)"
}

/// True if something accepts a connection there.
fn answers(endpoint: &Endpoint, candidate: &Candidate) -> bool {
    let address = SocketAddr::from((candidate.ip, endpoint.port()));
    TcpStream::connect_timeout(&address, ANSWER_MAX).is_ok()
}

impl Address {
    /// An address that needs no words.
    pub(crate) fn of(endpoint: Endpoint) -> Self {
        Address { endpoint, remark: String::new(), warning: None }
    }
}

/// Alternatives that are named; a machine with many containers has dozens.
const OTHERS_SHOWN: usize = 3;

/// A connect to an address of this machine is answered at once, unless a firewall drops it.
const ANSWER_MAX: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(announced: &str, server: &str) -> Plan {
        plan(Endpoint::parse_ws(announced).unwrap(), &Endpoint::parse_http(server).unwrap())
    }

    fn endpoints(texts: &[&str]) -> Vec<Endpoint> {
        texts.iter().map(|text| Endpoint::parse_ws(text).unwrap()).collect()
    }

    #[test]
    fn the_phone_gets_a_host_that_means_the_relay() {
        for (announced, server, expected) in [
            ("wss://relay.example.org/ws", "http://localhost:3001", "wss://relay.example.org/ws"),
            ("ws://localhost:3001/ws", "http://10.0.0.9:3001", "ws://10.0.0.9:3001/ws"),
            ("ws://localhost:3001/ws", "http://10.0.0.9:8080/relay", "ws://10.0.0.9:8080/relay/ws"),
            ("ws://localhost:3001/ws", "https://relay.example.org", "wss://relay.example.org/ws"),
            ("ws://relay.example.org:3001/ws", "https://relay.example.org", "wss://relay.example.org/ws"),
            ("ws://relay.example.org:3001/ws", "http://10.0.0.9:3001", "ws://relay.example.org:3001/ws"),
        ] {
            let expected = Plan::Use(Endpoint::parse_ws(expected).unwrap());
            assert_eq!(planned(announced, server), expected, "{announced} {server}");
        }
        let here = planned("ws://localhost:3001/ws", "http://127.0.0.1:8080");
        assert_eq!(here, Plan::ThisMachine(endpoints(&["ws://127.0.0.1:8080/ws", "ws://127.0.0.1:3001/ws"])));
        let here = planned("ws://localhost:3001/ws", "http://localhost:3001");
        assert_eq!(here, Plan::ThisMachine(endpoints(&["ws://localhost:3001/ws"])));
    }

    fn chosen(ips: &[(&str, &str)], answering: &str) -> Address {
        let candidates: Vec<_> = ips
            .iter()
            .map(|(ip, name)| Candidate { ip: ip.parse().unwrap(), interface: (*name).to_owned() })
            .collect();
        let forwarded = endpoints(&["ws://localhost:8080/ws", "ws://localhost:3001/ws"]);
        on_this_machine(&forwarded, &candidates, |endpoint, candidate| {
            SocketAddr::from((candidate.ip, endpoint.port())).to_string() == answering
        })
    }

    #[test]
    fn the_first_address_that_answers_is_chosen_and_the_others_are_named() {
        let ips = [("192.168.1.7", "eth0"), ("2001:db8::7", "eth0"), ("10.8.0.2", "wg0")];
        let address = chosen(&ips, "192.168.1.7:3001");
        assert_eq!(address.endpoint.to_string(), "ws://192.168.1.7:3001/ws");
        let others = "this machine also has 2001:db8::7 on eth0, 10.8.0.2 on wg0";
        assert_eq!(address.remark, format!(" (eth0; {others}; --public-url sets another)"));
        assert_eq!(address.warning, None);
        let address = chosen(&ips, "[2001:db8::7]:8080");
        assert_eq!(address.endpoint.to_string(), "ws://[2001:db8::7]:8080/ws");
    }

    #[test]
    fn where_none_answers_the_user_is_warned() {
        let address = chosen(&[("192.168.1.7", "eth0")], "");
        assert_eq!(address.endpoint.to_string(), "ws://192.168.1.7:8080/ws");
        assert_eq!(address.remark, " (eth0; --public-url sets another)");
        assert!(address.warning.unwrap().starts_with("nothing answers at 192.168.1.7:8080: "));
        let address = chosen(&[], "");
        assert_eq!(address.endpoint.to_string(), "ws://localhost:8080/ws");
        assert!(address.warning.unwrap().starts_with("this machine has only a loopback address"));
    }
}
