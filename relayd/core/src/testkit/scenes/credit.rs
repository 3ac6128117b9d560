//! Credit: how much of a link between nodes may be on its way, and when it comes back.

use super::*;
use crate::limits::{CREDIT_BYTES, FRAME_COST, WINDOWS_MAX};
use crate::node_link::item::PIECE_BYTES_MAX;
use crate::wire::inbound::Kind;

const CREDIT: usize = CREDIT_BYTES;

/// The other node's name for the link, and this one's.
const THEIRS: u32 = 30;
const OURS: u32 = 1;

/// A phone here, linked to the workstation of the other node.
fn linked() -> Scene {
    let mut scene = Scene::new();
    scene.join(0, Role::Phone, 8, None);
    open(&mut scene);
    assert_eq!(scene.said()[1..], [credit(CREDIT)], "a link begins with all of it");
    scene
}

fn open(scene: &mut Scene) {
    let key = LinkKey { workstation: 7, phone: 8, attempt: 2 };
    scene.hear(Item::Open { session: SESSION, key, handle: THEIRS });
}

fn credit(bytes: usize) -> String {
    format!("{:?}", Item::Credit { handle: THEIRS, bytes: bytes as u32 })
}

/// A frame, or a piece of one, comes from the other node.
fn come(scene: &mut Scene, len: usize, is_last: bool) {
    let (bytes, handle) = (vec![7; len], OURS);
    let item = Item::Frame { handle, kind: Kind::Binary, is_last, bytes: &bytes };
    let delivery = scene.relay.handle_item(OTHER, item, scene.now).expect("a link that stands");
    assert_eq!((delivery.conn, delivery.link, delivery.from), (conn(0), OURS, Role::Workstation));
    assert_eq!((delivery.kind, delivery.is_last, delivery.bytes), (Kind::Binary, is_last, &bytes[..]));
}

/// The phone's socket takes all that came.
fn take(scene: &mut Scene) -> Vec<String> {
    scene.relay.note_taken(conn(0), scene.now);
    scene.said()
}

fn hear_credit(scene: &mut Scene, bytes: usize) {
    scene.hear(Item::Credit { handle: OURS, bytes: bytes as u32 });
}

fn put(scene: &mut Scene, len: usize, is_last: bool, message_len: usize) {
    assert!(!scene.relay.is_paused(conn(0)), "the caller has seen that it is not paused");
    scene.relay.put_frame(OURS, Kind::Binary, is_last, message_len, &vec![7; len], scene.now);
}

/// What of the credit is left, found out by sending: one byte at a time costs so much.
fn exhausts_credit(scene: &mut Scene, cost: usize) -> bool {
    put(scene, cost - FRAME_COST - 1, true, 1);
    let before = scene.relay.is_paused(conn(0));
    put(scene, 0, true, 0);
    !before && scene.relay.is_paused(conn(0))
}

#[test]
fn what_was_taken_is_credited_by_the_quarter() {
    let mut scene = linked();
    assert_eq!(take(&mut scene), [""; 0], "nothing came");
    let quarter = CREDIT / 4;
    come(&mut scene, quarter - FRAME_COST - 1, true);
    assert_eq!(take(&mut scene), [""; 0], "one byte is missing");
    come(&mut scene, 0, true);
    assert_eq!(take(&mut scene), [credit(quarter - 1 + FRAME_COST)]);
    assert_eq!(take(&mut scene), [""; 0]);
    come(&mut scene, quarter - FRAME_COST, true);
    assert_eq!(take(&mut scene), [credit(quarter)]);
}

#[test]
fn a_piece_is_credited_when_it_came_and_the_rest_when_all_is_taken() {
    let mut scene = linked();
    come(&mut scene, 100, false);
    assert_eq!(scene.said(), [credit(100 + FRAME_COST)]);
    assert_eq!(take(&mut scene), [""; 0], "nothing is owed");
    come(&mut scene, 50, true);
    assert_eq!(scene.said(), [""; 0]);
    assert_eq!(take(&mut scene), [credit(50 + FRAME_COST)], "the other end awaits all of it");
    come(&mut scene, 50, true);
    assert_eq!(take(&mut scene), [""; 0], "of a small message it does not");
}

#[test]
fn pieces_that_find_no_room_are_credited_when_there_is_room_again() {
    let mut scene = linked();
    assert!(scene.relay.hold_pieces(OURS) && !scene.relay.hold_pieces(OURS));
    assert!(!scene.relay.hold_pieces(9), "there is no such link");
    come(&mut scene, 100, false);
    come(&mut scene, 100, false);
    assert_eq!((scene.said(), take(&mut scene)), (vec![], vec![]));
    scene.relay.credit_pieces(OURS, scene.now);
    assert_eq!(scene.said(), [credit(200 + 2 * FRAME_COST)]);
    scene.relay.credit_pieces(OURS, scene.now);
    assert_eq!(scene.said(), [""; 0], "it was not held any more");
    assert!(scene.relay.hold_pieces(OURS));
    scene.relay.credit_pieces(OURS, scene.now);
    assert_eq!(scene.said(), [""; 0], "nothing came meanwhile");
}

#[test]
fn a_large_message_that_is_whole_is_credited_when_it_is_taken() {
    let mut scene = linked();
    scene.relay.hold_pieces(OURS);
    come(&mut scene, 100, false);
    come(&mut scene, 50, true);
    assert_eq!(take(&mut scene), [""; 0]);
    scene.relay.end_hold(OURS);
    assert_eq!(take(&mut scene), [credit(150 + 2 * FRAME_COST)]);
    come(&mut scene, 10, true);
    scene.relay.credit_pieces(OURS, scene.now);
    assert_eq!(scene.said(), [""; 0]);
    come(&mut scene, CREDIT / 4 - 2 * FRAME_COST - 10, true);
    assert_eq!(take(&mut scene), [credit(CREDIT / 4)], "what was owed before is not lost");
}

#[test]
fn a_link_to_a_connection_whose_queue_is_full_gets_its_credit_when_that_is_low() {
    let mut scene = Scene::new();
    scene.join(0, Role::Phone, 8, None);
    scene.relay.note_congested(conn(0));
    open(&mut scene);
    assert_eq!(scene.said().len(), 1, "it is accepted");
    scene.relay.note_relieved(conn(0));
    assert_eq!(take(&mut scene), [credit(CREDIT)]);
}

#[test]
fn nothing_is_sent_without_credit_and_as_much_as_it_covers_with_it() {
    let mut scene = linked();
    assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Remote(OURS));
    assert!(scene.relay.is_paused(conn(0)));
    scene.relay.handle_item(OTHER, Item::Credit { handle: OURS, bytes: 5000 }, scene.now);
    assert_eq!(scene.resumed(), [0], "who waited is looked at");
    assert!(exhausts_credit(&mut scene, 5000));
    hear_credit(&mut scene, FRAME_COST - 1);
    assert!(scene.relay.is_paused(conn(0)), "the last frame cost more than was left");
    hear_credit(&mut scene, 1);
    assert!(!scene.relay.is_paused(conn(0)));
}

#[test]
fn credit_never_comes_to_more_than_a_link_begins_with() {
    let mut scene = linked();
    hear_credit(&mut scene, CREDIT);
    hear_credit(&mut scene, CREDIT);
    let piece = PIECE_BYTES_MAX + FRAME_COST;
    for _ in 0..CREDIT / piece {
        put(&mut scene, PIECE_BYTES_MAX, true, 1);
        scene.publish();
    }
    assert!(exhausts_credit(&mut scene, CREDIT % piece));
}

#[test]
fn nothing_follows_a_large_message_until_all_of_it_was_taken() {
    let mut scene = linked();
    hear_credit(&mut scene, CREDIT);
    put(&mut scene, 1000, true, PIECE_BYTES_MAX);
    assert!(!scene.relay.is_paused(conn(0)), "it is not large");
    put(&mut scene, 1000, false, PIECE_BYTES_MAX + 1);
    assert!(!scene.relay.is_paused(conn(0)), "its own pieces follow");
    put(&mut scene, 1000, true, PIECE_BYTES_MAX + 1);
    scene.publish();
    let spent = 3 * (1000 + FRAME_COST);
    hear_credit(&mut scene, spent - 1);
    assert!(scene.relay.is_paused(conn(0)));
    hear_credit(&mut scene, 1);
    assert!(!scene.relay.is_paused(conn(0)));
}

#[test]
fn frames_and_credit_of_another_node_or_link_are_none() {
    let mut scene = linked();
    let third = NodeId::from_bytes([3; 16]);
    let frame = |handle| Item::Frame { handle, kind: Kind::Text, is_last: true, bytes: b"x" };
    assert!(scene.relay.handle_item(third, frame(OURS), scene.now).is_none());
    assert!(scene.relay.handle_item(OTHER, frame(9), scene.now).is_none());
    let credit = Item::Credit { handle: OURS, bytes: 1000 };
    assert!(scene.relay.handle_item(third, credit, scene.now).is_none());
    assert!(scene.relay.is_paused(conn(0)) && scene.resumed().is_empty());
    scene.relay.put_frame(9, Kind::Text, true, 1, b"x", scene.now);
    assert_eq!(scene.publish(), []);
}

#[test]
fn a_full_window_pauses_and_its_lower_half_resumes() {
    let mut scene = linked();
    scene.is_heard = false;
    let (mut frames, piece) = (0, PIECE_BYTES_MAX);
    while !scene.relay.is_paused(conn(0)) || frames == 0 {
        hear_credit(&mut scene, CREDIT);
        put(&mut scene, piece, true, 1);
        hear_credit(&mut scene, CREDIT);
        frames += 1;
    }
    let pending = scene.relay.unacknowledged();
    assert!((WINDOWS_MAX..WINDOWS_MAX + 2 * piece).contains(&pending), "{pending} bytes");
    scene.resumed();
    scene.is_heard = true;
    while scene.relay.unacknowledged() >= WINDOWS_MAX / 2 {
        assert_eq!(scene.resumed(), [0; 0], "at {} bytes", scene.relay.unacknowledged());
        publish_one(&mut scene);
    }
    assert_eq!(scene.resumed(), [0], "at {} bytes", scene.relay.unacknowledged());
    publish_one(&mut scene);
    assert_eq!(scene.resumed(), [0; 0], "once");
}

/// Connections that are looked at when the other node acknowledges what is said now.
fn resumed_by_publish(scene: &mut Scene) -> Vec<u32> {
    put(scene, 1000, true, 1000);
    scene.publish();
    scene.later(Duration::from_millis(5));
    scene.peer_speaks();
    scene.resumed()
}

/// One packet goes out, and comes to be acknowledged.
fn publish_one(scene: &mut Scene) {
    let mut out = Vec::new();
    scene.relay.poll_publish(scene.now, &mut out).expect("something to say");
    if let Some(Message::Packet { bytes, .. }) = Message::parse(&out) {
        let (header, items) = Header::parse(bytes).expect("a packet");
        scene.peer.handle(&header, items, 2, scene.now);
    }
    scene.later(Duration::from_millis(5));
    scene.peer_speaks();
}

#[test]
fn a_connection_that_was_not_paused_is_not_looked_at_when_a_window_empties() {
    let mut scene = linked();
    hear_credit(&mut scene, CREDIT);
    scene.pass(Duration::from_millis(100));
    assert_eq!((resumed_by_publish(&mut scene), scene.relay.unacknowledged()), (vec![], 0));
}
