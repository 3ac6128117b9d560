//! A crowd whose peers are on another node, and a bus that carries nothing.

use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId, Token};
use protocol::message::Hello;

use super::*;
use crate::event::{Action, Input};
use crate::limits::{Limits, WINDOW_MIN};
use crate::node_link::item::OVERHEAD_MAX;
use crate::store::{Answer, Claimed, Conn, Holder, Request};

const NOW: Time = Time::from_ms(1 << 40);

const OTHER: NodeId = NodeId::from_bytes([2; 16]);

/// A node whose connections hold one role each, while another node holds the other.
fn lonely(sessions: u32) -> Relay {
    let limits = Limits { bus_hold: Duration::from_secs(7200), ..Limits::default() };
    let mut relay = Relay::new(NodeId::from_bytes([1; 16]), false, limits, NOW);
    for slot in 0..sessions {
        join(&mut relay, slot);
    }
    relay
}

fn join(relay: &mut Relay, slot: u32) {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&slot.to_be_bytes());
    let (session, token) = (SessionId::from_bytes(id), Token::from_bytes(id));
    let (conn, role) = (Conn { slot, name: u64::from(slot) }, Role::ALL[slot as usize % 2]);
    let hello = Hello::to_json(session, &token, role, None);
    relay.handle(Input::Opened { conn }, NOW);
    let hello = Hello::parse(hello.as_bytes(), true);
    relay.handle(Input::Hello { conn, hello, is_doubted: false }, NOW);
    let peer = Some(Holder { node: OTHER, conn: 1, generation: 1 });
    let outcome = Claimed::Granted { generation: 1, replaced: None, same_instance: false, peer };
    relay.handle(Input::Answered(Answer::Claimed { conn, session, role, outcome }), NOW);
    while relay.poll_action().is_some() {}
}

/// Time passes. Whatever is published is lost.
fn pass_in_silence(relay: &mut Relay, since: Time, span: Duration) -> Time {
    let until = since + span;
    let mut packet = Vec::new();
    while let Some(due) = relay.poll_timeout().filter(|&due| due <= until) {
        relay.handle(Input::Due, due);
        while relay.poll_action().is_some() {}
        while relay.poll_publish(due, &mut packet).is_some() {
            packet.clear();
        }
    }
    until
}

#[test]
fn a_silent_bus_keeps_each_request_once_however_long_it_lasts() {
    let sessions = 10_000;
    let mut relay = lonely(sessions);
    let mut now = NOW;
    for secs in [60, 540] {
        now = pass_in_silence(&mut relay, now, Duration::from_secs(secs));
        let (bytes, silence) = (relay.unacknowledged(), now.since(NOW));
        println!("{sessions} lonely sessions, {silence:?} of silence: {bytes} bytes");
        assert!(bytes <= sessions as usize * OVERHEAD_MAX, "{bytes} bytes after {silence:?}");
    }
}

/// Sixty-three more nodes are known, so that each stream has the least of windows.
fn know_many(relay: &mut Relay) {
    for byte in 100..163 {
        relay.tell(NodeId::from_bytes([byte; 16]), Item::Left { handle: 1 }, NOW);
    }
}

#[test]
fn any_crowd_of_requests_leaves_a_stream_within_its_bound() {
    let mut relay = lonely(5000);
    know_many(&mut relay);
    (5000..10_000).for_each(|slot| join(&mut relay, slot));
    let before = relay.nodes.pending_to(OTHER);
    pass_in_silence(&mut relay, NOW, Duration::from_secs(60));
    assert!(before > 2 * WINDOW_MIN, "said while the window was large: {before}");
    assert_eq!(relay.nodes.pending_to(OTHER), before);

    let mut relay = lonely(0);
    know_many(&mut relay);
    (0..5000).for_each(|slot| join(&mut relay, slot));
    pass_in_silence(&mut relay, NOW, Duration::from_secs(60));
    let bytes = relay.nodes.pending_to(OTHER);
    assert!((WINDOW_MIN..2 * WINDOW_MIN).contains(&bytes), "{bytes} bytes");
}

/// Carries whatever each of the two has to say to the other, and to itself. Gives how many roles the first
/// gave back.
fn carry(relays: &mut [Relay; 2], now: Time) -> usize {
    let (mut released, mut packet) = (0, Vec::new());
    for at in [0, 1] {
        while let Some(to) = relays[at].poll_publish(now, &mut packet) {
            let bytes = std::mem::take(&mut packet);
            let Some(hears) = relays.iter_mut().find(|relay| relay.node() == to) else { continue };
            let taken = hears.take_message(&bytes, now);
            let (from, mut items) = taken.unwrap_or((OTHER, &[]));
            while let Some(item) = Item::take(&mut items) {
                hears.handle_item(from, item, now);
            }
        }
    }
    while let Some(action) = relays[0].poll_action() {
        released += usize::from(matches!(action, Action::Submit(Request::Release { .. })));
    }
    while relays[1].poll_action().is_some() {}
    released
}

#[test]
fn when_the_bus_is_back_every_request_is_sent() {
    let mut relay = lonely(0);
    know_many(&mut relay);
    (0..5000).for_each(|slot| join(&mut relay, slot));
    let mut now = pass_in_silence(&mut relay, NOW, Duration::from_secs(30));
    let mut relays = [relay, Relay::new(OTHER, false, Limits::default(), now)];
    let mut released = 0;
    for _ in 0..400 {
        now = now + Duration::from_millis(10);
        for relay in &mut relays {
            relay.handle(Input::Due, now);
        }
        released += carry(&mut relays, now);
    }
    // The other node knows none of these connections, and says so of each.
    assert_eq!(released, 5000);
    assert!(relays[0].sessions.has_no_requests());
}
