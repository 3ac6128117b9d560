//! New keys beside the live ones, and what happens where they don't come.

use super::*;

/// As if the phone had sealed this many records.
fn set_sealed(end: &mut End, records: u64) {
    end.tunnel.core.live.as_mut().expect("a connection").set_sealed(records);
}

#[test]
fn after_enough_records_the_keys_are_new_and_nothing_stops() {
    let mut bench = TunnelBench::open();
    set_sealed(&mut bench.phone, limits::RECORDS_MAX - 1);
    bench.phone.tunnel.try_send(b"a").unwrap();
    bench.phone.tunnel.try_send(b"b").unwrap();
    bench.desk.tunnel.try_send(b"c").unwrap();
    bench.pump();
    assert_eq!(bench.phone.words(), ["Message", "Opened"]);
    assert_eq!(bench.desk.words(), ["Message", "Message", "Opened"]);
    bench.phone.tunnel.try_send(b"d").unwrap();
    bench.pump();
    assert_eq!(take_all(&mut bench.desk, bench.now), [b"d"]);
}

#[test]
fn after_a_day_the_keys_are_new() {
    let mut bench = TunnelBench::open();
    assert_eq!(bench.phone.tunnel.poll_timeout(), Some(limits::KEYS_AGE_MAX));
    bench.after(limits::KEYS_AGE_MAX);
    assert_eq!((bench.phone.words(), bench.desk.words()), (vec!["Opened".into()], vec!["Opened".into()]));
    bench.after(SEC);
    assert_eq!(bench.phone.news(), []);
}

#[test]
fn what_the_old_keys_carry_meanwhile_arrives_once() {
    let mut bench = TunnelBench::open();
    set_sealed(&mut bench.phone, limits::RECORDS_MAX);
    bench.now += MS;
    bench.phone.tunnel.on_timeout(bench.now);
    let h1 = bench.phone_says();
    bench.desk_hears(&h1);
    let h2 = bench.desk_says();
    bench.phone.tunnel.try_send(b"on the old keys").unwrap();
    bench.desk.tunnel.try_send(b"too late for the old keys").unwrap();
    let (up, down) = (bench.phone_says(), bench.desk_says());
    bench.desk_hears(&up);
    bench.phone_hears(&h2);
    bench.phone_hears(&down);
    bench.pump();
    assert_eq!(take_all(&mut bench.desk, bench.now), [b"on the old keys"]);
    assert_eq!(take_all(&mut bench.phone, bench.now), [b"too late for the old keys"]);
    bench.after(limits::ACK_DELAY);
    assert_eq!((bench.phone.tunnel.unacknowledged(), bench.desk.tunnel.unacknowledged()), (0, 0));
}

#[test]
fn a_phone_that_renews_nothing_is_dropped() {
    let mut bench = TunnelBench::open();
    bench.now += limits::KEYS_AGE_MAX + limits::KEYS_AGE_GRACE;
    bench.desk.tunnel.on_timeout(bench.now);
    bench.desk.drain(bench.now);
    assert_eq!(bench.desk.news(), [TunnelEvent::Fault(Fault::KeysExhausted)]);
    let mut bench = TunnelBench::open();
    set_sealed(&mut bench.desk, limits::RECORDS_MAX + limits::RECORDS_GRACE);
    bench.desk.tunnel.try_send(b"x").unwrap();
    bench.desk.drain(bench.now);
    assert_eq!(bench.desk.news(), [TunnelEvent::Fault(Fault::KeysExhausted)]);
    assert_eq!(bench.desk.tunnel.unacknowledged(), 1, "it goes out on the next connection");
}

#[test]
fn a_clock_that_steps_back_or_far_ahead_breaks_nothing() {
    let mut bench = TunnelBench::open();
    for now in [SEC * 5, SEC, SEC * 90_000, SEC * 2] {
        bench.now = now;
        bench.after(Duration::ZERO);
        bench.phone.tunnel.try_send(b"x").unwrap();
        bench.pump();
        assert_eq!(take_all(&mut bench.desk, bench.now), [b"x"], "{now:?}");
        bench.after(limits::ACK_DELAY);
        assert_eq!(bench.phone.tunnel.unacknowledged(), 0, "{now:?}");
    }
}
