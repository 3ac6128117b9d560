//! A node that was killed comes back: roles are free, and no client is told of a holder that died with it.

use relay_tests::harness::guard::GUARD;
use relay_tests::harness::redis::Shared;
use relay_tests::harness::relay::fresh_prefix;
use relay_tests::harness::ws::Ws;
use relay_tests::harness::{Event, Options, Pair, Peer, Relay, Relayd, Role};

#[test]
fn with_redis_sessions_outlive_their_node() {
    let (redis, prefix) = (Shared::open(), fresh_prefix());
    let options = Options::new().env("REDIS_URL", redis.url()).arg("--redis-prefix", &prefix);
    let first = Relay::of(vec![Relayd::start_ready(&options)]);
    let Pair { session, workstation, phone } = Pair::link(&first);
    kill(first);
    drop((workstation, phone));
    let second = Relay::of(vec![Relayd::start_ready(&options)]);
    let mut workstation = Peer::join(&second, &session, Role::Workstation);
    assert!(!workstation.ack().flag("peer"), "the phone died with its node");
    // The dead phone is not mentioned.
    workstation.fence();
    let mut phone = Peer::join(&second, &session, Role::Phone);
    workstation.expect(&Event::Joined(0));
    phone.expect(&Event::Joined(0));
    Pair { session, workstation, phone }.expect_alive();
}

#[test]
fn without_redis_the_client_brings_its_session_back() {
    let options = Options::new().arg("--store", "memory");
    let first = Relay::of(vec![Relayd::start_ready(&options)]);
    let Pair { session, .. } = Pair::link(&first);
    kill(first);
    let second = Relay::of(vec![Relayd::start_ready(&options)]);
    let mut ws = Ws::connect(second.addr());
    ws.text(&session.hello(Role::Phone).json());
    ws.expect_close(4401);
    session.register_again(second.addr()).expect(200);
    let workstation = Peer::join(&second, &session, Role::Workstation);
    let phone = Peer::join(&second, &session, Role::Phone);
    Pair::linked(session, workstation, phone).expect_alive();
}

#[test]
fn a_cleanly_stopped_node_gives_its_roles_back() {
    let (redis, prefix) = (Shared::open(), fresh_prefix());
    let options = Options::new().env("REDIS_URL", redis.url()).arg("--redis-prefix", &prefix);
    let mut first = Relay::of(vec![Relayd::start_ready(&options)]);
    let Pair { session, mut workstation, mut phone } = Pair::link(&first);
    first.first().process().signal("TERM");
    workstation.until_closed(1001);
    phone.until_closed(1001);
    first.first().wait_end(GUARD);
    let second = Relay::of(vec![Relayd::start_ready(&options)]);
    // More often than takeovers are allowed, as the roles are empty.
    for _ in 0..7 {
        Peer::join(&second, &session, Role::Phone).leave();
    }
}

fn kill(mut relay: Relay) {
    relay.first().kill();
}
