//! Links to other nodes: asked for, opened, accepted, and ended.

use super::*;
use crate::store::Checked;

const PHONE: Role = Role::Phone;
const WORKSTATION: Role = Role::Workstation;

const fn key(workstation: u64, phone: u64, attempt: u32) -> LinkKey {
    LinkKey { workstation, phone, attempt }
}

fn open(key: LinkKey, handle: u32) -> String {
    format!("{:?}", Item::Open { session: SESSION, key, handle })
}

fn accept(handle: u32, own: u32) -> String {
    format!("{:?}", Item::Accept { handle, own })
}

fn left(handle: u32) -> String {
    format!("{:?}", Item::Left { handle })
}

/// What was said, but for credit.
fn but_credit(said: Vec<String>) -> Vec<String> {
    said.into_iter().filter(|item| !item.starts_with("Credit")).collect()
}

fn checked(scene: &mut Scene, role: Role, generation: u64, peer: Option<Holder>) -> Vec<String> {
    let outcome = Checked::Held { peer };
    scene.handle(Input::Answered(Answer::Checked { session: SESSION, role, generation, outcome }))
}

/// A workstation here, whose phone the store names on the other node.
fn opening() -> Scene {
    let mut scene = Scene::new();
    scene.join(0, WORKSTATION, 7, Some(there(8)));
    assert_eq!(scene.said(), [open(key(7, 8, 1), 1)]);
    scene
}

/// A phone here, linked to the workstation of the other node.
fn accepted() -> Scene {
    let mut scene = Scene::new();
    scene.join(0, PHONE, 8, None);
    let done = scene.hear(Item::Open { session: SESSION, key: key(7, 8, 2), handle: 30 });
    assert_eq!(done, ["0 joined, missed 0"]);
    assert_eq!(but_credit(scene.said()), [accept(30, 1)]);
    scene
}

/// What is said in a time, by the second.
fn said_in(scene: &mut Scene, span: Duration) -> Vec<(u64, String)> {
    let (until, mut said) = (scene.now + span, Vec::new());
    while let Some(due) = scene.relay.poll_timeout().filter(|&due| due <= until) {
        scene.now = due.max(scene.now);
        scene.handle(Input::Due);
        let second = scene.now.since(START).as_secs();
        said.extend(scene.publish().into_iter().map(|(_, item)| (second, item)));
    }
    scene.now = until;
    said
}

#[test]
fn a_wish_that_arrived_is_said_again_each_second_until_it_comes_true() {
    let mut scene = opening();
    let again = open(key(7, 8, 1), 1);
    let said = said_in(&mut scene, Duration::from_millis(3600));
    assert_eq!(said, [(1, again.clone()), (2, again.clone()), (3, again)]);
    assert_eq!((scene.relay.links_opening(), scene.relay.links_remote()), (1, 0));
    assert_eq!(scene.hear(Item::Accept { handle: 1, own: 40 }), ["0 joined, missed 0"]);
    assert_eq!((scene.relay.links_opening(), scene.relay.links_remote(), scene.relay.links()), (0, 1, 0));
    assert_eq!(
        but_credit(said_in(&mut scene, Duration::from_secs(3)).into_iter().map(|s| s.1).collect()),
        [""; 0]
    );
}

#[test]
fn a_wish_that_may_still_arrive_is_not_said_again() {
    let mut scene = Scene::new();
    scene.is_heard = false;
    scene.join(0, PHONE, 8, Some(there(7)));
    let ask = format!("{:?}", Item::Ask { session: SESSION, workstation: 7, phone: 8 });
    assert_eq!(scene.said(), [ask]);
    assert_eq!(said_in(&mut scene, Duration::from_secs(3)), []);
}

#[test]
fn a_wish_is_given_up_with_its_node_and_with_its_connection() {
    let mut scene = Scene::new();
    scene.is_heard = false;
    scene.join(0, PHONE, 8, Some(there(7)));
    said_in(&mut scene, Duration::from_secs(6));
    assert_eq!(scene.relay.nodes(), 0, "the other node says nothing");
    scene.is_heard = true;
    assert_eq!(said_in(&mut scene, Duration::from_secs(5)), []);

    let mut scene = opening();
    scene.handle(Input::Gone { conn: conn(0) });
    assert_eq!(scene.relay.links_opening(), 0);
    assert_eq!(said_in(&mut scene, Duration::from_secs(3)), []);
}

#[test]
fn what_the_store_names_is_opened_once_and_a_later_holder_anew() {
    let mut scene = opening();
    for (peer, said) in [
        (Some(there(8)), vec![open(key(7, 8, 1), 1)]),
        (Some(there(7)), vec![]),
        (None, vec![]),
        (Some(here(3, 9)), vec![]),
        (Some(there(9)), vec![open(key(7, 9, 2), 2)]),
    ] {
        checked(&mut scene, WORKSTATION, 7, peer);
        let expected: Vec<String> = said;
        assert_eq!(scene.said(), expected, "{peer:?}");
    }
    scene.hear(Item::Accept { handle: 2, own: 40 });
    // What was said for the link has arrived.
    scene.pass(Duration::from_millis(1100));
    checked(&mut scene, WORKSTATION, 7, Some(there(9)));
    assert_eq!(scene.said(), [""; 0], "it is linked to that one");
    checked(&mut scene, WORKSTATION, 7, Some(there(10)));
    assert_eq!(scene.said(), [open(key(7, 10, 3), 3)]);
    assert_eq!((scene.relay.links_opening(), scene.relay.links_remote()), (1, 1));
    let told = scene.hear(Item::Accept { handle: 3, own: 41 });
    assert_eq!(told, ["0 left", "0 joined, missed 0"]);
    assert_eq!(but_credit(scene.said()), [left(40)]);
    assert_eq!(scene.hear(Item::Left { handle: 3 }), ["0 left"]);
    checked(&mut scene, WORKSTATION, 7, Some(there(10)));
    assert_eq!(scene.said(), [open(key(7, 10, 4), 4)]);
}

#[test]
fn an_ask_for_this_workstation_is_answered_by_an_open() {
    let mut scene = Scene::new();
    scene.join(0, WORKSTATION, 7, None);
    scene.hear(Item::Ask { session: SESSION, workstation: 7, phone: 8 });
    assert_eq!(scene.said(), [open(key(7, 8, 1), 1)]);
    scene.hear(Item::Ask { session: SESSION, workstation: 6, phone: 8 });
    let gone = Item::Gone { session: SESSION, role: WORKSTATION, generation: 6 };
    assert_eq!(scene.said(), [format!("{gone:?}")]);
}

#[test]
fn a_peer_that_is_gone_there_is_given_back_to_the_store_once() {
    let mut scene = opening();
    let gone = |generation| Item::Gone { session: SESSION, role: PHONE, generation };
    assert_eq!(scene.hear(gone(9)), [""; 0], "of another claim");
    assert_eq!(scene.hear(gone(8)), ["release phone 8"]);
    assert_eq!(scene.hear(gone(8)), [""; 0]);
    assert_eq!(said_in(&mut scene, Duration::from_secs(3)), [], "and not wished for any more");
}

#[test]
fn an_open_is_accepted_if_it_is_the_latest_that_is_known() {
    for (key, handle, told, said) in [
        (key(7, 8, 2), 30, vec![], vec![]),
        (key(7, 8, 2), 31, vec![], vec![left(31)]),
        (key(7, 8, 1), 31, vec![], vec![left(31)]),
        (key(6, 8, 3), 31, vec![], vec![left(31)]),
        (key(7, 8, 3), 31, vec!["0 left", "0 joined, missed 0"], vec![left(30), accept(31, 2)]),
        (key(9, 8, 1), 31, vec!["0 left", "0 joined, missed 0"], vec![left(30), accept(31, 2)]),
        (
            key(7, 9, 3),
            31,
            vec![],
            vec![format!("{:?}", Item::Gone { session: SESSION, role: PHONE, generation: 9 })],
        ),
    ] {
        let mut scene = accepted();
        assert_eq!(scene.hear(Item::Open { session: SESSION, key, handle }), told, "{key:?} {handle}");
        assert_eq!(but_credit(scene.said()), said, "{key:?} {handle}");
        assert_eq!(scene.relay.links_remote(), 1);
    }
}

#[test]
fn a_link_to_a_workstation_here_ends_for_a_later_one_elsewhere_alone() {
    for (workstation, is_accepted) in [(4, false), (5, true), (6, true)] {
        let mut scene = Scene::new();
        scene.join(0, PHONE, 8, None);
        scene.join(1, WORKSTATION, 5, Some(here(0, 8)));
        let key = key(workstation, 8, 1);
        let told = scene.hear(Item::Open { session: SESSION, key, handle: 30 });
        assert_eq!(told.len(), if is_accepted { 3 } else { 0 }, "{workstation}: {told:?}");
        let said = but_credit(scene.said());
        assert_eq!(said, [if is_accepted { accept(30, 1) } else { left(30) }], "{workstation}");
        assert_eq!(scene.relay.links(), usize::from(!is_accepted));
    }
}

#[test]
fn an_accept_of_what_is_not_being_opened_is_left_at_once() {
    let mut scene = opening();
    scene.hear(Item::Accept { handle: 2, own: 50 });
    assert_eq!(scene.said(), [left(50)]);
    let third = NodeId::from_bytes([3; 16]);
    scene.relay.handle_item(third, Item::Accept { handle: 1, own: 51 }, scene.now);
    assert_eq!(scene.publish(), [(third, left(51))]);
    scene.hear(Item::Accept { handle: 1, own: 52 });
    scene.hear(Item::Accept { handle: 1, own: 53 });
    assert_eq!(but_credit(scene.said()), [left(53)], "it stands already");
}

#[test]
fn only_the_node_of_a_link_ends_it() {
    let mut scene = accepted();
    let third = NodeId::from_bytes([3; 16]);
    scene.relay.handle_item(third, Item::Left { handle: 1 }, scene.now);
    assert_eq!((scene.actions(), scene.relay.links_remote()), (vec![], 1));
    assert_eq!(scene.hear(Item::Left { handle: 1 }), ["0 left"]);
    assert_eq!(scene.relay.links_remote(), 0);
    assert_eq!(scene.hear(Item::Left { handle: 1 }), [""; 0]);
}

#[test]
fn a_link_that_ended_there_is_wished_for_again_only_if_it_never_stood() {
    let mut scene = opening();
    scene.hear(Item::Left { handle: 1 });
    assert_eq!(scene.relay.links_opening(), 0);
    let said = said_in(&mut scene, Duration::from_millis(1600));
    assert_eq!(said, [(1, open(key(7, 8, 2), 2))]);
    scene.hear(Item::Accept { handle: 2, own: 40 });
    scene.said();
    scene.hear(Item::Left { handle: 2 });
    assert_eq!(said_in(&mut scene, Duration::from_secs(3)), [], "the store names the next one");
}

#[test]
fn an_earlier_holder_is_not_asked_for_again_after_a_later_one_left() {
    let mut scene = Scene::new();
    scene.join(0, PHONE, 8, Some(there(5)));
    assert_eq!(scene.said().len(), 1, "it asks for the link to the first holder");
    scene.hear(Item::Open { session: SESSION, key: key(9, 8, 1), handle: 30 });
    assert_eq!(scene.relay.links_remote(), 1);
    scene.said();
    assert_eq!(scene.hear(Item::Left { handle: 1 }), ["0 left"]);
    assert_eq!(said_in(&mut scene, Duration::from_secs(3)), [], "the store names the next one");
}

#[test]
fn a_peer_that_comes_to_this_node_ends_the_link_to_another() {
    let mut scene = accepted();
    let told = scene.join(1, WORKSTATION, 9, Some(here(0, 8)));
    let expected = [
        "1 admitted as workstation",
        "1 ack, peer true",
        "0 left",
        "1 joined, missed 0",
        "0 joined, missed 0",
    ];
    assert_eq!(told, expected);
    assert_eq!(scene.said(), [left(30)]);
    assert_eq!((scene.relay.links(), scene.relay.links_remote()), (1, 0));
}

#[test]
fn what_is_opened_to_another_node_is_forgotten_when_the_peer_comes_here() {
    let mut scene = opening();
    scene.join(1, PHONE, 9, Some(here(0, 7)));
    assert_eq!((scene.relay.links(), scene.relay.links_opening()), (1, 0));
    scene.hear(Item::Accept { handle: 1, own: 40 });
    assert_eq!(scene.said(), [left(40)]);
    assert_eq!(said_in(&mut scene, Duration::from_secs(3)), []);
}

#[test]
fn frames_that_found_nobody_are_told_once_and_counted_until_a_peer_comes() {
    for (version, expected) in [(Version::V1, vec![]), (Version::V3, vec!["0 absent"])] {
        let mut scene = Scene::new();
        scene.hello(0, SESSION, PHONE, version);
        scene.granted(0, PHONE, 8, None);
        let mut told = Vec::new();
        for _ in 0..3 {
            assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Absent);
            told.extend(scene.actions());
        }
        assert_eq!(told, expected, "{version:?}");
        let done = scene.hear(Item::Open { session: SESSION, key: key(7, 8, 1), handle: 30 });
        assert_eq!(done, ["0 joined, missed 3"]);
        assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Remote(1));
        scene.hear(Item::Left { handle: 1 });
        assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Absent);
        let done = scene.join(1, WORKSTATION, 9, Some(here(0, 8)));
        assert!(done.contains(&"0 joined, missed 1".into()), "{done:?}");
    }
}

#[test]
fn each_message_goes_where_its_connection_stands() {
    let mut scene = Scene::new();
    assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Closing, "it is not there");
    scene.handle(Input::Opened { conn: conn(0) });
    assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Core);
    assert!(!scene.relay.is_paused(conn(0)) && scene.relay.is_paused(conn(1)));
    scene.handle(Input::Gone { conn: conn(0) });
    scene.hello(0, SESSION, PHONE, Version::V3);
    assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Closing, "its claim is not answered");
    assert!(scene.relay.is_paused(conn(0)));
    scene.granted(0, PHONE, 8, None);
    scene.join(1, WORKSTATION, 9, Some(here(0, 8)));
    assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Peer(conn(1)));
    scene.relay.note_congested(conn(1));
    assert!(scene.relay.is_paused(conn(0)) && !scene.relay.is_paused(conn(1)));
    scene.relay.note_relieved(conn(1));
    assert_eq!(scene.resumed(), [1, 0]);
    scene.relay.note_relieved(conn(1));
    assert_eq!(scene.resumed(), [0; 0], "it was not congested any more");
    assert!(!scene.relay.is_paused(conn(0)));
    scene.handle(Input::Left { conn: conn(0), said: None });
    assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Closing);
}

#[test]
fn a_round_of_many_wishes_is_said_in_parts() {
    let mut scene = Scene::new();
    for slot in 0..300_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&slot.to_be_bytes());
        let session = SessionId::from_bytes(id);
        scene.hello(slot, session, PHONE, Version::V1);
        let (conn, role, peer) = (conn(slot), PHONE, Some(there(7)));
        let outcome = Claimed::Granted { generation: 8, replaced: None, same_instance: false, peer };
        scene.handle(Input::Answered(Answer::Claimed { conn, session, role, outcome }));
    }
    scene.pass(Duration::from_millis(990));
    let mut said = Vec::new();
    while let Some(due) = scene.relay.poll_timeout().filter(|&due| due < START + Duration::from_millis(1200))
    {
        scene.now = due.max(scene.now);
        scene.handle(Input::Due);
        said.push((scene.now.since(START).as_millis(), scene.publish().len()));
    }
    said.retain(|&(_, count)| count > 0);
    assert_eq!(said, [(1000, 256), (1010, 44)]);
}

#[test]
fn each_step_of_a_link_is_noted() {
    let steps = |scene: &mut Scene| {
        let notes = std::mem::take(&mut scene.notes).into_iter();
        notes.filter_map(|note| if let Note::Link { step, .. } = note { Some(step) } else { None }).collect()
    };
    let mut scene = opening();
    scene.hear(Item::Accept { handle: 1, own: 40 });
    scene.hear(Item::Left { handle: 1 });
    let all: Vec<LinkStep> = steps(&mut scene);
    assert_eq!(all, [LinkStep::Opening, LinkStep::Accepted, LinkStep::EndedThere]);
    let mut scene = accepted();
    scene.handle(Input::Gone { conn: conn(0) });
    let all: Vec<LinkStep> = steps(&mut scene);
    assert_eq!(all, [LinkStep::Accepted, LinkStep::EndedHere]);
    let mut scene = opening();
    scene.hear(Item::Gone { session: SESSION, role: PHONE, generation: 8 });
    let all: Vec<LinkStep> = steps(&mut scene);
    assert_eq!(all, [LinkStep::Opening, LinkStep::Gone]);
}

#[test]
fn a_paused_client_is_pinged_also_where_its_driver_has_not_looked() {
    let mut scene = Scene::with(Limits::default(), true);
    scene.join(0, PHONE, 8, None);
    scene.join(1, WORKSTATION, 9, Some(here(0, 8)));
    scene.relay.note_congested(conn(1));
    let done = scene.pass(Duration::from_secs(41));
    let pings: Vec<u64> =
        done.iter().filter(|(_, words)| words == "0 paused ping").map(|&(at, _)| at / 1000).collect();
    assert_eq!(pings, [30, 35, 40]);
}

#[test]
fn the_end_of_what_is_being_opened_leaves_the_link_that_stands() {
    let mut scene = opening();
    scene.hear(Item::Accept { handle: 1, own: 40 });
    checked(&mut scene, WORKSTATION, 7, Some(there(10)));
    assert_eq!((scene.relay.links_opening(), scene.relay.links_remote()), (1, 1));
    assert_eq!(scene.hear(Item::Left { handle: 2 }), [""; 0]);
    assert_eq!((scene.relay.links_opening(), scene.relay.links_remote()), (0, 1));
    assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Remote(1));
}

#[test]
fn an_accept_for_an_earlier_workstation_leaves_the_phones_link_to_a_later_one() {
    let mut scene = opening();
    scene.join(1, PHONE, 10, Some(there(9)));
    let told = scene.hear(Item::Open { session: SESSION, key: key(9, 10, 1), handle: 30 });
    assert_eq!(told, ["1 joined, missed 0"]);
    scene.said();
    assert_eq!(scene.hear(Item::Accept { handle: 1, own: 40 }), [""; 0]);
    assert_eq!(but_credit(scene.said()), [left(40)]);
    assert_eq!((scene.relay.links(), scene.relay.links_remote()), (0, 1));
}

#[test]
fn what_an_earlier_workstation_opens_meanwhile_leaves_the_phones_link_to_a_later_one() {
    let mut scene = Scene::new();
    scene.join(0, WORKSTATION, 7, None);
    scene.join(1, PHONE, 10, None);
    scene.hear(Item::Open { session: SESSION, key: key(9, 10, 1), handle: 30 });
    checked(&mut scene, WORKSTATION, 7, Some(there(8)));
    assert_eq!((scene.relay.links_opening(), scene.relay.links_remote()), (1, 1));
    scene.said();
    assert_eq!(scene.hear(Item::Accept { handle: 2, own: 40 }), [""; 0]);
    assert_eq!(but_credit(scene.said()), [left(40)]);
    assert_eq!((scene.relay.links_opening(), scene.relay.links_remote()), (0, 1));
    assert_eq!(scene.relay.route(conn(1), scene.now), Verdict::Remote(1));
}

#[test]
fn credit_for_what_is_being_opened_resumes_nobody() {
    let mut scene = opening();
    scene.hear(Item::Accept { handle: 1, own: 40 });
    checked(&mut scene, WORKSTATION, 7, Some(there(10)));
    assert_eq!((scene.relay.links_opening(), scene.relay.links_remote()), (1, 1));
    for (handle, resumed) in [(2, vec![]), (1, vec![0])] {
        scene.relay.handle_item(OTHER, Item::Credit { handle, bytes: 1000 }, scene.now);
        assert_eq!(scene.resumed(), resumed, "{handle}");
    }
}

#[test]
fn the_end_of_an_earlier_link_leaves_the_wish_for_a_later_one() {
    let mut scene = opening();
    scene.hear(Item::Accept { handle: 1, own: 40 });
    checked(&mut scene, WORKSTATION, 7, Some(there(10)));
    assert_eq!(scene.hear(Item::Left { handle: 1 }), ["0 left"]);
    let said = said_in(&mut scene, Duration::from_millis(2600));
    assert!(said.contains(&(2, open(key(7, 10, 2), 2))), "{said:?}");
}
