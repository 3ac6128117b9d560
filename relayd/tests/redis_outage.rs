//! Redis dies or hangs: the backend reports it, keeps what it was told, and recovers. Also a stop meanwhile.

mod common;

use std::time::{Duration, Instant};

use common::{Creds, GUARD, Node, Server, fresh_prefix, release};
use protocol::ids::Role;
use relayd_core::store::{Answer, Checked, Claimed, Hold, Holder, Registered, Request};

const IDLE_SECS: u64 = 3600;

/// Ten times the span in which a hang must be noticed: a second until a PING, and four seconds of waiting for
/// its answer.
const NOTICED_WITHIN: Duration = Duration::from_secs(50);

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
    // The hold that was released meanwhile is not checked, as that would restore it.
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
    // The first is under way when the hang is noticed, the second waits in the queue, the third is cancelled.
    let conns = [node.conn(), node.conn(), node.conn()];
    for conn in conns {
        let Creds { session, token } = creds;
        node.submit(Request::Claim { conn, session, token, role: Role::Phone, instance: None });
    }
    node.backend().cancel(conns[2]);
    // A queued claim is answered after three seconds, a sent one after four.
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
