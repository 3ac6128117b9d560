//! Streams to other nodes: who is alive, what is counted, and what outlasts a stream that starts over.

use super::*;
use crate::limits::{WINDOW_MIN, WINDOWS_MAX};
use protocol::message::KillReason;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone here, linked to the workstation of the other node.
fn linked() -> Scene {
    let mut scene = Scene::new();
    scene.join(0, Role::Phone, 8, None);
    let key = LinkKey { workstation: 7, phone: 8, attempt: 1 };
    scene.hear(Item::Open { session: SESSION, key, handle: 30 });
    scene.publish();
    scene
}

/// When a stream to the other node ended in this time, and why.
fn over_in(scene: &mut Scene, span: Duration) -> Option<(u64, StreamEnd)> {
    let until = scene.now + span;
    scene.notes.clear();
    while let Some(due) = scene.relay.poll_timeout().filter(|&due| due <= until) {
        scene.now = due.max(scene.now);
        scene.handle(Input::Due);
        scene.publish();
        for note in std::mem::take(&mut scene.notes) {
            if let Note::StreamOver { why, .. } = note {
                return Some((scene.now.since(START).as_millis() as u64, why));
            }
        }
    }
    scene.now = until;
    None
}

#[test]
fn a_node_that_says_nothing_for_four_seconds_is_gone_with_its_links() {
    let mut scene = linked();
    assert_eq!(over_in(&mut scene, secs(30)), None, "it answers");
    scene.is_heard = false;
    assert_eq!(over_in(&mut scene, secs(30)), Some((34_500, StreamEnd::Silent)));
    assert_eq!((scene.relay.links_remote(), scene.relay.nodes()), (0, 0));
    assert_eq!(scene.relay.route(conn(0), scene.now), Verdict::Absent);
}

#[test]
fn a_node_that_does_not_hear_itself_judges_nobody_until_the_bus_was_away_for_long() {
    let mut scene = linked();
    scene.pass(secs(10));
    (scene.is_heard, scene.hears_itself) = (false, false);
    assert_eq!(over_in(&mut scene, secs(120)), Some((70_500, StreamEnd::CutOff)));
    assert_eq!((scene.relay.links_remote(), scene.relay.nodes()), (0, 0));
    (scene.is_heard, scene.hears_itself) = (true, true);
    let done = scene.pass(secs(1));
    let checks = done.iter().filter(|(_, words)| words.starts_with("check")).count();
    assert!(checks >= 1, "the store names the links to open: {done:?}");
}

#[test]
fn the_end_of_being_cut_off_has_all_holds_compared_once() {
    let mut scene = Scene::new();
    for slot in 0..3 {
        let session = SessionId::from_bytes([slot as u8 + 1; 16]);
        scene.hello(slot, session, Role::Phone, Version::V1);
        let outcome = Claimed::Granted { generation: 1, replaced: None, same_instance: false, peer: None };
        let (conn, role) = (conn(slot), Role::Phone);
        scene.handle(Input::Answered(Answer::Claimed { conn, session, role, outcome }));
    }
    let probes = |scene: &mut Scene| {
        let mut out = Vec::new();
        scene.later(secs(1));
        assert_eq!(scene.relay.poll_publish(scene.now, &mut out), Some(OWN));
        scene.relay.take_message(&out, scene.now);
        scene.actions().len()
    };
    assert_eq!(probes(&mut scene), 0);
    scene.later(secs(61));
    scene.handle(Input::Due);
    assert_eq!(probes(&mut scene), 3, "it was away for longer than links outlast it");
    assert_eq!(probes(&mut scene), 0);
}

#[test]
fn the_probe_is_noted_when_it_is_late_and_when_it_is_back() {
    let mut scene = Scene::new();
    scene.pass(secs(5));
    scene.notes.clear();
    scene.hears_itself = false;
    scene.pass(secs(3));
    let age = Duration::from_millis(2500);
    assert_eq!(scene.notes, [Note::ProbeLate { age }]);
    scene.hears_itself = true;
    scene.pass(secs(3));
    assert_eq!(scene.notes[1..], [Note::ProbeFresh]);
}

#[test]
fn a_stream_without_links_falls_silent_after_a_minute_and_is_forgotten() {
    let mut scene = linked();
    assert_eq!(over_in(&mut scene, secs(100)), None, "a link stands");
    scene.hear(Item::Left { handle: 1 });
    scene.hear(Item::Accept { handle: 9, own: 31 });
    assert_eq!(scene.said().len(), 1, "there is no such link: the last word");
    let spoken_to = spoken_in(&mut scene, secs(120));
    assert_eq!(spoken_to, Some(160), "until a minute after it");
    assert_eq!(scene.relay.nodes(), 1, "the other end still speaks");
    scene.is_heard = false;
    assert_eq!(over_in(&mut scene, secs(30)), Some((224_000, StreamEnd::Unused)));
}

/// Until when the other node is spoken to, by the second. It speaks all the time.
fn spoken_in(scene: &mut Scene, span: Duration) -> Option<u64> {
    let (until, mut last) = (scene.now + span, None);
    while let Some(due) = scene.relay.poll_timeout().filter(|&due| due <= until) {
        scene.now = due.max(scene.now);
        scene.handle(Input::Due);
        let mut out = Vec::new();
        while let Some(to) = scene.relay.poll_publish(scene.now, &mut out) {
            if to == OWN {
                scene.relay.take_message(&out, scene.now);
            } else {
                last = Some(scene.now.since(START).as_secs());
            }
            out.clear();
        }
        scene.peer_speaks();
    }
    scene.now = until;
    last
}

#[test]
fn what_waits_in_the_streams_is_counted() {
    let mut scene = Scene::new();
    assert!(scene.relay.is_bus_idle());
    scene.is_heard = false;
    let third = NodeId::from_bytes([3; 16]);
    for (node, handle) in [(OTHER, 1), (third, 2)] {
        scene.relay.handle_item(node, Item::Accept { handle: 9, own: handle }, scene.now);
    }
    assert!(!scene.relay.is_bus_idle());
    scene.publish();
    let counts = scene.relay.node_counts();
    // Each was told the limit and that there is no such link: nine bytes and five.
    assert_eq!((counts.nodes, counts.window_batches, counts.window_bytes), (2, 2, 2 * (9 + 5)));
    assert_eq!((counts.batches.sent, counts.batches.repeated, counts.batches.received), (2, 0, 0));
    assert_eq!(scene.relay.unacknowledged(), 28);
    scene.pass(secs(6));
    let counts = scene.relay.node_counts();
    assert_eq!((counts.nodes, counts.window_batches, counts.batches.sent), (0, 0, 2), "they are gone");
    assert!(scene.relay.is_bus_idle());
}

#[test]
fn it_knows_the_sessions_that_it_holds_a_role_of_by_their_token() {
    let mut scene = Scene::new();
    scene.join(0, Role::Phone, 1, None);
    let (right, wrong) = (token(SESSION).digest(), Token::from_bytes([9; 16]).digest());
    assert!(scene.relay.knows(SESSION, &right) && !scene.relay.knows(SESSION, &wrong));
    assert!(!scene.relay.knows(SessionId::from_bytes([6; 16]), &right));
    assert_eq!((scene.relay.node(), scene.relay.is_alone()), (OWN, false));
    assert!(Scene::with(Limits::default(), true).relay.is_alone());
}

/// The other node starts over: its memory of the stream is empty.
fn restart(scene: &mut Scene, incarnation: u64) -> Vec<String> {
    scene.peer = NodeLink::new(incarnation, scene.now);
    scene.peer.item(5).extend_from_slice(&[5, 0, 0, 0, 77]);
    scene.peer_speaks();
    scene.actions()
}

#[test]
fn a_node_that_starts_over_ends_its_links_and_has_their_holds_compared() {
    let mut scene = linked();
    scene.hello(1, SessionId::from_bytes([6; 16]), Role::Workstation, Version::V3);
    let (session, role, peer) = (SessionId::from_bytes([6; 16]), Role::Workstation, Some(there(3)));
    let outcome = Claimed::Granted { generation: 2, replaced: None, same_instance: false, peer };
    scene.handle(Input::Answered(Answer::Claimed { conn: conn(1), session, role, outcome }));
    scene.pass(secs(2));
    assert_eq!((scene.relay.links_remote(), scene.relay.links_opening()), (1, 1));
    let done = restart(&mut scene, 9);
    assert_eq!(done, ["check phone 8 idle 2000", "0 left"], "one that never stood is opened again");
    assert_eq!((scene.relay.links_remote(), scene.relay.links_opening()), (0, 0));
    assert!(restart(&mut scene, 10).is_empty());
}

#[test]
fn who_must_go_is_told_again_where_the_stream_started_over_and_nothing_else_is() {
    let mut scene = linked();
    scene.pass(secs(2));
    scene.is_heard = false;
    let outcome =
        Claimed::Granted { generation: 9, replaced: Some(there(6)), same_instance: true, peer: None };
    scene.hello(1, SESSION, Role::Workstation, Version::V3);
    scene.claimed(1, Role::Workstation, outcome);
    let (other, holders) = (SessionId::from_bytes([6; 16]), [Some(there(3)), None]);
    let deleted = crate::store::Deleted::Gone { holders };
    let answer = Answer::Deleted { ticket: conn(8), session: other, outcome: deleted };
    scene.handle(Input::Answered(answer));
    scene.relay.handle_item(OTHER, Item::Accept { handle: 50, own: 51 }, scene.now);
    assert_eq!(scene.said().len(), 3, "lost on its way");
    scene.is_heard = true;
    restart(&mut scene, 9);
    let evict = Item::Evict { session: SESSION, role: Role::Workstation, generation: 9, same: true };
    let kill = Item::Kill { session: other, reason: KillReason::Deleted, generations: [3, 0] };
    assert_eq!(scene.said(), [format!("{evict:?}"), format!("{kill:?}")]);
}

#[test]
fn the_room_of_all_streams_is_shared_and_each_has_the_least() {
    // Wishes for connections of one node find half a window more than its frames.
    for (nodes, most) in [(1, WINDOWS_MAX * 3 / 2), (4, WINDOWS_MAX * 3 / 8), (100, WINDOW_MIN * 3 / 2)] {
        let mut scene = Scene::new();
        scene.is_heard = false;
        for byte in 1..nodes {
            let node = NodeId::from_bytes([100 + byte as u8; 16]);
            scene.relay.handle_item(node, Item::Accept { handle: 9, own: 1 }, scene.now);
        }
        let (mut last, mut is_said) = (0, false);
        for number in 0..500_000_u64 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let session = SessionId::from_bytes(id);
            if number % 4096 == 0 {
                // The workstation's role is not here: it is only said that it is gone.
                scene.publish();
            }
            scene.relay.handle_item(OTHER, Item::Ask { session, workstation: 1, phone: 2 }, scene.now);
            last = scene.relay.unacknowledged();
            if !is_said && last > most - most / 8 {
                // There is room for one more wish than the window of frames.
                scene.hello(1, SessionId::from_bytes([9; 16]), Role::Phone, Version::V3);
                let (session, role, peer) = (SessionId::from_bytes([9; 16]), Role::Phone, Some(there(7)));
                let outcome = Claimed::Granted { generation: 8, replaced: None, same_instance: false, peer };
                scene.handle(Input::Answered(Answer::Claimed { conn: conn(1), session, role, outcome }));
                assert!(scene.relay.unacknowledged() > last, "{nodes} nodes: a wish finds room");
                is_said = true;
            }
            if last > most + most / 8 {
                break;
            }
        }
        assert!(last > most, "answers are not wishes: {last}");
        scene.join(0, Role::Phone, 8, Some(there(7)));
        let before = scene.relay.unacknowledged();
        assert_eq!(before, last, "{nodes} nodes: a wish waits for room");
    }
}

#[test]
fn a_revived_node_reads_nobody_until_it_has_heard_its_probe_and_the_store() {
    let mut scene = linked();
    scene.pass(secs(1));
    scene.handle(Input::Revived);
    assert!(scene.relay.is_paused(conn(0)));
    let outcome = crate::store::Checked::Held { peer: Some(there(7)) };
    let (session, role) = (SESSION, Role::Phone);
    scene.handle(Input::Answered(Answer::Checked { session, role, generation: 8, outcome }));
    assert!(scene.relay.is_paused(conn(0)), "its probe is not back");
    let mut out = Vec::new();
    assert_eq!(scene.relay.poll_publish(scene.now, &mut out), Some(OWN), "it goes out at once");
    scene.relay.take_message(&out, scene.now);
    assert_eq!(scene.resumed(), [0]);
    scene.relay.handle_item(OTHER, Item::Credit { handle: 1, bytes: 1000 }, scene.now);
    assert!(!scene.relay.is_paused(conn(0)));
}

#[test]
fn a_probe_from_before_the_stop_does_not_prove_that_a_revived_node_hears() {
    let mut scene = linked();
    let mut early = Vec::new();
    scene.later(secs(1));
    assert_eq!(scene.relay.poll_publish(scene.now, &mut early), Some(OWN));
    scene.handle(Input::Revived);
    let outcome = crate::store::Checked::Held { peer: Some(there(7)) };
    let (session, role) = (SESSION, Role::Phone);
    scene.handle(Input::Answered(Answer::Checked { session, role, generation: 8, outcome }));
    scene.relay.take_message(&early, scene.now);
    assert!(scene.relay.is_paused(conn(0)));
    assert_eq!(scene.resumed(), [0; 0]);
}

#[test]
fn a_revived_node_that_hears_nothing_goes_on_after_a_while() {
    use crate::store::Checked;
    for (outcome, patience) in [(None, 3), (Some(Checked::Away), 3), (Some(Checked::Held { peer: None }), 15)]
    {
        let mut scene = linked();
        scene.relay.handle_item(OTHER, Item::Credit { handle: 1, bytes: 1000 }, scene.now);
        assert!(!scene.relay.is_paused(conn(0)));
        scene.hears_itself = false;
        scene.handle(Input::Revived);
        if let Some(outcome) = outcome {
            let (session, role) = (SESSION, Role::Phone);
            scene.handle(Input::Answered(Answer::Checked { session, role, generation: 8, outcome }));
        }
        scene.later(secs(patience) - Duration::from_millis(1));
        scene.handle(Input::Due);
        assert!(scene.relay.is_paused(conn(0)), "{outcome:?}");
        scene.later(secs(1));
        scene.handle(Input::Due);
        assert!(!scene.relay.is_paused(conn(0)), "{outcome:?}");
    }
    let mut alone = Scene::with(Limits::default(), true);
    alone.join(0, Role::Phone, 8, None);
    assert!(alone.handle(Input::Revived).is_empty());
    assert!(!alone.relay.is_paused(conn(0)), "with no other node nothing was missed");
}

#[test]
fn what_comes_from_the_node_itself_or_is_no_message_begins_no_stream() {
    let mut scene = Scene::new();
    let mut packet = Vec::new();
    bus::begin_packet(&mut packet, OWN);
    let header = Header { from: 1, to: 0, number: 0, last: 0, received: 0, repeat: false };
    header.write_to(&mut packet);
    for message in [&packet[..], &packet[..20], b"", b"x"] {
        assert!(scene.relay.take_message(message, scene.now).is_none());
        assert_eq!(scene.relay.nodes(), 0);
    }
}
