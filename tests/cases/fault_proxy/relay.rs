//! A workstation and a phone on a bad network: frames arrive whole and in order, and each is told when the
//! other ends.

use std::time::Duration;

use relay_tests::harness::dial::{Refusal, dial};
use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::post;
use relay_tests::harness::redis::{Keep, Redis};
use relay_tests::harness::sequence::{Checker, Numbered};
use relay_tests::harness::wire::End;
use relay_tests::harness::ws::{FrameSpec, Upgrade};
use relay_tests::harness::{Behaviour, Event, FaultProxy, Options, Pair, Peer, Relayd, Role, Session};

use super::SILENCE;

/// A relay, and the bad network before it.
struct Line {
    relayd: Relayd,
    proxy: FaultProxy,
}

impl Line {
    fn start() -> Self {
        let relayd = Relayd::start_ready(&Options::new());
        let proxy = FaultProxy::start(relayd.addr());
        Self { relayd, proxy }
    }

    /// A workstation behind the bad network, and a phone on a good one.
    fn link(&self) -> Pair {
        let session = Session::register_at(self.relayd.addr());
        let phone = Peer::join_as(self.relayd.addr(), &session.hello(Role::Phone));
        let workstation = Peer::join_as(self.proxy.addr(), &session.hello(Role::Workstation));
        Pair::linked(session, workstation, phone)
    }

    /// The workstation reconnects as soon as the network works, and they talk.
    fn expect_return(&self, pair: Pair) {
        let Pair { session, mut phone, .. } = pair;
        let mut workstation = Peer::join_as(self.proxy.addr(), &session.hello(Role::Workstation));
        // The sender is told about frames without a receiver. That is not checked here.
        let told = phone.event();
        assert!(matches!(told, Event::Joined(_)), "{told:?}");
        workstation.expect(&Event::Joined(0));
        Pair { session, workstation, phone }.expect_alive();
    }
}

/// This many frames of these sizes, both ways. `meanwhile` runs when they are sent and not read yet.
fn talk(pair: &mut Pair, sizes: &[usize], meanwhile: impl FnOnce(&mut Pair)) {
    let mut checkers = Role::BOTH.map(|from| Checker::new(&pair.session, from));
    for from in Role::BOTH {
        let mut numbered = Numbered::new(&pair.session, from);
        let (sender, _) = pair.from(from);
        sizes.iter().for_each(|&size| sender.text(&numbered.text(size)));
    }
    meanwhile(pair);
    for (from, checker) in Role::BOTH.into_iter().zip(&mut checkers) {
        for _ in sizes {
            match pair.from(from).1.event() {
                Event::Text(text) => checker.take(&text),
                other => panic!("{other:?} instead of frame {}", checker.count()),
            }
        }
    }
}

/// Fault 23: Writes are cut anywhere.
/// Played: 1 to 16 bytes in a write, and a narrow socket.
/// Holds: The stream is exactly what was queued.
#[test]
fn a_trickle_of_single_bytes_changes_nothing() {
    let line = Line::start();
    line.proxy.behave(Behaviour::Trickle);
    let mut pair = line.link();
    // Lengths of one, two and eight bytes in the frame's header.
    talk(&mut pair, &[0, 125, 126, 1000, 70_000], |_| {});
    pair.workstation.leave();
    pair.phone.expect(&Event::Left);
    read_until("the connection to be gone", || (line.proxy.counts().live == 0).then_some(()));
    let counts = line.proxy.counts();
    assert_eq!(counts.writes, counts.to_upstream + counts.to_client);
    assert!(counts.to_upstream > 70_000 && counts.to_client > 70_000, "{counts:?}");
}

#[test]
fn a_delay_changes_nothing_but_the_time() {
    let line = Line::start();
    line.proxy.behave(Behaviour::Delay(Duration::from_millis(20)));
    let mut pair = line.link();
    talk(&mut pair, &[100; 100], |_| {});
    pair.expect_alive();
}

#[test]
fn a_stall_loses_nothing() {
    let line = Line::start();
    let mut pair = line.link();
    talk(&mut pair, &[2000; 100], |_| {});
    line.proxy.behave(Behaviour::Stall);
    talk(&mut pair, &[300; 200], |pair| {
        for peer in [&mut pair.workstation, &mut pair.phone] {
            assert_eq!(peer.event_within(SILENCE), Ok(None));
        }
        line.proxy.behave(Behaviour::Clear);
    });
    pair.expect_alive();
}

#[test]
fn a_frame_of_the_workstation_cut_anywhere_is_told_as_a_leave() {
    let line = Line::start();
    let text = "c".repeat(300);
    let frame = FrameSpec::text(&text).encode();
    for count in [0, 1, 2, 7, 100, frame.len() - 1, frame.len()] {
        line.proxy.cut_no_more();
        let mut pair = line.link();
        line.proxy.cut_after(count as u64);
        if count > 0 {
            pair.workstation.ws().wire().send(&frame);
        }
        if count == frame.len() {
            pair.phone.expect_text(&text);
        }
        pair.phone.expect(&Event::Left);
        assert_eq!(pair.workstation.ws().wire().read_to_end("the cut"), End::Eof);
        line.proxy.cut_no_more();
        line.expect_return(pair);
    }
    assert_eq!(line.proxy.counts().cut, 7);
}

#[test]
fn a_frame_to_the_workstation_cut_anywhere_is_told_as_a_leave() {
    let line = Line::start();
    for count in [1, 2, 50, 200, 300] {
        line.proxy.cut_no_more();
        let mut pair = line.link();
        line.proxy.cut_after(count);
        pair.phone.text(&"d".repeat(300));
        pair.phone.expect(&Event::Left);
        let wire = pair.workstation.ws().wire();
        assert_eq!(wire.read_to_end("the cut"), End::Eof);
        assert_eq!(wire.pending().len() as u64, count);
        line.proxy.cut_no_more();
        line.expect_return(pair);
    }
}

#[test]
fn a_connect_cut_anywhere_can_be_tried_again() {
    let line = Line::start();
    let session = Session::register_at(line.relayd.addr());
    let hello = session.hello(Role::Phone);
    let sent = Upgrade::default().encode().len() as u64;
    dial(line.proxy.addr(), &hello, Duration::from_secs(10)).unwrap().leave();
    read_until("the connection to be gone", || (line.proxy.counts().live == 0).then_some(()));
    for count in [0, 1, sent - 1, sent, sent + 1, sent + 40] {
        line.proxy.cut_after(count);
        let refusal = dial(line.proxy.addr(), &hello, Duration::from_secs(10)).unwrap_err();
        assert_eq!(refusal, Refusal::NoAnswer, "cut after {count}");
    }
    assert_eq!(line.proxy.counts().cut, 6);
    line.proxy.cut_no_more();
    let phone = dial(line.proxy.addr(), &hello, Duration::from_secs(10)).unwrap();
    let workstation = Peer::join_as(line.relayd.addr(), &session.hello(Role::Workstation));
    Pair::linked(session, workstation, phone).expect_alive();
}

#[test]
fn a_reset_is_told_as_a_leave() {
    let line = Line::start();
    let mut pair = line.link();
    talk(&mut pair, &[100; 10], |_| {});
    line.proxy.reset();
    pair.phone.expect(&Event::Left);
    assert_eq!(pair.workstation.ws().wire().read_to_end("the reset"), End::Reset);
    line.expect_return(pair);
}

#[test]
fn a_network_that_refuses_connections_does_not_affect_linked_pairs() {
    let line = Line::start();
    let mut pair = line.link();
    line.proxy.behave(Behaviour::Refuse);
    let hello = pair.session.hello(Role::Workstation);
    let refusal = dial(line.proxy.addr(), &hello, Duration::from_secs(10)).unwrap_err();
    assert_eq!(refusal, Refusal::NoAnswer);
    talk(&mut pair, &[100; 10], |_| {});
    assert_eq!(line.proxy.counts().refused, 1);
}

#[test]
fn a_node_that_moved_is_found() {
    let mut line = Line::start();
    // The phone stays until here, as its leave would be told before the node dies.
    let Pair { mut workstation, phone, .. } = line.link();
    line.relayd.kill();
    drop(phone);
    assert!(workstation.ws().message().is_err());
    line.relayd = Relayd::start_ready(&Options::new());
    line.proxy.set_upstream(line.relayd.addr());
    line.link().expect_alive();
    read_until("the old connection to be gone", || (line.proxy.counts().live == 1).then_some(()));
}

#[test]
fn a_bad_network_before_redis_is_overcome() {
    let redis = Redis::start(Keep::Nothing);
    let proxy = FaultProxy::start(([127, 0, 0, 1], redis.port()).into());
    let url = format!("redis://{}", proxy.addr());
    let relayd = Relayd::start_ready(&Options::new().env("REDIS_URL", &url));
    let register = || (post(relayd.addr(), "/api/register", "").status == 200).then_some(());
    for fault in [Behaviour::Stall, Behaviour::Refuse] {
        assert!(register().is_some());
        proxy.behave(fault);
        if fault == Behaviour::Refuse {
            proxy.reset();
        }
        relayd.wait_ready(503);
        proxy.behave(Behaviour::Clear);
        relayd.wait_ready(200);
        read_until("a register to succeed", register);
    }
    assert!(proxy.counts().refused > 0);
}
