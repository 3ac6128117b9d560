//! Replayed, damaged, lost and foreign messages, and the end of a connection's keys.

use super::*;
use crate::tunnel::noise;

#[test]
fn a_replayed_h1_harms_nobody() {
    let mut bench = TunnelBench::open();
    bench.cut();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    bench.desk_hears(&h1);
    bench.pump();
    bench.phone.news();
    bench.desk.news();
    bench.desk_hears(&h1);
    assert!(bench.desk.wire.is_empty(), "the live connection's own H1 says nothing new");
    let mut renamed = h1.clone();
    renamed[1..5].copy_from_slice(&[1, 2, 3, 4]);
    for _ in 0..2 * limits::PENDING_MAX {
        renamed[4] += 1;
        bench.desk_hears(&renamed);
        let mut made_up = vec![3; 40];
        made_up[1..5].copy_from_slice(&renamed[1..5]);
        bench.desk_hears(&made_up);
    }
    bench.pump();
    bench.phone.tunnel.try_send(b"still here").unwrap();
    bench.pump();
    assert_eq!(take_all(&mut bench.desk, bench.now), [b"still here"]);
    assert_eq!(bench.phone.news(), []);
}

#[test]
fn a_replayed_h1_from_the_first_pairing_gives_nothing_away() {
    let mut bench = TunnelBench::new();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    bench.desk_hears(&h1);
    bench.pump();
    bench.answer(Answer::Allow { session: None });
    bench.desk.news();
    let mut replayed = h1;
    replayed[1] ^= 1;
    bench.desk_hears(&replayed);
    assert_eq!(bench.desk.news(), [TunnelEvent::Refused(Refusal::CodeUsed)]);
}

#[test]
fn a_replayed_record_is_a_fault_and_the_next_connection_resumes() {
    let mut bench = TunnelBench::open();
    bench.phone.tunnel.try_send(b"once").unwrap();
    let record = bench.phone_says();
    bench.desk_hears(&record);
    bench.desk_hears(&record);
    let news = bench.desk.news();
    assert!(
        matches!(&news[..], [TunnelEvent::Message(message), TunnelEvent::Fault(Fault::Unopenable)] if message.bytes == b"once")
    );
    assert!(Fault::Unopenable.to_string().contains("repeated"));
    bench.desk.tunnel.taken(1, bench.now);
    bench.cut();
    bench.link();
    assert_eq!(bench.desk.words(), ["Opened"], "it came once");
    bench.after(limits::ACK_DELAY);
    assert_eq!(bench.phone.words(), ["Opened", "Acknowledged"]);
}

#[test]
fn a_record_left_out_is_a_fault() {
    let mut bench = TunnelBench::open();
    bench.phone.tunnel.try_send(b"a").unwrap();
    bench.phone.tunnel.try_send(b"b").unwrap();
    let _lost = bench.phone_says();
    let record = bench.phone_says();
    bench.desk_hears(&record);
    assert_eq!(bench.desk.news(), [TunnelEvent::Fault(Fault::Unopenable)]);
}

#[test]
fn a_flipped_bit_is_noticed_wherever_it_is() {
    for at in 5..30 {
        let mut bench = TunnelBench::open();
        bench.phone.tunnel.try_send(b"payload").unwrap();
        let mut record = bench.phone_says();
        record[at] ^= 0x10;
        bench.desk_hears(&record);
        assert_eq!(bench.desk.news(), [TunnelEvent::Fault(Fault::Unopenable)], "byte {at}");
        bench.phone.drain(bench.now);
        bench.cut();
        bench.link();
        assert_eq!(take_all(&mut bench.desk, bench.now), [b"payload"], "byte {at}");
    }
}

#[test]
fn a_flipped_bit_in_the_handshake_is_noticed() {
    for at in [14, 45, 46, 61] {
        let mut bench = TunnelBench::new();
        bench.phone.tunnel.on_link(bench.now);
        bench.desk.tunnel.on_link(bench.now);
        let mut h1 = bench.phone_says();
        h1[at] ^= 1;
        bench.desk_hears(&h1);
        assert_eq!(bench.desk.news(), [TunnelEvent::Refused(Refusal::Damaged)], "byte {at}");
        let answer = bench.desk_says();
        bench.phone_hears(&answer);
        assert_eq!(
            bench.phone.news(),
            [TunnelEvent::Fault(Fault::BadAnswer)],
            "byte {at}: it connects again"
        );
    }
    for at in [5, 37, 128] {
        let mut bench = TunnelBench::new();
        bench.phone.tunnel.on_link(bench.now);
        bench.desk.tunnel.on_link(bench.now);
        let h1 = bench.phone_says();
        bench.desk_hears(&h1);
        let mut h2 = bench.desk_says();
        h2[at] ^= 1;
        bench.phone_hears(&h2);
        assert_eq!(bench.phone.news(), [TunnelEvent::Fault(Fault::BadAnswer)], "byte {at}");
    }
}

#[test]
fn what_belongs_to_an_earlier_handshake_is_dropped_without_a_word() {
    let mut bench = TunnelBench::open();
    bench.desk.tunnel.try_send(b"late").unwrap();
    let record = bench.desk_says();
    bench.cut();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    bench.desk_hears(&h1);
    let late = bench.desk_says();
    bench.now += limits::ANSWER_MAX;
    bench.phone.tunnel.on_timeout(bench.now);
    bench.phone_hears(&late);
    bench.phone_hears(&record);
    bench.phone_hears(&[4, h1[1], h1[2], h1[3], h1[4], 1]);
    assert_eq!(bench.phone.news(), []);
    bench.pump();
    assert_eq!(bench.phone.words(), ["Opened", "Message"]);
}

#[test]
fn keys_change_under_a_code_and_only_there() {
    let mut bench = TunnelBench::open();
    let saved = bench.phone.tunnel.saved().unwrap();
    bench.cut();
    bench.phone.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    let (key, id) = (saved.key.secret(), saved.key.id());
    let desk = noise::Responder::new(key, saved.home.session, id, [8; 32], &h1[14..]).unwrap();
    let state = bench.desk.tunnel.core.stream.state();
    let payload = record::answer(&state, Some(&PairKey::from_bytes(&[1; 32])));
    let (_, answer) = desk.answer(&payload).unwrap();
    let c = wire::Tag(h1[1..5].try_into().unwrap());
    bench.phone_hears(&wire::h2(c, &answer));
    assert_eq!(bench.phone.news(), [TunnelEvent::Fault(Fault::Malformed("answer to the handshake"))]);
    assert_eq!(bench.phone.tunnel.saved(), Some(saved));
}

#[test]
fn a_first_record_that_does_not_open_ends_the_link_where_nothing_stands() {
    let mut bench = TunnelBench::open();
    bench.cut();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    bench.desk_hears(&h1);
    let h2 = bench.desk_says();
    bench.phone_hears(&h2);
    let mut hello = bench.phone_says();
    hello[9] ^= 1;
    bench.desk_hears(&hello);
    assert_eq!(bench.desk.news(), [TunnelEvent::Fault(Fault::Unopenable)]);
}

#[test]
fn what_is_no_tunnel_is_told_and_changes_nothing() {
    let mut bench = TunnelBench::open();
    for message in [b"{\"type\":\"hello\"}".as_slice(), b"", &[9; 40], &[2; 60]] {
        bench.desk_hears(message);
        assert_eq!(bench.desk.news(), [TunnelEvent::Foreign], "{message:?}");
    }
    bench.desk_hears(&[3; 60]);
    assert_eq!(bench.desk.news(), [], "a record of another connection is stale, not foreign");
}

#[test]
fn no_bytes_make_it_panic() {
    let mut rng = Rng::new(11);
    for round in 0..3_000 {
        let mut bench = TunnelBench::open();
        let mut bytes: Vec<u8> = (0..rng.index(150)).map(|_| rng.next().to_be_bytes()[0]).collect();
        // Half of them in the shape of a message, some of them of the live connection.
        if let Some(kind) = bytes.first_mut().filter(|_| round % 2 == 0) {
            *kind = 1 + *kind % 4;
        }
        let c = bench.desk.tunnel.core.live.as_ref().expect("a connection").c();
        if bytes.len() > 5 && round % 4 == 0 {
            bytes[1..5].copy_from_slice(&c.0);
        }
        bench.desk_hears(&bytes);
        bench.phone_hears(&bytes);
        let _ = record::Record::parse(&bytes);
        let _ = record::parse_answer(&bytes);
        let _ = Saved::parse(&String::from_utf8_lossy(&bytes));
    }
}
