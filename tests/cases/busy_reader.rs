//! While a large message is on its way to a client, the client talks and its peer comes and goes.

use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Upgrade};
use relay_tests::harness::{Event, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(heartbeats_and_reconnects_behind_a_large_message_are_all_answered);

const BYTES: usize = 12 << 20;
const HEARTBEATS: usize = 200;
/// Takeovers in ten seconds that are within the limit.
const RECONNECTS: usize = 4;

fn link(relay: &Relay) -> Pair {
    let session = Session::register(relay);
    let workstation = Peer::join(relay, &session, Role::Workstation);
    let wire = Wire::connect_narrow(relay.next_addr(&session, Role::Phone), 32 << 10);
    let phone = Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(Role::Phone));
    Pair::linked(session, workstation, phone)
}

fn heartbeats_and_reconnects_behind_a_large_message_are_all_answered(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let Pair { session, mut workstation, mut phone } = link(&relay);
    let text = "l".repeat(BYTES);
    workstation.text(&text);
    // Once its first bytes arrive, the server has all of it.
    phone.ws().wire().fill("a first piece").unwrap();
    phone.ws().wire().send(&FrameSpec::text(r#"{"type":"hb"}"#).encode().repeat(HEARTBEATS));
    for _ in 0..RECONNECTS {
        let newer = Peer::join(&relay, &session, Role::Workstation);
        std::mem::replace(&mut workstation, newer).expect_closed(4409);
        workstation.expect(&Event::Joined(0));
    }
    phone.expect_text(&text);
    let (mut acks, mut notices) = (0, Vec::new());
    while acks < HEARTBEATS || notices.len() < 2 * RECONNECTS {
        match phone.event() {
            Event::HbAck => acks += 1,
            event => notices.push(event),
        }
    }
    let each_reconnect = vec![Event::Left, Event::Joined(0)];
    assert_eq!(notices, vec![each_reconnect; RECONNECTS].concat());
    phone.fence();
    workstation.text("after all");
    phone.expect_text("after all");
}
