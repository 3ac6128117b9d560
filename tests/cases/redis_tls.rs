//! Redis over TLS: which certificates are accepted, which are refused, and what the operator is told.

use std::fs;

use relay_tests::harness::guard::{GUARD, read_until};
use relay_tests::harness::http::{fetch, post};
use relay_tests::harness::sentinel::{MASTER, Sentinel};
use relay_tests::harness::tls::TlsRedis;
use relay_tests::harness::{Authority, Fleet, Options, Relayd, Role, Talking};

use crate::redis_acl::documented_rule;
use crate::redis_table::was_never_away;

const PASSWORD: &str = "open/sesame";
const WRITTEN: &str = "relay:open%2Fsesame@";

/// The user that docs/operations.md prescribes, and nothing else.
fn user(more: &[&str]) -> Vec<String> {
    let named = ["--user", "relay", "on", ">open/sesame"].map(str::to_owned);
    named.into_iter().chain(documented_rule()).chain(more.iter().map(|&word| word.to_owned())).collect()
}

fn options(url: &str, ca: &Authority) -> Options {
    Options::new().env("REDIS_URL", url).env("REDIS_CA", &ca.file())
}

#[test]
fn a_pair_on_two_nodes_talks_over_it() {
    let authority = Authority::new();
    let redis = TlsRedis::start_with(&authority, "localhost", &user(&[]));
    let fleet = Fleet::on(2, &options(&redis.url(WRITTEN, "localhost"), &authority));
    let mut talk = fleet.talk(0, 1);
    // More than one TLS record holds, and more than one write.
    for length in [0, 300, 20_000, 200_000] {
        talk.send(8, length);
        talk.settle();
    }
    talk.assert_undisturbed();
    assert!(talk.heard(Role::Phone) >= 32);
    // A client that leaves gives the role back, with the same rights.
    talk.break_off(Role::Phone);
    talk.join(Role::Phone, fleet.addr(1));
    talk.settle();
    for node in [0, 1] {
        post(fleet.addr(node), "/api/register", "").expect(200);
        fleet.node(node).wait_ready(200);
    }
    was_never_away(fleet.node(1));
}

#[test]
fn a_hang_ends_in_timeouts_and_not_in_losses() {
    let authority = Authority::new();
    let redis = TlsRedis::start(&authority, "127.0.0.1");
    let fleet = Fleet::on(2, &options(&redis.url("", "127.0.0.1"), &authority));
    let talking = Talking::start(fleet.talks(4));
    redis.redis().process().signal("STOP");
    fleet.node(0).wait_ready(503);
    redis.redis().process().signal("CONT");
    fleet.wait_ready();
    for talk in &mut talking.done() {
        talk.settle();
        assert!(talk.heard(Role::Workstation) > 0);
    }
}

/// A node that Redis does not let in says why, without showing the password.
fn refused(options: &Options, why: &str) {
    let mut relayd = Relayd::start(&options.clone().env("RELAY_LOG", "trace"));
    let said = read_until(&format!("/ready to say {why:?}"), || {
        let said = fetch(relayd.addr(), "/ready").expect(503).text().to_owned();
        said.contains(why).then_some(said)
    });
    relayd.process().signal("TERM");
    let (status, log) = relayd.wait_end(GUARD);
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("listening"), "{log}");
    for secret in [PASSWORD, "open%2Fsesame", "sesame"] {
        assert!(!said.contains(secret) && !log.contains(secret), "{said}\n{log}");
    }
}

#[test]
fn an_unknown_authority_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let redis = TlsRedis::start_with(&authority, "localhost", &user(&[]));
    let url = redis.url(WRITTEN, "localhost");
    refused(&options(&url, &stranger), "--redis-ca");
    // This machine does not know that authority, either.
    refused(&Options::new().env("REDIS_URL", &url), "--redis-ca");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let redis = TlsRedis::start_with(&authority, "relay.example", &user(&[]));
    refused(&options(&redis.url(WRITTEN, "127.0.0.1"), &authority), "not for the host that was dialed");
    refused(&options(&redis.url(WRITTEN, "localhost"), &authority), "not for the host that was dialed");
}

#[test]
fn a_wrong_password_is_refused() {
    let authority = Authority::new();
    let redis = TlsRedis::start_with(&authority, "127.0.0.1", &user(&[]));
    refused(&options(&redis.url("relay:sesame-street@", "127.0.0.1"), &authority), "authentication failed");
}

#[test]
fn sentinels_and_the_master_can_both_use_tls() {
    let authority = Authority::new();
    let redis = TlsRedis::start_with(&authority, "127.0.0.1", &user(&["+role"]));
    let sentinel = Sentinel::watch_by_tls(&authority, redis.port());
    let url = format!("rediss+sentinel://{WRITTEN}{}/{MASTER}", sentinel.tls_address());
    let fleet = Fleet::on(2, &options(&url, &authority));
    let mut talk = fleet.talk(0, 1);
    talk.settle();
    talk.assert_undisturbed();
}

#[test]
fn a_bad_bundle_ends_the_start_with_one_line() {
    let authority = Authority::new();
    let (empty, absent) = (authority.file() + ".empty", authority.file() + ".absent");
    fs::write(&empty, "").unwrap();
    for (url, path, why) in [
        ("rediss://localhost", &absent, "can't be read (No such file or directory"),
        ("rediss://localhost", &empty, "there is no certificate in it"),
        ("redis://localhost", &authority.file(), "does not use TLS"),
    ] {
        let (status, out, err) =
            Relayd::run_to_end(&Options::new().env("REDIS_URL", url).env("REDIS_CA", path));
        assert_eq!(status.code(), Some(2), "{err}");
        assert!(out.is_empty() && err.contains("REDIS_CA") && err.contains(why), "{err}");
        assert!(err.contains(path.as_str()) || why.contains("TLS"), "{err}");
        assert_eq!(err.trim_end().lines().count(), 1, "{err}");
    }
}
