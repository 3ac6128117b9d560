//! The first meeting: question and answer, the change of key, the move to a fresh session.

use super::*;

#[test]
fn a_phone_is_let_in_when_the_user_says_so() {
    let mut bench = TunnelBench::new();
    bench.link();
    let [TunnelEvent::Asked { words: phones }] = bench.phone.news()[..] else { panic!() };
    let news = bench.desk.news();
    let [TunnelEvent::Ask { question: 1, name, words }] = &news[..] else { panic!("{news:?}") };
    assert_eq!((name.as_str(), words), ("Anna's phone", &phones));
    assert_eq!(words.to_string().split(' ').count(), 6);
    assert_eq!(bench.phone.tunnel.try_send(b"early"), Err(SendError::NotOpen));
    assert!(bench.desk.tunnel.saved().is_none(), "nothing is kept before the user said yes");
    bench.answer(Answer::Allow { session: None });
    assert_eq!((bench.phone.words(), bench.desk.words()), (vec!["Opened".into()], vec!["Opened".into()]));
    let (phone, desk) = (bench.phone.tunnel.saved().unwrap(), bench.desk.tunnel.saved().unwrap());
    assert!(phone.key == desk.key && phone.key.id() != code().id(), "one change of key");
    assert_eq!((desk.name.as_str(), desk.used), ("Anna's phone", Some(code().id())));
}

#[test]
fn a_name_is_shown_without_controls() {
    let mut bench = TunnelBench::new();
    let options = Options { name: "a\u{1b}[31m\u{202e}b".into(), ..Options::new(Role::Phone) };
    bench.phone.tunnel =
        Tunnel::pair(Role::Phone, credentials(1), code(), &options, seeded(3), bench.now).unwrap();
    bench.link();
    assert!(matches!(&bench.desk.news()[..], [TunnelEvent::Ask { name, .. }] if name == "a[31mb"));
}

#[test]
fn the_key_is_confirmed_only_when_it_is_stored() {
    let mut bench = TunnelBench::new();
    bench.phone.stores = false;
    bench.link();
    assert_eq!((bench.phone.told.as_slice(), bench.desk.words()), ([TunnelEvent::Store].as_slice(), vec![]));
    bench.phone.tunnel.on_stored(bench.now);
    bench.pump();
    assert_eq!(bench.desk.words(), ["Ask"]);
    bench.desk.stores = false;
    bench.answer(Answer::Allow { session: None });
    assert_eq!(bench.phone.words(), ["Asked"], "the workstation has not stored");
    bench.desk.tunnel.on_stored(bench.now);
    bench.pump();
    assert_eq!(bench.phone.words(), ["Opened"]);
}

#[test]
fn a_link_that_breaks_before_the_phone_has_its_key_changes_nothing() {
    let mut bench = TunnelBench::new();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    bench.desk_hears(&h1);
    bench.cut();
    bench.link();
    bench.answer(Answer::Allow { session: None });
    assert_eq!(bench.phone.words(), ["Asked", "Opened"]);
}

#[test]
fn a_link_that_breaks_before_the_key_is_confirmed_goes_on_with_the_new_key() {
    let mut bench = TunnelBench::new();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    bench.desk_hears(&h1);
    let h2 = bench.desk_says();
    bench.phone_hears(&h2);
    bench.cut();
    let saved = bench.phone.tunnel.saved().expect("the phone has stored a key");
    assert_eq!((saved.welcomed, saved.role), (false, Role::Phone));
    bench.phone.tunnel = Tunnel::resume(&saved, &named(Role::Phone), seeded(4), bench.now).unwrap();
    bench.phone.news();
    bench.link();
    assert_eq!((bench.phone.words(), bench.desk.words()), (vec!["Asked".into()], vec!["Ask".into()]));
    bench.answer(Answer::Allow { session: None });
    assert_eq!((bench.phone.words(), bench.desk.words()), (vec!["Opened".into()], vec!["Opened".into()]));
}

#[test]
fn a_question_outlives_the_link_and_is_asked_again_with_the_new_words() {
    let mut bench = TunnelBench::new();
    bench.link();
    let first = bench.desk.news();
    bench.cut();
    bench.after(SEC * 350);
    bench.link();
    let second = bench.desk.news();
    assert!(
        matches!((&first[..], &second[..]), ([TunnelEvent::Ask { words: a, .. }], [TunnelEvent::Ask { words: b, .. }]) if a != b)
    );
    bench.cut();
    bench.answer(Answer::Allow { session: None });
    bench.link();
    assert_eq!(bench.phone.words(), ["Asked", "Asked", "Asked", "Opened"]);
    assert_eq!(bench.desk.words(), ["Opened"]);
}

#[test]
fn both_move_to_the_fresh_session_and_the_old_one_is_retired() {
    let mut bench = TunnelBench::new();
    bench.link();
    bench.answer(Answer::Allow { session: Some(credentials(9)) });
    assert_eq!(
        bench.desk.news()[1..],
        [TunnelEvent::Move(credentials(9)), TunnelEvent::Retire(credentials(1))]
    );
    assert_eq!(bench.phone.words(), ["Asked"], "it leaves when the workstation has left");
    assert_eq!(bench.phone.tunnel.credentials(), credentials(1));
    bench.phone.tunnel.on_unlink(bench.now);
    bench.phone.drain(bench.now);
    assert_eq!(bench.phone.news(), [TunnelEvent::Move(credentials(9))]);
    bench.link();
    assert_eq!((bench.phone.words(), bench.desk.words()), (vec!["Opened".into()], vec!["Opened".into()]));
    let (phone, desk) = (bench.phone.tunnel.saved().unwrap(), bench.desk.tunnel.saved().unwrap());
    assert_eq!(
        (phone.home, phone.other, desk.home, desk.other),
        (credentials(9), None, credentials(9), None)
    );
}

#[test]
fn a_phone_that_moved_alone_looks_in_both_sessions_in_turn() {
    let mut bench = TunnelBench::new();
    bench.link();
    bench.desk.news();
    bench.answer_to(1, Answer::Allow { session: Some(credentials(9)) });
    let welcome = bench.desk_says();
    bench.phone_hears(&welcome);
    bench.cut();
    assert_eq!(
        bench.phone.news()[1..],
        [TunnelEvent::Move(credentials(9))],
        "SETTLED is lost, and the phone does not know"
    );
    assert_eq!(bench.desk.tunnel.credentials(), credentials(1));
    bench.after(limits::SETTLE_WAIT - MS);
    assert_eq!(bench.phone.news(), []);
    bench.after(MS);
    assert_eq!(bench.phone.news(), [TunnelEvent::Move(credentials(1))]);
    bench.link();
    assert_eq!(bench.desk.news(), [TunnelEvent::Move(credentials(9)), TunnelEvent::Retire(credentials(1))]);
    bench.cut();
    assert_eq!(bench.phone.news(), [TunnelEvent::Move(credentials(9))]);
    bench.link();
    assert_eq!((bench.phone.words(), bench.desk.words()), (vec!["Opened".into()], vec!["Opened".into()]));
}

#[test]
fn a_phone_whose_word_is_lost_leaves_by_itself() {
    let mut bench = TunnelBench::new();
    bench.link();
    bench.answer_to(1, Answer::Allow { session: Some(credentials(9)) });
    let welcome = bench.desk_says();
    bench.phone_hears(&welcome);
    let _lost = bench.phone_says();
    bench.phone.news();
    bench.after(limits::SETTLE_WAIT);
    assert_eq!(bench.phone.news(), [TunnelEvent::Move(credentials(9))]);
}

#[test]
fn a_slow_connect_does_not_shorten_the_search() {
    let mut bench = TunnelBench::new();
    bench.link();
    bench.answer(Answer::Allow { session: Some(credentials(9)) });
    bench.cut();
    bench.phone.tunnel.close();
    bench.phone.news();
    bench.desk.news();
    bench.after(limits::SETTLE_WAIT - MS);
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    bench.after(MS);
    assert_eq!(bench.phone.news().len(), 1, "no move but the tunnel");
    assert_eq!(bench.desk.words(), ["Opened", "PeerClosed"], "a close outlives the move");
}

#[test]
fn a_deleted_session_sends_each_end_to_the_other_one() {
    let mut bench = TunnelBench::new();
    bench.link();
    bench.answer(Answer::Allow { session: Some(credentials(9)) });
    bench.cut();
    bench.after(limits::SETTLE_WAIT);
    bench.phone.news();
    assert_eq!(bench.phone.tunnel.credentials(), credentials(1), "the workstation was slow to come");
    assert!(bench.phone.tunnel.on_session_gone(bench.now));
    bench.phone.drain(bench.now);
    assert_eq!(bench.phone.news(), [TunnelEvent::Move(credentials(9))]);
    bench.link();
    assert_eq!(bench.phone.words(), ["Opened"]);
    assert!(!bench.phone.tunnel.on_session_gone(bench.now), "there is no other");
    assert!(!bench.desk.tunnel.on_session_gone(bench.now), "there is no other");
}

#[test]
fn a_welcomed_phone_passes_over_a_refusal_of_its_hello() {
    let mut bench = TunnelBench::open();
    bench.cut();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    bench.desk_hears(&h1);
    let h2 = bench.desk_says();
    bench.phone_hears(&h2);
    assert_eq!(bench.phone.words(), ["Opened"]);
    bench.phone_hears(&[4, h1[1], h1[2], h1[3], h1[4], 1]);
    assert_eq!(bench.phone.news(), []);
}

#[test]
fn a_fifth_handshake_makes_the_oldest_stale() {
    let mut bench = TunnelBench::new();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let mut h1 = bench.phone_says();
    bench.desk_hears(&h1);
    let h2 = bench.desk_says();
    for _ in 0..limits::PENDING_MAX {
        h1[1] ^= 0x80;
        h1[2] = h1[2].wrapping_add(1);
        bench.desk_hears(&h1);
    }
    bench.phone_hears(&h2);
    let hello = bench.phone_says();
    bench.desk_hears(&hello);
    assert_eq!(bench.desk.news(), [], "neither asked nor refused");
}

#[test]
fn a_hello_under_a_pair_key_that_became_void_is_of_an_unknown_key() {
    let mut bench = TunnelBench::new();
    let shake_hands = |bench: &mut TunnelBench| {
        bench.phone.tunnel.on_link(bench.now);
        bench.desk.tunnel.on_link(bench.now);
        let h1 = bench.phone_says();
        bench.desk_hears(&h1);
        bench.desk_says()
    };
    let h2 = shake_hands(&mut bench);
    // It stores the pair key, and its HELLO is lost.
    bench.phone_hears(&h2);
    bench.cut();
    let h2 = shake_hands(&mut bench);
    assert_eq!(h2.len(), 97);
    bench.now += limits::PAIR_FOR;
    bench.phone_hears(&h2);
    let hello = bench.phone_says();
    bench.desk_hears(&hello);
    assert_eq!(
        bench.desk.news(),
        [TunnelEvent::CodeSpent(Spent::Expired), TunnelEvent::Refused(Refusal::UnknownKey)]
    );
}
