//! Messages over connections that come and go.

use super::*;

#[test]
fn messages_go_both_ways_and_are_acknowledged_when_taken() {
    let mut bench = TunnelBench::open();
    let long = vec![7; 100_000];
    assert_eq!(bench.phone.tunnel.try_send(b"first"), Ok(1));
    assert_eq!(bench.phone.tunnel.try_send(&long), Ok(2));
    assert_eq!(bench.desk.tunnel.try_send(b"back"), Ok(1));
    bench.pump();
    assert_eq!(bench.phone.tunnel.unacknowledged(), 2, "they are there, and the app has not taken them");
    assert_eq!(take_all(&mut bench.desk, bench.now), [b"first".to_vec(), long]);
    assert_eq!(take_all(&mut bench.phone, bench.now), [b"back"]);
    bench.after(limits::ACK_DELAY);
    assert_eq!(
        (bench.phone.news(), bench.desk.news()),
        (vec![TunnelEvent::Acknowledged(2)], vec![TunnelEvent::Acknowledged(1)])
    );
    assert_eq!((bench.phone.tunnel.buffered(), bench.desk.tunnel.buffered()), ((0, 0), (0, 0)));
}

#[test]
fn what_was_on_its_way_comes_on_the_next_connection() {
    let mut bench = TunnelBench::open();
    for at in 0..10 {
        bench.phone.tunnel.try_send(&[at]).unwrap();
        bench.desk.tunnel.try_send(&[at]).unwrap();
    }
    for _ in 0..4 {
        let record = bench.phone_says();
        bench.desk_hears(&record);
    }
    bench.cut();
    assert_eq!(bench.phone.tunnel.try_send(&[10]), Ok(11), "accepted without a link");
    bench.link();
    let expected: Vec<Vec<u8>> = (0..=10).map(|at| vec![at]).collect();
    assert_eq!(take_all(&mut bench.desk, bench.now), expected);
    assert_eq!(take_all(&mut bench.phone, bench.now), expected[..10]);
}

#[test]
fn a_full_window_says_so_and_tells_when_there_is_room() {
    let mut bench = TunnelBench::open();
    let limit = limits::WINDOW_PHONE as usize / 2;
    let too_large = SendError::TooLarge { len: limit + 1, limit };
    assert_eq!(bench.desk.tunnel.try_send(&vec![0; limit + 1]), Err(too_large));
    while bench.desk.tunnel.try_send(&vec![0; limit / 8]).is_ok() {}
    assert_eq!(bench.desk.tunnel.try_send(&vec![0; limit / 8]), Err(SendError::Full));
    bench.pump();
    assert!(bench.phone.tunnel.buffered().1 <= limits::WINDOW_PHONE as usize);
    assert_eq!(bench.desk.news(), []);
    take_all(&mut bench.phone, bench.now);
    bench.pump();
    assert_eq!(bench.desk.words(), ["Acknowledged", "Room"]);
}

#[test]
fn a_new_process_of_the_peer_is_told_and_nothing_is_sent_again() {
    let mut bench = TunnelBench::open();
    bench.desk.tunnel.try_send(b"lost?").unwrap();
    bench.pump();
    bench.cut();
    bench.desk.tunnel.try_send(b"never sent").unwrap();
    let saved = bench.phone.tunnel.saved().unwrap();
    bench.phone.news();
    bench.phone.tunnel = Tunnel::resume(&saved, &named(Role::Phone), seeded(9), bench.now).unwrap();
    bench.link();
    assert_eq!(bench.phone.words(), ["Opened"]);
    assert_eq!(bench.desk.news()[0], TunnelEvent::Restarted { unconfirmed: 2 });
    bench.desk.tunnel.try_send(b"again").unwrap();
    bench.pump();
    assert_eq!(take_all(&mut bench.phone, bench.now), [b"again"]);
}

#[test]
fn a_new_workstation_process_is_told_to_the_phone() {
    let mut bench = TunnelBench::open();
    bench.phone.tunnel.try_send(b"lost?").unwrap();
    bench.pump();
    bench.cut();
    let saved = bench.desk.tunnel.saved().unwrap();
    bench.desk.news();
    let desk = Options::new(Role::Workstation);
    bench.desk.tunnel = Tunnel::resume(&saved, &desk, seeded(9), bench.now).unwrap();
    bench.link();
    assert_eq!(bench.phone.news()[0], TunnelEvent::Restarted { unconfirmed: 1 });
    assert_eq!(bench.desk.words(), ["Opened"]);
    bench.phone.tunnel.try_send(b"again").unwrap();
    bench.pump();
    assert_eq!(take_all(&mut bench.desk, bench.now), [b"again"]);
}

#[test]
fn a_new_process_waits_until_the_app_has_taken_what_the_old_one_sent() {
    let mut bench = TunnelBench::open();
    bench.phone.tunnel.try_send(b"old").unwrap();
    bench.pump();
    bench.cut();
    let saved = bench.phone.tunnel.saved().unwrap();
    bench.phone.tunnel = Tunnel::resume(&saved, &named(Role::Phone), seeded(9), bench.now).unwrap();
    bench.link();
    let news = bench.desk.news();
    assert!(matches!(&news[..], [TunnelEvent::Message(_), TunnelEvent::Fault(Fault::Behind)]), "{news:?}");
    bench.desk.tunnel.taken(1, bench.now);
    bench.cut();
    bench.link();
    assert_eq!(bench.desk.words(), ["Restarted", "Opened"]);
}

#[test]
fn closing_lets_everything_arrive_first() {
    let mut bench = TunnelBench::open();
    bench.phone.tunnel.try_send(b"last").unwrap();
    bench.phone.tunnel.close();
    assert_eq!(bench.phone.tunnel.try_send(b"x"), Err(SendError::Closed));
    bench.pump();
    assert_eq!(bench.desk.words(), ["Message", "PeerClosed"]);
    bench.desk.tunnel.try_send(b"still").unwrap();
    bench.pump();
    assert_eq!(bench.phone.words(), ["Message"], "the other direction stays open");
}

#[test]
fn a_ping_is_answered() {
    let mut bench = TunnelBench::open();
    assert!(bench.phone.tunnel.ping(bench.now));
    let ping = bench.phone_says();
    bench.now += MS * 30;
    bench.desk_hears(&ping);
    bench.pump();
    assert_eq!(bench.phone.news(), [TunnelEvent::Pong { after: MS * 30 }]);
    bench.cut();
    assert!(!bench.phone.tunnel.ping(bench.now));
}

#[test]
fn an_unanswered_handshake_is_tried_again_and_then_given_up() {
    let mut bench = TunnelBench::open();
    bench.cut();
    bench.phone.tunnel.on_link(bench.now);
    for _ in 0..limits::TRIES_MAX {
        bench.phone.drain(bench.now);
        assert_eq!(bench.phone.wire.len(), 1);
        bench.phone.wire.clear();
        assert_eq!(bench.phone.tunnel.poll_timeout(), Some(limits::ANSWER_MAX));
        bench.now += limits::ANSWER_MAX;
        bench.phone.tunnel.on_timeout(bench.now);
    }
    bench.phone.drain(bench.now);
    assert_eq!(bench.phone.news(), [TunnelEvent::Fault(Fault::Unanswered(limits::TRIES_MAX))]);
}

#[test]
fn a_first_record_that_nobody_answers_is_a_fault() {
    let mut bench = TunnelBench::open();
    bench.cut();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    bench.desk_hears(&h1);
    let h2 = bench.desk_says();
    bench.phone_hears(&h2);
    let _hello = bench.phone_says();
    bench.now += limits::ANSWER_MAX;
    bench.phone.tunnel.on_timeout(bench.now);
    bench.phone.drain(bench.now);
    assert_eq!(bench.phone.words(), ["Opened", "Fault"]);
}

#[test]
fn nothing_is_due_while_nothing_waits() {
    let mut bench = TunnelBench::open();
    bench.after(SEC * 10);
    assert!(bench.phone.tunnel.poll_timeout() > Some(SEC * 3600), "only the keys' age");
    assert!(bench.desk.tunnel.poll_timeout() > Some(SEC * 3600), "only the keys' age");
    bench.cut();
    assert_eq!((bench.phone.tunnel.poll_timeout(), bench.desk.tunnel.poll_timeout()), (None, None));
}
