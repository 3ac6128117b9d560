//! What passes, when, and that all of it arrives.

use std::thread;
use std::time::{Duration, Instant};

use relay_tests::harness::Behaviour;
use relay_tests::harness::guard::{let_pass, read_until};
use relay_tests::harness::random::Random;
use relay_tests::harness::wire::{End, Wire};

use super::{Line, PLENTY, exchange, expect_bytes, expect_end, expect_silence, pattern};

#[test]
fn everything_passes_and_each_direction_ends_by_itself() {
    let line = Line::start();
    let (mut near, mut far) = line.join();
    exchange(&mut near, &mut far, 1_000_000, || {});
    near.shutdown_write();
    expect_end(&mut far, b"", End::Eof);
    far.send(b"after the other's end");
    expect_bytes(&mut near, b"after the other's end");
    assert_eq!(line.proxy.counts().live, 1);
    drop(far);
    expect_end(&mut near, b"", End::Eof);
    line.wait_for_live(0);
    let counts = line.proxy.counts();
    assert_eq!((counts.connections, counts.refused, counts.cut), (1, 0, 0));
    assert_eq!((counts.to_upstream, counts.to_client), (1_000_000, 1_000_021));
}

#[test]
fn a_reader_that_does_not_read_blocks_the_sender() {
    let line = Line::start();
    let bytes = pattern(3, PLENTY);
    for behaviour in [Behaviour::Clear, Behaviour::Delay(Duration::from_secs(1000))] {
        line.proxy.behave(behaviour);
        let (mut near, mut far) = line.join();
        let sent = near.send_until_blocked(&bytes, Duration::from_millis(300));
        assert!(sent < PLENTY, "{behaviour:?} takes everything");
        line.proxy.behave(Behaviour::Clear);
        near.shutdown_write();
        expect_end(&mut far, &bytes[..sent], End::Eof);
    }
}

#[test]
fn a_stall_takes_and_passes_nothing_and_loses_nothing() {
    let line = Line::start();
    let (mut near, mut far) = line.join();
    exchange(&mut near, &mut far, 10, || {});
    line.wait_for_passed(10);
    line.proxy.behave(Behaviour::Stall);
    let (mut later, mut later_far) = line.join();
    later.send(b"new");
    near.send(b"up");
    far.send(b"down");
    far.shutdown_write();
    expect_silence(&mut near);
    expect_silence(&mut far);
    expect_silence(&mut later_far);
    assert_eq!((line.proxy.counts().to_upstream, line.proxy.counts().live), (10, 2));
    line.proxy.behave(Behaviour::Clear);
    expect_bytes(&mut far, b"up");
    expect_end(&mut near, b"down", End::Eof);
    expect_bytes(&mut later_far, b"new");
}

#[test]
fn a_stall_under_load_takes_effect_at_once() {
    let line = Line::start();
    let (mut near, mut far) = line.join();
    let passed = || line.proxy.counts().to_upstream + line.proxy.counts().to_client;
    // Slow enough to be stalled five times on the way.
    line.proxy.behave(Behaviour::Trickle);
    exchange(&mut near, &mut far, 300_000, || {
        for _ in 0..5 {
            let before = passed();
            read_until("something to pass", || (passed() > before).then_some(()));
            line.proxy.behave(Behaviour::Stall);
            let stalled = passed();
            let_pass(Duration::from_millis(30));
            assert_eq!(passed(), stalled);
            assert!(stalled < 600_000, "all of it had passed before");
            line.proxy.behave(Behaviour::Trickle);
        }
        line.proxy.behave(Behaviour::Clear);
    });
}

#[test]
fn a_delay_applies_to_every_byte_separately() {
    const DELAY: Duration = Duration::from_millis(200);
    const PIECES: usize = 40;
    let line = Line::start();
    line.proxy.behave(Behaviour::Delay(DELAY));
    let (mut near, mut far) = line.join();
    let started = Instant::now();
    for flip in [false, true] {
        let (from, to) = if flip { (&mut far, &mut near) } else { (&mut near, &mut far) };
        let mut sender = Wire::over(from.sender());
        thread::scope(|scope| {
            let sending = scope.spawn(move || {
                let send = |piece: usize| {
                    let_pass(Duration::from_millis(5));
                    let at = Instant::now();
                    sender.send(&[piece as u8]);
                    at
                };
                (0..PIECES).map(send).collect::<Vec<_>>()
            });
            let mut arrived = Vec::new();
            while arrived.len() < PIECES {
                to.fill("a piece").unwrap();
                arrived.resize(to.pending().len(), Instant::now());
            }
            assert!(to.pending().iter().copied().eq(0..PIECES as u8), "{:?}", to.pending());
            let times = sending.join().unwrap().into_iter().zip(&arrived);
            times.for_each(|(sent, &arrived)| assert!(arrived - sent >= DELAY, "{:?}", arrived - sent));
        });
    }
    // One after the other they would take sixteen seconds.
    assert!(started.elapsed() < DELAY * PIECES as u32, "{:?}", started.elapsed());
}

#[test]
fn a_trickle_writes_every_byte_separately() {
    let line = Line::start();
    let (mut near, mut far) = line.join();
    let bytes = pattern(4, 2000);
    near.send(&bytes);
    expect_bytes(&mut far, &bytes);
    line.wait_for_passed(2000);
    let clear = line.proxy.counts().writes;
    assert!(clear < 10, "{clear} writes");
    line.proxy.behave(Behaviour::Trickle);
    // If the reader was not scheduled for long, it sees all of it at once; then try again.
    let mut rounds = 0;
    read_until("a reader to see pieces", || {
        near.send(&bytes);
        rounds += 1;
        let mut reads = 0;
        while far.pending().len() < bytes.len() {
            far.fill("the next piece").unwrap();
            reads += 1;
        }
        expect_bytes(&mut far, &bytes);
        (reads > 10).then_some(())
    });
    line.wait_for_passed(2000 + rounds * 2000);
    assert_eq!(line.proxy.counts().writes - clear, rounds * 2000);
}

#[test]
fn nothing_is_lost_while_the_behaviour_keeps_changing() {
    let line = Line::start();
    for seed in 0..3 {
        let mut random = Random::new(seed);
        let (mut near, mut far) = line.join();
        exchange(&mut near, &mut far, 500_000, || {
            for _ in 0..30 {
                let delay = Duration::from_millis(random.below(20) as u64);
                let behaviours =
                    [Behaviour::Clear, Behaviour::Stall, Behaviour::Delay(delay), Behaviour::Trickle];
                line.proxy.behave(behaviours[random.below(4)]);
                let_pass(Duration::from_millis(random.below(6) as u64));
            }
            line.proxy.behave(Behaviour::Clear);
        });
    }
    line.wait_for_passed(1_500_000);
}
