//! A Redis that dies, hangs, refuses, or is none: the backend says so, loses nothing it was told, and comes back.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::front::{Call, front};
use common::{Creds, GUARD, Node, Server, fresh_prefix};
use protocol::ids::Role;
use relayd::backend::Status;
use relayd_core::store::{Answer, Checked, Claimed, Conn, Expired, Hold, Holder, Registered, Request};

const IDLE_SECS: u64 = 3600;

/// A hang guard of ten times what a hang may go unnoticed: a second until a PING, and four until it is missed.
const NOTICED_WITHIN: Duration = Duration::from_secs(50);

fn release(hold: &Hold) -> Request {
    Request::Release { session: hold.session, role: hold.role, generation: hold.generation }
}

fn holder(node: &Node, hold: &Hold) -> Holder {
    Holder { node: node.id, conn: hold.conn, generation: hold.generation }
}

#[test]
fn a_redis_that_comes_back_empty_is_written_again_from_the_holds() {
    let mut server = Server::start(&[]);
    let prefix = fresh_prefix();
    let mut node = Node::connect(&server.url(), &prefix, IDLE_SECS);
    let creds = Creds::random();
    node.register(&creds, false);
    let hold = node.hold(&creds, Role::Workstation);
    server.kill();
    node.until_away();
    assert_eq!(node.claim(&creds, Role::Phone).1, Claimed::Away, "answered at once");
    assert_eq!(node.register(&Creds::random(), false), Registered::Away);
    server.restart();
    node.until_available();
    assert_eq!(node.backend().restored(), 2);
    assert_eq!(node.check(hold), Checked::Held { peer: None });
    match node.claim(&creds, Role::Phone).1 {
        Claimed::Granted { peer, .. } => assert_eq!(peer, Some(holder(&node, &hold))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_redis_that_comes_back_with_its_data_still_knows_all() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut node = Node::connect(&server.url(), &fresh_prefix(), IDLE_SECS);
    let (kept, ended) = (Creds::random(), Creds::random());
    for creds in [kept, ended] {
        node.register(&creds, false);
    }
    let (hold, gone) = (node.hold(&kept, Role::Phone), node.hold(&ended, Role::Phone));
    let ticket = node.conn();
    node.ask(Request::Delete { ticket, session: ended.session, token: None });
    server.kill();
    node.until_away();
    server.restart();
    node.until_available();
    assert_eq!(node.check(hold), Checked::Held { peer: None });
    assert!(matches!(node.check(gone), Checked::Killed { .. }), "what was deleted stays dead");
    assert_eq!(node.register(&ended, true), Registered::WasDeleted);
}

#[test]
fn what_is_told_in_an_outage_arrives_after_it() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let prefix = fresh_prefix();
    let [mut node, mut other] = [(), ()].map(|()| Node::connect(&server.url(), &prefix, IDLE_SECS));
    let creds = Creds::random();
    node.register(&creds, false);
    let (left, stays) = (node.hold(&creds, Role::Workstation), node.hold(&creds, Role::Phone));
    server.kill();
    node.until_away();
    other.until_away();
    node.submit(Request::Check { hold: left });
    node.submit(Request::Check { hold: stays });
    node.submit(release(&left));
    server.restart();
    // The check of the hold that was released since is not made: it would bring the hold back.
    match node.answer() {
        Answer::Checked { role, outcome, .. } => {
            assert_eq!((role, outcome), (Role::Phone, Checked::Held { peer: None }));
        }
        answer => panic!("{answer:?}"),
    }
    other.until_available();
    match other.claim(&creds, Role::Workstation).1 {
        Claimed::Granted { replaced, peer, .. } => {
            assert_eq!((replaced, peer), (None, Some(holder(&node, &stays))));
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn a_redis_that_hangs_is_away_and_everybody_is_answered() {
    let server = Server::start(&[]);
    let mut node = Node::connect(&server.url(), &fresh_prefix(), IDLE_SECS);
    let creds = Creds::random();
    node.register(&creds, false);
    server.signal("STOP");
    let since = Instant::now();
    // The first is under way when the hang shows, the second waits behind it, the third is cancelled.
    let conns = [node.conn(), node.conn(), node.conn()];
    for conn in conns {
        let Creds { session, token } = creds;
        node.submit(Request::Claim { conn, session, token, role: Role::Phone, instance: None });
    }
    node.backend().cancel(conns[2]);
    // Who waits in the queue is told after three seconds, who was sent after four.
    let mut answered = [node.answer(), node.answer()].map(|answer| match answer {
        Answer::Claimed { conn, outcome: Claimed::Away, .. } => conn,
        other => panic!("{other:?}"),
    });
    answered.sort_unstable();
    assert_eq!(answered, conns[..2]);
    let reason = node.until_away();
    assert!(reason.contains("does not answer"), "{reason}");
    assert!(since.elapsed() < NOTICED_WITHIN, "{:?}", since.elapsed());
    server.signal("CONT");
    node.until_available();
    assert!(matches!(node.claim(&creds, Role::Workstation).1, Claimed::Granted { .. }));
}

#[test]
fn a_hang_shows_though_nobody_asks() {
    let server = Server::start(&[]);
    let mut node = Node::connect(&server.url(), &fresh_prefix(), IDLE_SECS);
    let since = Instant::now();
    redis::cmd("CLIENT").arg("PAUSE").arg(60_000).exec(&mut server.connection()).unwrap();
    node.until_away();
    assert!(since.elapsed() < NOTICED_WITHIN, "{:?}", since.elapsed());
}

#[test]
fn who_leaves_and_comes_back_takes_over_nobody_though_redis_is_slow() {
    let server = Server::start(&[]);
    let mut node = Node::connect(&server.url(), &fresh_prefix(), IDLE_SECS);
    let creds = Creds::random();
    node.register(&creds, false);
    let hold = node.hold(&creds, Role::Phone);
    server.signal("STOP");
    // Goes out alone; what follows waits behind it, and a queued claim goes before what is merely dirty.
    node.submit(Request::Expire { session: creds.session });
    node.submit(release(&hold));
    let (conn, Creds { session, token }) = (node.conn(), creds);
    node.submit(Request::Claim { conn, session, token, role: Role::Phone, instance: None });
    server.signal("CONT");
    assert!(matches!(node.answer(), Answer::Expired { outcome: Expired::Alive { .. }, .. }));
    match node.answer() {
        Answer::Claimed { outcome: Claimed::Granted { replaced, .. }, .. } => assert_eq!(replaced, None),
        other => panic!("{other:?}"),
    }
}

/// Fault 61: Redis has forgotten some of the scripts.
/// Played: `SCRIPT FLUSH`, then a claim; then a release and a claim at once.
/// Holds: A client that comes back evicts no connection.
#[test]
fn scripts_that_the_server_forgot_in_part_carry_nothing_out_of_turn() {
    let server = Server::start(&[]);
    let mut node = Node::connect(&server.url(), &fresh_prefix(), IDLE_SECS);
    let (creds, other) = (Creds::random(), Creds::random());
    node.register(&creds, false);
    let hold = node.hold(&creds, Role::Phone);
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.connection()).unwrap();
    // Known again: the script that claims. Not: the one that releases.
    assert_eq!(node.claim(&other, Role::Phone).1, Claimed::Unauthorized);
    server.signal("STOP");
    node.submit(Request::Expire { session: creds.session });
    node.submit(release(&hold));
    let (conn, Creds { session, token }) = (node.conn(), creds);
    node.submit(Request::Claim { conn, session, token, role: Role::Phone, instance: None });
    server.signal("CONT");
    assert!(matches!(node.answer(), Answer::Expired { outcome: Expired::Alive { .. }, .. }));
    match node.answer() {
        Answer::Claimed { outcome: Claimed::Granted { replaced, .. }, .. } => assert_eq!(replaced, None),
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_than_can_wait_is_refused_and_not_kept() {
    let server = Server::start(&[]);
    let mut node = Node::connect(&server.url(), &fresh_prefix(), IDLE_SECS);
    server.signal("STOP");
    for _ in 0..6000 {
        let (ticket, Creds { session, token }) = (node.conn(), Creds::random());
        node.submit(Request::Register { ticket, session, token, again: false });
    }
    let mut refused = 0;
    while let Some(answer) = node.drain() {
        assert!(matches!(answer, Answer::Registered { outcome: Registered::Away, .. }), "{answer:?}");
        refused += 1;
    }
    assert!((1000..6000).contains(&refused), "{refused}");
    server.signal("CONT");
    for _ in refused..6000 {
        assert!(matches!(node.answer(), Answer::Registered { .. }), "what waited is answered, each once");
    }
    assert_eq!(node.drain(), None);
}

/// Fault 54.
#[test]
fn a_full_redis_refuses_new_sessions_and_open_ones_go_on() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let prefix = fresh_prefix();
    let mut node = Node::connect(&server.url(), &prefix, IDLE_SECS);
    let (open, lost) = (Creds::random(), Creds::random());
    node.register(&open, false);
    let first = node.hold(&open, Role::Phone);
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).exec(&mut server.connection()).unwrap();
    let reason = node.until_full();
    assert!(reason.contains("OOM") && reason.contains("maxmemory"), "{reason}");
    assert_eq!(node.register(&Creds::random(), false), Registered::Full);
    let second = node.hold(&open, Role::Phone);
    assert_eq!(node.check(first), Checked::Replaced);
    assert_eq!(
        node.check(Hold { generation: second.generation + 1, ..second }),
        Checked::Held { peer: None }
    );
    node.tell(Request::Touch { session: open.session, idle_ms: 0 });
    assert!(matches!(node.expire(open.session), Expired::Alive { .. }));
    let nothing = Hold { session: lost.session, token: lost.token, ..second };
    assert_eq!(node.check(nothing), Checked::Away, "no room to write again");
    let ticket = node.conn();
    let deleted = node.ask(Request::Delete { ticket, session: open.session, token: None });
    assert!(format!("{deleted:?}").contains("Gone"), "{deleted:?}");
    // One that starts now serves open sessions too.
    let mut late = Node::dial(&server.url(), &prefix, IDLE_SECS);
    late.until_full();
    assert!(matches!(late.check(Hold { generation: 1, ..second }), Checked::Killed { .. }));
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).exec(&mut server.connection()).unwrap();
    node.until_available();
    assert_eq!(node.register(&Creds::random(), false), Registered::Made);
    assert_eq!(node.backend().restored(), 1, "it was never away");
}

#[test]
fn a_wrong_password_is_a_reason_that_does_not_tell_it() {
    let server = Server::start(&["--requirepass", "opensesame"]);
    let at = |credentials: &str| server.url().replace("redis://", &format!("redis://{credentials}"));
    let mut wrong = Node::dial(&at(":hunter2@"), &fresh_prefix(), IDLE_SECS);
    let reason = wrong.until_away_for("assword");
    assert!(!reason.contains("hunter2"), "{reason}");
    let mut none = Node::dial(&server.url(), &fresh_prefix(), IDLE_SECS);
    none.until_away_for("NOAUTH");
    Node::connect(&at(":opensesame@"), &fresh_prefix(), IDLE_SECS);
}

#[test]
fn a_replica_is_away_until_it_is_promoted() {
    let server = Server::start(&[]);
    let mut node = Node::connect(&server.url(), &fresh_prefix(), IDLE_SECS);
    let mut admin = server.connection();
    // Nobody listens there: it stays a replica without a primary.
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec(&mut admin).unwrap();
    assert_eq!(node.register(&Creds::random(), false), Registered::Away);
    let reason = node.until_away();
    assert!(reason.contains("READONLY") || reason.contains("MASTERDOWN"), "{reason}");
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut admin).unwrap();
    node.until_available();
}

/// Fault 33.
#[test]
fn a_refused_first_dial_does_not_end_the_retry() {
    let mut server = Server::start(&[]);
    server.kill();
    let mut node = Node::dial(&server.url(), &fresh_prefix(), IDLE_SECS);
    node.until_away_for("refused");
    server.restart();
    node.until_available();
    assert_eq!(node.backend().restored(), 1);
}

#[test]
fn stopping_sends_the_releases_first() {
    let server = Server::start(&[]);
    let prefix = fresh_prefix();
    let [mut node, mut other] = [(), ()].map(|()| Node::connect(&server.url(), &prefix, IDLE_SECS));
    let all: Vec<Creds> = (0..1000).map(|_| Creds::random()).collect();
    for creds in &all {
        node.register(creds, false);
    }
    let holds: Vec<Hold> = all.iter().map(|creds| node.hold(creds, Role::Phone)).collect();
    holds.iter().for_each(|hold| node.submit(release(hold)));
    node.stop(GUARD);
    for creds in &all {
        match other.claim(creds, Role::Phone).1 {
            Claimed::Granted { replaced, .. } => assert_eq!(replaced, None),
            outcome => panic!("{outcome:?}"),
        }
    }
}

#[test]
fn stopping_does_not_wait_for_a_redis_that_hangs() {
    let server = Server::start(&[]);
    let mut node = Node::connect(&server.url(), &fresh_prefix(), IDLE_SECS);
    server.signal("STOP");
    node.submit(Request::Touch { session: Creds::random().session, idle_ms: 0 });
    let since = Instant::now();
    node.stop(Duration::from_millis(300));
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

/// A server that says one thing to whoever connects, and counts them.
fn says(line: &'static [u8]) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://:hunter2@{}", listener.local_addr().unwrap());
    let dialed = Arc::new(AtomicU32::new(0));
    let count = dialed.clone();
    // Ends with the test program.
    thread::spawn(move || {
        for socket in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            // The backend may hang up first.
            let _ = socket.and_then(|socket| say(socket, line));
        }
    });
    (url, dialed)
}

fn say(mut socket: TcpStream, line: &[u8]) -> std::io::Result<()> {
    let mut asked = [0; 4096];
    if socket.read(&mut asked)? > 0 {
        socket.write_all(line)?;
    }
    Ok(())
}

/// Fault 39.
#[test]
fn whatever_a_server_says_instead_it_is_away_and_not_dialed_in_a_loop() {
    let lines: [(&'static [u8], &str); 8] = [
        (b"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
        (b"+OK\r\n-MASTERDOWN Link with MASTER is down\r\n", "MASTERDOWN"),
        (b"-ERR max number of clients reached\r\n", ""),
        (b"-ERR unknown command 'AUTH' with args beginning with: 'hunter2'\r\n", ""),
        (b"+OK\r\n+hunter2\r\n", "check that REDIS_URL names a Redis"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ""),
        (b"*99999999999\r\n", ""),
        (b"", ""),
    ];
    // Before the first dial: this process may stand still between it and the last.
    let since = Instant::now();
    let mut nodes: Vec<_> = lines
        .iter()
        .map(|(line, word)| {
            let (url, dialed) = says(line);
            (Node::dial(&url, &fresh_prefix(), IDLE_SECS), dialed, *word)
        })
        .collect();
    for (node, dialed, word) in &mut nodes {
        let reason = node.until_away_for(word);
        assert!(!reason.contains("hunter2"), "{reason}");
        while dialed.load(Ordering::SeqCst) < 4 {
            assert!(since.elapsed() < GUARD, "it gave up: {reason}");
            thread::yield_now();
        }
    }
    for (_, dialed, word) in &nodes {
        // Of each of the three connections at most one each 50 ms, and fewer as it goes on.
        let most = 3 * (2 + since.elapsed().as_millis() / 50);
        assert!(u128::from(dialed.load(Ordering::SeqCst)) <= most, "{word}");
    }
}

/// A front that cuts the node's first connection for commands after some bytes of what Redis says, and none after it.
fn cut_after(server: &Server, bytes: u64) -> String {
    let is_cut = AtomicBool::new(false);
    front(server, move |call| match call.asks("PING") && !is_cut.swap(true, Ordering::SeqCst) {
        true => call.pass(bytes),
        false => call.pass(u64::MAX),
    })
}

/// Fault 39.
#[test]
fn replies_cut_at_any_byte_are_an_outage_and_no_more() {
    let server = Server::start(&[]);
    let next = AtomicU64::new(0);
    // Each outage is mostly a wait.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let prefix = fresh_prefix();
                let mut other = Node::connect(&server.url(), &prefix, IDLE_SECS);
                loop {
                    let bytes = next.fetch_add(1, Ordering::SeqCst);
                    if bytes >= SETUP_BYTES + 120 {
                        return;
                    }
                    let creds = Creds::random();
                    other.register(&creds, false);
                    overcome_cut_after(&server, &prefix, &creds, bytes);
                }
            });
        }
    });
}

/// What Redis says until a connection for commands is of use: to PING, to a write, to what the bus needs, to the probe, to each script that it
/// is to keep, to each script for a key of nobody's (a granted claim and a delete name a holder), and to the probe again.
const SETUP_BYTES: u64 = b"+PONG\r\n:0\r\n:0\r\n+OK\r\n*0\r\n".len() as u64
    + 8 * (b"$40\r\n\r\n".len() as u64 + 40)
    + b"*1\r\n$4\r\nmade\r\n*9\r\n$7\r\ngranted\r\n$1\r\n0\r\n".len() as u64
    + b"*1\r\n$8\r\nreplaced\r\n:1\r\n:1\r\n*2\r\n$5\r\nalive\r\n$7\r\n3600000\r\n".len() as u64
    + b"*7\r\n$4\r\ngone\r\n$1\r\n0\r\n*0\r\n".len() as u64
    + 2 * (b"$16\r\n\r\n".len() as u64 + 16)
    + (b"$32\r\n\r\n".len() as u64 + 32)
    + 9 * b"$0\r\n\r\n".len() as u64;

fn overcome_cut_after(server: &Server, prefix: &str, creds: &Creds, bytes: u64) {
    let mut node = Node::dial(&cut_after(server, bytes), prefix, IDLE_SECS);
    node.until_available();
    if bytes < SETUP_BYTES {
        // The one that was cut was never of use: this is the second already.
        assert_eq!(node.backend().restored(), 1, "cut after {bytes}");
    } else {
        claim_until_away(&mut node, creds, bytes);
        node.until_available();
    }
    match node.claim(creds, Role::Workstation).1 {
        Claimed::Granted { replaced, .. } => assert_eq!(replaced, None, "cut after {bytes}"),
        other => panic!("{other:?} after the cut after {bytes}"),
    }
}

fn claim_until_away(node: &mut Node, creds: &Creds, bytes: u64) {
    let conn: Conn = node.conn();
    let Creds { session, token } = *creds;
    let claim = Request::Claim { conn, session, token, role: Role::Phone, instance: None };
    let mut outcomes = Vec::new();
    while node.backend().status() == &Status::Available {
        match node.ask(claim) {
            Answer::Claimed { outcome, .. } => outcomes.push(outcome),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(outcomes.last(), Some(&Claimed::Away), "cut after {bytes}");
}

/// A front that gives each command this answer, on connections that stay open, while `is_refusing`; and counts them.
fn refusing(server: &Server, line: &'static str, is_refusing: &Arc<AtomicBool>) -> (String, Arc<AtomicU32>) {
    let dialed = Arc::new(AtomicU32::new(0));
    let (count, is_refusing) = (dialed.clone(), is_refusing.clone());
    let url = front(server, move |call| {
        count.fetch_add(1, Ordering::SeqCst);
        pass_or_refuse(call, line, &is_refusing)
    });
    (url, dialed)
}

fn pass_or_refuse(call: Call, line: &str, is_refusing: &AtomicBool) -> std::io::Result<()> {
    let Call { mut asked, mut near, mut far } = call;
    let (mut said, mut to_near) = (far.try_clone()?, near.try_clone()?);
    thread::spawn(move || std::io::copy(&mut said, &mut to_near));
    let mut more = vec![0; 64 << 10];
    while !asked.is_empty() {
        if is_refusing.load(Ordering::SeqCst) {
            near.write_all(line.repeat(commands(&asked)).as_bytes())?;
        } else {
            far.write_all(&asked)?;
        }
        let count = near.read(&mut more)?;
        asked = more[..count].to_vec();
    }
    Ok(())
}

/// How many commands begin in these bytes.
fn commands(bytes: &[u8]) -> usize {
    usize::from(bytes.starts_with(b"*")) + bytes.windows(3).filter(|three| *three == b"\r\n*").count()
}

/// Fault 39.
#[test]
fn an_error_that_is_all_that_is_said_any_more_is_an_outage_and_no_more() {
    let server = Server::start(&[]);
    let is_refusing = Arc::new(AtomicBool::new(false));
    let errors = [
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-READONLY You can't write against a read only replica.\r\n",
        "-NOAUTH Authentication required.\r\n",
        "-ERR max number of clients reached\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
    ];
    let mut nodes = errors.map(|line| {
        let (url, dialed) = refusing(&server, line, &is_refusing);
        (Node::connect(&url, &fresh_prefix(), IDLE_SECS), dialed, line)
    });
    is_refusing.store(true, Ordering::SeqCst);
    let since = Instant::now();
    for (node, dialed, line) in &mut nodes {
        let (word, _) = line[1..].split_once(' ').unwrap();
        let reason = node.until_away_for(word);
        let dialed_before = dialed.load(Ordering::SeqCst);
        while dialed.load(Ordering::SeqCst) < dialed_before + 4 {
            assert!(since.elapsed() < GUARD, "it gave up: {reason}");
            thread::yield_now();
        }
    }
    for (_, dialed, line) in &nodes {
        // Of each of the three connections at most one each 25 ms, the shortest wait, and fewer as it goes on.
        let most = 3 * (3 + since.elapsed().as_millis() / 25);
        assert!(u128::from(dialed.load(Ordering::SeqCst)) <= most, "{line}");
    }
    is_refusing.store(false, Ordering::SeqCst);
    for (node, _, _) in &mut nodes {
        node.until_available();
        assert_eq!(node.register(&Creds::random(), false), Registered::Made);
    }
}
