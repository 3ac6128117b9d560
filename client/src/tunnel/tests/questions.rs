//! The workstation's question: whose answer counts, what takes it back, and how it ends.

use super::*;

/// A phone that is being asked about, news read.
fn asked() -> Bench {
    let mut bench = Bench::new();
    bench.link();
    assert_eq!((bench.phone.words(), bench.desk.words()), (vec!["Asked".into()], vec!["Ask".into()]));
    bench
}

const fn allow() -> Answer {
    Answer::Allow { session: Some(PLACE) }
}

const PLACE: Place = Place { session: SessionId::from_bytes([9; 16]), token: Token::from_bytes([9; 16]) };

#[test]
fn an_answer_to_an_older_question_does_nothing() {
    let mut bench = asked();
    bench.cut();
    bench.link();
    let [Event::Ask { question: 2, .. }] = bench.desk.news()[..] else { panic!("another handshake") };
    for answer in [allow(), Answer::Deny] {
        assert!(!bench.answer_to(1, answer) && !bench.answer_to(3, answer));
    }
    assert!(!bench.desk.tunnel.begin_answer(1));
    bench.pump();
    assert_eq!((bench.desk.news(), bench.desk.tunnel.saved()), (vec![], None));
    assert!(bench.answer_to(2, Answer::Allow { session: None }));
    bench.pump();
    assert_eq!(bench.desk.words(), ["Opened"]);
    assert!(!bench.answer_to(2, Answer::Deny), "it was let in");
}

#[test]
fn a_phone_that_comes_back_while_a_yes_is_carried_out_is_not_asked_about_again() {
    let mut bench = asked();
    assert!(bench.desk.tunnel.begin_answer(1));
    for _ in 0..3 {
        bench.cut();
        bench.link();
        assert_eq!(bench.desk.news(), [], "the answer goes for it");
    }
    assert!(bench.answer_to(1, Answer::Allow { session: None }));
    bench.pump();
    assert_eq!(bench.desk.words(), ["Opened"]);
    assert_eq!(bench.phone.words(), ["Asked", "Asked", "Asked", "Opened"]);
}

#[test]
fn a_yes_that_could_not_be_carried_out_leaves_the_question() {
    let mut bench = asked();
    assert!(bench.desk.tunnel.begin_answer(1));
    bench.desk.tunnel.drop_answer(1);
    bench.cut();
    bench.link();
    assert!(matches!(bench.desk.news()[..], [Event::Ask { question: 2, .. }]));
    assert!(bench.answer(Answer::Allow { session: None }));
    assert_eq!(bench.desk.words(), ["Opened"]);
}

#[test]
fn a_no_wins_over_a_yes_that_is_under_way() {
    let mut bench = asked();
    assert!(bench.desk.tunnel.begin_answer(1));
    assert!(bench.answer(Answer::Deny));
    assert!(!bench.answer_to(1, allow()), "the yes comes too late");
    assert_eq!(bench.desk.news()[0], Event::AskOver { question: 1, allowed: false });
    assert_eq!(bench.phone.news(), [Event::Refused(Refusal::Denied)]);
    assert_eq!(bench.desk.tunnel.saved(), None);
}

#[test]
fn a_no_takes_back_a_yes_that_is_not_stored() {
    let mut bench = asked();
    bench.desk.stores = false;
    assert!(bench.answer(allow()));
    assert!(bench.desk.tunnel.saved().is_some());
    assert!(bench.answer(Answer::Deny));
    assert!(!bench.answer_to(1, Answer::Deny), "once");
    let told: Vec<Event> = bench.desk.told.drain(..).take(4).collect();
    let over = Event::AskOver { question: 1, allowed: false };
    assert_eq!(told, [Event::Store, Event::Store, Event::Retire(PLACE), over]);
    assert_eq!(bench.desk.tunnel.saved(), None, "there is nothing to be kept");
    // The storage was slow, and comes with the yes.
    bench.desk.tunnel.on_stored(bench.now);
    bench.pump();
    assert_eq!((bench.desk.news(), bench.phone.news()), (vec![], vec![Event::Refused(Refusal::Denied)]));
    bench.cut();
    bench.link();
    assert_eq!(bench.phone.news(), [Event::Refused(Refusal::Denied)]);
}

#[test]
fn a_no_to_a_phone_that_is_away_meets_it_when_it_comes_back() {
    let mut bench = asked();
    bench.desk.stores = false;
    bench.cut();
    assert!(bench.answer(allow()) && bench.answer(Answer::Deny));
    bench.link();
    assert_eq!(bench.phone.news(), [Event::Refused(Refusal::Denied)]);
}

#[test]
fn a_stored_yes_is_told_as_the_end_of_the_question() {
    let mut bench = asked();
    bench.desk.stores = false;
    bench.answer(allow());
    assert_eq!(bench.desk.told, [Event::Store]);
    bench.desk.tunnel.on_stored(bench.now);
    bench.desk.drain(bench.now);
    assert_eq!(bench.desk.told[1..], [Event::AskOver { question: 1, allowed: true }]);
}
