//! What can happen to the data and the connections of a running Redis, and what clients see: the Redis rows
//! of docs/faults.md, played against the real server.

use std::time::Duration;

use relay_tests::harness::guard::{let_pass, read_until};
use relay_tests::harness::http::{Http, fetch, post, request};
use relay_tests::harness::log_texts::STORE_AWAY;
use relay_tests::harness::redis::{Keep, Redis, connect};
use relay_tests::harness::{
    Bystander, Event, Fleet, Options, Pair, Peer, Relay, Relayd, Role, Session, Talking,
};

fn node(redis: &Redis) -> Relay {
    Relay::of(vec![Relayd::start_ready(&Options::new().env("REDIS_URL", &redis.url()))])
}

/// Executes one command line. `K` is replaced by the session's key.
fn tell(redis: &Redis, session: &Session, line: &str) {
    let key = format!("relay:sess:{}", session.id);
    let words: Vec<_> = line.split(' ').map(|word| if word == "K" { &key } else { word }).collect();
    let mut command = ::redis::cmd(words[0]);
    command
        .arg(&words[1..])
        .exec(&mut connect(&redis.url()))
        .unwrap_or_else(|error| panic!("{line}: {error}"));
}

/// The log must not say that the store went away once it was there.
pub fn was_never_away(node: &Relayd) {
    let log = node.log().text();
    let since = log.split_once("the store answers").expect("it was there").1;
    assert!(!since.contains(STORE_AWAY), "{log}");
}

/// Every kind of damage to one session's key.
const DAMAGES: [&[&str]; 16] = [
    &["HDEL K active"],
    &["HDEL K created"],
    &["HDEL K token"],
    &["HDEL K wgen pgen"],
    &["HDEL K wconn pnode"],
    &["HSET K active soon created 1e3"],
    &["HSET K wgen 99999999999999999999 pgen -1"],
    &["HSET K wnode somewhere pconn -7"],
    &["HSET K wtop nan ptop 1e99 wtook ,x,-,1e9, ptook 1,2,3,4,5,6,7"],
    &["HSET K token short"],
    &["HSET K dead tired", "HDEL K token"],
    &["DEL K", "SET K text"],
    &["DEL K", "RPUSH K a b"],
    &["DEL K", "HSET K foo bar"],
    &["DEL K"],
    &["FLUSHALL"],
];

/// A register succeeds at once, and `/ready` is 200: no other session notices.
fn others_are_well(relay: &Relay, what: &str) -> Session {
    let ready = fetch(relay.addr(), "/ready");
    assert_eq!(ready.status, 200, "{what}: {}", ready.text());
    let response = post(relay.addr(), "/api/register", "");
    assert_eq!(response.status, 200, "{what}: {}", response.text());
    Session { id: response.json().text("sessionId").into(), token: response.json().text("token").into() }
}

/// Fault 47: A session's hash is damaged, foreign or half written, has another type, or is gone, while the
/// session is in use.
/// Played: Sixteen kinds of damage to one key, under a linked pair and before both leave. Eviction,
/// `FLUSHALL`.
/// Holds: A hello gets in, or gets 4401 or 1013 until all roles are compared again, and then gets in. A role
/// that cannot be given back is dropped.
#[test]
fn a_damaged_key_of_a_session_in_use_is_repaired() {
    let redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let bystander = Bystander::start(&relay);
    for damage in DAMAGES {
        let what = format!("{damage:?}");
        let mut pair = Pair::link(&relay);
        damage.iter().for_each(|line| tell(&redis, &pair.session, line));
        let other = others_are_well(&relay, &what);
        pair.expect_alive();
        // A client that comes back gets in, at the latest when roles were compared.
        let newer = read_until(&what, || match Peer::try_join(&relay, &pair.session, Role::Phone) {
            Ok(newer) => Some(newer),
            Err(code) => {
                // 4429: a plausible list of takeovers is believed, for ten seconds at most.
                assert!(matches!(code, 4401 | 1013 | 4429), "{what}: {code}");
                others_are_well(&relay, &what);
                None
            }
        });
        std::mem::replace(&mut pair.phone, newer).expect_closed(4409);
        pair.phone.expect(&Event::Joined(0));
        pair.workstation.expect(&Event::Left);
        pair.workstation.expect(&Event::Joined(0));
        pair.expect_alive();
        // Both leave under the same damage: a role that cannot be given back is dropped.
        damage.iter().for_each(|line| tell(&redis, &pair.session, line));
        pair.phone.leave();
        pair.workstation.expect(&Event::Left);
        pair.workstation.leave();
        Peer::join(&relay, &others_are_well(&relay, &what), Role::Phone).leave();
        if !what.contains("FLUSHALL") {
            Peer::join(&relay, &other, Role::Phone).leave();
        }
    }
    was_never_away(relay.node());
    bystander.done();
}

/// Fault 48: The same, while no client is in the session.
/// Played: The same kinds of damage.
/// Holds: If the token is left, a hello gets in. If not, a hello gets 4401, DELETE 404, and a register with
/// the same ids 200.
#[test]
fn an_unused_session_with_a_damaged_key_can_be_registered_again() {
    let redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    for damage in DAMAGES {
        let what = format!("{damage:?}");
        let session = Session::register(&relay);
        damage.iter().for_each(|line| tell(&redis, &session, line));
        match Peer::try_join(&relay, &session, Role::Phone) {
            // What was lost does not matter, or can be guessed.
            Ok(peer) => peer.leave(),
            Err(code) => {
                assert_eq!(code, 4401, "{what}");
                assert_eq!(session.delete(relay.addr()).status, 404, "{what}");
                assert_eq!(session.register_again(relay.addr()).status, 200, "{what}");
                Peer::join(&relay, &session, Role::Phone).leave();
            }
        }
        others_are_well(&relay, &what);
        assert_eq!(session.delete(relay.addr()).status, 204, "{what}");
    }
}

/// Fault 49: `SWAPDB`.
/// Played: There and back.
/// Holds: As if the keys of all sessions had been evicted at once.
#[test]
fn after_swapdb_sessions_in_use_are_written_again() {
    let redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let mut pair = Pair::link(&relay);
    for _ in 0..2 {
        tell(&redis, &pair.session, "SWAPDB 0 1");
        others_are_well(&relay, "SWAPDB");
        pair.expect_alive();
        let key = format!("relay:sess:{}", pair.session.id);
        read_until("the session to be written again", || {
            let token: Option<String> =
                ::redis::cmd("HGET").arg(&key).arg("token").query(&mut connect(&redis.url())).unwrap();
            token.map(drop)
        });
        pair.replace_phone(&relay);
        pair.expect_alive();
    }
}

/// Redis's error text would quote the session's id and the token's digest.
///
/// Fault 55: Renamed commands.
/// Played: `EVALSHA`, `HGETALL`, `PUBLISH`.
/// Holds: `/ready` (503) names the command, and neither it nor the log shows an id or a digest. A hello gets
/// 1013, a register 503.
#[test]
fn a_renamed_command_is_named_without_ids_or_digests() {
    for name in ["EVALSHA", "HGETALL", "PUBLISH"] {
        let rename = || ["--rename-command", name, "another-name"].map(str::to_owned).to_vec();
        let redis = Redis::start_with(Keep::Nothing, rename);
        let relayd = Relayd::start(&Options::new().env("REDIS_URL", &redis.url()));
        let text = read_until("/ready to say why", || {
            let text = fetch(relayd.addr(), "/ready").expect(503).text().to_owned();
            text.contains(&format!("it has no {name}")).then_some(text)
        });
        let id = "0123456789abcdef0123456789abcdef";
        let again = Session { id: id.to_owned(), token: "1".repeat(32) };
        again.register_again(relayd.addr()).expect(503);
        let log = relayd.log().text();
        for secret in ["args", "relay:sess", "0123456789abcdef", "1111111111"] {
            assert!(!text.contains(secret) && !log.contains(secret), "{secret}: {text}\n{log}");
        }
    }
}

/// The number after `name` in Redis's INFO.
fn told(redis: &Redis, name: &str) -> u64 {
    let text: String =
        ::redis::cmd("INFO").arg("everything").query(&mut connect(&redis.url())).expect("INFO");
    let number = text.split_once(name).map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next());
    number.flatten().and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
}

/// A node probes every second. If that changed data, an idle relay would make Redis save every few minutes.
#[test]
fn a_probe_changes_nothing_in_redis() {
    let redis = Redis::start(Keep::Nothing);
    let _relay = node(&redis);
    let probes = || told(&redis, "cmdstat_evalsha:calls=");
    let changes = || told(&redis, "rdb_changes_since_last_save:");
    let (probes_before, changes_before) = (probes(), changes());
    read_until("three more probes", || (probes() >= probes_before + 3).then_some(()));
    assert_eq!(changes(), changes_before);
}

/// Fault 54: `maxmemory`.
/// Played: Set to 1 under a pair.
/// Holds: `/ready` and registers get 503. A client that comes back gets in.
#[test]
fn a_full_redis_is_not_ready_even_without_requests() {
    let redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let mut pair = Pair::link(&relay);
    tell(&redis, &pair.session, "CONFIG SET maxmemory 1");
    relay.node().wait_ready(503);
    let text = fetch(relay.addr(), "/ready").expect(503).text().to_owned();
    assert!(text.contains("OOM") && text.contains("maxmemory"), "{text}");
    post(relay.addr(), "/api/register", "").expect(503);
    pair.expect_alive();
    pair.replace_phone(&relay);
    tell(&redis, &pair.session, "CONFIG SET maxmemory 0");
    relay.node().wait_ready(200);
    others_are_well(&relay, "room again");
    pair.expect_alive();
    was_never_away(relay.node());
}

/// Fault 59: Redis cannot save its data.
/// Played: A folder in which no file can be created, and `BGSAVE`.
/// Holds: `/ready` (503) says so. A hello gets 1013 and a register 503 until Redis accepts writes.
#[test]
fn a_redis_that_cannot_save_is_named_and_used_again() {
    // No file can be made there.
    let no_room = || ["--dir", "/proc", "--save", "3600 1"].map(str::to_owned).to_vec();
    let redis = Redis::start_with(Keep::Nothing, no_room);
    let relay = node(&redis);
    let mut pair = Pair::link(&relay);
    tell(&redis, &pair.session, "BGSAVE");
    relay.node().wait_ready(503);
    let text = fetch(relay.addr(), "/ready").expect(503).text().to_owned();
    assert!(text.contains("MISCONF"), "{text}");
    post(relay.addr(), "/api/register", "").expect(503);
    pair.expect_alive();
    tell(&redis, &pair.session, "CONFIG SET stop-writes-on-bgsave-error no");
    relay.node().wait_ready(200);
    others_are_well(&relay, "it takes writes again");
    pair.expect_alive();
}

/// Fault 56: `timeout`.
/// Played: 2 s, under a pair on two nodes, for 4 s.
/// Holds: No client notices.
#[test]
fn a_server_that_ends_idle_connections_affects_no_client() {
    let mut fleet = Fleet::start(2, Keep::Nothing);
    let mut talk = fleet.talk(0, 1);
    let session = talk.session().clone();
    tell(fleet.redis(), &session, "CONFIG SET timeout 2");
    for _ in 0..4 {
        let_pass(Duration::from_secs(1));
        talk.settle();
        (0..2).for_each(|node| _ = post(fleet.addr(node), "/api/register", "").expect(200));
    }
    talk.assert_undisturbed();
}

/// Fault 57: `maxclients`.
/// Played: Set to 1, and the node's connections killed.
/// Holds: `/ready` (503) says so. A hello gets 1013 and a register 503 until there is room.
#[test]
fn a_redis_with_too_many_clients_is_named_and_dialed_until_it_has_room() {
    let redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    let mut pair = Pair::link(&relay);
    let mut admin = connect(&redis.url());
    for line in
        [&["CONFIG", "SET", "maxclients", "1"][..], &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]]
    {
        ::redis::cmd(line[0]).arg(&line[1..]).exec(&mut admin).unwrap();
    }
    let text = read_until("/ready to say why", || {
        let ready = fetch(relay.addr(), "/ready");
        (ready.status == 503 && ready.text().contains("maxclients")).then(|| ready.text().to_owned())
    });
    post(relay.addr(), "/api/register", "").expect(503);
    pair.expect_alive();
    ::redis::cmd("CONFIG").arg(&["SET", "maxclients", "1000"]).exec(&mut admin).unwrap();
    relay.node().wait_ready(200);
    others_are_well(&relay, &text);
    pair.expect_alive();
}

/// All three connections of each node leave a server that becomes a replica, and return when it is a master
/// again.
///
/// Fault 58: `REPLICAOF` by hand.
/// Played: On the only server, and back. On the server of the bus alone.
/// Holds: As if Redis were away: all three connections leave it. Frames between nodes wait.
#[test]
fn a_redis_that_becomes_a_replica_by_hand_is_left_until_it_is_master_again() {
    let mut fleet = Fleet::start(2, Keep::Nothing);
    let talking = Talking::start(fleet.talks(2));
    let mut admin = connect(&fleet.redis().url());
    let mut replica_of = |host: &str, port: &str| {
        ::redis::cmd("REPLICAOF").arg(&[host, port]).exec(&mut admin).unwrap();
    };
    replica_of("127.0.0.1", "1");
    (0..2).for_each(|node| fleet.node(node).wait_ready(503));
    let text = fetch(fleet.addr(0), "/ready").expect(503).text().to_owned();
    assert!(text.contains("READONLY") || text.contains("MASTERDOWN"), "{text}");
    let url = fleet.redis().url();
    read_until("all subscribers to leave", || {
        let mut pubsub = ::redis::cmd("PUBSUB");
        let channels: Vec<String> = pubsub.arg("CHANNELS").query(&mut connect(&url)).unwrap();
        channels.is_empty().then_some(())
    });
    replica_of("NO", "ONE");
    fleet.wait_ready();
    for talk in &mut talking.done() {
        talk.settle();
        assert!((0..2).all(|_| talk.heard(Role::Phone) > 0));
    }
}

/// After a stop and a resume, a process finds its reads interrupted.
///
/// Fault 60: The node is stopped and resumed while a request is under way.
/// Played: SIGSTOP and SIGCONT while Redis hangs, five times.
/// Holds: The request is answered.
#[test]
fn a_request_under_way_while_the_node_is_stopped_is_answered() {
    let redis = Redis::start(Keep::Nothing);
    let relay = node(&redis);
    for _ in 0..5 {
        redis.process().signal("STOP");
        let mut asking = Http::connect(relay.addr());
        asking.send(request("POST", "/api/register", &[], "{}"));
        // These are answered behind it, so it has been passed on.
        for _ in 0..3 {
            fetch(relay.addr(), "/health").expect(200);
        }
        relay.node().process().signal("STOP");
        let stat = format!("/proc/{}/stat", relay.node().process().id());
        read_until("the node to stand still", || {
            let stat = std::fs::read_to_string(&stat).unwrap();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')).then_some(())
        });
        relay.node().process().signal("CONT");
        redis.process().signal("CONT");
        asking.response().expect(200);
    }
    was_never_away(relay.node());
}
