//! No descriptor left: the waiting are served once there is room, and the wait costs nothing.

use std::time::{Duration, Instant};

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::{Http, request};
use relay_tests::harness::redis::{Keep, Redis};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Upgrade};
use relay_tests::harness::{Hello, Options, Pair, Peer, Relay, Relayd, Role, Session};

#[test]
fn the_waiting_are_served_when_room_returns() {
    let options = Options::new().arg("--store", "memory").descriptors(64);
    let relay = Relay::of(vec![Relayd::start_ready(&options)]);
    let mut pair = Pair::link(&relay);
    let mut all: Vec<Http> = (0..100).map(|_| Http::connect(relay.addr())).collect();
    for http in &mut all {
        http.send(request("GET", "/health", &[], ""));
    }
    // The first are served; behind them, at least forty wait for a descriptor.
    let mut waiting = all.split_off(60);
    all[0].response().expect(200);
    let (spent, started) = (relay.nodes()[0].process().cpu_ticks(), Instant::now());
    let window = Duration::from_secs(2);
    assert!(!waiting[39].wire().fill_for(window).unwrap(), "the last one can't have been served");
    // Half a core over the whole window would be a spin.
    let (ticks, elapsed) = (relay.nodes()[0].process().cpu_ticks() - spent, started.elapsed());
    assert!(ticks < 50 * elapsed.as_secs().max(2), "{ticks} ticks of a hundredth in {elapsed:?} of waiting");
    pair.expect_alive();
    drop(all);
    for mut http in waiting {
        http.response().expect(200);
    }
    pair.expect_alive();
    Session::register(&relay).delete(relay.addr()).expect(204);
    let complaints = relay.nodes()[0].log().text().lines().filter(|line| line.contains("WARN")).count();
    assert!(complaints < 60, "{complaints} warnings: one a second is enough");
}

#[test]
fn a_redis_that_restarts_is_dialed_though_connections_take_every_descriptor_they_may() {
    let mut redis = Redis::start(Keep::Everything);
    let options = Options::new().env("REDIS_URL", &redis.url()).descriptors(64);
    let relay = Relay::of(vec![Relayd::start_ready(&options)]);
    let hellos: Vec<Hello> = (0..80).map(|_| Session::register(&relay).hello(Role::Workstation)).collect();
    let mut pair = Pair::link(&relay);
    let mut inside = Http::connect(relay.addr());
    // Each stays for as long as it likes, once it is in.
    let mut all: Vec<Wire> = hellos.iter().map(|hello| come(&relay, hello)).collect();
    let mut waiting = all.split_off(50);
    all[0].fill("an answer").unwrap();
    assert!(!waiting[29].fill_for(Duration::from_millis(500)).unwrap(), "it can't have been served");
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
    assert!(!waiting[29].fill_for(Duration::from_millis(1)).unwrap(), "still none left");
    drop(all);
    for (wire, hello) in waiting.into_iter().zip(&hellos[50..]) {
        Peer::joined(Upgrade::accepted(wire).0, hello).leave();
    }
    pair.expect_alive();
}

/// Upgrades and says hello without waiting for an answer.
fn come(relay: &Relay, hello: &Hello) -> Wire {
    let mut wire = Wire::connect(relay.addr());
    wire.send(&[Upgrade::default().encode(), FrameSpec::text(&hello.json()).encode()].concat());
    wire
}
