//! A Redis that listens at the path of a Unix socket, and on no port.

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::{fetch, post};
use relay_tests::harness::redis::Redis;
use relay_tests::harness::{Fleet, Options, Pair, Relay, Relayd, Role, Talking};

use crate::redis_table::was_never_away;

fn started() -> Redis {
    let mut redis = Redis::absent_at_socket();
    redis.restart();
    redis
}

fn options(redis: &Redis) -> Options {
    Options::new().env("REDIS_URL", &redis.url())
}

#[test]
fn a_pair_on_two_nodes_talks_over_it() {
    let redis = started();
    let fleet = Fleet::on(2, &options(&redis));
    let mut talk = fleet.talk(0, 1);
    // More than the socket takes at once.
    for length in [0, 300, 20_000, 200_000] {
        talk.send(8, length);
        talk.settle();
    }
    talk.assert_undisturbed();
    assert!(talk.heard(Role::Phone) >= 32);
    for node in [0, 1] {
        post(fleet.addr(node), "/api/register", "").expect(200);
        was_never_away(fleet.node(node));
    }
}

#[test]
fn a_missing_socket_is_named_and_dialed_until_it_exists() {
    let mut redis = Redis::absent_at_socket();
    // A database number makes the node send SELECT.
    let url = format!("{}?db=1", redis.url());
    let relay = Relay::of(vec![Relayd::start(&Options::new().env("REDIS_URL", &url))]);
    refused(relay.node(), &redis, "No such file or directory");
    redis.restart();
    relay.node().wait_ready(200);
    Pair::link(&relay).expect_alive();
    // The file stays, and no server listens there.
    redis.kill();
    refused(relay.node(), &redis, "Connection refused");
    redis.restart();
    relay.node().wait_ready(200);
    Pair::link(&relay).expect_alive();
}

fn refused(node: &Relayd, redis: &Redis, why: &str) {
    fetch(node.addr(), "/health").expect(200);
    let path = redis.socket();
    read_until(&format!("/ready to name {path}: {why}"), || {
        let ready = fetch(node.addr(), "/ready");
        let said = ready.text();
        (ready.status == 503 && said.contains(&path) && said.contains(why)).then_some(())
    });
    let told = node.log().wait_for("line that names the socket", |line| {
        (line.contains(&path) && line.contains(why)).then_some(())
    });
    assert!(told.is_some(), "{}", node.log().text());
}

#[test]
fn a_hang_ends_in_timeouts_and_not_in_losses() {
    let redis = started();
    let fleet = Fleet::on(2, &options(&redis));
    let talking = Talking::start(fleet.talks(4));
    redis.process().signal("STOP");
    fleet.node(0).wait_ready(503);
    redis.process().signal("CONT");
    fleet.wait_ready();
    for talk in &mut talking.done() {
        talk.settle();
        assert!(talk.heard(Role::Workstation) > 0);
    }
}
