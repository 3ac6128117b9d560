//! A configured Redis that is not there: the node starts, says so, and is ready once Redis is.

use relay_tests::harness::guard::GUARD;
use relay_tests::harness::http::{fetch, post};
use relay_tests::harness::redis::{Keep, Redis};
use relay_tests::harness::ws::Ws;
use relay_tests::harness::{Options, Pair, Relay, Relayd, Role, Session};

#[test]
fn the_node_waits_for_redis() {
    let mut redis = Redis::absent(Keep::Nothing);
    let relay = Relay::of(vec![Relayd::start(&Options::new().env("REDIS_URL", &redis.url()))]);
    fetch(relay.addr(), "/health").expect(200);
    let ready = fetch(relay.addr(), "/ready").expect(503);
    assert!(!ready.text().is_empty(), "it says why");
    assert!(post(relay.addr(), "/api/register", "").expect(503).header("retry-after").is_some());
    let session = Session { id: "0".repeat(32), token: "0".repeat(32) };
    let mut ws = Ws::connect(relay.addr());
    ws.text(&session.hello(Role::Phone).json());
    ws.expect_close(1013);
    redis.restart();
    relay.node().wait_ready(200);
    assert_eq!(fetch(relay.addr(), "/ready").json().text("store"), "redis");
    Pair::link(&relay).expect_alive();
}

#[test]
fn the_password_in_a_url_is_never_shown() {
    let redis = Redis::absent(Keep::Nothing);
    let url = redis.url().replace("redis://", "redis://default:open-sesame@");
    let mut relayd = Relayd::start(&Options::new().env("REDIS_URL", &url).env("RELAY_LOG", "debug"));
    let ready = fetch(relayd.addr(), "/ready").expect(503);
    assert!(!ready.text().contains("open-sesame"), "{}", ready.text());
    relayd.process().signal("TERM");
    let (status, log) = relayd.wait_end(GUARD);
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("listening") && !log.contains("open-sesame"), "{log}");
}
