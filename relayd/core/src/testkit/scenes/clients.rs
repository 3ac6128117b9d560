//! The timers of a client: its hello, its claim, and a socket that takes nothing.

use super::*;
use crate::limits::STALL_BYTES;

const PHONE: Role = Role::Phone;

fn closes(done: &[(u64, String)]) -> Vec<(u64, &str)> {
    let closes = done.iter().filter(|(_, words)| words.contains("close "));
    closes.map(|(at, words)| (*at, words.as_str())).collect()
}

#[test]
fn a_connection_that_says_no_hello_is_closed_after_ten_seconds() {
    let mut scene = Scene::with(Limits::default(), true);
    scene.handle(Input::Opened { conn: conn(0) });
    assert_eq!(closes(&scene.pass(Duration::from_secs(60))), [(10_000, "0 close 4408")]);
}

#[test]
fn a_claim_that_the_store_does_not_answer_ends_after_fifteen_seconds() {
    for (version, pings) in [(Version::V1, vec![]), (Version::V3, vec![5_000, 10_000])] {
        let mut scene = Scene::with(Limits::default(), true);
        scene.hello(0, SESSION, PHONE, version);
        let done = scene.pass(Duration::from_secs(60));
        let code = CloseCode::TryLater.code();
        assert_eq!(closes(&done), [(15_000, format!("0 close {code}").as_str())]);
        let pinged = done.iter().filter(|(_, words)| words == "0 paused ping").map(|&(at, _)| at);
        assert_eq!(pinged.collect::<Vec<_>>(), pings, "{version:?}");
    }
}

/// When a client is closed that sends a heartbeat every ten seconds while its socket takes this much of what
/// waits.
fn stalled(taken: usize) -> Option<u64> {
    let mut scene = Scene::with(Limits::default(), true);
    scene.hello(0, SESSION, PHONE, Version::V1);
    scene.granted(0, PHONE, 1, None);
    scene.relay.note_written(conn(0), 0, 10 * STALL_BYTES, scene.now);
    for _ in 0..20 {
        let done = scene.pass(Duration::from_secs(10));
        if let Some(&(at, words)) = closes(&done).first() {
            assert_eq!(words, "0 close 4408");
            return Some(at);
        }
        scene.relay.note_read(conn(0), 1, scene.now);
        scene.relay.note_heartbeat(conn(0), scene.now);
        scene.relay.note_written(conn(0), taken, 10 * STALL_BYTES, scene.now);
    }
    None
}

#[test]
fn a_socket_that_takes_too_little_in_the_stall_time_is_closed() {
    assert_eq!(stalled(0), Some(120_000));
    assert_eq!(stalled(STALL_BYTES / 20), Some(120_000));
    assert_eq!(stalled(STALL_BYTES / 10), None);
}

#[test]
fn a_hello_that_may_wait_unread_is_not_missed_while_the_node_catches_up() {
    let mut scene = Scene::new();
    scene.hears_itself = false;
    scene.handle(Input::Opened { conn: conn(0) });
    scene.pass(Duration::from_secs(9));
    scene.handle(Input::Revived);
    let done = scene.pass(Duration::from_secs(10));
    let closed = closes(&done);
    assert!(matches!(closed[..], [(12_000..=13_000, "0 close 4408")]), "{closed:?}");
}

#[test]
fn a_close_has_its_ten_seconds_where_the_ping_of_a_pause_was_due_sooner() {
    let mut scene = Scene::with(Limits::default(), true);
    scene.join(0, PHONE, 1, None);
    scene.relay.note_unread(conn(0), true, scene.now);
    scene.handle(Input::Left { conn: conn(0), said: None });
    let done = scene.pass(Duration::from_secs(15));
    let aborts = done.iter().filter(|(_, words)| words == "0 abort").map(|&(at, _)| at);
    assert_eq!(aborts.collect::<Vec<_>>(), [10_000]);
}
