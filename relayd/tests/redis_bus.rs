//! Two backends on one Redis pass packets to each other again after any fault of their connections.

mod common;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::bus::{AT_ONCE, IDLE_SECS, counts, numbered, pair, publish};
use common::front::{Call, front};
use common::{Creds, GUARD, Node, Server, fresh_prefix};
use protocol::ids::{NodeId, Role};
use relayd::backend::{PACKET_BYTES_MAX, Status};
use relayd_core::store::{Claimed, Registered};

/// Ten times the span in which a subscriber must notice that its server is silent.
const NOTICED_WITHIN: Duration = Duration::from_secs(50);

/// Publishes until a packet arrives. The first ones may go into a broken connection.
fn until_heard(from: &mut Node, to: &mut Node) {
    let deadline = Instant::now() + GUARD;
    for try_number in 0_u64.. {
        assert!(Instant::now() < deadline, "no packet comes through: {:?} {:?}", counts(from), counts(to));
        publish(from, to.id, format!("try {try_number}").as_bytes());
        let Some(packet) = to.packet_until(Instant::now() + Duration::from_millis(100)) else { continue };
        assert!(packet.starts_with(b"try "), "{packet:?}");
        // Skips late packets of earlier tries.
        let last = format!("try {try_number}").into_bytes();
        let mut packet = Some(packet);
        while packet.is_some_and(|packet| packet != last) {
            packet = to.packet_until(Instant::now() + Duration::from_millis(100));
        }
        return;
    }
}

#[test]
fn a_redis_that_dies_and_comes_back_carries_packets_again() {
    let mut server = Server::start(&[]);
    let (mut from, mut to) = pair(&server);
    for _ in 0..2 {
        server.kill();
        to.until_bus(false);
        from.until_bus(false);
        publish_until_lost(&mut from, to.id);
        server.restart();
        to.until_bus(true);
        until_heard(&mut from, &mut to);
        from.until_bus(true);
        until_heard(&mut to, &mut from);
    }
    assert_eq!(counts(&mut to).subscribed, 3);
}

/// Publishes until packets are dropped because there is no connection.
fn publish_until_lost(from: &mut Node, to: NodeId) {
    let (deadline, before) = (Instant::now() + GUARD, counts(from).lost);
    while counts(from).lost == before {
        assert!(Instant::now() < deadline, "{:?}", counts(from));
        publish(from, to, b"into the void");
        thread::yield_now();
    }
}

/// Fault 50.
#[test]
fn a_cut_subscriber_subscribes_again_and_the_store_stays() {
    let server = Server::start(&[]);
    let (mut from, mut to) = pair(&server);
    for times in 2..5 {
        let kill = ["KILL", "TYPE", "pubsub"];
        redis::cmd("CLIENT").arg(&kill).exec(&mut server.connection()).unwrap();
        until_subscribed(&mut to, times);
        until_heard(&mut from, &mut to);
        assert_eq!(to.register(&Creds::random(), false), Registered::Made);
    }
    assert_eq!(to.backend().restored(), 1, "it was never away");
}

fn until_subscribed(node: &mut Node, times: u64) {
    let deadline = Instant::now() + GUARD;
    while counts(node).subscribed < times {
        assert!(Instant::now() < deadline, "{:?}", counts(node));
        assert_eq!(node.drain(), None, "nothing was asked");
        thread::yield_now();
    }
    node.until_bus(true);
}

/// Fault 50.
#[test]
fn a_cut_publisher_dials_again() {
    let server = Server::start(&[]);
    let (mut from, mut to) = pair(&server);
    let kill = ["KILL", "TYPE", "normal", "SKIPME", "yes"];
    redis::cmd("CLIENT").arg(&kill).exec(&mut server.connection()).unwrap();
    until_heard(&mut from, &mut to);
    assert_eq!(counts(&mut to).subscribed, 1);
}

/// Fault 58.
#[test]
fn a_server_that_becomes_a_replica_is_left_by_all_connections() {
    let server = Server::start(&[]);
    let (mut from, mut to) = pair(&server);
    let mut admin = server.connection();
    // Nothing listens at that port, so it stays a replica without a primary.
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec(&mut admin).unwrap();
    for node in [&mut from, &mut to] {
        node.until_away();
        node.until_bus(false);
    }
    publish_until_lost(&mut from, to.id);
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut admin).unwrap();
    for node in [&mut from, &mut to] {
        node.until_available();
        node.until_bus(true);
    }
    until_heard(&mut from, &mut to);
}

/// What the bus publishes goes to one server and its requests to another, which is the first one's master.
///
/// Fault 58.
#[test]
fn a_publisher_alone_finds_out_that_its_server_is_a_replica() {
    let (old, new) = (Server::start(&[]), Server::start(&[]));
    let is_moved = Arc::new(AtomicBool::new(false));
    let moved = is_moved.clone();
    let target = new.url().replace("redis://", "");
    let url = front(&old, move |mut call| {
        if call.asks("PING") || moved.load(Ordering::SeqCst) {
            call.far = std::net::TcpStream::connect(&target)?;
        }
        call.pass(u64::MAX)
    });
    let mut node = Node::connect(&url, &fresh_prefix(), IDLE_SECS);
    node.until_bus(true);
    is_moved.store(true, Ordering::SeqCst);
    let port = new.url().rsplit(':').next().unwrap().to_owned();
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port).exec(&mut old.connection()).unwrap();
    // The server is asked at most once a second, after a packet.
    let deadline = Instant::now() + GUARD;
    while counts(&mut node).faults == 0 {
        assert!(Instant::now() < deadline, "it goes on at a replica: {:?}", counts(&mut node));
        let own = node.id;
        publish(&mut node, own, b"probe");
        let _heard_or_not = node.packet_until(Instant::now() + Duration::from_millis(50));
    }
    assert_eq!(node.backend().restored(), 1, "the store was never away");
}

#[test]
fn who_asks_gets_both_connections_anew() {
    let server = Server::start(&[]);
    let (mut from, mut to) = pair(&server);
    for times in 2..4 {
        to.backend().resubscribe();
        until_subscribed(&mut to, times);
        until_heard(&mut from, &mut to);
        until_heard(&mut to, &mut from);
    }
    assert_eq!(counts(&mut to).faults, 4);
}

/// Fault 37.
#[test]
fn a_subscriber_that_redis_cuts_for_being_slow_recovers() {
    let server = Server::start(&[]);
    let (mut from, mut to) = pair(&server);
    let limit = |limit: &str| {
        let set = ["SET", "client-output-buffer-limit", limit];
        redis::cmd("CONFIG").arg(&set).exec(&mut server.connection()).unwrap();
    };
    // One packet exceeds that.
    limit("pubsub 16kb 16kb 1");
    let packet = vec![5; PACKET_BYTES_MAX];
    let deadline = Instant::now() + GUARD;
    while counts(&mut to).subscribed < 3 {
        assert!(Instant::now() < deadline, "it is not cut: {:?}", counts(&mut to));
        publish(&mut from, to.id, &packet);
        assert_eq!(to.drain(), None, "nothing was asked");
        while to.backend().poll_packet().is_some() {}
        thread::yield_now();
    }
    limit("pubsub 32mb 8mb 60");
    // Reads all packets from before.
    while !publish(&mut from, to.id, b"last") {
        thread::yield_now();
    }
    while to.packet_until(Instant::now() + Duration::from_millis(500)).is_some_and(|it| it != b"last") {}
    until_heard(&mut from, &mut to);
}

/// Fault 34.
#[test]
fn a_redis_that_hangs_blocks_no_caller_and_its_return_is_noticed() {
    let server = Server::start(&[]);
    let (mut from, mut to) = pair(&server);
    server.signal("STOP");
    let packet = vec![9; 64 * 1024];
    let taken = (0..10_000).filter(|_| publish(&mut from, to.id, &packet)).count();
    assert!((100..9_000).contains(&taken), "{taken} packets were taken");
    assert_eq!(counts(&mut from).refused, 10_000 - taken as u64);
    let since = Instant::now();
    to.until_bus(false);
    assert!(since.elapsed() < NOTICED_WITHIN, "a hang shows after {:?}", since.elapsed());
    server.signal("CONT");
    to.until_bus(true);
    while to.packet_until(Instant::now() + Duration::from_millis(500)).is_some() {}
    until_heard(&mut from, &mut to);
}

#[test]
fn stopping_publishes_what_is_queued() {
    let server = Server::start(&[]);
    let (mut from, mut to) = pair(&server);
    let packets: Vec<_> = (0..100).map(numbered).collect();
    assert!(packets.iter().all(|packet| publish(&mut from, to.id, packet)));
    let since = Instant::now();
    from.stop(GUARD);
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    for packet in packets {
        assert!(to.packet() == packet);
    }
}

#[test]
fn stopping_does_not_wait_for_a_redis_that_hangs() {
    let server = Server::start(&[]);
    let (mut from, to) = pair(&server);
    server.signal("STOP");
    let packet = vec![9; 64 * 1024];
    while publish(&mut from, to.id, &packet) {}
    let since = Instant::now();
    from.stop(Duration::from_millis(300));
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

#[test]
fn stopping_ends_the_connections() {
    let server = Server::start(&[]);
    let (from, to) = pair(&server);
    from.stop(GUARD);
    to.stop(GUARD);
    let deadline = Instant::now() + GUARD;
    let mut admin = server.connection();
    loop {
        let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut admin).unwrap();
        if clients.lines().count() == 1 {
            return;
        }
        assert!(Instant::now() < deadline, "{clients}");
    }
}

/// Fault 38: A frame arrives before the other node has subscribed.
/// Played: A backend that Redis allows everything but to subscribe.
/// Holds: No role is claimed before the subscription is confirmed.
#[test]
fn nothing_is_claimed_before_a_subscription_was_confirmed() {
    let server = Server::start(&[]);
    let mut admin = server.connection();
    let rights = ["SETUSER", "half", "on", ">secret", "~*", "+@all", "resetchannels"];
    redis::cmd("ACL").arg(&rights).exec(&mut admin).unwrap();
    let url = server.url().replace("redis://", "redis://half:secret@");
    let prefix = fresh_prefix();
    let mut node = Node::dial(&url, &prefix, IDLE_SECS);
    node.until_away_for("NOPERM");
    assert!(!node.backend().bus_is_up());
    assert_eq!(node.register(&Creds::random(), false), Registered::Away);
    // What it may well say to Redis it does not: another node could answer before this one hears.
    let creds = Creds::random();
    Node::connect(&server.url(), &prefix, IDLE_SECS).register(&creds, false);
    assert_eq!(node.claim(&creds, Role::Phone).1, Claimed::Away);
    redis::cmd("ACL").arg(&["SETUSER", "half", "allchannels"]).exec(&mut admin).unwrap();
    node.until_available();
    assert_eq!(node.backend().restored(), 1);
    assert_eq!(node.register(&Creds::random(), false), Registered::Made);
    assert!(matches!(node.claim(&creds, Role::Phone).1, Claimed::Granted { replaced: None, .. }));
    assert_eq!(node.backend().status(), &Status::Available);
}

/// Gives a subscriber the first half of a message, and the rest only after its PING.
fn halve(call: Call) -> std::io::Result<()> {
    let Call { asked, mut near, mut far } = call;
    far.write_all(&asked)?;
    let mut said = [0; 4096];
    let confirmed = far.read(&mut said)?;
    near.write_all(&said[..confirmed])?;
    let message = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$10\r\n01234\r\n789\r\n";
    let (first, rest) = message.split_at(message.len() / 2 + 12);
    near.write_all(first)?;
    let count = near.read(&mut said)?;
    assert!(said[..count].windows(4).any(|word| word == b"PING"), "{:?}", &said[..count]);
    near.write_all(rest)?;
    near.write_all(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\nnext\r\n")?;
    near.read(&mut said).map(drop)
}

#[test]
fn a_message_that_stops_halfway_is_waited_for() {
    let server = Server::start(&[]);
    let is_first = AtomicBool::new(true);
    let url = front(&server, move |call| {
        if call.asks("SUBSCRIBE") && is_first.swap(false, Ordering::SeqCst) {
            return halve(call);
        }
        call.pass(u64::MAX)
    });
    let mut node = Node::connect(&url, &fresh_prefix(), IDLE_SECS);
    assert_eq!(node.packet(), b"01234\r\n789");
    assert_eq!(node.packet(), b"next");
    assert_eq!(counts(&mut node).subscribed, 1);
}

/// Fault 35.
#[test]
fn a_subscriber_whose_server_falls_silent_subscribes_again() {
    let server = Server::start(&[]);
    let is_first = AtomicBool::new(true);
    let url = front(&server, move |call| {
        if call.asks("SUBSCRIBE") && is_first.swap(false, Ordering::SeqCst) {
            let Call { asked, mut near, mut far } = call;
            far.write_all(&asked)?;
            let mut said = [0; 4096];
            let confirmed = far.read(&mut said)?;
            near.write_all(&said[..confirmed])?;
            // The connection stays open and silent.
            return std::io::copy(&mut near, &mut std::io::sink()).map(drop);
        }
        call.pass(u64::MAX)
    });
    let mut node = Node::connect(&url, &fresh_prefix(), IDLE_SECS);
    let since = Instant::now();
    until_subscribed(&mut node, 2);
    assert!(since.elapsed() < NOTICED_WITHIN, "{:?}", since.elapsed());
    let own = node.id;
    publish(&mut node, own, b"heard");
    assert_eq!(node.packet(), b"heard");
}
