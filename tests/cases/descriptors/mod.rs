//! No descriptor left: the clients that wait are served once there is room, and the wait costs nothing.

mod crowd;

use std::time::{Duration, Instant};

use relay_tests::harness::guard::{let_pass, read_until};
use relay_tests::harness::http::{Http, fetch, request};
use relay_tests::harness::json::Object;
use relay_tests::harness::redis::{Keep, Redis, connect};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Upgrade};
use relay_tests::harness::{Bystander, Hello, Options, Pair, Peer, Relay, Relayd, Role, Session};

use self::crowd::{Counts, Crowd, MANY};

/// What the server says when the operating system gives it no descriptor for a new connection.
const NONE_LEFT: &str = "no new connection can be taken";
/// More than any case here needs.
const PLENTY: usize = 1024;
/// How long the CPU time of a wait is measured.
const WATCHED: Duration = Duration::from_secs(3);

/// Fault 25: No file descriptor is left.
/// Played: A limit of 64, and 100 clients. A limit that is lowered to what is in use, so that the system
/// refuses at accept, and when Redis is dialed.
/// Holds: `/health` is answered at the limit. Up to eight clients wait and are served when there is room;
/// more are told to come again. CPU stays at or below 10 %. The log says so at most once a second.
#[test]
fn health_is_answered_at_the_limit_and_the_waiting_are_served_when_room_returns() {
    let relay =
        Relay::of(vec![Relayd::start_ready(&Options::new().arg("--store", "memory").descriptors(64))]);
    let mut pair = Pair::link(&relay);
    let mut asker = asked(&relay);
    asker.response().expect(200);
    let Crowd { inside, waiting, refused, .. } = Crowd::come(&mut asker, 60, |_| upgrading(&relay));
    assert!(inside.len() > 10 && !waiting.is_empty(), "{} {}", inside.len(), waiting.len());
    let refused = refused.first().expect("more than may wait");
    assert_eq!((refused.status, refused.json().text("error")), (503, "overloaded"));
    assert!(refused.header("retry-after").is_some() && refused.header("connection") == Some("close"));
    for _ in 0..MANY {
        fetch(relay.addr(), "/health").expect(200);
    }
    fetch(relay.addr(), "/ready").expect(200);
    assert!(relay.node().metric("relay_refused_total{why=\"connections_max\"}") > 0);
    // Silent connections do not prevent that.
    let silent: Vec<Http> = (0..MANY).map(|_| Http::connect(relay.addr())).collect();
    fetch(relay.addr(), "/health").expect(200);
    drop(silent);
    pair.expect_alive();
    drop(waiting);
    read_until("all but one of the requests to be over", || (open_requests(&mut asker) == 1).then_some(()));
    let crowd = Crowd::come(&mut asker, MANY, |_| upgrading(&relay));
    assert!(crowd.inside.is_empty() && !crowd.waiting.is_empty(), "{} wait", crowd.waiting.len());
    drop(inside);
    for mut http in crowd.waiting {
        assert_eq!(http.response().status, 101);
    }
    pair.expect_alive();
    Session::register(&relay).delete(relay.addr()).expect(204);
    let complaints = relay.nodes()[0].log().text().lines().filter(|line| line.contains("WARN")).count();
    assert!(complaints < 60, "{complaints} warnings: one a second is enough");
}

/// Fault 25.
#[test]
fn a_restarted_redis_is_dialed_though_connections_use_all_descriptors() {
    let mut redis = Redis::start(Keep::Everything);
    let options = Options::new().env("REDIS_URL", &redis.url()).descriptors(64);
    let relay = Relay::of(vec![Relayd::start_ready(&options)]);
    let hellos: Vec<Hello> = (0..80).map(|_| Session::register(&relay).hello(Role::Workstation)).collect();
    let mut pair = Pair::link(&relay);
    let mut inside = Http::connect(relay.addr());
    inside.send(request("GET", "/health", &[], ""));
    inside.response().expect(200);
    // Once it is in, each stays as long as it wants.
    let come = |at: usize| Http::over(come(&relay, &hellos[at]));
    let crowd = Crowd::come(&mut inside, hellos.len(), come);
    assert!(!crowd.inside.is_empty(), "no client joined");
    assert_eq!(crowd.refused.first().expect("more than have room").status, 503);
    let mut until_ready = |status: u16| {
        read_until("what /ready says", || {
            inside.send(request("GET", "/ready", &[], ""));
            (inside.response().status == status).then_some(())
        });
    };
    until_ready(200);
    redis.kill();
    until_ready(503);
    pair.expect_alive();
    redis.restart();
    until_ready(200);
    inside.send(request("POST", "/api/register", &[], ""));
    inside.response().expect(200);
    drop(crowd);
    for hello in &hellos[70..] {
        Peer::join_as(relay.addr(), hello).leave();
    }
    pair.expect_alive();
}

/// The limit is lowered while the server runs, so that it hits a limit for which it otherwise leaves room.
///
/// Fault 25.
#[test]
fn a_refused_descriptor_is_asked_for_again() {
    let relay = Relay::of(vec![Relayd::start_ready(&Options::new().arg("--store", "memory"))]);
    let bystander = Bystander::start(&relay);
    let mut inside: Vec<Http> = (0..10).map(|_| asked(&relay)).collect();
    inside.iter_mut().for_each(|http| drop(http.response().expect(200)));
    let process = relay.node().process();
    process.limit_descriptors(process.descriptors());
    let mut crowd = Crowd::come(&mut inside[0], MANY, |_| upgrading(&relay));
    assert_eq!(crowd.refused.first().expect("more than may wait").status, 503);
    let says_so = |line: &str| line.contains(NONE_LEFT).then_some(());
    relay.node().log().wait_for("line of no descriptor", says_so).expect("a server that runs");
    fetch(relay.addr(), "/health").expect(200);
    expect_idle(&relay);
    // That took a place for a moment, which the newest one that waits may have lost.
    crowd.sort(&mut inside[0]);
    let (mut waiting, before) = (crowd.waiting, Counts::ask(&mut inside[0]));
    // As many get in as leave.
    drop(inside.split_off(8));
    for mut http in waiting.drain(..2) {
        assert_eq!(http.response().status, 101);
    }
    let served = Counts::ask(&mut inside[0]).upgraded - before.upgraded;
    assert!(served < 2 + waiting.len(), "all {served} are in, and only two have left");
    // No more clients leave, so the server finds room only by trying again.
    process.limit_descriptors(PLENTY);
    waiting.iter_mut().for_each(|http| assert_eq!(http.response().status, 101));
    bystander.done();
    expect_a_line_a_second(&relay);
}

/// Fault 25.
#[test]
fn a_redis_is_dialed_again_as_soon_as_there_is_a_descriptor() {
    let mut redis = Redis::start(Keep::Everything);
    let relay = Relay::of(vec![Relayd::start_ready(&Options::new().env("REDIS_URL", &redis.url()))]);
    let bystander = Bystander::start(&relay);
    let mut inside = asked(&relay);
    inside.response().expect(200);
    let process = relay.node().process();
    process.limit_descriptors(process.descriptors());
    let Crowd { mut waiting, .. } = Crowd::come(&mut inside, MANY, |_| upgrading(&relay));
    let connections = connections(&redis);
    redis.kill();
    // The waiting clients take the descriptors of the connections to Redis, and stay.
    let mut served: Vec<Http> = waiting.drain(..connections).collect();
    served.iter_mut().for_each(|http| assert_eq!(http.response().status, 101));
    redis.restart();
    let mut until_ready = |status: u16, why: &str| {
        read_until(&format!("/ready to say {status} {why}"), || {
            inside.send(request("GET", "/ready", &[], ""));
            let answer = inside.response();
            (answer.status == status && answer.text().contains(why)).then_some(())
        });
    };
    until_ready(503, "open files");
    expect_idle(&relay);
    until_ready(503, "open files");
    process.limit_descriptors(PLENTY);
    until_ready(200, "redis");
    bystander.done();
    drop(served);
}

/// A connection that has asked for an upgrade.
fn upgrading(relay: &Relay) -> Http {
    let mut http = Http::connect(relay.addr());
    http.send(Upgrade::default().encode());
    http
}

/// How many connections are not WebSockets, this one included.
fn open_requests(asker: &mut Http) -> u64 {
    asker.send(request("GET", "/metrics", &[], ""));
    asker.response().expect(200).sample(r#"relay_connections{protocol="http"}"#)
}

/// How many connections a Redis has, without the one that asks.
fn connections(redis: &Redis) -> usize {
    let list: String =
        ::redis::cmd("CLIENT").arg("LIST").query(&mut connect(&redis.url())).expect("a Redis that answers");
    list.lines().count() - 1
}

/// A connection that has asked for something.
fn asked(relay: &Relay) -> Http {
    let mut http = Http::connect(relay.addr());
    http.send(request("GET", "/health", &[], ""));
    http
}

/// The wait costs at most a tenth of a core.
fn expect_idle(relay: &Relay) {
    let process = relay.node().process();
    let (spent, started) = (process.cpu_ticks(), Instant::now());
    let_pass(WATCHED);
    let (ticks, elapsed) = (process.cpu_ticks() - spent, started.elapsed());
    eprintln!("{ticks} ticks of a hundredth of a second in {elapsed:?} without a descriptor");
    assert!(ticks <= 10 * elapsed.as_secs() + 5, "{ticks} ticks of a hundredth in {elapsed:?} of waiting");
}

/// At most one line a second, by the log's own clock.
fn expect_a_line_a_second(relay: &Relay) {
    let log = relay.node().log().text();
    let times: Vec<f64> = log.lines().filter(|line| line.contains(NONE_LEFT)).map(second).collect();
    assert!(!times.is_empty(), "no line in more than {WATCHED:?}: {log}");
    // The clock is read a moment before the line is stamped.
    let is_apart = |pair: &[f64]| (pair[1] - pair[0]).rem_euclid(86_400.0) > 0.9;
    assert!(times.windows(2).all(is_apart), "{times:?}");
}

/// The second of the day in which a line was logged.
fn second(line: &str) -> f64 {
    let line = Object::parse(line);
    let (_, time) = line.text("timestamp").split_once('T').expect("a date and a time");
    let parts = time.trim_end_matches('Z').split(':').map(|part| part.parse::<f64>().expect("a number"));
    parts.fold(0.0, |sum, part| 60.0 * sum + part)
}

/// Upgrades and says hello without waiting for an answer.
fn come(relay: &Relay, hello: &Hello) -> Wire {
    let mut wire = Wire::connect(relay.addr());
    wire.send(&[Upgrade::default().encode(), FrameSpec::text(&hello.json()).encode()].concat());
    wire
}
