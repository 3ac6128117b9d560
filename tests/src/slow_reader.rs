//! A phone on another node stops reading for a while. Its workstation waits, the memory of both nodes stays
//! bounded, and other pairs are not affected. When it reads again, everything arrives. Cases play this in
//! seconds; the soak decides how long.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::guard::let_pass;
use crate::harness::redis::Keep;
use crate::harness::sequence::{Checker, Numbered};
use crate::harness::wire::Wire;
use crate::harness::ws::{FrameSpec, Upgrade};
use crate::harness::{Event, Fleet, Pair, Peer, Role, Session, Talking};

/// How much more a node may hold for one reader that stopped, in KiB.
pub const GROWN_KIB_MAX: u64 = 12 << 10;
const FRAMES: usize = 1000;
const FRAME_BYTES: usize = 32 << 10;
/// A write that moves nothing for this long is blocked.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the nodes' size is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How it is played.
#[derive(Clone, Copy, Debug)]
pub struct SlowReader {
    /// Other pairs, which keep talking over the same two nodes.
    pub bystanders: usize,
    /// For how long the phone does not read once its workstation is blocked.
    pub hold: Duration,
}

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Bytes that the workstation could send while nobody read.
    pub sent: usize,
    /// Resident KiB of each node.
    pub resident: [Resident; 2],
    /// Frames that the pairs beside exchanged meanwhile.
    pub beside: u64,
}

/// What one node held, in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// Before the phone stopped reading.
    pub before: u64,
    /// When its workstation was blocked.
    pub blocked: u64,
    /// The most since then, until it read again.
    pub most: u64,
}

impl Seen {
    /// What is wrong with it, in words.
    pub fn breaches(&self) -> Vec<String> {
        let grown = self.resident.iter().map(|resident| resident.most.saturating_sub(resident.before));
        let over = grown.enumerate().filter(|&(_, grown)| grown >= GROWN_KIB_MAX);
        over.map(|(node, grown)| format!("node {node}: {grown} KiB more for one reader that stopped"))
            .collect()
    }
}

impl SlowReader {
    /// Plays it.
    ///
    /// # Panics A frame is lost, repeated or out of order, another pair is disturbed or delayed, or the
    /// sender is not blocked.
    pub fn play(self) -> Seen {
        let fleet = Fleet::start(2, Keep::Nothing);
        let talking = Talking::start(fleet.talks(self.bystanders));
        let mut pair = link_narrow(&fleet);
        pair.expect_alive();
        let mut numbered = Numbered::new(&pair.session, Role::Workstation);
        let frames = (0..FRAMES).flat_map(|_| FrameSpec::text(&numbered.text(FRAME_BYTES)).encode());
        let bytes: Vec<u8> = frames.collect();
        // The first memory use of the other pairs must not count for the slow one.
        let_pass(self.hold / 2);
        let resident = || [0, 1].map(|at| fleet.node(at).process().resident_kib());
        let before = resident();
        let sent = pair.workstation.ws().wire().send_until_blocked(&bytes, PATIENCE);
        assert!(sent < bytes.len() / 2, "{sent} bytes were taken though the phone does not read");
        let (blocked_at, blocked) = (Instant::now(), resident());
        let mut most = blocked;
        while blocked_at.elapsed() < self.hold {
            let_pass(LOOK_EVERY);
            most = [0, 1].map(|at| most[at].max(resident()[at]));
        }
        let mut beside = 0;
        for mut talk in talking.done() {
            talk.settle();
            talk.assert_undisturbed();
            let heard = talk.heard(Role::Phone);
            assert!(heard > 10, "the others were held up: {}", talk.state());
            beside += heard + talk.heard(Role::Workstation);
        }
        finish(&mut pair, &bytes[sent..]);
        let held = |at: usize| Resident { before: before[at], blocked: blocked[at], most: most[at] };
        Seen { sent, resident: [0, 1].map(held), beside }
    }
}

/// The phone reads again, and the workstation sends the rest. All of it arrives.
fn finish(pair: &mut Pair, rest: &[u8]) {
    let mut checker = Checker::new(&pair.session, Role::Workstation);
    let mut sender = pair.workstation.ws().wire().sender();
    thread::scope(|scope| {
        scope.spawn(move || sender.write_all(rest).unwrap());
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
