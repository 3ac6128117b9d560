//! More than five takeovers of a role in ten seconds: the new connection is refused, the holder stays.

use relay_tests::harness::guard::read_until;
use relay_tests::harness::json::Object;
use relay_tests::harness::ws::{FrameSpec, Message, Ws};
use relay_tests::harness::{Bystander, Event, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(the_sixth_newcomer_is_refused, many_claims_of_a_role_settle);

fn the_sixth_newcomer_is_refused(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    let mut holder = Peer::join(&relay, &session, Role::Phone);
    workstation.expect(&Event::Joined(0));
    holder.expect(&Event::Joined(0));
    for _ in 0..5 {
        let mut newer = Peer::join(&relay, &session, Role::Phone);
        holder.expect_closed(4409);
        newer.expect(&Event::Joined(0));
        workstation.expect(&Event::Left);
        workstation.expect(&Event::Joined(0));
        holder = newer;
    }
    let mut ws = Ws::connect(relay.next_addr(&session, Role::Phone));
    ws.text(&session.hello(Role::Phone).v2().json());
    let message = ws.message();
    let Ok(Message::Text(text)) = message else { panic!("{message:?} instead of an error") };
    assert_eq!(Object::parse(&text).text("type"), "error", "{text}");
    ws.expect_close(4429);
    holder.text("still mine");
    workstation.expect_text("still mine");
    // The other role is counted separately.
    let mut newer = Peer::join(&relay, &session, Role::Workstation);
    workstation.expect_closed(4409);
    holder.expect(&Event::Left);
    holder.expect(&Event::Joined(0));
    newer.expect(&Event::Joined(0));
}

/// Fault 26: Many claims of a role at once.
/// Played: 50 hellos over three nodes. A DELETE at one node against a hello at another. An eviction that
/// overtakes the claim's answer. Seeded, at random, in the simulation.
/// Holds: One connection stays, five are closed 4409, the rest 4429. No connection stays in a deleted
/// session. The overtaken claim is closed 4409.
fn many_claims_of_a_role_settle(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let hello = session.hello(Role::Phone).json();
    // Fifty hellos at once: one connection stays, and the others are told why not.
    let mut all: Vec<Ws> = (0..50).map(|_| Ws::connect(relay.next_addr(&session, Role::Phone))).collect();
    for ws in &mut all {
        ws.text(&hello);
    }
    // Open connections answer a heartbeat that is sent after all claims were decided.
    let mut codes = Vec::new();
    let mut acked: Vec<Ws> = all.into_iter().filter_map(|ws| decided(ws, &mut codes)).collect();
    let mut looks = 0;
    read_until("all but one to be told", || {
        looks += 1;
        acked.retain_mut(|ws| answers_heartbeat(ws, &mut codes));
        (acked.len() == 1).then_some(())
    });
    // Only a notice from another node takes a while.
    assert!(looks == 1 || set_up == SetUp::ThreeNodes, "more than one holder on one node");
    assert_eq!(codes.len(), 49);
    assert_eq!(codes.iter().filter(|code| **code == 4409).count(), 5, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 4429).count(), 44, "{codes:?}");
    bystander.done();
}

/// Reads the answer to a hello: after an ack, returns the connection; after a Close, notes its code.
fn decided(mut ws: Ws, codes: &mut Vec<u16>) -> Option<Ws> {
    match ws.message() {
        Ok(Message::Text(text)) => {
            assert_eq!(Object::parse(&text).text("type"), "hello-ack");
            Some(ws)
        }
        Ok(Message::Close(code, _)) => {
            codes.push(code);
            None
        }
        other => panic!("{other:?}"),
    }
}

/// Sends a heartbeat. False if the answer is a Close, whose code is noted.
fn answers_heartbeat(ws: &mut Ws, codes: &mut Vec<u16>) -> bool {
    let _ = ws.wire().try_send(&FrameSpec::text(r#"{"type":"hb"}"#).encode());
    match ws.message() {
        Ok(Message::Text(text)) => {
            assert_eq!(text, r#"{"type":"hb-ack"}"#);
            true
        }
        Ok(Message::Close(code, _)) => {
            codes.push(code);
            false
        }
        other => panic!("{other:?}"),
    }
}
