//! A phone on another node stops reading: its workstation waits, both nodes' memory stays bounded, others go on.

use std::io::Write;
use std::thread;
use std::time::Duration;

use relay_tests::harness::redis::Keep;
use relay_tests::harness::sequence::{Checker, Numbered};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Upgrade};
use relay_tests::harness::{Event, Fleet, Pair, Peer, Role, Session, Talking};

const BYSTANDERS: usize = 20;
const FRAMES: usize = 1000;
const FRAME_BYTES: usize = 32 << 10;
/// A write that moves nothing for so long is blocked.
const PATIENCE: Duration = Duration::from_secs(1);
const GROWN_KIB_MAX: u64 = 12 * 1024;

#[test]
fn a_reader_that_stops_blocks_its_sender_alone() {
    let fleet = Fleet::start(2, Keep::Nothing);
    let talking = Talking::start(fleet.talks(BYSTANDERS));
    let mut pair = link_narrow(&fleet);
    pair.expect_alive();
    let mut numbered = Numbered::new(&pair.session, Role::Workstation);
    let bytes: Vec<u8> =
        (0..FRAMES).flat_map(|_| FrameSpec::text(&numbered.text(FRAME_BYTES)).encode()).collect();
    let resident = |at: usize| fleet.node(at).process().resident_kib();
    let before = [resident(0), resident(1)];
    let sent = pair.workstation.ws().wire().send_until_blocked(&bytes, PATIENCE);
    assert!(sent < bytes.len() / 2, "{sent} bytes were taken though nobody reads");
    for (at, before) in before.into_iter().enumerate() {
        let grown = resident(at).saturating_sub(before);
        assert!(grown < GROWN_KIB_MAX, "node {at}: {grown} KiB more for one reader that stopped");
    }
    let mut talks = talking.done();
    for talk in &mut talks {
        talk.settle();
        talk.assert_undisturbed();
        assert!(talk.heard(Role::Phone) > 10, "the others were held up: {}", talk.state());
    }
    let mut checker = Checker::new(&pair.session, Role::Workstation);
    let mut rest = pair.workstation.ws().wire().sender();
    thread::scope(|scope| {
        scope.spawn(move || rest.write_all(&bytes[sent..]).unwrap());
        while checker.count() < FRAMES as u64 {
            match pair.phone.event() {
                Event::Text(text) => checker.take(&text),
                other => panic!("{other:?} instead of frame {}", checker.count()),
            }
        }
    });
    pair.expect_alive();
}

/// A pair on two nodes whose ends keep little in their own kernel buffers.
fn link_narrow(fleet: &Fleet) -> Pair {
    let session = Session::register_at(fleet.addr(0));
    let join = |role, at| {
        let wire = Wire::connect_narrow(fleet.addr(at), 64 << 10);
        Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(role))
    };
    let (workstation, phone) = (join(Role::Workstation, 0), join(Role::Phone, 1));
    Pair::linked(session, workstation, phone)
}
