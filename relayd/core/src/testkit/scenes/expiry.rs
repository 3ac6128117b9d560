//! A session's activity, and its end for its age.

use super::*;
use crate::limits::SETTLED_WITHIN;
use crate::store::{Checked, Expired};
use protocol::message::KillReason;

const PHONE: Role = Role::Phone;

/// Sessions that end after 100 s, and clients that are not asked for a sign of life before.
fn limits() -> Limits {
    let (session_idle, heartbeat_interval) = (Duration::from_secs(100), Duration::from_secs(86_400));
    Limits { session_idle, heartbeat_interval, ..Limits::default() }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone that joined just now, with the process's own store.
fn joined() -> Scene {
    let mut scene = Scene::with(limits(), true);
    scene.join(0, PHONE, 1, None);
    scene
}

/// A phone that joined just now, on one node of several.
fn joined_shared() -> Scene {
    let mut scene = Scene::with(limits(), false);
    scene.join(0, PHONE, 1, None);
    scene
}

fn expired(scene: &mut Scene, outcome: Expired) -> Vec<String> {
    scene.handle(Input::Answered(Answer::Expired { session: SESSION, outcome }))
}

/// What is done without the comparisons with the store.
fn but_checks(done: Vec<(u64, String)>) -> Vec<(u64, String)> {
    done.into_iter().filter(|(_, words)| !words.starts_with("check")).collect()
}

fn at(secs: u64, words: &str) -> (u64, String) {
    (secs * 1000, words.to_owned())
}

#[test]
fn an_idle_session_is_ended_by_the_store_in_its_time() {
    let mut scene = joined();
    assert_eq!(scene.pass(secs(1000)), [at(100, "expire")], "asked once, and told of no activity");
    let holders = [None, Some(here(0, 1))];
    let over = Expired::Over { reason: KillReason::Expired, holders };
    assert_eq!(expired(&mut scene, over), ["0 killed Expired", "0 close 4410"]);
    assert_eq!(scene.relay.sessions(), 0);
}

#[test]
fn activity_is_told_to_the_store_at_the_end_of_its_interval_and_puts_the_end_off() {
    let mut scene = joined();
    scene.later(secs(10));
    scene.relay.note_heartbeat(conn(0), scene.now);
    let done = scene.pass(secs(200));
    assert_eq!(done, [at(25, "touch 15000"), at(110, "expire")]);
    assert_eq!(expired(&mut scene, Expired::Away), [""; 0]);
    assert_eq!(scene.pass(secs(2)), [at(211, "expire")], "asked again after a second");
}

#[test]
fn a_session_that_the_store_knows_to_be_alive_is_asked_for_again_in_time() {
    let mut scene = joined();
    scene.pass(secs(100));
    expired(&mut scene, Expired::Alive { left_ms: 30_000 });
    assert!(scene.relay.poll_timeout() > Some(scene.now), "there is nothing to do now");
    assert_eq!(scene.pass(secs(60)), [at(130, "expire")], "and what the store said is not told to it");
    expired(&mut scene, Expired::Alive { left_ms: 0 });
    scene.later(Duration::from_millis(1));
    assert_eq!(scene.handle(Input::Due), ["expire"]);
}

#[test]
fn what_the_store_knows_of_activity_elsewhere_counts_in_the_next_comparison() {
    let mut scene = joined_shared();
    scene.pass(secs(100));
    expired(&mut scene, Expired::Alive { left_ms: 60_000 });
    assert_eq!(scene.handle(Input::StoreBack), ["check phone 1 idle 40000"]);
    expired(&mut scene, Expired::Alive { left_ms: 50_000 });
    assert_eq!(scene.handle(Input::StoreBack), ["check phone 1 idle 40000"], "the latest counts");
    assert!(but_checks(scene.pass(secs(70))).contains(&at(160, "expire")));
}

#[test]
fn a_session_that_the_store_forgot_is_written_again_while_others_may_say_that_it_is_active() {
    // Activity at 0 s; others have said of theirs by 100 s and 26 s.
    for (after, is_checked) in [(100, true), (125, true), (126, false)] {
        let mut scene = joined_shared();
        scene.later(secs(after));
        let over = Expired::Over { reason: KillReason::Expired, holders: [None; 2] };
        let done = expired(&mut scene, over);
        let idle = format!("check phone 1 idle {}", after * 1000);
        assert_eq!(done == [idle], is_checked, "{after} s: {done:?}");
        assert_eq!(done == ["0 killed Expired", "0 close 4410"], !is_checked, "{after} s: {done:?}");
        if is_checked {
            let asked = but_checks(scene.pass(secs(60)));
            assert!(asked.contains(&at(after + 26, "expire")), "{after} s: {asked:?}");
        }
    }
    for over in [
        Expired::Over { reason: KillReason::Deleted, holders: [None; 2] },
        Expired::Over { reason: KillReason::Expired, holders: [Some(there(3)), None] },
    ] {
        let mut scene = joined_shared();
        scene.later(secs(100));
        let done = expired(&mut scene, over);
        assert!(done.contains(&"0 close 4410".into()), "{done:?}");
    }
}

#[test]
fn no_session_ends_while_the_store_settles_or_the_node_catches_up() {
    let mut scene = joined_shared();
    scene.pass(secs(97));
    scene.handle(Input::StoreBack);
    scene.handle(Input::StoreBack);
    let asked = but_checks(scene.pass(secs(10)));
    let settled = 97 + SETTLED_WITHIN.as_secs();
    assert_eq!(asked, [at(settled, "expire")], "asked each second whether the store settled");

    let mut scene = joined_shared();
    scene.pass(secs(99));
    scene.handle(Input::Revived);
    assert_eq!(but_checks(scene.pass(secs(2))), [], "its holds are not compared yet");
    let answer = Checked::Held { peer: None };
    let (session, role, generation) = (SESSION, PHONE, 1);
    scene.handle(Input::Answered(Answer::Checked { session, role, generation, outcome: answer }));
    assert_eq!(but_checks(scene.pass(secs(2))), [at(102, "expire")]);
}

#[test]
fn a_role_that_is_given_back_tells_of_the_activity_that_the_store_does_not_know() {
    for (heartbeat, expected) in [
        (None, vec!["release phone 1"]),
        (Some(4), vec!["touch 6000", "release phone 1"]),
        (Some(10), vec!["touch 0", "release phone 1"]),
    ] {
        let mut scene = joined();
        if let Some(heartbeat) = heartbeat {
            scene.relay.note_heartbeat(conn(0), START + secs(heartbeat));
        }
        scene.later(secs(10));
        assert_eq!(scene.handle(Input::Gone { conn: conn(0) }), expected, "{heartbeat:?}");
    }
}

#[test]
fn the_end_that_stays_keeps_what_the_one_that_left_was_active_for() {
    let mut scene = joined();
    scene.later(secs(1));
    scene.join(1, Role::Workstation, 2, Some(here(0, 1)));
    scene.relay.note_heartbeat(conn(1), START + secs(20));
    scene.later(secs(20));
    let done = scene.handle(Input::Gone { conn: conn(1) });
    assert_eq!(done, ["0 left", "touch 1000", "release workstation 2"]);
    let done = scene.pass(secs(200));
    assert_eq!(done, [at(120, "expire")], "it is told once, and the session's time counts from it");
}

#[test]
fn the_first_word_after_a_silence_at_both_ends_is_told_once() {
    let mut scene = joined();
    scene.join(1, Role::Workstation, 2, Some(here(0, 1)));
    scene.pass(secs(60));
    scene.relay.route(conn(0), scene.now);
    assert_eq!(scene.actions(), ["touch 0"]);
    scene.relay.route(conn(1), scene.now);
    assert_eq!(scene.actions(), [""; 0]);
    let since = scene.later(secs(24));
    scene.relay.note_heartbeat(conn(0), since);
    assert_eq!(scene.actions(), [""; 0], "it spoke within its interval");
    scene.later(secs(25));
    scene.relay.note_heartbeat(conn(0), scene.now);
    assert_eq!(scene.actions().len(), 1);
}

#[test]
fn each_hold_is_compared_with_the_store_once_in_thirty_seconds() {
    let mut scene = Scene::with(limits(), false);
    for slot in 0..40 {
        let (session, role) = (SessionId::from_bytes([slot as u8 + 1; 16]), PHONE);
        scene.hello(slot, session, role, Version::V1);
        let generation = u64::from(slot) + 1;
        let outcome = Claimed::Granted { generation, replaced: None, same_instance: false, peer: None };
        scene.handle(Input::Answered(Answer::Claimed { conn: conn(slot), session, role, outcome }));
    }
    let done = scene.pass(secs(60));
    let checks: Vec<_> = done.into_iter().filter(|(_, words)| words.starts_with("check")).collect();
    for generation in 1..=40 {
        let prefix = format!("check phone {generation} ");
        let at: Vec<u64> = checks.iter().filter(|(_, w)| w.starts_with(&prefix)).map(|(at, _)| *at).collect();
        assert!(at.len() >= 2 && at[1] - at[0] <= 30_000, "{generation}: {at:?}");
    }
    let most = (0..=60_000).step_by(1000).map(|at| checks.iter().filter(|(a, _)| *a == at).count()).max();
    assert_eq!(most, Some(2), "forty in thirty parts");
}
