//! The Redis user in docs/operations.md has exactly the rights that are needed. A missing right is named.

use std::collections::BTreeSet;

use relay_tests::harness::guard::{GUARD, read_until};
use relay_tests::harness::http::{fetch, post};
use relay_tests::harness::log_texts::REDIS_REFUSED;
use relay_tests::harness::redis::{Keep, Redis, connect};
use relay_tests::harness::{Event, Fleet, Options, Pair, Peer, Relay, Relayd, Role, Session};

use crate::redis_table::was_never_away;

/// The words of the documented rule, after the user's name and password.
pub fn documented_rule() -> Vec<String> {
    let page = include_str!("../../docs/operations.md");
    let rule = page.split_once("    ACL SETUSER relay on >password ").expect("no ACL rule").1;
    let rule = rule.split_once("\n\n").expect("the end of the rule").0;
    rule.split_whitespace().filter(|word| *word != "\\").map(str::to_owned).collect()
}

/// The commands that it allows.
fn documented_commands() -> Vec<String> {
    documented_rule().iter().filter_map(|word| word.strip_prefix('+')).map(str::to_owned).collect()
}

fn set_user(redis: &Redis, rule: &[String]) {
    let mut command = ::redis::cmd("ACL");
    command.arg(&["SETUSER", "relay", "on", ">password"]).arg(rule);
    command.exec(&mut connect(&redis.url())).unwrap();
}

fn url(redis: &Redis) -> String {
    format!("redis://relay:password@127.0.0.1:{}", redis.port())
}

fn registers(node: &Relayd) {
    fetch(node.addr(), "/ready").expect(200);
    post(node.addr(), "/api/register", "").expect(200);
}

/// All commands that this Redis has executed, also in scripts, without those of the case itself.
fn carried_out(redis: &Redis) -> BTreeSet<String> {
    let info: String = ::redis::cmd("INFO").arg("commandstats").query(&mut connect(&redis.url())).unwrap();
    let names = info.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
    let ours = ["info", "config|resetstat", "script|flush", "auth", "hello", "client|setinfo", "select"];
    names.filter(|name| !ours.contains(name)).map(str::to_owned).collect()
}

/// Fault 53: The documented Redis user, for a whole life.
/// Played: Register, hello, frames on two nodes, takeover, leave, delete. What Redis executed is compared
/// with the rule.
/// Holds: Nothing is refused.
#[test]
fn a_whole_life_needs_exactly_the_documented_rights() {
    let redis = Redis::start(Keep::Nothing);
    set_user(&redis, &documented_rule());
    ::redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut connect(&redis.url())).unwrap();
    let options = Options::new().env("REDIS_URL", &url(&redis)).env("SESSION_IDLE_SECS", "6");
    let fleet = Fleet::on(2, &options);
    let mut talk = fleet.talk(0, 1);
    talk.send(8, 300);
    talk.settle();
    // A takeover, at the other node.
    let older = talk.join(Role::Phone, fleet.addr(0));
    older.expect("an older phone").until_closed(4409);
    talk.settle();
    // A client leaves and comes back after Redis has forgotten the scripts.
    ::redis::cmd("SCRIPT").arg("FLUSH").exec(&mut connect(&redis.url())).unwrap();
    let idle = Session::register_at(fleet.addr(0));
    for _ in 0..2 {
        Peer::join_as(fleet.addr(1), &idle.hello(Role::Phone)).leave();
        (0..2).for_each(|node| registers(fleet.node(node)));
    }
    let mut stays = Peer::join_as(fleet.addr(1), &idle.hello(Role::Workstation));
    talk.expect_end();
    talk.session().delete(fleet.addr(1)).expect(204);
    stays.until_closed(4410);
    for node in [0, 1] {
        registers(fleet.node(node));
        let log = fleet.node(node).log().text();
        assert!(!log.contains(REDIS_REFUSED), "{log}");
        was_never_away(fleet.node(node));
    }
    let documented: BTreeSet<_> = documented_commands().into_iter().collect();
    assert_eq!(carried_out(&redis), documented, "left: what Redis carried out; right: docs/operations.md");
}

/// `/ready` of a node whose user has all rights but this.
fn reason_without(redis: &Redis, rule: &[String]) -> String {
    set_user(redis, &["reset".to_owned(), "on".to_owned(), ">password".to_owned()]);
    set_user(redis, rule);
    let relayd = Relayd::start(&Options::new().env("REDIS_URL", &url(redis)));
    let reason = read_until("/ready to say what is missing", || {
        let text = fetch(relayd.addr(), "/ready").expect(503).text().to_owned();
        (!text.contains("not connected yet") && !text.contains("not subscribed yet")).then_some(text)
    });
    relayd.log().wait_for("line that names it", |line| line.contains("NOPERM").then_some(()));
    reason
}

/// Fault 51: A right is missing.
/// Played: The documented ACL rule without each of its commands, without its keys, without its channels.
/// Holds: `/ready` (503) and the log name the right. A register gets 503, a hello 1013.
#[test]
fn a_missing_right_is_named_at_start() {
    let redis = Redis::start(Keep::Nothing);
    let rule = documented_rule();
    for command in documented_commands() {
        // Without it everything works, with more bytes.
        if command == "script|load" {
            continue;
        }
        let shown = command.replace('|', " ").to_uppercase();
        let rest: Vec<_> =
            rule.iter().filter(|word| word.strip_prefix('+') != Some(&command)).cloned().collect();
        let reason = reason_without(&redis, &rest);
        assert!(reason.contains(&format!("the Redis user lacks {shown} (NOPERM)")), "{command}: {reason}");
    }
    for (right, word) in [('~', "keys relay:*"), ('&', "channels relay:node:*")] {
        let rest: Vec<_> = rule.iter().filter(|word| !word.starts_with(right)).cloned().collect();
        let reason = reason_without(&redis, &rest);
        assert!(reason.contains(word), "{right}: {reason}");
    }
}

/// Fault 51.
#[test]
fn without_the_right_to_load_scripts_they_are_sent_with_each_request() {
    let redis = Redis::start(Keep::Nothing);
    let rule: Vec<_> = documented_rule().into_iter().filter(|word| word != "+script|load").collect();
    set_user(&redis, &rule);
    let relay = Relay::of(vec![Relayd::start_ready(&Options::new().env("REDIS_URL", &url(&redis)))]);
    let log = relay.node().log();
    log.wait_for("line that names the right", |line| line.contains("lacks SCRIPT LOAD").then_some(()));
    Pair::link(&relay).expect_alive();
    registers(relay.node());
}

/// Fault 52: `ACL SETUSER` at run time.
/// Played: Five commands are taken away and given back.
/// Holds: As in row 51, within a second, without a request. Linked clients are told nothing. It recovers
/// without a restart. If one session's key is out of bounds, only that session gets 1013 and 503.
#[test]
fn a_right_that_is_taken_away_does_not_affect_linked_pairs() {
    let redis = Redis::start(Keep::Nothing);
    set_user(&redis, &documented_rule());
    let relay = Relay::of(vec![Relayd::start_ready(&Options::new().env("REDIS_URL", &url(&redis)))]);
    let mut pair = Pair::link(&relay);
    for command in ["hset", "hgetall", "evalsha", "time", "publish"] {
        set_user(&redis, &[format!("-{command}")]);
        if command != "publish" {
            // Without a request: the node notices by itself.
            relay.node().wait_ready(503);
            let text = fetch(relay.addr(), "/ready").expect(503).text().to_owned();
            assert!(text.contains("NOPERM"), "{command}: {text}");
            post(relay.addr(), "/api/register", "").expect(503);
        }
        pair.expect_alive();
        set_user(&redis, &[format!("+{command}")]);
        relay.node().wait_ready(200);
        pair.expect_alive();
    }
    pair.workstation.fence();
    pair.phone.leave();
    pair.workstation.expect(&Event::Left);
    registers(relay.node());
}

/// A regression: with the documented user, the first client that left put the node out of service.
///
/// Fault 53.
#[test]
fn clients_may_leave() {
    let redis = Redis::start(Keep::Nothing);
    set_user(&redis, &documented_rule());
    let mut relayd = Relayd::start_ready(&Options::new().env("REDIS_URL", &url(&redis)));
    let session = Session::register_at(relayd.addr());
    for _ in 0..3 {
        Peer::join_as(relayd.addr(), &session.hello(Role::Phone)).leave();
        registers(&relayd);
    }
    let key = format!("relay:sess:{}", session.id);
    read_until("the role to be given back", || {
        let fields: Vec<String> = ::redis::cmd("HKEYS").arg(&key).query(&mut connect(&redis.url())).unwrap();
        (!fields.contains(&"pnode".to_owned())).then_some(())
    });
    was_never_away(&relayd);
    relayd.process().signal("TERM");
    let (status, log) = relayd.wait_end(GUARD);
    assert!(status.success(), "{log}");
}

/// Only its key is out of bounds. No other session notices, and a role that cannot be given back is dropped.
///
/// Fault 52.
#[test]
fn only_a_session_with_a_forbidden_key_is_refused() {
    let redis = Redis::start(Keep::Nothing);
    set_user(&redis, &documented_rule());
    let relay = Relay::of(vec![Relayd::start_ready(&Options::new().env("REDIS_URL", &url(&redis)))]);
    let mut pair = Pair::link(&relay);
    let session = Session::register(&relay);
    let out = Peer::join(&relay, &session, Role::Phone);
    let keys = [
        "resetkeys".to_owned(),
        "~relay:sess:probe:*".to_owned(),
        format!("~relay:sess:{}", pair.session.id),
    ];
    set_user(&redis, &keys);
    out.leave();
    relay.node().log().wait_for("line about it", |line| line.contains("about one session").then_some(()));
    assert_eq!(Peer::try_join(&relay, &session, Role::Phone).unwrap_err(), 1013);
    session.delete(relay.addr()).expect(503);
    for _ in 0..20 {
        fetch(relay.addr(), "/ready").expect(200);
        pair.expect_alive();
    }
    pair.replace_phone(&relay);
    was_never_away(relay.node());
    let log = relay.node().log().text();
    assert!(!log.contains(&session.id), "{log}");
    set_user(&redis, &documented_rule());
    Peer::join(&relay, &session, Role::Phone).leave();
}
