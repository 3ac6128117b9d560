//! The workstation's question: whose answer counts, what takes it back, and how it ends.

use super::*;

/// A phone that is being asked about, news read.
fn asked() -> TunnelBench {
    let mut bench = TunnelBench::new();
    bench.link();
    assert_eq!((bench.phone.words(), bench.desk.words()), (vec!["Asked".into()], vec!["Ask".into()]));
    bench
}

const fn allow() -> Answer {
    Answer::Allow { session: Some(FRESH) }
}

const FRESH: Credentials =
    Credentials { session: SessionId::from_bytes([9; 16]), token: Token::from_bytes([9; 16]) };

#[test]
fn an_answer_to_an_older_question_does_nothing() {
    let mut bench = asked();
    bench.cut();
    bench.link();
    let [TunnelEvent::Ask { question: 2, .. }] = bench.desk.news()[..] else { panic!("another handshake") };
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
    assert!(matches!(bench.desk.news()[..], [TunnelEvent::Ask { question: 2, .. }]));
    assert!(bench.answer(Answer::Allow { session: None }));
    assert_eq!(bench.desk.words(), ["Opened"]);
}

#[test]
fn a_no_wins_over_a_yes_that_is_under_way() {
    let mut bench = asked();
    assert!(bench.desk.tunnel.begin_answer(1));
    assert!(bench.answer(Answer::Deny));
    assert!(!bench.answer_to(1, allow()), "the yes comes too late");
    assert_eq!(bench.desk.news()[0], TunnelEvent::AskOver { question: 1, allowed: false });
    assert_eq!(bench.phone.news(), [TunnelEvent::Refused(Refusal::Denied)]);
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
    let told: Vec<TunnelEvent> = bench.desk.told.drain(..).collect();
    let over = TunnelEvent::AskOver { question: 1, allowed: false };
    let spent = TunnelEvent::CodeSpent(Spent::Denied);
    assert_eq!(told, [TunnelEvent::Store, TunnelEvent::Store, TunnelEvent::Retire(FRESH), over, spent]);
    assert_eq!(bench.desk.tunnel.saved(), None, "there is nothing to be kept");
    // The storage was slow, and comes with the yes.
    bench.desk.tunnel.on_stored(bench.now);
    bench.pump();
    assert_eq!(
        (bench.desk.news(), bench.phone.news()),
        (vec![], vec![TunnelEvent::Refused(Refusal::Denied)])
    );
    bench.cut();
    bench.link();
    assert_eq!(bench.phone.news(), [TunnelEvent::Refused(Refusal::Denied)]);
}

#[test]
fn a_no_to_a_phone_that_is_away_meets_it_when_it_comes_back() {
    let mut bench = asked();
    bench.desk.stores = false;
    bench.cut();
    assert!(bench.answer(allow()) && bench.answer(Answer::Deny));
    bench.link();
    assert_eq!(bench.phone.news(), [TunnelEvent::Refused(Refusal::Denied)]);
}

#[test]
fn a_stored_yes_is_told_as_the_end_of_the_question() {
    let mut bench = asked();
    bench.desk.stores = false;
    bench.answer(allow());
    assert_eq!(bench.desk.told, [TunnelEvent::Store]);
    bench.desk.tunnel.on_stored(bench.now);
    bench.desk.drain(bench.now);
    assert_eq!(bench.desk.told[1..], [TunnelEvent::AskOver { question: 1, allowed: true }]);
}

/// Puts another phone that has read the code in the first one's place.
fn second_scan(bench: &mut TunnelBench) -> (End, Vec<TunnelEvent>) {
    let second =
        Tunnel::pair(Role::Phone, credentials(1), code(), &Options::new(Role::Phone), seeded(77), bench.now);
    bench.cut();
    let first = std::mem::replace(&mut bench.phone, End::new(second.unwrap()));
    bench.link();
    let told = bench.phone.news();
    bench.cut();
    (first, told)
}

#[test]
fn a_second_scan_leaves_the_question_and_its_phone_as_they_were() {
    let mut bench = asked();
    for round in 2..5 {
        let (first, told) = second_scan(&mut bench);
        assert_eq!(told, [TunnelEvent::Refused(Refusal::CodeUsed)], "the second leaves");
        assert_eq!(bench.desk.news(), [TunnelEvent::Refused(Refusal::CodeUsed)]);
        bench.phone = first;
        bench.link();
        let news = bench.desk.news();
        assert!(matches!(news[..], [TunnelEvent::Ask { question, .. }] if question == round), "{news:?}");
    }
    assert!(bench.answer(Answer::Allow { session: None }));
    assert_eq!(bench.desk.words(), ["Opened"]);
}

#[test]
fn an_answer_while_a_second_scan_is_in_between_goes_for_the_first_phone() {
    let mut bench = asked();
    let (first, _) = second_scan(&mut bench);
    assert!(bench.answer(Answer::Allow { session: None }));
    bench.phone = first;
    bench.link();
    assert_eq!(bench.phone.words().last().unwrap(), "Opened");
}

const LAST: Duration = Duration::from_secs(360);

#[test]
fn a_question_that_nobody_answers_ends() {
    assert_eq!(LAST, limits::PAIR_FOR + limits::ANSWER_GRACE);
    let over =
        |question, why| [TunnelEvent::AskOver { question, allowed: false }, TunnelEvent::CodeSpent(why)];
    let mut here = asked();
    here.after(LAST - MS);
    assert_eq!(here.desk.news(), []);
    assert_eq!(here.desk.tunnel.poll_timeout(), Some(MS));
    here.after(MS);
    assert_eq!(here.desk.news(), over(1, Spent::Unanswered));
    assert_eq!(here.phone.news(), [TunnelEvent::Refused(Refusal::Denied)]);
    assert!(!here.answer_to(1, Answer::Allow { session: None }), "too late");
    let mut gone = asked();
    gone.cut();
    gone.after(LAST);
    assert_eq!(gone.desk.news(), over(1, Spent::PhoneGone));
    gone.link();
    assert_eq!(gone.phone.news(), [TunnelEvent::Refused(Refusal::Denied)], "a late return");
}

#[test]
fn coming_back_does_not_lengthen_a_question_and_an_answer_under_way_does() {
    let mut bench = asked();
    bench.now += LAST - SEC;
    bench.cut();
    bench.link();
    bench.desk.news();
    assert!(bench.desk.tunnel.begin_answer(2));
    bench.after(SEC * 20);
    assert_eq!(bench.desk.news(), [], "it is being carried out");
    bench.desk.tunnel.drop_answer(2);
    bench.after(MS);
    assert_eq!(bench.desk.words(), ["AskOver", "CodeSpent"]);
}
