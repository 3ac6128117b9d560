//! A sender that is paused for its reader: whatever becomes of that reader, the sender is read again and told.

use std::io::Write;
use std::thread;
use std::time::Duration;

use relay_tests::harness::redis::Keep;
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Opcode, Upgrade};
use relay_tests::harness::{Bystander, Event, Fleet, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(its_reader_is_replaced, its_reader_dies, its_session_is_deleted);

const FLOOD_BYTES: usize = 16 << 20;
/// A write that moves nothing for so long is blocked.
const PATIENCE: Duration = Duration::from_secs(1);

/// A workstation that can send no more, as its phone reads nothing; and the rest of its bytes.
fn paused(mut pair: Pair) -> (Pair, Vec<u8>) {
    let frame = FrameSpec::new(Opcode::Binary, vec![7; 32 << 10]).encode();
    let flood = frame.repeat(FLOOD_BYTES / frame.len());
    let sent = pair.workstation.ws().wire().send_until_blocked(&flood, PATIENCE);
    assert!(sent < flood.len(), "{sent} bytes were taken though nobody reads");
    (pair, flood[sent..].to_vec())
}

fn narrow(relay: &Relay) -> Pair {
    let session = Session::register(relay);
    let join = |role| join_narrow(relay.next_addr(&session, role), &session, role);
    let (workstation, phone) = (join(Role::Workstation), join(Role::Phone));
    Pair::linked(session, workstation, phone)
}

fn join_narrow(addr: std::net::SocketAddr, session: &Session, role: Role) -> Peer {
    let wire = Wire::connect_narrow(addr, 64 << 10);
    Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(role))
}

/// The workstation's next words are these, and meanwhile it gets rid of all that it had to send.
fn is_read_again(workstation: &mut Peer, rest: &[u8], words: &[Event]) {
    let mut sender = workstation.ws().wire().sender();
    thread::scope(|scope| {
        scope.spawn(move || sender.write_all(rest).unwrap());
        words.iter().for_each(|expected| match (expected, workstation.event()) {
            // How many frames were missed depends on when the newer link stood.
            (Event::Joined(_), Event::Joined(_)) => {}
            (expected, event) => assert_eq!(event, *expected),
        });
    });
}

fn its_reader_is_replaced(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let (mut pair, rest) = paused(narrow(&relay));
    let mut newer = Peer::join(&relay, &pair.session, Role::Phone);
    thread::scope(|scope| {
        let all = scope.spawn(|| while newer.event() != Event::Text("the last".to_owned()) {});
        is_read_again(&mut pair.workstation, &rest, &[Event::Left, Event::Joined(0)]);
        pair.workstation.text("the last");
        all.join().expect("the newer connection hears the last");
    });
    bystander.done();
}

fn its_reader_dies(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let (pair, rest) = paused(narrow(&relay));
    let Pair { mut workstation, phone, .. } = pair;
    phone.into_ws().into_wire().reset();
    is_read_again(&mut workstation, &rest, &[Event::Left]);
    workstation.fence();
    bystander.done();
}

fn its_session_is_deleted(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let (mut pair, _) = paused(narrow(&relay));
    pair.session.delete(relay.addr()).expect(204);
    let said = pair.workstation.until_closed(4410);
    assert!(matches!(&said[..], [.., Event::Killed(reason)] if reason == "deleted"), "{said:?}");
    bystander.done();
}

#[test]
fn its_readers_node_dies() {
    let mut fleet = Fleet::start(2, Keep::Nothing);
    let session = Session::register_at(fleet.addr(0));
    let join = |role, at| join_narrow(fleet.addr(at), &session, role);
    let (workstation, phone) = (join(Role::Workstation, 0), join(Role::Phone, 1));
    let (mut pair, rest) = paused(Pair::linked(session, workstation, phone));
    fleet.node_mut(1).kill();
    is_read_again(&mut pair.workstation, &rest, &[Event::Left]);
    pair.workstation.fence();
}
