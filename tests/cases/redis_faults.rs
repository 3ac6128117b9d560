//! Redis hangs with its sockets open: nothing blocks for good, and pairs on one node do not notice.

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::{Http, ask_until_served, post, request};
use relay_tests::harness::redis::{Keep, Redis, connect};
use relay_tests::harness::sequence::{Checker, Numbered};
use relay_tests::harness::{Bystander, Event, Options, Pair, Peer, Relay, Relayd, Role, Session};

fn node(redis: &Redis) -> Relay {
    Relay::of(vec![Relayd::start_ready(&Options::new().env("REDIS_URL", &redis.url()))])
}

/// Fault 34: Redis hangs.
/// Played: SIGSTOP, with its sockets open.
/// Holds: The relay notices, and nothing blocks. Frames between nodes wait.
#[test]
fn a_redis_that_hangs_is_noticed_and_does_not_affect_local_pairs() {
    let redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let bystander = Bystander::start(&relay);
    let mut pair = Pair::link(&relay);
    redis.process().signal("STOP");
    let mut numbered = Numbered::new(&pair.session, Role::Workstation);
    let mut checker = Checker::new(&pair.session, Role::Workstation);
    for _ in 0..2000 {
        pair.workstation.text(&numbered.text(500));
        let Event::Text(text) = pair.phone.event() else { panic!("no frame") };
        checker.take(&text);
    }
    relay.node().wait_ready(503);
    post(relay.addr(), "/api/register", "").expect(503);
    pair.expect_alive();
    redis.process().signal("CONT");
    relay.node().wait_ready(200);
    post(relay.addr(), "/api/register", "").expect(200);
    pair.expect_alive();
    bystander.done();
}

#[test]
fn a_request_caught_by_the_hang_is_answered_in_the_end() {
    let redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    redis.process().signal("STOP");
    let mut caught = Http::connect(relay.addr());
    caught.send(request("POST", "/api/register", &[], "{}"));
    caught.response().expect(503);
    redis.process().signal("CONT");
    let served = ask_until_served(|| {
        caught.send(request("POST", "/api/register", &[], "{}"));
        caught.response()
    });
    served.expect(200);
}

/// Fault 50: `CLIENT KILL`.
/// Played: Normal and pubsub connections.
/// Holds: A hello gets 1013 and a register 503 until the node has dialed again. Links between nodes stay.
#[test]
fn killed_connections_are_dialed_again() {
    let redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let bystander = Bystander::start(&relay);
    for kind in ["normal", "pubsub", "normal"] {
        // This connection is a normal one, too, and is skipped.
        let cut: i64 = ::redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", kind, "SKIPME", "yes"])
            .query(&mut connect(&redis.url()))
            .unwrap();
        // A node without other nodes needs no subscription.
        assert!(cut > 0 || kind == "pubsub", "the node has no {kind} connection");
        let session = read_until("a register to succeed", || {
            let response = post(relay.addr(), "/api/register", "");
            (response.status == 200).then(|| response.json())
        });
        let session = Session { id: session.text("sessionId").into(), token: session.text("token").into() };
        relay.node().wait_ready(200);
        read_until("a claim to succeed", || Peer::try_join(&relay, &session, Role::Phone).ok());
    }
    bystander.done();
}

/// Fault 29.
#[test]
fn a_full_redis_refuses_new_sessions_and_open_ones_go_on() {
    let redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let mut pair = Pair::link(&relay);
    let set = |limit: &str| {
        ::redis::cmd("CONFIG").arg(&["SET", "maxmemory", limit]).exec(&mut connect(&redis.url())).unwrap();
    };
    set("1");
    let response = post(relay.addr(), "/api/register", "").expect(503);
    assert!(response.header("retry-after").is_some(), "{response:?}");
    for _ in 0..100 {
        pair.expect_alive();
    }
    set("0");
    read_until("a register to succeed", || {
        (post(relay.addr(), "/api/register", "").status == 200).then_some(())
    });
    pair.expect_alive();
}
