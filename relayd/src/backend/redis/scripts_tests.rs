//! What each request is to Redis: the call, its key, and its arguments, word by word.

use super::*;

/// The words of the commands in this buffer.
fn words_of(bytes: &[u8]) -> Vec<Vec<String>> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut rest = text.as_str();
    let number = |rest: &mut &str, sign| {
        let (line, after) = rest.strip_prefix(sign).unwrap().split_once("\r\n").unwrap();
        *rest = after;
        line.parse::<usize>().unwrap()
    };
    let mut commands = Vec::new();
    while !rest.is_empty() {
        let count = number(&mut rest, '*');
        let mut words = Vec::new();
        for _ in 0..count {
            let len = number(&mut rest, '$');
            words.push(rest[..len].to_owned());
            rest = &rest[len + 2..];
        }
        commands.push(words);
    }
    commands
}

const NODE: NodeId = NodeId::from_bytes([0xCD; 16]);
const NAME: &str = "0123456789abcdef0123456789abcdef01234567";

fn scripts() -> Scripts {
    Scripts::new(Keys::new("it:"), NODE, 60)
}

#[test]
fn each_request_is_a_call_with_its_key_and_its_words() {
    let (session, token) = (SessionId::from_bytes([0xAB; 16]), TokenDigest::from_bytes([0x0F; 32]));
    let (ticket, conn) = (Conn { slot: 3, name: 4 }, Conn { slot: 5, name: 6 });
    let instance = Some(InstanceClaim { instance: 255, attempt: 7 });
    let (of_phone, of_workstation) = (Role::Phone, Role::Workstation);
    let hold = Hold { session, token, role: of_workstation, conn: 6, generation: 8, instance, idle_ms: 9 };
    let (digest, node) = ("0f".repeat(32), "cd".repeat(16));
    let (digest, node) = (digest.as_str(), node.as_str());
    let said = ["00000000000000ff", "00000000000000000007"];
    for (request, arguments) in [
        (Request::Register { ticket, session, token, again: true }, vec![digest, "1"]),
        (Request::Register { ticket, session, token, again: false }, vec![digest, "0"]),
        (Request::Delete { ticket, session, token: Some(token) }, vec![digest]),
        (Request::Delete { ticket, session, token: None }, vec![""]),
        (
            Request::Claim { conn, session, token, role: of_phone, instance },
            vec![digest, "p", "w", node, "6", said[0], said[1]],
        ),
        (
            Request::Claim { conn, session, token, role: of_workstation, instance: None },
            vec![digest, "w", "p", node, "6", "", ""],
        ),
        (Request::Check { hold }, vec![digest, "w", "p", node, "6", "8", said[0], said[1], "9"]),
        (Request::Expire { session }, vec![]),
        (Request::Release { session, role: of_phone, generation: 8 }, vec!["p", "8"]),
        (Request::Touch { session, idle_ms: 9 }, vec!["9"]),
    ] {
        let mut out = Vec::new();
        scripts().write_call(&request, CallBy::Name, &mut out);
        let words = &words_of(&out)[0];
        let key = format!("it:sess:{}", "ab".repeat(16));
        assert_eq!(words[0], "EVAL", "the server named no script");
        assert_eq!(words[2..4], ["1".to_owned(), key], "{request:?}");
        assert_eq!(words[4..], arguments[..], "{request:?}");
    }
}

#[test]
fn each_request_has_its_own_script_and_each_script_is_loaded_once() {
    let scripts = scripts();
    let loads: Vec<_> = scripts.loads().map(|cmd| words_of(&cmd.get_packed_command())[0].clone()).collect();
    assert_eq!(loads.len(), COUNT);
    assert!(loads.iter().all(|load| load[..2] == ["SCRIPT", "LOAD"]));
    let mut out = Vec::new();
    assert_eq!(scripts.write_rehearsal(CallBy::Source, &mut out), BODIES.len());
    scripts.write_probe(CallBy::Source, &mut out);
    let calls = words_of(&out);
    assert_eq!(calls.len(), COUNT);
    let probe = format!("it:sess:probe:{NODE}");
    assert!(calls.iter().all(|call| call[0] == "EVAL" && call[2..4] == ["1", &probe]), "{calls:?}");
    let called: std::collections::BTreeSet<_> = calls.iter().map(|call| &call[1]).collect();
    let loaded: std::collections::BTreeSet<_> = loads.iter().map(|load| &load[2]).collect();
    assert_eq!((called.len(), called), (COUNT, loaded));
    assert!(loads[0][2].starts_with("local IDLE, GRACE, TOMBSTONE = 60000, "), "{}", loads[0][2]);
}

#[test]
fn a_script_is_called_by_the_name_that_the_server_gave_it() {
    let mut scripts = scripts();
    for (name, is_name) in [
        (Some(NAME.to_owned()), true),
        (Some(NAME[1..].to_owned()), false),
        (Some(format!("{NAME}0")), false),
        (Some(NAME.replace('a', "x")), false),
        (None, false),
    ] {
        scripts.on_loaded(COUNT - 1, name.clone());
        for (call, by_name) in [(CallBy::Name, is_name), (CallBy::Source, false)] {
            let mut out = Vec::new();
            scripts.write_probe(call, &mut out);
            let words = &words_of(&out)[0];
            assert_eq!(words[..2] == ["EVALSHA", NAME], by_name, "{name:?} {call:?}");
            assert_eq!(words[0] == "EVAL", !by_name, "{name:?} {call:?}");
        }
    }
}
