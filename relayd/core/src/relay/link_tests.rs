//! What the two nodes of a link agree on, and a link whose frames can't be handed on.

use protocol::ids::{NodeId, Role, SessionId, Token};
use protocol::message::{Hello, Notice};

use super::*;
use crate::event::Input;
use crate::limits::Limits;
use crate::store::{Answer, Claimed, Holder, Request};

const NOW: Time = Time::from_ms(1 << 40);
const SESSION: SessionId = SessionId::from_bytes([1; 16]);
const CONN: Conn = Conn { slot: 0, name: 1 };
const OTHER: NodeId = NodeId::from_bytes([2; 16]);
const OWN_MAX: usize = 16 << 20;

fn actions(relay: &mut Relay) -> Vec<Action> {
    std::iter::from_fn(|| relay.poll_action()).collect()
}

/// A node with a workstation that is linked to a phone of another node, which has said this of its limit.
fn linked(message_bytes_max: Option<u32>) -> (Relay, Vec<Action>) {
    let mut relay = Relay::new(NodeId::from_bytes([1; 16]), false, Limits::default(), NOW);
    let (role, hello) =
        (Role::Workstation, Hello::to_json(SESSION, &Token::from_bytes([1; 16]), Role::Workstation, None));
    relay.handle(Input::Opened { conn: CONN }, NOW);
    let hello = Hello::parse(hello.as_bytes(), true);
    relay.handle(Input::Hello { conn: CONN, hello, is_doubted: false }, NOW);
    let peer = Some(Holder { node: OTHER, conn: 1, generation: 1 });
    let outcome = Claimed::Granted { generation: 1, replaced: None, same_instance: false, peer };
    relay.handle(Input::Answered(Answer::Claimed { conn: CONN, session: SESSION, role, outcome }), NOW);
    actions(&mut relay);
    if let Some(message_bytes_max) = message_bytes_max {
        relay.handle_item(OTHER, Item::Limit { message_bytes_max }, NOW);
    }
    relay.handle_item(OTHER, Item::Accept { handle: 1, own: 7 }, NOW);
    let told = actions(&mut relay);
    assert!(relay.is_linked_by(CONN, 1));
    (relay, told)
}

#[test]
fn the_smaller_limit_counts_and_one_that_says_none_is_taken_to_have_ours() {
    for (said, agreed, told) in [
        (None, OWN_MAX, None),
        (Some(OWN_MAX as u32), OWN_MAX, None),
        (Some(u32::MAX), OWN_MAX, None),
        (Some(1000), 1000, Some(1000)),
    ] {
        let (relay, actions) = linked(said);
        assert_eq!(relay.message_bytes_max(CONN), agreed, "{said:?}");
        let joined = |action: &Action| match action {
            Action::Send { notice: Notice::PeerJoined { message_bytes_max, .. }, .. } => {
                Some(*message_bytes_max)
            }
            _ => None,
        };
        assert_eq!(actions.iter().find_map(joined), Some(told), "{said:?}");
    }
}

#[test]
fn each_stream_begins_with_the_own_limit() {
    let (mut relay, _) = linked(None);
    let mut bytes = Vec::new();
    let to_other = std::iter::from_fn(|| relay.poll_publish(NOW, &mut bytes)).find(|to| *to == OTHER);
    assert!(to_other.is_some());
    let mut limit = Vec::new();
    Item::Limit { message_bytes_max: OWN_MAX as u32 }.write_to(&mut limit);
    let open = bytes.windows(limit.len()).position(|part| part == limit);
    assert!(open.is_some(), "the first batch says it");
}

#[test]
fn a_link_that_is_given_up_ends_for_both_and_is_asked_for_again_while_its_connection_stays() {
    let (mut relay, _) = linked(None);
    relay.give_up_link(CONN, NOW);
    let actions = actions(&mut relay);
    let is_left = |action: &Action| matches!(action, Action::Send { notice: Notice::PeerLeft { .. }, .. });
    let is_check = |action: &Action| matches!(action, Action::Submit(Request::Check { .. }));
    assert!(actions.iter().any(is_left) && actions.iter().any(is_check), "{actions:?}");
    assert!(!actions.iter().any(|action| matches!(action, Action::Close { .. })), "{actions:?}");
    assert!(!relay.is_linked_by(CONN, 1) && relay.links_remote() + relay.links_opening() == 0);
}
