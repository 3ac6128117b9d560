//! An unused session ends; a session in use does not.

use std::time::{Duration, Instant};

use relay_tests::harness::guard::read_until;
use relay_tests::harness::ws::{FrameSpec, Message, Opcode, Ws};
use relay_tests::harness::{Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    an_idle_session_ends_for_both,
    a_session_nobody_joined_ends,
    an_expired_session_can_be_registered_again,
    heartbeats_keep_it_alive,
    frames_keep_it_alive,
    pings_do_not_keep_it_alive,
);

const IDLE_SECS: u64 = 3;

fn start(set_up: SetUp) -> Relay {
    Relay::start_with(set_up, &Options::new().env("SESSION_IDLE_SECS", &IDLE_SECS.to_string()))
}

fn expect_expired(peer: &mut Peer) {
    let events = peer.until_closed(4410);
    let killed = Event::Killed("expired".to_owned());
    assert!(events == [killed.clone()] || events == [Event::Left, killed], "{events:?}");
}

/// Fault 30: A session ends while both ends are connected.
/// Played: It expires, or is deleted at any node.
/// Holds: Both are told why, and closed 4410.
fn an_idle_session_ends_for_both(set_up: SetUp) {
    let relay = start(set_up);
    let started = Instant::now();
    let mut pair = Pair::link(&relay);
    expect_expired(&mut pair.workstation);
    expect_expired(&mut pair.phone);
    assert!(started.elapsed() >= Duration::from_secs(IDLE_SECS), "it ended before its time");
    pair.session.delete(relay.addr()).expect(404);
    let mut ws = Ws::connect(relay.addr());
    ws.text(&pair.session.hello(Role::Phone).json());
    ws.expect_close(4401);
}

fn a_session_nobody_joined_ends(set_up: SetUp) {
    let relay = start(set_up);
    let session = Session::register(&relay);
    // Asking with a wrong token changes nothing, and does not count as activity.
    let header = format!("Authorization: Bearer {}", "0".repeat(32));
    session.delete_with(relay.addr(), &[&header]).expect(404);
    // Registering with another token is refused only while the session exists.
    let other = Session { token: "0".repeat(32), ..session };
    read_until("the session's expiry", || (other.register_again(relay.addr()).status == 200).then_some(()));
}

fn an_expired_session_can_be_registered_again(set_up: SetUp) {
    let relay = start(set_up);
    let mut pair = Pair::link(&relay);
    expect_expired(&mut pair.workstation);
    expect_expired(&mut pair.phone);
    let answer = pair.session.register_again(relay.addr()).expect(200).json();
    assert_eq!(answer.text("sessionId"), pair.session.id);
    let workstation = Peer::join(&relay, &pair.session, Role::Workstation);
    let phone = Peer::join(&relay, &pair.session, Role::Phone);
    Pair::linked(pair.session, workstation, phone).expect_alive();
}

/// Does something five times per idle time, for much longer than the idle time.
fn keep_busy(mut act: impl FnMut()) {
    let started = Instant::now();
    let (_never, pace) = std::sync::mpsc::channel::<()>();
    while started.elapsed() < Duration::from_millis(IDLE_SECS * 2500) {
        act();
        let _ = pace.recv_timeout(Duration::from_millis(IDLE_SECS * 200));
    }
}

fn heartbeats_keep_it_alive(set_up: SetUp) {
    let relay = start(set_up);
    let mut pair = Pair::link(&relay);
    // Heartbeats of one side are enough for both.
    keep_busy(|| pair.phone.fence());
    pair.expect_alive();
    // When they stop, the session ends.
    expect_expired(&mut pair.workstation);
    expect_expired(&mut pair.phone);
}

fn frames_keep_it_alive(set_up: SetUp) {
    let relay = start(set_up);
    let mut pair = Pair::link(&relay);
    keep_busy(|| {
        pair.workstation.text("busy");
        pair.phone.expect_text("busy");
    });
    pair.expect_alive();
}

fn pings_do_not_keep_it_alive(set_up: SetUp) {
    let relay = start(set_up);
    let session = Session::register(&relay);
    let mut ws = Peer::join(&relay, &session, Role::Phone).into_ws();
    let answer = read_until("the session's expiry", || {
        let _ = ws.wire().try_send(&FrameSpec::new(Opcode::Ping, "alive").encode());
        match ws.message() {
            Ok(Message::Pong(_) | Message::Ping(_)) => None,
            Ok(Message::Text(text)) => Some(text),
            other => panic!("{other:?}"),
        }
    });
    assert!(answer.contains("session-killed") && answer.contains("expired"), "{answer}");
}
