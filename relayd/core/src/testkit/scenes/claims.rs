//! Claims: what each answer of the store leads to, and what other nodes say before it.

use super::*;
use crate::limits::SETTLED_WITHIN;
use crate::store::Deleted;
use protocol::message::KillReason;

const PHONE: Role = Role::Phone;
const WORKSTATION: Role = Role::Workstation;

#[test]
fn each_refusal_of_the_store_has_its_code() {
    for (outcome, is_doubted, is_counted, code) in [
        (Claimed::Unauthorized, false, Some("0 is wrong"), CloseCode::Unauthorized),
        (Claimed::Unauthorized, true, Some("0 is turned away"), CloseCode::TooMany),
        (Claimed::Straggler, false, None, CloseCode::Replaced),
        (Claimed::TooMany, false, None, CloseCode::TooMany),
        (Claimed::TooMany, true, Some("0 is turned away"), CloseCode::TooMany),
        (Claimed::Away, true, None, CloseCode::TryLater),
    ] {
        let mut scene = Scene::new();
        scene.handle(Input::Opened { conn: conn(0) });
        let hello = Hello::to_json_as(Version::V2, SESSION, &token(SESSION), PHONE, None);
        let hello = Hello::parse(hello.as_bytes(), true);
        assert_eq!(scene.handle(Input::Hello { conn: conn(0), hello, is_doubted }), ["claim phone"]);
        let mut expected: Vec<String> = is_counted.map(str::to_owned).into_iter().collect();
        expected.extend([format!("0 error {}", code.code()), "0 claim cancelled".into(), closed(0, code)]);
        assert_eq!(scene.claimed(0, PHONE, outcome), expected, "{outcome:?}");
        assert!(scene.claimed(0, PHONE, outcome).is_empty(), "it is closed once");
    }
}

#[test]
fn an_unknown_session_is_told_to_come_again_while_the_store_settles() {
    let mut scene = Scene::new();
    scene.handle(Input::StoreBack);
    scene.handle(Input::StoreBack);
    for (after, code) in [
        (Duration::ZERO, CloseCode::TryLater),
        (SETTLED_WITHIN - Duration::from_millis(1), CloseCode::TryLater),
        (SETTLED_WITHIN, CloseCode::Unauthorized),
    ] {
        scene.now = START + after;
        scene.hello(0, SESSION, PHONE, Version::V1);
        assert!(scene.claimed(0, PHONE, Claimed::Unauthorized).contains(&closed(0, code)), "{after:?}");
        scene.handle(Input::Gone { conn: conn(0) });
    }
}

#[test]
fn a_hello_without_credentials_and_a_first_message_that_is_none_never_reach_the_store() {
    let unknown = br#"{"type":"hello","s":"x","t":"y","r":"phone"}"#;
    for (payload, is_doubted, is_counted, code) in [
        (&unknown[..], false, Some("0 is wrong"), CloseCode::Unauthorized),
        (unknown, true, Some("0 is turned away"), CloseCode::TooMany),
        (b"{}", true, None, CloseCode::BadHello),
    ] {
        let mut scene = Scene::new();
        scene.handle(Input::Opened { conn: conn(0) });
        let first = Input::Hello { conn: conn(0), hello: Hello::parse(payload, true), is_doubted };
        let expected = is_counted.map(str::to_owned).into_iter().chain([closed(0, code)]);
        assert_eq!(scene.handle(first), expected.collect::<Vec<_>>());
        assert!(scene.handle(first).is_empty(), "a second first message is none");
    }
}

#[test]
fn a_grant_tells_the_node_of_the_replaced_holder_unless_it_is_this_one() {
    for (holder, is_alone, is_told) in
        [(there(3), false, true), (here(7, 3), false, false), (there(3), true, false)]
    {
        let mut scene = Scene::with(Limits::default(), is_alone);
        scene.hello(0, SESSION, PHONE, Version::V3);
        let outcome =
            Claimed::Granted { generation: 4, replaced: Some(holder), same_instance: true, peer: None };
        assert_eq!(scene.claimed(0, PHONE, outcome), ["0 admitted as phone", "0 ack, peer false"]);
        assert_eq!((scene.relay.nodes() == 1, scene.relay.unacknowledged() > 0), (is_told, is_told));
        let item = Item::Evict { session: SESSION, role: PHONE, generation: 4, same: true };
        let expected = if is_told { vec![format!("{item:?}")] } else { vec![] };
        assert_eq!(scene.said(), expected);
    }
}

#[test]
fn a_grant_to_a_connection_that_left_is_given_back() {
    let mut scene = Scene::new();
    scene.hello(0, SESSION, PHONE, Version::V3);
    assert_eq!(scene.handle(Input::Gone { conn: conn(0) }), ["0 claim cancelled"]);
    assert_eq!(scene.granted(0, PHONE, 4, None), ["release phone 4"]);
    assert!(scene.claimed(0, PHONE, Claimed::Away).is_empty());
}

#[test]
fn a_takeover_on_this_node_tells_the_older_holder_and_gives_its_hold_back() {
    let mut scene = Scene::new();
    scene.join(0, WORKSTATION, 1, None);
    scene.join(1, PHONE, 2, Some(here(0, 1)));
    assert_eq!(scene.relay.links(), 1);
    scene.hello(2, SESSION, PHONE, Version::V3);
    let (replaced, peer) = (Some(here(1, 2)), Some(here(0, 1)));
    let outcome = Claimed::Granted { generation: 3, replaced, same_instance: true, peer };
    let expected = [
        "0 left",
        "1 replaced, same true",
        "1 close 4409",
        "release phone 2",
        "2 admitted as phone",
        "2 ack, peer true",
        "0 joined, missed 0",
        "2 joined, missed 0",
    ];
    assert_eq!(scene.claimed(2, PHONE, outcome), expected);
    assert_eq!((scene.relay.links(), scene.relay.sessions(), scene.relay.connections()), (1, 1, 3));
}

#[test]
fn a_peer_that_the_store_names_here_is_linked_only_if_it_is_here() {
    let mut scene = Scene::new();
    scene.join(0, WORKSTATION, 1, None);
    let done = scene.join(1, PHONE, 2, Some(here(5, 9)));
    assert_eq!(done, ["1 admitted as phone", "release workstation 9", "1 ack, peer false"]);
    assert_eq!(scene.relay.links(), 0);
}

/// A claim of the phone's role, and of the workstation's in another session, are not answered.
fn claiming() -> Scene {
    let mut scene = Scene::new();
    scene.hello(0, SESSION, PHONE, Version::V3);
    scene.hello(1, SessionId::from_bytes([6; 16]), WORKSTATION, Version::V3);
    scene
}

#[test]
fn while_a_claim_is_not_answered_no_node_is_told_that_its_role_is_free() {
    let (key, handle) = (LinkKey { workstation: 7, phone: 8, attempt: 1 }, 3);
    let ask = |session| Item::Ask { session, workstation: 7, phone: 8 };
    let open = |session| Item::Open { session, key, handle };
    let gone = |session, role, generation| format!("{:?}", Item::Gone { session, role, generation });
    let other = SessionId::from_bytes([6; 16]);
    for (item, answer) in [
        (ask(SESSION), Some(gone(SESSION, WORKSTATION, 7))),
        (open(SESSION), None),
        (ask(other), None),
        (open(other), Some(gone(other, PHONE, 8))),
    ] {
        let mut scene = claiming();
        scene.hear(item);
        assert_eq!(scene.said(), answer.into_iter().collect::<Vec<_>>(), "{item:?}");
        for slot in [0, 1] {
            scene.handle(Input::Gone { conn: conn(slot) });
        }
        scene.hear(item);
        assert_eq!(scene.said().len(), 1, "nobody claims it any more");
    }
}

#[test]
fn what_other_nodes_say_of_a_claim_before_its_answer_counts_by_role_and_generation() {
    let evict = |role, generation| Item::Evict { session: SESSION, role, generation, same: false };
    let kill = |generations| Item::Kill { session: SESSION, reason: KillReason::Deleted, generations };
    let (replaced, killed) = (Some(CloseCode::Replaced), Some(CloseCode::SessionKilled));
    for (said, code) in [
        (vec![evict(PHONE, 11)], replaced),
        (vec![evict(PHONE, 10)], None),
        (vec![evict(WORKSTATION, 11)], None),
        (vec![evict(PHONE, 11), evict(PHONE, 9)], replaced),
        (vec![kill([0, 10])], killed),
        (vec![kill([10, 9])], None),
        (vec![kill([0, 10]), kill([0, 4])], killed),
        (vec![kill([0, 4]), kill([0, 10])], killed),
    ] {
        let mut scene = claiming();
        for &item in &said {
            assert!(scene.hear(item).is_empty());
        }
        let done = scene.granted(0, PHONE, 10, None);
        let close = code.map(|code| closed(0, code));
        assert_eq!(close.is_none(), done.contains(&"0 admitted as phone".into()), "{said:?}: {done:?}");
        assert!(close.is_none_or(|close| done.contains(&close)), "{said:?}: {done:?}");
    }
}

#[test]
fn of_two_kills_before_the_answer_the_one_that_ends_more_gives_the_reason() {
    let kill = |reason, generation| Item::Kill { session: SESSION, reason, generations: [0, generation] };
    for (first, second, reason) in [(12, 11, "Expired"), (11, 12, "Deleted"), (12, 12, "Deleted")] {
        let mut scene = claiming();
        scene.hear(kill(KillReason::Expired, first));
        scene.hear(kill(KillReason::Deleted, second));
        let done = scene.granted(0, PHONE, 10, None);
        assert!(done.contains(&format!("0 killed {reason}")), "{first} and {second}: {done:?}");
    }
}

#[test]
fn a_held_role_goes_to_a_later_claim_elsewhere_alone() {
    for (generation, goes) in [(9, false), (10, false), (11, true)] {
        let mut scene = Scene::new();
        scene.join(0, PHONE, 10, None);
        let done = scene.hear(Item::Evict { session: SESSION, role: PHONE, generation, same: true });
        assert_eq!(done.contains(&"0 replaced, same true".into()), goes, "{generation}: {done:?}");
        assert_eq!(scene.relay.sessions(), usize::from(!goes));
    }
}

#[test]
fn a_kill_of_another_node_ends_the_holds_that_it_names() {
    for (generations, goes) in [([0, 9], false), ([10, 9], false), ([0, 10], true), ([0, 11], true)] {
        let mut scene = Scene::new();
        scene.join(0, PHONE, 10, None);
        let done = scene.hear(Item::Kill { session: SESSION, reason: KillReason::Deleted, generations });
        assert_eq!(done.contains(&"0 killed Deleted".into()), goes, "{generations:?}: {done:?}");
    }
}

#[test]
fn the_nodes_of_an_ended_sessions_holders_are_told_under_which_generations() {
    let holders = [Some(there(3)), Some(here(0, 4))];
    let item = Item::Kill { session: SESSION, reason: KillReason::Deleted, generations: [3, 4] };
    for (outcome, is_alone, is_told, is_killed) in [
        (Deleted::Gone { holders }, false, true, true),
        (Deleted::Before { holders }, false, true, false),
        (Deleted::Gone { holders: [None; 2] }, false, false, true),
        (Deleted::Gone { holders }, true, false, true),
        (Deleted::Missing, false, false, false),
        (Deleted::Away, false, false, false),
    ] {
        let mut scene = Scene::with(Limits::default(), is_alone);
        scene.join(0, PHONE, 4, None);
        let ticket = conn(8);
        let answer = Answer::Deleted { ticket, session: SESSION, outcome };
        let done = scene.handle(Input::Answered(answer));
        assert_eq!(done.contains(&"0 killed Deleted".into()), is_killed, "{outcome:?}: {done:?}");
        assert_eq!(done.last(), Some(&format!("deleted {outcome:?}")));
        assert_eq!(scene.relay.nodes(), usize::from(is_told), "{outcome:?}");
        let expected = if is_told { vec![format!("{item:?}")] } else { vec![] };
        assert_eq!(scene.said(), expected, "{outcome:?}");
    }
}
