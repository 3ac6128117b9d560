//! A sender is paused because of its reader. Whatever happens to that reader, the sender is read again and
//! told.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use relay_tests::harness::redis::Keep;
use relay_tests::harness::sequence::{Checker, Numbered};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Message, Opcode, Upgrade};
use relay_tests::harness::{
    Behaviour, Bystander, Event, Fleet, Hello, Options, Pair, Peer, Relay, Role, Session, SetUp,
};
use relay_tests::on_each_setup;

on_each_setup!(
    its_reader_is_replaced,
    its_reader_leaves,
    its_reader_dies,
    its_session_is_deleted,
    it_hears_that_the_relay_lives,
);

const FLOOD_BYTES: usize = 16 << 20;
const FRAME_BYTES: usize = 32 << 10;
/// A write that moves nothing for this long is blocked.
const PATIENCE: Duration = Duration::from_secs(1);

/// A workstation that cannot send more, as its phone does not read, and the rest of its bytes.
fn paused(mut pair: Pair) -> (Pair, Vec<u8>) {
    let frame = FrameSpec::new(Opcode::Binary, vec![7; FRAME_BYTES]).encode();
    let flood = frame.repeat(FLOOD_BYTES / frame.len());
    let sent = pair.workstation.ws().wire().send_until_blocked(&flood, PATIENCE);
    assert!(sent < flood.len(), "{sent} bytes were taken though the phone does not read");
    (pair, flood[sent..].to_vec())
}

fn narrow(relay: &Relay) -> Pair {
    narrow_as(relay, |hello| hello)
}

fn narrow_as(relay: &Relay, with: impl Fn(Hello) -> Hello) -> Pair {
    let session = Session::register(relay);
    let join = |role| join_narrow(relay.next_addr(&session, role), &with(session.hello(role)));
    let (workstation, phone) = (join(Role::Workstation), join(Role::Phone));
    Pair::linked(session, workstation, phone)
}

fn join_narrow(addr: std::net::SocketAddr, hello: &Hello) -> Peer {
    let wire = Wire::connect_narrow(addr, 64 << 10);
    Peer::join_over(Upgrade::default().open_over(wire).0, hello)
}

/// Expects these events at the workstation, while it sends all the rest.
fn expect_read_again(workstation: &mut Peer, rest: &[u8], words: &[Event]) {
    let mut sender = workstation.ws().wire().sender();
    thread::scope(|scope| {
        scope.spawn(move || sender.write_all(rest).unwrap());
        words.iter().for_each(|expected| match (expected, workstation.event()) {
            // How many frames were missed depends on when the newer link opened.
            (Event::Joined(_), Event::Joined(_)) => {}
            (expected, event) => assert_eq!(event, *expected),
        });
    });
}

/// Fault 20b: A paused pair changes.
/// Played: The reader is replaced, leaves, dies, or dies with its node. The line between the nodes is lost.
/// The session is deleted. The sender ends.
/// Holds: The sender is read again, and told. A newer reader gets nothing that was accepted for the older
/// one. The Close reaches a client that did not read, too. Unread bytes come before the end.
fn its_reader_is_replaced(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    nothing_for_the_older_goes_to_the_newer(&relay);
    let (mut pair, rest) = paused(narrow(&relay));
    let mut newer = Peer::join(&relay, &pair.session, Role::Phone);
    thread::scope(|scope| {
        let all = scope.spawn(|| while newer.event() != Event::Text("the last".to_owned()) {});
        expect_read_again(&mut pair.workstation, &rest, &[Event::Left, Event::Joined(0)]);
        pair.workstation.text("the last");
        all.join().expect("the newer connection hears the last");
    });
    ends_behind_what_waits(&mut pair.phone, 4409);
    bystander.done();
}

/// The reader is stuck before its workstation is paused. What was certainly accepted for it goes to no other.
fn nothing_for_the_older_goes_to_the_newer(relay: &Relay) {
    let mut pair = narrow(relay);
    let mut numbered = Numbered::new(&pair.session, Role::Workstation);
    let stuck_at = relay.node_of(&pair.session, Role::Phone);
    while stuck_at.metric("relay_buffer_bytes") < 64 << 10 {
        (0..2).for_each(|_| pair.workstation.text(&numbered.text(8 << 10)));
        pair.workstation.fence();
    }
    let mut newer = Peer::join(relay, &pair.session, Role::Phone);
    newer.expect(&Event::Joined(0));
    pair.workstation.expect(&Event::Left);
    pair.workstation.expect(&Event::Joined(0));
    let first = numbered.text(0);
    pair.workstation.text(&first);
    newer.expect_text(&first);
    let mut checker = Checker::new(&pair.session, Role::Workstation);
    for event in pair.phone.until_closed(4409) {
        let Event::Text(text) = event else { panic!("{event:?} at the older connection") };
        checker.take(&text);
    }
    assert!(checker.count() < numbered.count(), "the older one heard what was sent to the newer");
}

/// The client that did not read now reads: whole messages, and then the Close.
fn ends_behind_what_waits(reader: &mut Peer, code: u16) {
    let is_a_message = |event: &Event| matches!(event, Event::Binary(bytes) if bytes.len() == FRAME_BYTES);
    let mut said = reader.until_closed(code);
    said.retain(|event| !is_a_message(event));
    let is_the_end = |event: &Event| matches!(event, Event::Killed(_) | Event::Left);
    assert!(said.iter().all(is_the_end), "{said:?}");
}

/// Fault 20b.
fn its_reader_leaves(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let (mut pair, rest) = paused(narrow(&relay));
    pair.phone.ws().send(&FrameSpec::close(1000, "enough"));
    expect_read_again(&mut pair.workstation, &rest, &[Event::Left]);
    ends_behind_what_waits(&mut pair.phone, 1000);
    pair.workstation.fence();
    bystander.done();
}

/// Fault 20b.
fn its_reader_dies(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let (pair, rest) = paused(narrow(&relay));
    let Pair { mut workstation, phone, .. } = pair;
    phone.into_ws().into_wire().reset();
    expect_read_again(&mut workstation, &rest, &[Event::Left]);
    workstation.fence();
    bystander.done();
}

/// Fault 20b.
fn its_session_is_deleted(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let (mut pair, _) = paused(narrow(&relay));
    pair.session.delete(relay.addr()).expect(204);
    let said = pair.workstation.until_closed(4410);
    assert!(matches!(&said[..], [.., Event::Killed(reason)] if reason == "deleted"), "{said:?}");
    ends_behind_what_waits(&mut pair.phone, 4410);
    bystander.done();
}

/// A client of version 3 is pinged every five seconds while it is paused, and is not closed for its silence.
///
/// Fault 43.
fn it_hears_that_the_relay_lives(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().env("HEARTBEAT_INTERVAL_SECS", "1"));
    let (mut pair, rest) = paused(narrow_as(&relay, Hello::v3));
    let (paused_at, mut pings) = (Instant::now(), 0);
    // Longer than a silent client is given.
    while paused_at.elapsed() < Duration::from_secs(21) {
        match pair.workstation.ws().message() {
            Ok(Message::Ping(_)) => pings += 1,
            other => panic!("{other:?} instead of a ping"),
        }
        // Its reader does not read, but is not silent.
        pair.phone.ws().send(&FrameSpec::new(Opcode::Pong, "here"));
    }
    // One ping may be from before the flood, another from the time until it was seen to be blocked.
    let pings_max = paused_at.elapsed().as_secs() / 5 + 3;
    assert!(pings <= pings_max, "{pings} pings in {:?}", paused_at.elapsed());
    let Pair { workstation, phone, .. } = &mut pair;
    let mut sender = workstation.ws().wire().sender();
    thread::scope(|scope| {
        scope.spawn(move || sender.write_all(&rest).unwrap());
        for number in 0..FLOOD_BYTES / FrameSpec::new(Opcode::Binary, vec![7; FRAME_BYTES]).encode().len() {
            let event = phone.event();
            assert!(
                matches!(&event, Event::Binary(bytes) if bytes.len() == FRAME_BYTES),
                "{number}: {event:?}"
            );
        }
    });
    pair.workstation.fence();
    pair.expect_alive();
}

/// A pair on two nodes.
fn apart(fleet: &Fleet) -> Pair {
    let session = Session::register_at(fleet.addr(0));
    let join = |role, at| join_narrow(fleet.addr(at), &session.hello(role));
    let (workstation, phone) = (join(Role::Workstation, 0), join(Role::Phone, 1));
    Pair::linked(session, workstation, phone)
}

/// Both nodes and both ends live. Only the line between them is away for longer than links last.
///
/// Fault 20b.
#[test]
fn its_link_is_lost() {
    let fleet = Fleet::start_apart(2, Keep::Nothing, &Options::new().arg("--bus-hold-secs", "5"));
    let (mut pair, rest) = paused(apart(&fleet));
    fleet.line(1).behave(Behaviour::Stall);
    expect_read_again(&mut pair.workstation, &rest, &[Event::Left]);
    pair.workstation.fence();
    fleet.line(1).behave(Behaviour::Clear);
    // The client that did not read gets what waits, then the end of the link, and then the new link.
    let mut said = Vec::new();
    while !matches!(said.last(), Some(Event::Joined(_))) {
        said.push(pair.phone.event());
    }
    let [waited @ .., Event::Left, Event::Joined(_)] = &said[..] else { panic!("{:?}", said.last()) };
    assert!(waited.iter().all(|event| matches!(event, Event::Binary(bytes) if bytes.len() == FRAME_BYTES)));
    assert!(matches!(pair.workstation.event(), Event::Joined(_)));
    pair.expect_alive();
}

/// Fault 20b.
#[test]
fn its_readers_node_dies() {
    let mut fleet = Fleet::start(2, Keep::Nothing);
    let (mut pair, rest) = paused(apart(&fleet));
    fleet.node_mut(1).kill();
    expect_read_again(&mut pair.workstation, &rest, &[Event::Left]);
    pair.workstation.fence();
}
