//! A table of what each script may say, and what is said in its place where Redis can't be asked.

use protocol::ids::{Role, SessionId, TokenDigest};
use relayd_core::store::Conn;

use super::*;

const NODE: &str = "00112233445566778899aabbccddeeff";
const SESSION: SessionId = SessionId::from_bytes([1; 16]);
const CONN: Conn = Conn { slot: 1, name: 2 };
const ROLE: Role = Role::Phone;

fn say(words: &[&str]) -> Value {
    Value::Array(words.iter().map(|word| Value::BulkString(word.as_bytes().to_vec())).collect())
}

fn holder_of(generation: u64) -> Holder {
    Holder { node: NodeId::parse(NODE).unwrap(), conn: 7, generation }
}

/// One request of each kind that has an answer.
fn requests() -> [Request; 5] {
    let (ticket, session, conn, role) = (CONN, SESSION, CONN, ROLE);
    let token = TokenDigest::from_bytes([0; 32]);
    let hold = Hold { session, token, role, conn: 2, generation: 3, instance: None, idle_ms: 0 };
    [
        Request::Register { ticket, session, token, again: false },
        Request::Delete { ticket, session, token: None },
        Request::Claim { conn, session, token, role, instance: None },
        Request::Check { hold },
        Request::Expire { session },
    ]
}

fn registered(outcome: Registered) -> Answer {
    Answer::Registered { ticket: CONN, outcome }
}

fn deleted(outcome: Deleted) -> Answer {
    Answer::Deleted { ticket: CONN, session: SESSION, outcome }
}

fn claimed(outcome: Claimed) -> Answer {
    Answer::Claimed { conn: CONN, session: SESSION, role: ROLE, outcome }
}

fn checked(outcome: Checked) -> Answer {
    Answer::Checked { session: SESSION, role: ROLE, generation: 3, outcome }
}

fn expired(outcome: Expired) -> Answer {
    Answer::Expired { session: SESSION, outcome }
}

#[test]
fn each_script_s_words_are_an_answer_to_its_own_request_alone() {
    let (none, both) = ([None; 2], [Some(holder_of(5)), Some(holder_of(6))]);
    let granted = |same_instance, replaced, peer| {
        claimed(Claimed::Granted { generation: 9, replaced, same_instance, peer })
    };
    let held = |peer| checked(Checked::Held { peer });
    let over = |reason| expired(Expired::Over { reason, holders: none });
    for (at, words, answered) in [
        (0, &["made"][..], registered(Registered::Made)),
        (0, &["exists"], registered(Registered::Exists)),
        (0, &["was-deleted"], registered(Registered::WasDeleted)),
        (1, &["missing"], deleted(Deleted::Missing)),
        (1, &["before", "", "", "", "", "", ""], deleted(Deleted::Before { holders: none })),
        (1, &["gone", NODE, "7", "5", NODE, "7", "6"], deleted(Deleted::Gone { holders: both })),
        (2, &["unauthorized"], claimed(Claimed::Unauthorized)),
        (2, &["straggler"], claimed(Claimed::Straggler)),
        (2, &["too-many"], claimed(Claimed::TooMany)),
        (2, &["granted", "9", "0", "", "", "", "", "", ""], granted(false, None, None)),
        (2, &["granted", "9", "1", NODE, "7", "5", NODE, "7", "6"], granted(true, both[0], both[1])),
        (3, &["replaced"], checked(Checked::Replaced)),
        (3, &["killed", "expired"], checked(Checked::Killed { reason: KillReason::Expired })),
        (3, &["killed", "deleted"], checked(Checked::Killed { reason: KillReason::Deleted })),
        (3, &["held", "", "", ""], held(None)),
        (3, &["held", NODE, "7", "6"], held(both[1])),
        (4, &["alive", "12"], expired(Expired::Alive { left_ms: 12 })),
        (4, &["over", "expired", "", "", "", "", "", ""], over(KillReason::Expired)),
    ] {
        for (place, request) in requests().iter().enumerate() {
            let expected = (place == at).then_some(Some(answered));
            assert_eq!(answer(request, &say(words)), expected, "{words:?} to {request:?}");
        }
    }
}

#[test]
fn each_request_that_has_an_answer_gets_one_where_redis_is_away() {
    let expected = [
        registered(Registered::Away),
        deleted(Deleted::Away),
        claimed(Claimed::Away),
        checked(Checked::Away),
        expired(Expired::Away),
    ];
    for (request, expected) in requests().iter().zip(expected) {
        assert_eq!(away(request), Some(expected));
    }
    let (session, role) = (SESSION, ROLE);
    for request in [Request::Release { session, role, generation: 1 }, Request::Touch { session, idle_ms: 0 }]
    {
        assert_eq!((away(&request), full(&request)), (None, None));
        assert_eq!(answer(&request, &Value::Int(0)), Some(None));
        assert_eq!(answer(&request, &say(&["made"])), None);
    }
}

#[test]
fn a_probe_says_nothing_or_what_was_refused() {
    assert_eq!(probed(&say(&[])), Some((None, "")));
    assert_eq!(probed(&say(&["hset", "NOPERM"])), Some((Some("hset"), "NOPERM")));
    assert_eq!((probed(&say(&["hset"])), probed(&Value::Nil)), (None, None));
}
