//! How connections are refused, and how they end: by themselves, or by the proxy.

use std::net::{SocketAddr, TcpStream};

use relay_tests::harness::Behaviour;
use relay_tests::harness::guard::read_until;
use relay_tests::harness::wire::{End, Wire};

use super::{Line, PLENTY, SILENCE, accepted, exchange, expect_bytes, expect_end, listener, pattern};

#[test]
fn a_reset_by_one_end_passes() {
    let line = Line::start();
    for reset_at in 0..2 {
        let (near, far) = line.join();
        let (resetting, mut other) = if reset_at == 0 { (near, far) } else { (far, near) };
        resetting.reset();
        expect_end(&mut other, b"", End::Reset);
    }
    line.wait_for_live(0);
}

#[test]
fn last_bytes_pass_though_their_sender_has_stopped_reading() {
    let line = Line::start();
    let (mut near, mut far) = line.join();
    line.proxy.behave(Behaviour::Stall);
    far.send(b"last words");
    near.send(b"to nobody");
    drop(far);
    line.proxy.behave(Behaviour::Clear);
    // The proxy notices that no client takes it, and resets, but only after it has passed the rest.
    read_until("the end", || near.try_send(b"more").err());
    near.read_to_end("the end, which the sender may have been told of");
    assert_eq!(near.pending(), b"last words");
}

#[test]
fn only_new_connections_are_refused() {
    let line = Line::start();
    let (mut near, mut far) = line.join();
    line.proxy.behave(Behaviour::Refuse);
    expect_end(&mut Wire::connect(line.proxy.addr()), b"", End::Reset);
    exchange(&mut near, &mut far, 100_000, || {});
    assert_eq!(line.listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!((line.proxy.counts().refused, line.proxy.counts().connections), (1, 1));
    line.proxy.behave(Behaviour::Clear);
    let (mut near, mut far) = line.join();
    exchange(&mut near, &mut far, 10, || {});
}

#[test]
fn a_cut_is_orderly_both_ways_also_under_load() {
    let line = Line::start();
    let (mut near, mut far) = line.join();
    let (mut other_near, mut other_far) = line.join();
    exchange(&mut near, &mut far, 10, || {});
    line.proxy.behave(Behaviour::Stall);
    // Bytes that the proxy has not read must not turn it into a reset.
    near.send(b"lost");
    far.send(b"lost");
    line.proxy.cut();
    for wire in [&mut near, &mut far, &mut other_near, &mut other_far] {
        expect_end(wire, b"", End::Eof);
    }
    // A closed or unread socket would not take it.
    near.send(&vec![7; PLENTY]);
    far.send(&vec![7; PLENTY]);
    assert_eq!((line.proxy.counts().live, line.proxy.counts().cut), (0, 2));
    line.proxy.behave(Behaviour::Clear);
    let (mut near, mut far) = line.join();
    exchange(&mut near, &mut far, 10, || {});
}

#[test]
fn a_reset_reaches_both_ends_of_all_connections() {
    let line = Line::start();
    let (mut near, mut far) = line.join();
    let (mut stuck, mut never_reads) = line.join();
    exchange(&mut near, &mut far, 10, || {});
    stuck.send_until_blocked(&vec![7; PLENTY], SILENCE);
    line.proxy.reset();
    for wire in [&mut near, &mut far, &mut stuck] {
        expect_end(wire, b"", End::Reset);
    }
    assert_eq!(never_reads.read_to_end("the reset"), End::Reset);
    line.wait_for_live(0);
    let (mut near, mut far) = line.join();
    exchange(&mut near, &mut far, 10, || {});
}

#[test]
fn a_cut_comes_at_the_exact_byte_on_live_and_new_connections() {
    let line = Line::start();
    for (round, count) in [0, 1, 7, 64 << 10, 100_001].into_iter().enumerate() {
        line.proxy.cut_no_more();
        let (mut live, mut live_far) = line.join();
        exchange(&mut live, &mut live_far, 1000, || {});
        line.proxy.cut_after(count as u64);
        let (mut new, mut new_far) = line.join();
        let bytes = pattern(5, 200_000);
        // The proxy takes what comes after the cut, so this must not fail.
        live.send(&bytes);
        expect_end(&mut live_far, &bytes[..count], End::Eof);
        expect_end(&mut live, b"", End::Eof);
        // The other way, on a new connection.
        new_far.send(&bytes);
        expect_end(&mut new, &bytes[..count], End::Eof);
        expect_end(&mut new_far, b"", End::Eof);
        assert_eq!(line.proxy.counts().cut, 2 * (round as u64 + 1));
    }
}

#[test]
fn a_cut_counts_both_directions_together() {
    let line = Line::start();
    let (mut near, mut far) = line.join();
    line.proxy.cut_after(10);
    near.send(b"1234");
    expect_bytes(&mut far, b"1234");
    far.send(b"567");
    expect_bytes(&mut near, b"567");
    near.send(b"8901");
    expect_end(&mut far, b"890", End::Eof);
    expect_end(&mut near, b"", End::Eof);
    line.proxy.cut_no_more();
    let (mut near, mut far) = line.join();
    exchange(&mut near, &mut far, 1000, || {});
}

#[test]
fn new_connections_go_to_an_upstream_that_moved() {
    let line = Line::start();
    let (mut near, mut far) = line.join();
    let moved = listener();
    line.proxy.set_upstream(moved.local_addr().unwrap());
    let mut new_near = Wire::connect(line.proxy.addr());
    let mut new_far = accepted(&moved);
    exchange(&mut near, &mut far, 10, || {});
    exchange(&mut new_near, &mut new_far, 10, || {});
    line.proxy.set_upstream(nowhere());
    expect_end(&mut Wire::connect(line.proxy.addr()), b"", End::Reset);
    assert_eq!((line.proxy.counts().refused, line.proxy.counts().connections), (1, 2));
}

/// An address at which no program listens.
fn nowhere() -> SocketAddr {
    listener().local_addr().unwrap()
}

#[test]
fn a_dropped_proxy_leaves_nothing_open() {
    let line = Line::start();
    let (mut cut, mut cut_far) = line.join();
    line.proxy.cut();
    expect_end(&mut cut, b"", End::Eof);
    expect_end(&mut cut_far, b"", End::Eof);
    let (mut idle, mut idle_far) = line.join();
    let (mut stuck, mut never_reads) = line.join();
    stuck.send_until_blocked(&vec![7; PLENTY], SILENCE);
    line.proxy.behave(Behaviour::Stall);
    let (mut stalled, mut stalled_far) = line.join();
    let addr = line.proxy.addr();
    drop(line.proxy);
    for wire in [&mut idle, &mut idle_far, &mut stuck, &mut stalled, &mut stalled_far] {
        expect_end(wire, b"", End::Reset);
    }
    assert_eq!(never_reads.read_to_end("the reset"), End::Reset);
    assert!(TcpStream::connect(addr).is_err());
}
