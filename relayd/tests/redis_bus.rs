//! Two backends on one Redis pass packets to each other, and do so again after whatever happens to their connections.

mod common;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::front::{Call, front};
use common::{Creds, GUARD, Node, Server, fresh_prefix};
use protocol::ids::{NodeId, Role};
use relayd::backend::{BusCounts, PACKET_BYTES_MAX, Status};
use relayd_core::store::{Claimed, Registered};

const IDLE_SECS: u64 = 3600;

/// A call that takes this long has blocked. A thread that is not scheduled for as long would be a surprise.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A hang guard of ten times what the silence of a subscriber's server may go unnoticed.
const NOTICED_WITHIN: Duration = Duration::from_secs(50);

fn node(server: &Server, prefix: &str) -> Node {
    let mut node = Node::connect(&server.url(), prefix, IDLE_SECS);
    node.until_bus(true);
    node
}

fn pair(server: &Server) -> (Node, Node) {
    let prefix = fresh_prefix();
    (node(server, &prefix), node(server, &prefix))
}

fn publish(from: &mut Node, to: NodeId, packet: &[u8]) -> bool {
    let since = Instant::now();
    let is_taken = from.backend().publish(to, packet);
    assert!(since.elapsed() < AT_ONCE, "publishing took {:?}", since.elapsed());
    is_taken
}

fn counts(node: &mut Node) -> BusCounts {
    node.backend().bus_counts()
}

/// Waits until the counts say so: a thread counts what it has done already.
fn until_counts(node: &mut Node, is_so: impl Fn(&BusCounts) -> bool) -> BusCounts {
    let deadline = Instant::now() + GUARD;
    loop {
        let counts = counts(node);
        if is_so(&counts) {
            return counts;
        }
        assert!(Instant::now() < deadline, "{counts:?}");
        thread::yield_now();
    }
}

/// Publishes until one packet came through: the first ones may go into a connection that is gone.
fn until_heard(from: &mut Node, to: &mut Node) {
    let deadline = Instant::now() + GUARD;
    for try_number in 0_u64.. {
        assert!(Instant::now() < deadline, "no packet comes through: {:?} {:?}", counts(from), counts(to));
        publish(from, to.id, format!("try {try_number}").as_bytes());
        let Some(packet) = to.packet_until(Instant::now() + Duration::from_millis(100)) else { continue };
        assert!(packet.starts_with(b"try "), "{packet:?}");
        // Those of the earlier tries that are late.
        let last = format!("try {try_number}").into_bytes();
        let mut packet = Some(packet);
        while packet.is_some_and(|packet| packet != last) {
            packet = to.packet_until(Instant::now() + Duration::from_millis(100));
        }
        return;
    }
}

/// Numbered, so that order shows, and of a length that depends on the number.
fn numbered(number: usize) -> Vec<u8> {
    let mut packet = vec![number as u8; number * 31 % 5000];
    packet.extend_from_slice(&number.to_be_bytes());
    packet
}

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
    // A mebibyte at once, both ways, and nobody reads meanwhile.
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
        // Half of it, so that packets wait at either end.
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

/// Publishes until packets are dropped for want of a connection.
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
    // Nobody listens there: it stays a replica without a primary.
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
    // It is asked at most once a second, behind what is published.
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
    // One packet is more than that.
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
    // What was published before is on its way until the last of it has come.
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

/// Gives a subscriber the first half of a message, and the rest only when it asks whether anybody is there.
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
            // Held open, and not a word more.
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
