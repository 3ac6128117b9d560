//! One session sends as fast as it can, and another sends a word now and then. Cases check that the words
//! pass; the soak reports how long they take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::ws::{FrameSpec, Opcode};
use crate::harness::{Event, Pair, Relay, SetUp};

const FRAME_BYTES: usize = 32 << 10;

/// The time of each word and its answer beside a flood of this many frames of 32 KiB.
///
/// # Panics
/// A frame or a word is lost or changed.
pub fn words_beside_a_flood(set_up: SetUp, frames: usize) -> Vec<Duration> {
    let relay = Relay::start(set_up);
    let (mut loud, mut quiet) = (Pair::link(&relay), Pair::link(&relay));
    let is_over = AtomicBool::new(false);
    let mut times: Vec<Duration> = Vec::new();
    let Pair { workstation, phone, .. } = &mut loud;
    thread::scope(|scope| {
        scope.spawn(|| {
            let frame = FrameSpec::new(Opcode::Binary, vec![7; FRAME_BYTES]).encode();
            (0..frames).for_each(|_| workstation.ws().wire().send(&frame));
        });
        scope.spawn(|| {
            (0..frames).for_each(|_| phone.expect(&Event::Binary(vec![7; FRAME_BYTES])));
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            let started = Instant::now();
            quiet.expect_alive();
            times.push(started.elapsed());
        }
    });
    loud.expect_alive();
    times
}
