//! Look-ups on a clock of numbers: their order, their rate and their bounds.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

fn address(number: u32) -> Address {
    Address::of(IpAddr::V4(Ipv4Addr::from(number)))
}

fn at(ms: u64) -> Time {
    Time::from_ms(1 << 40) + Duration::from_millis(ms)
}

fn key(number: u32) -> Key {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key
}

fn put(lookups: &mut Lookups<u32>, of: u32, number: u32, now: Time) -> Result<(), u32> {
    lookups.try_put(address(of), key(number), number, now)
}

/// Everything that may be looked up by then.
fn all(lookups: &mut Lookups<u32>, now: Time) -> Vec<u32> {
    std::iter::from_fn(|| lookups.poll(now)).collect()
}

#[test]
fn the_first_goes_at_once_and_the_others_in_their_order_fifty_a_second() {
    let mut lookups = Lookups::default();
    for number in 0..500 {
        assert_eq!(put(&mut lookups, 1, number, at(0)), Ok(()));
    }
    assert_eq!(put(&mut lookups, 1, 500, at(0)), Err(500), "the queue is full");
    assert_eq!(put(&mut lookups, 2, 900, at(0)), Ok(()), "another address has its own");
    assert_eq!(all(&mut lookups, at(0)), [0, 900]);
    let mut seen = vec![0];
    for ms in (20..10_000).step_by(20) {
        assert_eq!(lookups.next_due(), Some(at(ms)));
        seen.extend(all(&mut lookups, at(ms)));
        assert_eq!(seen.len() as u64, 1 + ms / 20);
    }
    assert!(seen.iter().copied().eq(0..500), "in their order, the last one before ten seconds are over");
    // An empty queue is removed, but not before its next look-up would be due.
    assert_eq!(put(&mut lookups, 1, 7, at(9_990)), Ok(()));
    assert!(all(&mut lookups, at(9_999)).is_empty());
    assert_eq!(all(&mut lookups, at(10_000)), [7]);
    assert!(all(&mut lookups, at(10_020)).is_empty());
    assert!(lookups.lines.is_empty() && lookups.order.is_empty() && lookups.is_empty());
}

#[test]
fn a_late_call_catches_up_on_a_second_at_most() {
    let mut lookups = Lookups::default();
    (0..500).for_each(|number| assert_eq!(put(&mut lookups, 1, number, at(0)), Ok(())));
    assert_eq!(all(&mut lookups, at(100)).len(), 6);
    assert_eq!(all(&mut lookups, at(8_100)).len(), 51);
}

#[test]
fn credentials_that_were_looked_up_lately_wait_behind_the_others() {
    let mut lookups = Lookups::default();
    (0..500).for_each(|number| assert_eq!(put(&mut lookups, 1, number, at(0)), Ok(())));
    let turns = |lookups: &mut Lookups<u32>, from: u64, to: u64| -> Vec<u32> {
        (from..to).step_by(20).flat_map(|ms| all(lookups, at(ms))).collect()
    };
    assert_eq!(turns(&mut lookups, 0, 10_000).len(), 500);
    // All of them come again, and behind them two more.
    (0..500).for_each(|number| assert_eq!(put(&mut lookups, 1, number, at(20_000)), Ok(())));
    assert_eq!(put(&mut lookups, 1, 777, at(20_000)), Err(499), "the last one makes room");
    assert_eq!(put(&mut lookups, 1, 778, at(20_000)), Err(498));
    assert_eq!(put(&mut lookups, 1, 499, at(20_000)), Err(499), "not for one that was looked up before");
    assert_eq!(turns(&mut lookups, 20_000, 20_060), [777, 778, 0]);
    // After two minutes all are forgotten.
    turns(&mut lookups, 20_060, 40_000);
    for (number, ms) in [(9000, 100_000), (9001, 200_000)] {
        assert_eq!(put(&mut lookups, 1, number, at(ms)), Ok(()));
        assert_eq!(all(&mut lookups, at(ms)), [number]);
    }
    assert!(!lookups.served.contains(&key(777)) && lookups.served.contains(&key(9000)));
}

/// Clients with wrong credentials try again, and so do those that found no room, 10 to 30 s later.
#[test]
fn each_client_of_a_crowd_is_looked_up_within_a_fiftieth_of_a_second_for_each_and_one_delay() {
    let (wrong, right) = (2000, 100);
    let mut lookups = Lookups::default();
    let mut comes_at: BTreeSet<(u64, u32)> = (0..wrong + right).map(|number| (0, number)).collect();
    let mut left: HashSet<u32> = (wrong..wrong + right).collect();
    let again_at = |number: u32, ms: u64| ms + 10_000 + u64::from(number) * 7919 % 20_000;
    let mut ms = 0;
    while !left.is_empty() {
        while let Some(&(_, number)) = comes_at.first().filter(|&&(at, _)| at <= ms) {
            comes_at.pop_first();
            if let Err(number) = put(&mut lookups, 1, number, at(ms)) {
                comes_at.insert((again_at(number, ms), number));
            }
        }
        for number in all(&mut lookups, at(ms)) {
            if !left.remove(&number) {
                comes_at.insert((again_at(number, ms), number));
            }
        }
        ms += 20;
        assert!(ms <= 1000 * u64::from((wrong + right) / PER_SECOND + 30), "{} wait still", left.len());
    }
}

#[test]
fn past_look_ups_are_remembered_in_bounded_memory() {
    let mut served = PastLookups::default();
    for number in 0..100_000 {
        served.note(key(number), at(0));
    }
    assert!(served.recent.len() + served.older.len() <= 2 * SERVED_MAX);
    assert!(served.contains(&key(99_999)) && !served.contains(&key(1)));
}

#[test]
fn dropped_look_ups_are_not_made_and_the_sum_is_bounded() {
    let mut lookups = Lookups::default();
    for number in 0..40_000 {
        let _ = put(&mut lookups, number / 500, number, at(0));
    }
    assert_eq!(lookups.len(), WAITING_IN_ALL_MAX);
    assert_eq!(put(&mut lookups, 9_999_999, 1, at(0)), Err(1));
    lookups.forget(address(0), |number| number % 2 == 0);
    assert_eq!(lookups.len(), WAITING_IN_ALL_MAX - 250);
    assert_eq!(lookups.poll(at(0)), Some(1));
    assert_eq!(lookups.take_all().len(), WAITING_IN_ALL_MAX - 251);
    assert!(lookups.is_empty() && lookups.next_due().is_none());
}
