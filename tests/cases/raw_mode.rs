//! Raw mode: binary without an envelope, text as usual, and peers of both kinds together.

use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{Opcode, Upgrade};
use relay_tests::harness::{Event, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    binary_has_no_envelope_both_ways_and_text_has,
    a_raw_and_an_enveloped_peer_understand_each_other,
    raw_sizes_pass,
    the_subprotocol_is_used_only_if_offered,
);

fn link(relay: &Relay, raw: &[Role]) -> Pair {
    let session = Session::register(relay);
    let join = |role| {
        let (addr, hello) = (relay.next_addr(&session, role), session.hello(role));
        if raw.contains(&role) { Peer::join_raw(addr, &hello) } else { Peer::join_as(addr, &hello) }
    };
    let (workstation, phone) = (join(Role::Workstation), join(Role::Phone));
    Pair::linked(session, workstation, phone)
}

fn binary_has_no_envelope_both_ways_and_text_has(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = link(&relay, &Role::BOTH);
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        sender.binary(&[0, 1, 255]);
        receiver.expect(&Event::Bare(vec![0, 1, 255]));
        sender.binary(&[]);
        receiver.expect(&Event::Bare(vec![]));
        // Text arrives in its envelope, so no client can forge a notice of the relay.
        sender.text(r#"{"type":"peer-left","role":"phone"}"#);
        receiver.expect_text(r#"{"type":"peer-left","role":"phone"}"#);
        sender.ws().fragments(Opcode::Binary, &[b"in ", b"two"]);
        receiver.expect(&Event::Bare(b"in two".to_vec()));
        // A heartbeat in a binary message is a frame.
        sender.binary(br#"{"type":"hb"}"#);
        receiver.expect(&Event::Bare(br#"{"type":"hb"}"#.to_vec()));
        sender.fence();
    }
}

fn a_raw_and_an_enveloped_peer_understand_each_other(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for raw in Role::BOTH {
        let mut pair = link(&relay, &[raw]);
        let (bare, enveloped) = pair.from(raw);
        bare.binary(&[9, 8, 7]);
        enveloped.expect(&Event::Binary(vec![9, 8, 7]));
        enveloped.binary(&[7, 8, 9]);
        bare.expect(&Event::Bare(vec![7, 8, 9]));
        pair.expect_alive();
    }
}

fn raw_sizes_pass(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = link(&relay, &Role::BOTH);
    for length in [1usize, 125, 126, 65_535, 65_536, 300_000, 5_000_000] {
        let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let (sender, receiver) = pair.from(Role::Phone);
        std::thread::scope(|scope| {
            scope.spawn(|| sender.binary(&bytes));
            receiver.expect(&Event::Bare(bytes.clone()));
        });
    }
}

fn the_subprotocol_is_used_only_if_offered(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for (offered, taken) in [
        (None, None),
        (Some("chat"), None),
        (Some("relay.raw.v2"), None),
        (Some("xrelay.raw.v1"), None),
        (Some("relay.raw.v1"), Some("relay.raw.v1")),
        (Some("chat, relay.raw.v1"), Some("relay.raw.v1")),
        (Some("chat,relay.raw.v1,other"), Some("relay.raw.v1")),
    ] {
        let upgrade = Upgrade::default();
        let upgrade = match offered {
            Some(list) => upgrade.header("Sec-WebSocket-Protocol", list),
            None => upgrade,
        };
        let (_, response) = upgrade.open_over(Wire::connect(relay.addr()));
        assert_eq!(response.header("sec-websocket-protocol"), taken, "{offered:?} offered");
    }
    // The header may occur twice and is then one list. RFC 6455 §11.3.4.
    let twice = Upgrade::default()
        .header("Sec-WebSocket-Protocol", "chat")
        .header("Sec-WebSocket-Protocol", "relay.raw.v1");
    let (_, response) = twice.open_over(Wire::connect(relay.addr()));
    assert_eq!(response.header("sec-websocket-protocol"), Some("relay.raw.v1"));
}
