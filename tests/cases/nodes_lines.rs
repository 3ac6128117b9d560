//! The lines between nodes and Redis break one by one. Nodes that still reach Redis go on, pairs on one node
//! never notice, and once the lines work again all pairs are linked without a new connection.

use std::time::{Duration, Instant};

use relay_tests::harness::guard::{let_pass, read_until};
use relay_tests::harness::http::ask_until_served;
use relay_tests::harness::log_texts::SUBSCRIBES_AGAIN;
use relay_tests::harness::redis::{Keep, connect};
use relay_tests::harness::{Behaviour, Fleet, Options, Role, Session, Talk, Talking};

const NODES: usize = 3;

/// Pairs between any two of three nodes, and one on each, in this order.
fn talks(fleet: &Fleet) -> Vec<Talk> {
    let remote = (0..NODES).map(|at| fleet.talk(at, (at + 1) % NODES));
    remote.chain((0..NODES).map(|at| fleet.talk(at, at))).collect()
}

/// The pair between the two nodes that a fault of [`LINE`] does not affect.
const UNBROKEN: usize = 2;
/// The line that is broken, if only one of three is.
const LINE: usize = 1;

/// [`overcome`] for a fault of [`LINE`] alone: the pair between the other two nodes is told nothing.
fn overcome_one(break_and_mend: impl FnOnce(&mut Fleet)) -> Vec<Talk> {
    let talks = overcome(break_and_mend);
    talks[UNBROKEN].assert_undisturbed();
    talks
}

/// Breaks something under traffic and repairs it. Afterwards no connection was lost, pairs on one node were
/// told nothing, and all pairs are settled.
fn overcome(break_and_mend: impl FnOnce(&mut Fleet)) -> Vec<Talk> {
    let mut fleet = Fleet::start_apart(NODES, Keep::Nothing, &Options::new());
    let talking = Talking::start(talks(&fleet));
    break_and_mend(&mut fleet);
    fleet.wait_ready();
    let mut talks = talking.done();
    for talk in &mut talks {
        talk.settle();
        assert!(Role::BOTH.iter().all(|&role| !talk.is_cut(role)), "{}", talk.state());
    }
    talks[NODES..].iter().for_each(Talk::assert_undisturbed);
    talks
}

/// Fault 36: Some nodes reach Redis, and others do not.
/// Played: A proxy for each of three nodes. Soak: at random.
/// Holds: Nodes that reach Redis stay ready. No client is closed, and a pair on two such nodes is told
/// nothing. The links come back without a new connection.
#[test]
fn one_node_alone_reaches_redis() {
    overcome(|fleet| {
        [1, 2].iter().for_each(|&cut_off| fleet.line(cut_off).behave(Behaviour::Stall));
        [1, 2].iter().for_each(|&cut_off| fleet.node(cut_off).wait_ready(503));
        fleet.node(0).wait_ready(200);
        [1, 2].iter().for_each(|&cut_off| fleet.line(cut_off).behave(Behaviour::Clear));
    });
}

/// Fault 36.
#[test]
fn one_node_alone_does_not_reach_redis() {
    overcome_one(|fleet| {
        fleet.line(LINE).behave(Behaviour::Refuse);
        fleet.line(LINE).reset();
        fleet.node(LINE).wait_ready(503);
        [0, 2].iter().for_each(|&other| fleet.node(other).wait_ready(200));
        fleet.line(LINE).behave(Behaviour::Clear);
    });
}

/// The other nodes give up a node that is away for this long. Its pairs are linked again as soon as it is
/// back, whichever node had asked for the link.
///
/// Fault 36.
#[test]
fn pairs_of_a_node_that_was_given_up_are_linked_again_at_once() {
    let fleet = Fleet::start_apart(2, Keep::Nothing, &Options::new().env("RELAY_LOG", "debug"));
    let mut talks: Vec<Talk> = (0..5).map(|_| phone_first(&fleet)).collect();
    fleet.line(1).behave(Behaviour::Refuse);
    fleet.line(1).reset();
    let given_up = |line: &str| line.contains("\"silent\"").then_some(());
    fleet.node(0).log().wait_for("end of the stream", given_up).expect("a node that runs");
    fleet.line(1).behave(Behaviour::Clear);
    fleet.wait_ready();
    let healed_at = Instant::now();
    talks.iter_mut().for_each(Talk::settle);
    // Measured: a second. If the node did nothing itself, they would wait for the next comparison of all
    // roles, every 30 s.
    assert!(healed_at.elapsed() < Duration::from_secs(15), "linked again after {:?}", healed_at.elapsed());
}

/// The node of the end that joins second asks for the link: here the workstation's.
fn phone_first(fleet: &Fleet) -> Talk {
    let mut talk = Talk::apart(Session::register_at(fleet.addr(0)));
    talk.join(Role::Phone, fleet.addr(1));
    talk.join(Role::Workstation, fleet.addr(0));
    talk.settle();
    talk
}

/// Fault 35: A node can send to Redis and receives nothing.
/// Played: A proxy before Redis passes one direction only: for six seconds, and until the node notices.
/// Holds: The node declares no other node dead, and is not ready. No client is closed, and the pair on the
/// two other nodes is told nothing. The links come back without a new connection.
#[test]
fn one_node_can_send_and_hears_nothing() {
    overcome_one(|fleet| {
        fleet.line(LINE).behave(Behaviour::Deaf);
        fleet.node(LINE).wait_ready(503);
        fleet.line(LINE).behave(Behaviour::Clear);
    });
}

/// For longer than another node may be silent, and too short to subscribe again. A node that does not hear
/// its own probe declares no other node silent.
///
/// Fault 35.
#[test]
fn a_node_that_hears_nothing_declares_no_node_dead() {
    let talks = overcome_one(|fleet| {
        fleet.line(LINE).behave(Behaviour::Deaf);
        let_pass(Duration::from_secs(6));
        fleet.line(LINE).behave(Behaviour::Clear);
    });
    // The phone of the first pair and the workstation of the second are the ones that it serves.
    assert_eq!(talks[0].told_left(Role::Phone), 0, "{}", talks[0].state());
    assert_eq!(talks[1].told_left(Role::Workstation), 0, "{}", talks[1].state());
}

/// Fault 39: Replies of Redis are cut, or are errors.
/// Played: Cut at every byte. -LOADING, -READONLY, -OOM, -NOAUTH, -MASTERDOWN and "too many clients" as the
/// answer to everything, on connections that stay open. Garbage.
/// Holds: The store is away and comes back, and is not dialed in a tight loop.
#[test]
fn a_line_may_be_cut_at_any_byte() {
    overcome(|fleet| {
        for count in [1, 2, 15, 100, 1000, 5000] {
            let before = fleet.line(0).counts().cut;
            fleet.line(0).cut_after(count);
            read_until("the cut", || (fleet.line(0).counts().cut > before).then_some(()));
            fleet.line(0).cut_no_more();
            fleet.node(0).wait_ready(200);
        }
    });
}

/// A node that only writes is not told that the other side stopped reading. The line still takes what the
/// node sends, and drops it.
///
/// Fault 39.
#[test]
fn a_node_that_only_sends_notices_the_end_of_its_line() {
    overcome_one(|fleet| {
        fleet.line(LINE).cut();
        let log = fleet.node(LINE).log();
        let is_noticed = |line: &str| line.contains("nothing can be sent to other nodes").then_some(());
        log.wait_for("end of the line", is_noticed).expect("a node that runs");
        // Not by its own probe, which takes ten seconds.
        assert!(!log.text().contains(SUBSCRIBES_AGAIN), "{}", log.text());
    });
}

/// Fault 40.
#[test]
fn a_redis_that_is_far_away_only_takes_longer() {
    let far = Behaviour::Delay(Duration::from_millis(20));
    let talks = overcome(|fleet| {
        (0..NODES).for_each(|at| fleet.line(at).behave(far));
        let mut talk = fleet.talk(0, 1);
        for _ in 0..20 {
            talk.send(64, 1000);
            talk.settle();
        }
        talk.assert_undisturbed();
        assert_eq!(talk.sent(Role::Phone), talk.heard(Role::Workstation));
    });
    talks.iter().for_each(Talk::assert_undisturbed);
}

/// Fault 37: Redis disconnects a subscriber whose output buffer is full.
/// Played: The limit is smaller than one batch.
/// Holds: The node subscribes again, no link ends, and what was missed is sent again.
#[test]
fn a_subscriber_that_redis_disconnects_gets_what_it_missed() {
    let talks = overcome(|fleet| {
        let limit = |fleet: &mut Fleet, limit: &str| {
            let words = ["SET", "client-output-buffer-limit", limit];
            redis::cmd("CONFIG").arg(&words).exec(&mut connect(&fleet.redis().url())).unwrap();
        };
        let subscribers = |fleet: &mut Fleet| {
            let mut connection = connect(&fleet.redis().url());
            let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut connection).unwrap();
            let lines = clients.lines().filter(|line| line.contains(" sub=1 "));
            lines.map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let before = subscribers(fleet);
        assert_eq!(before.len(), NODES, "each node subscribes once");
        // A single batch of these frames is more than Redis may buffer for a subscriber.
        limit(fleet, "pubsub 600 0 0");
        let mut talk = fleet.talk(0, 1);
        talk.send(64, 1000);
        read_until("a subscriber to be cut", || {
            subscribers(fleet).iter().any(|id| !before.contains(id)).then_some(())
        });
        limit(fleet, "pubsub 33554432 8388608 60");
        talk.settle();
        talk.assert_undisturbed();
    });
    // No link ended, so no frame may be missing: what was cut off was sent again.
    talks.iter().for_each(Talk::assert_undisturbed);
}

/// Redis ends the session, and its answer is lost. A second DELETE makes the node tell the others.
#[test]
fn after_a_delete_whose_answer_was_lost_a_second_one_tells_the_ends() {
    let fleet = Fleet::start_apart(2, Keep::Nothing, &Options::new());
    let mut talk = fleet.talk(1, 1);
    fleet.line(0).behave(Behaviour::Deaf);
    talk.expect_end();
    talk.session().delete(fleet.addr(0)).expect(503);
    fleet.line(0).behave(Behaviour::Clear);
    ask_until_served(|| talk.session().delete(fleet.addr(0))).expect(404);
    talk.hear_until("the end at both", |talk| Role::BOTH.iter().all(|&role| talk.is_cut(role)));
    assert!(Role::BOTH.iter().all(|&role| talk.closed_by(role) == Some(4410)), "{}", talk.state());
}
