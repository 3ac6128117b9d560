//! Two backends on one Redis pass packets to each other: whole, in order, within bounds.

mod common;

use std::thread;

use common::bus::{node, numbered, pair, publish, until_counts};
use common::{Server, fresh_prefix};
use relayd::backend::PACKET_BYTES_MAX;

#[test]
fn packets_arrive_whole_in_order_and_at_their_node_only() {
    let server = Server::start(&[]);
    let prefix = fresh_prefix();
    let [mut from, mut to, mut other] = [(), (), ()].map(|()| node(&server, &prefix));
    let mut elsewhere = node(&server, &fresh_prefix());
    let mut packets = vec![Vec::new(), vec![0], (0..=255).collect(), vec![13; PACKET_BYTES_MAX], Vec::new()];
    packets.push(b"\r\n$3\r\n*1\r\n".to_vec());
    packets.extend((0..100).map(numbered));
    for packet in &packets {
        assert!(publish(&mut from, to.id, packet));
        assert!(publish(&mut elsewhere, to.id, b"of another relay"));
    }
    for packet in &packets {
        assert!(to.packet() == *packet, "{} bytes", packet.len());
    }
    publish(&mut from, other.id, b"last");
    assert_eq!(other.packet(), b"last");
    assert_eq!(to.backend().poll_packet(), None);
    until_counts(&mut to, |counts| counts.received == packets.len() as u64);
}

#[test]
fn a_node_hears_itself() {
    let server = Server::start(&[]);
    let mut node = node(&server, &fresh_prefix());
    let own = node.id;
    publish(&mut node, own, b"probe");
    assert_eq!(node.packet(), b"probe");
}

#[test]
fn a_packet_that_is_too_long_is_refused_here_and_dropped_there() {
    let server = Server::start(&[]);
    let prefix = fresh_prefix();
    let mut node = node(&server, &prefix);
    let (own, long) = (node.id, vec![1; PACKET_BYTES_MAX + 1]);
    assert!(!publish(&mut node, own, &long));
    let channel = format!("{prefix}node:{own}");
    redis::cmd("PUBLISH").arg(channel).arg(&long).exec(&mut server.connection()).unwrap();
    publish(&mut node, own, b"short");
    assert_eq!(node.packet(), b"short");
    until_counts(&mut node, |counts| (counts.refused, counts.junk, counts.received) == (1, 1, 1));
}

#[test]
fn a_burst_goes_in_few_writes() {
    let server = Server::start(&[]);
    let (mut from, mut to) = pair(&server);
    // A mebibyte in each direction, before anything is read.
    for number in 0..16 {
        let packet = vec![number; 64 * 1024];
        assert!(publish(&mut from, to.id, &packet) && publish(&mut to, from.id, &packet));
    }
    for number in 0..16 {
        let packet = vec![number; 64 * 1024];
        assert!(to.packet() == packet && from.packet() == packet);
    }
    for number in 0..4_000 {
        let packet = numbered(number);
        while !publish(&mut from, to.id, &packet) {
            thread::yield_now();
        }
        // Reads half of them, so that packets wait at both ends.
        if number % 2 == 1 {
            let packet = to.packet();
            assert!(packet == numbered(number / 2));
            to.backend().recycle(packet);
        }
    }
    for number in 2_000..4_000 {
        assert!(to.packet() == numbered(number));
    }
    let counts = until_counts(&mut from, |counts| counts.published == 4_016);
    assert_eq!((counts.lost, counts.faults), (0, 0));
    assert!(counts.writes < counts.published, "{counts:?}");
}

#[test]
fn what_nobody_fetches_is_dropped_and_counted_and_what_was_kept_is_in_order() {
    let server = Server::start(&[]);
    let (mut from, mut to) = pair(&server);
    const ALL: u64 = 6_000;
    for number in 0..ALL {
        while !publish(&mut from, to.id, &number.to_be_bytes()) {
            thread::yield_now();
        }
    }
    let kept = until_counts(&mut to, |counts| counts.received + counts.overflowed == ALL).received;
    assert!((1_000..ALL).contains(&kept), "{kept}");
    for number in 0..kept {
        assert_eq!(to.packet(), number.to_be_bytes());
    }
    assert_eq!(to.backend().poll_packet(), None);
    publish(&mut from, to.id, b"there is room again");
    assert_eq!(to.packet(), b"there is room again");
}
