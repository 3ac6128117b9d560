//! Requests for sessions, ends of connections, and the stop.

use super::*;
use crate::store::{Deleted, Registered};
use protocol::ws::control::PeerClose;

const UNTIL: Duration = Duration::from_secs(30);

fn at_once(until: Duration) -> Input {
    Input::Drain { told_by: START, until: START + until }
}

fn register(scene: &mut Scene) -> Vec<String> {
    let (ticket, token) = (conn(9), token(SESSION).digest());
    scene.handle(Input::Register { ticket, session: SESSION, token, again: true })
}

fn delete(scene: &mut Scene) -> Vec<String> {
    scene.handle(Input::Delete { ticket: conn(9), session: SESSION, token: None })
}

#[test]
fn requests_for_sessions_go_to_the_store_unless_the_process_stops() {
    let mut scene = Scene::new();
    assert_eq!((register(&mut scene), delete(&mut scene)), (vec!["register".into()], vec!["delete".into()]));
    let made = Answer::Registered { ticket: conn(9), outcome: Registered::Made };
    assert_eq!(scene.handle(Input::Answered(made)), ["registered Made"]);
    scene.handle(at_once(UNTIL));
    assert_eq!(register(&mut scene), [format!("registered {:?}", Registered::Away)]);
    assert_eq!(delete(&mut scene), [format!("deleted {:?}", Deleted::Away)]);
}

#[test]
fn a_drain_tells_and_parts_both_ends_before_their_close() {
    let mut scene = Scene::new();
    scene.join(0, Role::Workstation, 1, None);
    scene.join(1, Role::Phone, 2, Some(here(0, 1)));
    scene.hello(2, SESSION, Role::Phone, Version::V1);
    let done = scene.handle(at_once(UNTIL));
    let expected = [
        "0 going away",
        "1 left",
        "0 left",
        "release workstation 1",
        "0 close 1001 after all",
        "1 going away",
        "release phone 2",
        "1 close 1001 after all",
        "2 claim cancelled",
        "2 close 1001 after all",
    ];
    assert_eq!(done, expected);
    assert_eq!((scene.relay.links(), scene.relay.sessions()), (0, 0));
    assert!(scene.handle(at_once(UNTIL)).is_empty(), "all are closing");
    assert_eq!(scene.handle(Input::Opened { conn: conn(3) }), ["3 close 1001"]);
}

/// 400 connections, of which the first and the last are a pair, and a drain that tells all within a second.
fn crowd_that_drains() -> (Scene, Vec<String>) {
    let mut scene = Scene::with(Limits::default(), true);
    for slot in 1..399 {
        scene.handle(Input::Opened { conn: conn(slot) });
    }
    scene.join(0, Role::Workstation, 1, None);
    scene.join(399, Role::Phone, 2, Some(here(0, 1)));
    let told_by = START + Duration::from_secs(1);
    let done = scene.handle(Input::Drain { told_by, until: START + UNTIL });
    (scene, done)
}

fn closed(done: &[String]) -> Vec<&str> {
    done.iter().filter_map(|words| words.strip_suffix(" close 1001 after all")).collect()
}

#[test]
fn a_crowd_is_told_in_steps_and_both_ends_of_a_pair_in_the_same_one() {
    let (mut scene, first) = crowd_that_drains();
    let slots = closed(&first);
    assert_eq!((slots.len(), &slots[..3]), (20, &["0", "399", "1"][..]), "a step's share, and pairs first");
    let later = scene.pass(Duration::from_secs(1));
    let mut steps: Vec<(u64, usize)> = Vec::new();
    for (at, words) in later {
        if !closed(&[words]).is_empty() {
            match steps.last_mut() {
                Some((last, count)) if *last == at => *count += 1,
                _ => steps.push((at, 1)),
            }
        }
    }
    assert_eq!(steps.iter().map(|(_, count)| count).sum::<usize>(), 380, "each is told once");
    assert!(steps.iter().all(|&(at, count)| at % 50 == 0 && at < 1000 && count <= 20), "{steps:?}");
    assert!(!scene.relay.has_untold());
}

#[test]
fn a_drain_that_is_cut_short_tells_the_rest_at_once() {
    let (mut scene, first) = crowd_that_drains();
    assert!(scene.relay.has_untold());
    let rest = scene.handle(at_once(Duration::ZERO));
    assert_eq!(closed(&first).len() + closed(&rest).len(), 400);
    assert!(!scene.relay.has_untold());
}

/// When a connection is cut off whose Close frame was queued now.
fn cut_off(until: Option<Duration>, closes: impl FnOnce(&mut Scene)) -> u64 {
    let mut scene = Scene::with(Limits::default(), true);
    scene.handle(Input::Opened { conn: conn(0) });
    if let Some(until) = until {
        scene.handle(at_once(until));
    }
    closes(&mut scene);
    let done = scene.pass(Duration::from_secs(100));
    let abort = done.iter().find(|(_, words)| words == "0 abort").expect("it does not linger");
    abort.0
}

#[test]
fn a_connection_that_is_told_to_go_and_stays_is_cut_off_in_its_time() {
    let refuse = |scene: &mut Scene| {
        scene.handle(Input::Fault { conn: conn(0), code: CloseCode::TooBig });
    };
    assert_eq!(cut_off(None, refuse), 10_000);
    assert_eq!(cut_off(Some(UNTIL), refuse), 30_000);
    assert_eq!(cut_off(Some(Duration::from_secs(3)), refuse), 10_000, "a drain leaves time to close");
    let left = |scene: &mut Scene| {
        scene.handle(Input::Left { conn: conn(0), said: None });
    };
    assert_eq!(cut_off(None, left), 10_000);
}

#[test]
fn what_a_clients_close_says_is_given_back() {
    for (said, answer) in [
        (None, "0 close 1000".to_owned()),
        (Some(PeerClose::Empty), "0 echo None".into()),
        (Some(PeerClose::Code(4000)), "0 echo Some(4000)".into()),
        (Some(PeerClose::Invalid(CloseCode::Protocol)), "0 close 1002".into()),
    ] {
        let mut scene = Scene::new();
        scene.handle(Input::Opened { conn: conn(0) });
        assert_eq!(scene.handle(Input::Left { conn: conn(0), said }), [answer]);
        assert!(scene.handle(Input::Left { conn: conn(0), said }).is_empty(), "it is closed once");
    }
}

#[test]
fn a_crowd_that_is_due_at_once_is_served_in_parts() {
    let mut scene = Scene::with(Limits::default(), true);
    for slot in 0..600 {
        scene.handle(Input::Opened { conn: conn(slot) });
    }
    scene.later(Duration::from_secs(10));
    let parts: Vec<usize> = (0..3).map(|_| scene.handle(Input::Due).len()).collect();
    assert_eq!(parts, [256, 256, 88]);
    assert_eq!((scene.relay.connections(), scene.relay.timers()), (600, 600));
}

#[test]
fn a_slot_is_used_again_and_an_action_for_its_last_connection_is_not_taken() {
    let mut scene = Scene::new();
    scene.join(0, Role::Phone, 1, None);
    let timers = scene.relay.timers();
    assert_eq!(timers, 4, "the connection's, the session's, the comparison's and the bus's");
    let earlier = conn(0);
    assert_eq!(scene.handle(Input::Gone { conn: earlier }), ["release phone 1"]);
    assert_eq!((scene.relay.connections(), scene.relay.timers()), (0, timers - 2));
    let later = Conn { slot: 0, name: 77 };
    scene.handle(Input::Opened { conn: later });
    assert!(scene.handle(Input::Gone { conn: earlier }).is_empty());
    assert!(scene.handle(Input::Left { conn: earlier, said: None }).is_empty());
    assert_eq!(scene.relay.connections(), 1);
    scene.handle(Input::Gone { conn: later });
    assert_eq!((scene.relay.connections(), scene.relay.timers()), (0, timers - 2));
}
