//! At `debug`, the log shows what happens to streams and links between nodes, without session ids.

use relay_tests::harness::guard::GUARD;
use relay_tests::harness::json::Object;
use relay_tests::harness::log::Log;
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Options, Pair, Peer, Role, Session};

const PAYLOAD: &str = "a payload that nobody else may read";

fn start(nodes: usize) -> Fleet {
    Fleet::start_with(nodes, Keep::Nothing, &Options::new().env("RELAY_LOG", "debug"))
}

/// The first line that has all of these words.
fn line(log: &Log, words: &[&str]) -> Object {
    let found = log.wait_for(&format!("line with {words:?}"), |line| {
        words.iter().all(|word| line.contains(word)).then(|| Object::parse(line))
    });
    let found = found.unwrap_or_else(|| panic!("the log ended without {words:?}:\n{}", log.text()));
    assert_eq!(found.text("level"), "DEBUG");
    found
}

#[test]
fn streams_and_links_are_logged_without_session_ids() {
    let mut fleet = start(2);
    let session = Session::register_at(fleet.addr(0));
    let join = |role, at| Peer::join_as(fleet.addr(at), &session.hello(role));
    let (workstation, phone) = (join(Role::Workstation, 0), join(Role::Phone, 1));
    let mut pair = Pair::linked(session.clone(), workstation, phone);
    let [near, far] = [0, 1].map(|at| fleet.node(at).log().clone());
    let tag = line(&near, &["joined", "workstation"]).text("session").to_owned();
    assert_eq!(tag.len(), 8, "{tag:?} is not a tag");
    for log in [&near, &far] {
        line(log, &["the stream to a node began"]);
    }
    for (log, step, role) in [
        (&near, "link opening", "workstation"),
        (&near, "link accepted", "workstation"),
        (&far, "link accepted", "phone"),
    ] {
        assert_eq!(line(log, &[step, role]).text("session"), tag);
    }
    pair.workstation.text(PAYLOAD);
    pair.phone.expect_text(PAYLOAD);
    fleet.node(1).process().signal("STOP");
    line(&near, &["the stream to a node is over", "silent"]);
    assert_eq!(line(&near, &["link ended", "there"]).text("session"), tag);
    fleet.node(1).process().signal("CONT");
    line(&far, &["the stream to a node is over", "restarted"]);
    assert_eq!(line(&far, &["link ended"]).text("session"), tag);
    for at in [0, 1] {
        fleet.node(at).process().signal("TERM");
    }
    for at in [0, 1] {
        let (_, log) = fleet.node_mut(at).wait_end(GUARD);
        for secret in [&*session.id, &session.token, PAYLOAD] {
            assert!(!log.contains(secret), "{secret:?} is in the log of node {at}");
        }
    }
}

#[test]
fn a_late_probe_and_its_return_are_logged() {
    let mut fleet = start(1);
    let log = fleet.node(0).log().clone();
    fleet.redis().process().signal("STOP");
    let late = line(&log, &["the own probe is late"]);
    assert!(late.number("age_ms") > 2000);
    fleet.redis().process().signal("CONT");
    line(&log, &["the own probe is fresh again"]);
}
