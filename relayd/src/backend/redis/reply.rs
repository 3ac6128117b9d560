//! Reads the replies of scripts. A reply of another shape is rejected, as it is the server's fault.

use protocol::ids::NodeId;
use protocol::message::KillReason;
use redis::Value;
use relayd_core::store::{Answer, Checked, Claimed, Deleted, Expired, Hold, Holder, Registered, Request};

/// Reads the reply to `request`. Inner `None`: the request has no answer. Outer `None`: the reply has another
/// shape.
pub(super) fn answer(request: &Request, reply: &Value) -> Option<Option<Answer>> {
    let words = match request {
        Request::Release { .. } | Request::Touch { .. } => {
            return matches!(reply, Value::Int(_)).then_some(None);
        }
        _ => words(reply)?,
    };
    let answer = match *request {
        Request::Register { ticket, .. } => Answer::Registered { ticket, outcome: registered(&words)? },
        Request::Delete { ticket, session, .. } => {
            Answer::Deleted { ticket, session, outcome: deleted(&words)? }
        }
        Request::Claim { conn, session, role, .. } => {
            Answer::Claimed { conn, session, role, outcome: claimed(&words)? }
        }
        Request::Check { hold: Hold { session, role, generation, .. } } => {
            Answer::Checked { session, role, generation, outcome: checked(&words)? }
        }
        Request::Expire { session } => Answer::Expired { session, outcome: expired(&words)? },
        Request::Release { .. } | Request::Touch { .. } => return Some(None),
    };
    Some(Some(answer))
}

/// Reads the reply of the probe: empty, or the refused command and Redis's text about it.
pub(super) fn probed(reply: &Value) -> Option<(Option<&str>, &str)> {
    match words(reply)?[..] {
        [] => Some((None, "")),
        [command, how] => Some((Some(command), how)),
        _ => None,
    }
}

/// The answer for a store that is away. `None` for requests without an answer.
pub(super) fn away(request: &Request) -> Option<Answer> {
    Some(match *request {
        Request::Register { ticket, .. } => Answer::Registered { ticket, outcome: Registered::Away },
        Request::Delete { ticket, session, .. } => {
            Answer::Deleted { ticket, session, outcome: Deleted::Away }
        }
        Request::Claim { conn, session, role, .. } => {
            Answer::Claimed { conn, session, role, outcome: Claimed::Away }
        }
        Request::Check { hold: Hold { session, role, generation, .. } } => {
            Answer::Checked { session, role, generation, outcome: Checked::Away }
        }
        Request::Expire { session } => Answer::Expired { session, outcome: Expired::Away },
        Request::Release { .. } | Request::Touch { .. } => return None,
    })
}

/// The answer for a Redis that has no memory left.
pub(super) fn full(request: &Request) -> Option<Answer> {
    match *request {
        Request::Register { ticket, .. } => Some(Answer::Registered { ticket, outcome: Registered::Full }),
        _ => away(request),
    }
}

fn registered(words: &[&str]) -> Option<Registered> {
    match words {
        ["made"] => Some(Registered::Made),
        ["exists"] => Some(Registered::Exists),
        ["was-deleted"] => Some(Registered::WasDeleted),
        _ => None,
    }
}

fn deleted(words: &[&str]) -> Option<Deleted> {
    match words {
        ["missing"] => Some(Deleted::Missing),
        ["before", holders @ ..] => Some(Deleted::Before { holders: both(holders)? }),
        ["gone", holders @ ..] => Some(Deleted::Gone { holders: both(holders)? }),
        _ => None,
    }
}

fn claimed(words: &[&str]) -> Option<Claimed> {
    match *words {
        ["unauthorized"] => Some(Claimed::Unauthorized),
        ["straggler"] => Some(Claimed::Straggler),
        ["too-many"] => Some(Claimed::TooMany),
        ["granted", generation, same, ref holders @ ..] => {
            let [replaced, peer] = both(holders)?;
            let generation = generation.parse().ok()?;
            Some(Claimed::Granted { generation, replaced, same_instance: same == "1", peer })
        }
        _ => None,
    }
}

fn checked(words: &[&str]) -> Option<Checked> {
    match words {
        ["replaced"] => Some(Checked::Replaced),
        ["killed", why] => Some(Checked::Killed { reason: reason(why)? }),
        ["held", peer @ ..] => Some(Checked::Held { peer: holder(peer)? }),
        _ => None,
    }
}

fn expired(words: &[&str]) -> Option<Expired> {
    match words {
        ["alive", left_ms] => Some(Expired::Alive { left_ms: left_ms.parse().ok()? }),
        ["over", why, holders @ ..] => Some(Expired::Over { reason: reason(why)?, holders: both(holders)? }),
        _ => None,
    }
}

fn reason(word: &str) -> Option<KillReason> {
    [KillReason::Deleted, KillReason::Expired].into_iter().find(|reason| reason.as_str() == word)
}

fn both(words: &[&str]) -> Option<[Option<Holder>; 2]> {
    let (first, second) = words.split_at_checked(3)?;
    Some([holder(first)?, holder(second)?])
}

fn holder(words: &[&str]) -> Option<Option<Holder>> {
    match *words {
        ["", "", ""] => Some(None),
        [node, conn, generation] => {
            let (node, conn) = (NodeId::parse(node).ok()?, conn.parse().ok()?);
            Some(Some(Holder { node, conn, generation: generation.parse().ok()? }))
        }
        _ => None,
    }
}

fn words(reply: &Value) -> Option<Vec<&str>> {
    let Value::Array(items) = reply else { return None };
    items.iter().map(word).collect()
}

fn word(item: &Value) -> Option<&str> {
    match item {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::SessionId;
    use relayd_core::store::Conn;

    use super::*;

    const NODE: &str = "00112233445566778899aabbccddeeff";

    fn say(words: &[&str]) -> Value {
        Value::Array(words.iter().map(|word| Value::BulkString(word.as_bytes().to_vec())).collect())
    }

    fn expire() -> Request {
        Request::Expire { session: SessionId::from_bytes([1; 16]) }
    }

    #[test]
    fn holders_are_read_in_the_order_of_the_roles() {
        let reply = say(&["over", "deleted", "", "", "", NODE, "7", "1800000000000000"]);
        let Some(Some(Answer::Expired { outcome: Expired::Over { reason, holders }, .. })) =
            answer(&expire(), &reply)
        else {
            panic!("not read");
        };
        let node = NodeId::parse(NODE).unwrap();
        assert_eq!(reason, KillReason::Deleted);
        assert_eq!(holders, [None, Some(Holder { node, conn: 7, generation: 1_800_000_000_000_000 })]);
    }

    #[test]
    fn a_reply_of_another_shape_is_refused() {
        let words: [&[&str]; 8] = [
            &[],
            &["made"],
            &["alive"],
            &["alive", "-1"],
            &["over", "tired", "", "", "", "", "", ""],
            &["over", "expired", "", "", ""],
            &["over", "expired", NODE, "7", "", "", "", ""],
            &["over", "expired", "nobody", "7", "8", "", "", ""],
        ];
        for words in words {
            assert_eq!(answer(&expire(), &say(words)), None, "{words:?}");
        }
        for value in [Value::Nil, Value::Okay, Value::Int(1), Value::Array(vec![Value::Int(1)])] {
            assert_eq!(answer(&expire(), &value), None, "{value:?}");
        }
        let touch = Request::Touch { session: SessionId::from_bytes([1; 16]), idle_ms: 0 };
        assert_eq!(answer(&touch, &Value::Okay), None);
        assert_eq!(answer(&touch, &Value::Int(1)), Some(None));
    }

    #[test]
    fn only_a_register_is_told_that_there_is_no_room() {
        let ticket = Conn { slot: 1, name: 2 };
        let token = protocol::ids::TokenDigest::from_bytes([0; 32]);
        let session = SessionId::from_bytes([1; 16]);
        let register = Request::Register { ticket, session, token, again: false };
        assert_eq!(full(&register), Some(Answer::Registered { ticket, outcome: Registered::Full }));
        assert_eq!(full(&expire()), Some(Answer::Expired { session, outcome: Expired::Away }));
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tables;
