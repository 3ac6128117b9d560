//! One session sends as fast as it can; another says a word now and then, and is heard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use relay_tests::harness::ws::{FrameSpec, Opcode};
use relay_tests::harness::{Bystander, Event, Pair, Relay, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(a_word_beside_a_flood_is_heard);

const FRAMES: usize = 3000;
const FRAME_BYTES: usize = 32 << 10;

fn a_word_beside_a_flood_is_heard(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let (mut loud, mut quiet) = (Pair::link(&relay), Pair::link(&relay));
    let is_over = AtomicBool::new(false);
    let mut times: Vec<Duration> = Vec::new();
    let Pair { workstation, phone, .. } = &mut loud;
    thread::scope(|scope| {
        scope.spawn(|| {
            let flood = FrameSpec::new(Opcode::Binary, vec![7; FRAME_BYTES]).encode().repeat(FRAMES);
            workstation.ws().wire().send(&flood);
        });
        scope.spawn(|| {
            (0..FRAMES).for_each(|_| phone.expect(&Event::Binary(vec![7; FRAME_BYTES])));
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            let started = Instant::now();
            quiet.expect_alive();
            times.push(started.elapsed());
        }
    });
    times.sort_unstable();
    let most = times.last().copied().unwrap_or_default();
    eprintln!("{} words and their answers beside the flood, {most:?} at most", times.len());
    // A server that served one of them to its end first would let one word through, or none.
    assert!(times.len() >= 30, "{} words in all that time", times.len());
    loud.expect_alive();
    bystander.done();
}
