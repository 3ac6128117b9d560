//! Redis ends under linked clients and comes back, with its data or empty: pairs on one node never notice.

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::{fetch, post};
use relay_tests::harness::redis::{Keep, Redis};
use relay_tests::harness::{Bystander, Event, Options, Pair, Peer, Relay, Relayd, Role, Session};

/// A node that requires this Redis.
fn node(redis: &Redis) -> Relay {
    Relay::of(vec![Relayd::start_ready(&Options::new().env("REDIS_URL", &redis.url()))])
}

/// Kills Redis and waits until the node has noticed.
fn lose(redis: &mut Redis, relay: &Relay) {
    redis.kill();
    relay.node().wait_ready(503);
}

fn find(redis: &mut Redis, relay: &Relay) {
    redis.restart();
    relay.node().wait_ready(200);
}

#[test]
fn while_it_is_away_frames_flow_and_requests_get_503() {
    let mut redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let mut pair = Pair::link(&relay);
    lose(&mut redis, &relay);
    let away = fetch(relay.addr(), "/ready").expect(503);
    assert!(!away.text().is_empty(), "it says why");
    fetch(relay.addr(), "/health").expect(200);
    for _ in 0..500 {
        pair.expect_alive();
    }
    pair.workstation.fence();
    let response = post(relay.addr(), "/api/register", "").expect(503);
    let seconds = response.header("retry-after").and_then(|value| value.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{response:?}");
    pair.session.delete(relay.addr()).expect(503);
    assert_eq!(Peer::try_join(&relay, &pair.session, Role::Phone).unwrap_err(), 1013);
    // The refused hello did not affect the connection that has the role.
    pair.expect_alive();
    find(&mut redis, &relay);
    post(relay.addr(), "/api/register", "").expect(200);
    pair.expect_alive();
}

/// Fault 33.
#[test]
fn a_redis_that_comes_back_empty_does_not_affect_linked_pairs() {
    let mut redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let bystander = Bystander::start(&relay);
    let mut pair = Pair::link(&relay);
    for round in 0..3 {
        lose(&mut redis, &relay);
        pair.expect_alive();
        find(&mut redis, &relay);
        // The session is written again from memory, so that its token is known and the role can be taken
        // over.
        let mut newer = read_until("the session to be known again", || {
            match Peer::try_join(&relay, &pair.session, Role::Phone) {
                Ok(newer) => Some(newer),
                Err(code) => {
                    assert!(matches!(code, 4401 | 1013), "round {round}: {code}");
                    None
                }
            }
        });
        pair.phone.expect_closed(4409);
        newer.expect(&Event::Joined(0));
        pair.workstation.expect(&Event::Left);
        pair.workstation.expect(&Event::Joined(0));
        pair.phone = newer;
        pair.expect_alive();
        expect_unknown(&relay, &Session { token: "0".repeat(32), ..pair.session.clone() });
    }
    pair.session.delete(relay.addr()).expect(204);
    pair.workstation.until_closed(4410);
    bystander.done();
}

/// With its data and without, in turn, while the linked pairs keep talking.
///
/// Fault 33: Redis is killed and started.
/// Played: Twenty times, with its data and empty in turn. Soak: again and again.
/// Holds: Pairs on one node do not notice, and links between nodes stay. Sessions are written again. Deleted
/// ones stay deleted. If Redis came back empty, a client that has the token can register a deleted session
/// again.
#[test]
fn it_may_be_killed_twenty_times() {
    let mut redis = Redis::start(Keep::Everything);
    let relay = node(&redis);
    let bystander = Bystander::start(&relay);
    let mut pair = Pair::link(&relay);
    let deleted = Session::register(&relay);
    deleted.delete(relay.addr()).expect(204);
    for round in 0..20 {
        lose(&mut redis, &relay);
        pair.expect_alive();
        if round % 2 == 1 {
            redis.forget();
        }
        find(&mut redis, &relay);
        pair.expect_alive();
    }
    // No node has it, so none wrote it again: it stays dead, although Redis has forgotten that it was
    // deleted.
    expect_unknown(&relay, &deleted);
    let newer =
        read_until("the session to be known", || Peer::try_join(&relay, &pair.session, Role::Phone).ok());
    pair.phone.expect_closed(4409);
    newer.leave();
    bystander.done();
}

/// A hello is refused as unknown, at the latest some seconds after the store is back.
fn expect_unknown(relay: &Relay, session: &Session) {
    read_until("the last word on an unknown session", || match Peer::try_join(relay, session, Role::Phone) {
        Err(1013) => None,
        Err(code) => {
            assert_eq!(code, 4401);
            Some(())
        }
        Ok(_) => panic!("a session that is gone was joined"),
    });
}

/// Only Redis remembers that a session was deleted. If it forgets, a client with the token can register it
/// again.
///
/// Fault 33.
#[test]
fn a_redis_that_comes_back_empty_has_forgotten_deleted_sessions() {
    let mut redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let deleted = Session::register(&relay);
    deleted.delete(relay.addr()).expect(204);
    deleted.register_again(relay.addr()).expect(409);
    lose(&mut redis, &relay);
    find(&mut redis, &relay);
    expect_unknown(&relay, &deleted);
    deleted.register_again(relay.addr()).expect(200);
}

/// Fault 33.
#[test]
fn a_redis_that_comes_back_with_its_data_goes_on() {
    let mut redis = Redis::start(Keep::Everything);
    let relay = node(&redis);
    let mut pair = Pair::link(&relay);
    let (deleted, idle) = (Session::register(&relay), Session::register(&relay));
    deleted.delete(relay.addr()).expect(204);
    lose(&mut redis, &relay);
    pair.expect_alive();
    find(&mut redis, &relay);
    expect_unknown(&relay, &deleted);
    deleted.register_again(relay.addr()).expect(409);
    let _joined = read_until("the unused session", || Peer::try_join(&relay, &idle, Role::Phone).ok());
    pair.expect_alive();
    pair.session.delete(relay.addr()).expect(204);
    pair.phone.until_closed(4410);
    pair.workstation.until_closed(4410);
}

#[test]
fn a_session_that_only_redis_knew_can_be_registered_again() {
    let mut redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let session = Session::register(&relay);
    lose(&mut redis, &relay);
    find(&mut redis, &relay);
    expect_unknown(&relay, &session);
    session.register_again(relay.addr()).expect(200);
    assert!(Peer::try_join(&relay, &session, Role::Phone).is_ok());
}
