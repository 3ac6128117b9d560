//! Each refusal of the specification, and the event on both sides.

use super::*;

/// A phone that knows `key` as the code's, beside the one of the bench.
fn other_phone(key: PairingKey, now: Duration) -> End {
    let tunnel =
        Tunnel::pair(Role::Phone, credentials(1), key, &Options::new(Role::Phone), seeded(77), now).unwrap();
    End::new(tunnel)
}

/// Puts another phone in the first one's place and lets it try; gives what both were told.
fn try_other(bench: &mut TunnelBench, phone: End) -> (Vec<TunnelEvent>, Vec<TunnelEvent>) {
    bench.cut();
    bench.desk.news();
    bench.phone = phone;
    bench.link();
    (bench.phone.news(), bench.desk.news())
}

fn refused(why: Refusal) -> (Vec<TunnelEvent>, Vec<TunnelEvent>) {
    (vec![TunnelEvent::Refused(why)], vec![TunnelEvent::Refused(why)])
}

#[test]
fn a_used_code_is_refused_on_both_sides() {
    let mut bench = TunnelBench::new();
    bench.link();
    let other = other_phone(code(), bench.now);
    assert_eq!(try_other(&mut bench, other), refused(Refusal::CodeUsed), "while the user is being asked");
    assert!(Refusal::CodeUsed.to_string().contains("used already"));
}

#[test]
fn of_two_phones_with_one_code_the_first_to_prove_it_is_asked_about() {
    let mut bench = TunnelBench::new();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let mut thief = other_phone(code(), bench.now);
    thief.tunnel.on_link(bench.now);
    thief.drain(bench.now);
    let h1 = thief.wire.pop_front().expect("an H1");
    bench.desk_hears(&h1);
    let h2 = bench.desk_says();
    thief.tunnel.on_message(&h2, bench.now);
    thief.drain(bench.now);
    let hello = thief.wire.pop_front().expect("a HELLO");
    let saved = thief.tunnel.saved().expect("the key that it was handed");
    bench.pump();
    assert_eq!(bench.desk.words(), ["Ask"]);
    bench.desk_hears(&hello);
    let refusal = bench.desk_says();
    thief.tunnel.on_message(&refusal, bench.now);
    thief.drain(bench.now);
    assert_eq!(thief.words(), ["Asked", "Refused"]);
    assert_eq!(bench.desk.news(), [TunnelEvent::Refused(Refusal::CodeUsed)]);
    bench.answer(Answer::Allow { session: None });
    assert_eq!(bench.phone.words(), ["Asked", "Opened"]);
    let options = Options::new(Role::Phone);
    let later = Tunnel::resume(&saved, &options, seeded(78), bench.now).unwrap();
    bench.desk.news();
    assert_eq!(
        try_other(&mut bench, End::new(later)),
        refused(Refusal::UnknownKey),
        "what it was handed is void"
    );
}

#[test]
fn the_codes_key_is_refused_after_pairing_and_after_a_restart() {
    let mut bench = TunnelBench::open();
    let other = other_phone(code(), bench.now);
    assert_eq!(try_other(&mut bench, other), refused(Refusal::CodeUsed));
    let saved = bench.desk.tunnel.saved().unwrap();
    let desk = Options::new(Role::Workstation);
    bench.desk.tunnel = Tunnel::resume(&saved, &desk, seeded(5), bench.now).unwrap();
    let other = other_phone(code(), bench.now);
    assert_eq!(try_other(&mut bench, other), refused(Refusal::CodeUsed));
}

#[test]
fn a_wrong_key_is_refused_at_once() {
    let mut bench = TunnelBench::open();
    let other = other_phone(PairingKey::from_bytes(&[1; 32]), bench.now);
    assert_eq!(try_other(&mut bench, other), refused(Refusal::UnknownKey));
    assert!(Refusal::UnknownKey.to_string().contains("does not know this phone's key"));
}

#[test]
fn an_expired_code_is_refused() {
    let mut bench = TunnelBench::new();
    bench.after(limits::PAIR_FOR);
    assert_eq!(bench.desk.news(), [TunnelEvent::CodeSpent(Spent::Expired)]);
    let other = other_phone(code(), bench.now);
    assert_eq!(try_other(&mut bench, other), refused(Refusal::CodeExpired));
    assert!(Refusal::CodeExpired.to_string().contains("expired"));
    let mut asleep = TunnelBench::new();
    asleep.now += limits::PAIR_FOR;
    let other = other_phone(code(), asleep.now);
    let news = (
        vec![TunnelEvent::Refused(Refusal::CodeExpired)],
        vec![TunnelEvent::CodeSpent(Spent::Expired), TunnelEvent::Refused(Refusal::CodeExpired)],
    );
    assert_eq!(try_other(&mut asleep, other), news, "before its timer could say so");
}

#[test]
fn a_handshake_that_is_confirmed_too_late_is_refused() {
    let mut bench = TunnelBench::new();
    bench.phone.stores = false;
    bench.link();
    bench.after(limits::PAIR_FOR);
    bench.phone.tunnel.on_stored(bench.now);
    bench.pump();
    assert_eq!(
        bench.desk.news(),
        [TunnelEvent::CodeSpent(Spent::Expired), TunnelEvent::Refused(Refusal::CodeExpired)]
    );
    assert_eq!(bench.phone.words(), ["Asked", "Refused"]);
}

#[test]
fn a_code_expires_while_its_workstation_sleeps() {
    let mut bench = TunnelBench::new();
    bench.phone.stores = false;
    bench.link();
    bench.now += limits::PAIR_FOR;
    bench.phone.tunnel.on_stored(bench.now);
    let hello = bench.phone_says();
    bench.desk_hears(&hello);
    assert_eq!(
        bench.desk.news(),
        [TunnelEvent::CodeSpent(Spent::Expired), TunnelEvent::Refused(Refusal::CodeExpired)]
    );
}

#[test]
fn a_denied_phone_is_told_and_stays_denied() {
    let mut bench = TunnelBench::new();
    bench.link();
    bench.desk.news();
    bench.phone.news();
    bench.answer(Answer::Deny);
    assert_eq!(bench.phone.news(), [TunnelEvent::Refused(Refusal::Denied)]);
    assert!(bench.desk.tunnel.saved().is_none());
    assert_eq!(
        bench.desk.news(),
        [TunnelEvent::AskOver { question: 1, allowed: false }, TunnelEvent::CodeSpent(Spent::Denied)]
    );
    bench.cut();
    bench.link();
    assert_eq!((bench.phone.news(), bench.desk.news()), refused(Refusal::Denied));
    assert!(Refusal::Denied.to_string().contains("did not allow"));
}

/// A refusal has no key behind it: the relay can make one up.
fn forged(h1: &[u8], why: u8) -> Vec<u8> {
    vec![4, h1[1], h1[2], h1[3], h1[4], why]
}

#[test]
fn a_forged_refusal_ends_a_connection_of_a_welcomed_phone_and_nothing_else() {
    let mut bench = TunnelBench::open();
    for why in Refusal::ALL {
        bench.cut();
        bench.phone.tunnel.on_link(bench.now);
        let h1 = bench.phone_says();
        bench.phone_hears(&forged(&h1, why.code()));
        let fault = if why == Refusal::Damaged { Fault::BadAnswer } else { Fault::Refused(why) };
        assert_eq!(bench.phone.news(), [TunnelEvent::Fault(fault)]);
        bench.link();
        assert_eq!(bench.phone.words(), ["Opened"], "after {why:?}");
    }
    let saved = bench.phone.tunnel.saved().unwrap();
    bench.phone.tunnel = Tunnel::resume(&saved, &named(Role::Phone), seeded(4), bench.now).unwrap();
    bench.phone.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    bench.phone_hears(&forged(&h1, 1));
    assert_eq!(
        bench.phone.news(),
        [TunnelEvent::Fault(Fault::Refused(Refusal::UnknownKey))],
        "a new process, too"
    );
}

#[test]
fn a_refusal_stops_a_phone_that_still_pairs() {
    let mut bench = TunnelBench::new();
    bench.phone.tunnel.on_link(bench.now);
    let h1 = bench.phone_says();
    bench.phone_hears(&forged(&h1, 1));
    assert_eq!(bench.phone.news(), [TunnelEvent::Refused(Refusal::UnknownKey)]);
}

#[test]
fn the_end_of_a_pair_comes_sealed_and_behind_all_that_was_said() {
    let mut bench = TunnelBench::open();
    bench.desk.tunnel.try_send(b"farewell").unwrap();
    bench.desk.tunnel.revoke();
    bench.desk.tunnel.close();
    bench.pump();
    assert_eq!(bench.phone.words(), ["Message", "PeerClosed", "Removed"]);
    let mut damaged = TunnelBench::open();
    damaged.desk.tunnel.revoke();
    let mut denied = damaged.desk_says();
    denied[5] ^= 1;
    damaged.phone_hears(&denied);
    assert_eq!(damaged.phone.news(), [TunnelEvent::Fault(Fault::Unopenable)], "nobody else can say it");
}

#[test]
fn a_phone_that_is_being_asked_about_is_denied_by_the_end_of_the_pair() {
    let mut bench = TunnelBench::new();
    bench.link();
    bench.phone.news();
    bench.desk.tunnel.revoke();
    bench.pump();
    assert_eq!(bench.phone.news(), [TunnelEvent::Refused(Refusal::Denied)]);
    bench.phone.tunnel.revoke();
    bench.pump();
    assert_eq!(bench.desk.words(), ["Ask"], "a phone has nothing to revoke");
}

#[test]
fn another_version_is_refused() {
    let mut bench = TunnelBench::new();
    bench.phone.tunnel.on_link(bench.now);
    bench.desk.tunnel.on_link(bench.now);
    let mut h1 = bench.phone_says();
    h1[5] = 2;
    bench.desk_hears(&h1);
    let answer = bench.desk_says();
    bench.phone_hears(&answer);
    assert_eq!((bench.phone.news(), bench.desk.news()), refused(Refusal::OtherVersion));
}
