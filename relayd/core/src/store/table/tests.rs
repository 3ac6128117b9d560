//! State tables for each request, and invariants under random sequences.

use proptest::prelude::*;
use protocol::ids::Token;
use protocol::message::InstanceClaim;

use super::*;
use crate::store::{Conn, EXPIRY_GRACE_MS, TAKEOVER_WINDOW_MS, TOMBSTONE_MS};

const IDLE: u64 = 60_000;
const START: u64 = 1_000_000;
const W: Role = Role::Workstation;
const P: Role = Role::Phone;

/// A table, a clock, and short words for the requests.
struct Bench {
    table: Table,
    now: Time,
    conns: u64,
}

impl Bench {
    fn new() -> Self {
        Self::with(TableLimits::default())
    }

    fn with(limits: TableLimits) -> Self {
        Bench { table: Table::new(IDLE, limits), now: Time::from_ms(START), conns: 0 }
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
    }

    fn ask(&mut self, request: &Request) -> Option<Answer> {
        self.table.apply(node(1), request, self.now)
    }

    fn register(&mut self, id: u8, token: u8, again: bool) -> Registered {
        let request =
            Request::Register { ticket: conn(9), session: session(id), token: digest(token), again };
        match self.ask(&request) {
            Some(Answer::Registered { ticket, outcome }) if ticket == conn(9) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn made(&mut self, id: u8) -> &mut Self {
        assert_eq!(self.register(id, id, false), Registered::Made);
        self
    }

    fn claim(&mut self, id: u8, token: u8, role: Role, instance: Option<(u64, u64)>) -> Claimed {
        self.conns += 1;
        let conn = conn(self.conns);
        let instance = instance.map(|(instance, attempt)| InstanceClaim { instance, attempt });
        let request = Request::Claim { conn, session: session(id), token: digest(token), role, instance };
        match self.ask(&request) {
            Some(Answer::Claimed { conn: answered, outcome, .. }) if answered == conn => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn granted(&mut self, id: u8, role: Role) -> Holder {
        match self.claim(id, id, role, None) {
            Claimed::Granted { generation, .. } => Holder { node: node(1), conn: self.conns, generation },
            other => panic!("{other:?}"),
        }
    }

    fn hold(&self, id: u8, token: u8, role: Role, generation: u64) -> Hold {
        let (session, token) = (session(id), digest(token));
        Hold { session, token, role, conn: 77, generation, instance: None, idle_ms: 0 }
    }

    fn check(&mut self, hold: Hold) -> Checked {
        match self.ask(&Request::Check { hold }) {
            Some(Answer::Checked { outcome, .. }) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn expire(&mut self, id: u8) -> Expired {
        match self.ask(&Request::Expire { session: session(id) }) {
            Some(Answer::Expired { outcome, .. }) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn delete(&mut self, id: u8, token: Option<u8>) -> Deleted {
        let request = Request::Delete { ticket: conn(9), session: session(id), token: token.map(digest) };
        match self.ask(&request) {
            Some(Answer::Deleted { outcome, .. }) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn release(&mut self, id: u8, role: Role, generation: u64) {
        assert_eq!(self.ask(&Request::Release { session: session(id), role, generation }), None);
    }

    fn touch(&mut self, id: u8, idle_ms: u64) {
        assert_eq!(self.ask(&Request::Touch { session: session(id), idle_ms }), None);
    }
}

fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 16])
}

fn session(id: u8) -> SessionId {
    SessionId::from_bytes([id; 16])
}

fn digest(token: u8) -> TokenDigest {
    Token::from_bytes([token; 16]).digest()
}

fn conn(name: u64) -> Conn {
    Conn { slot: 0, name }
}

const OVER: Expired = Expired::Over { reason: KillReason::Expired, holders: [None; 2] };

#[test]
fn a_fresh_id_is_made_once() {
    let mut bench = Bench::new();
    bench.made(1);
    assert_eq!(bench.register(1, 1, false), Registered::Exists);
    bench.wait(IDLE);
    assert_eq!(bench.register(1, 1, false), Registered::Exists);
    bench.wait(EXPIRY_GRACE_MS);
    assert_eq!(bench.register(1, 1, false), Registered::Made);
}

#[test]
fn registering_again_depends_on_what_is_there() {
    let mut bench = Bench::new();
    assert_eq!(bench.register(1, 1, true), Registered::Made, "nothing");
    let holder = bench.granted(1, W);
    assert_eq!(bench.register(1, 1, true), Registered::Made, "alive, same token");
    assert_eq!(bench.table.holder(session(1), W, bench.now), Some(holder));
    assert_eq!(bench.register(1, 2, true), Registered::Exists, "alive, other token");
    bench.wait(IDLE);
    assert_eq!(bench.register(1, 2, true), Registered::Made, "past its time");
    assert_eq!(bench.table.holder(session(1), W, bench.now), None);
    bench.wait(IDLE);
    bench.expire(1);
    assert_eq!(bench.register(1, 3, false), Registered::Exists, "expired, ids of the server's");
    assert_eq!(bench.register(1, 3, true), Registered::Made, "expired");
    bench.delete(1, None);
    assert_eq!(bench.register(1, 3, true), Registered::WasDeleted, "deleted");
    bench.wait(TOMBSTONE_MS - 1);
    assert_eq!(bench.register(1, 3, true), Registered::WasDeleted, "deleted a day ago");
    bench.wait(1);
    assert_eq!(bench.register(1, 3, true), Registered::Made, "forgotten");
}

#[test]
fn a_claim_needs_a_live_session_and_its_token() {
    let mut bench = Bench::new();
    assert_eq!(bench.claim(1, 1, W, None), Claimed::Unauthorized);
    bench.made(1);
    assert_eq!(bench.claim(1, 2, W, None), Claimed::Unauthorized);
    bench.wait(IDLE - 1);
    bench.granted(1, W);
    bench.wait(IDLE);
    assert_eq!(bench.claim(1, 1, W, None), Claimed::Unauthorized);
    bench.expire(1);
    assert_eq!(bench.claim(1, 1, W, None), Claimed::Unauthorized);
}

#[test]
fn a_claim_names_who_it_replaces_and_the_peer() {
    let mut bench = Bench::new();
    let first = bench.made(1).granted(1, W);
    let phone = bench.granted(1, P);
    match bench.claim(1, 1, W, None) {
        Claimed::Granted { generation, replaced, same_instance, peer } => {
            assert!(generation > first.generation);
            assert_eq!((replaced, same_instance, peer), (Some(first), false, Some(phone)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn generations_rise_within_a_millisecond_and_across_a_release() {
    let mut bench = Bench::new();
    let mut last = 0;
    bench.made(1);
    for _ in 0..20 {
        let generation = bench.granted(1, W).generation;
        assert!(generation > last);
        last = generation;
        bench.release(1, W, generation);
    }
    assert!(last >= START * 1000);
}

#[test]
fn a_straggler_is_an_earlier_attempt_of_the_holder() {
    let cases = [
        (Some((5, 10)), Some((5, 9)), false),
        (Some((5, 10)), Some((5, 10)), true),
        (Some((5, 10)), Some((5, 11)), true),
        (Some((5, 10)), Some((6, 1)), true),
        (Some((5, u64::MAX)), Some((5, u64::MAX - 1)), false),
        (Some((5, 10)), None, true),
        (None, Some((5, 1)), true),
    ];
    for (holds, claims, is_granted) in cases {
        let mut bench = Bench::new();
        bench.made(1).claim(1, 1, P, holds);
        let outcome = bench.claim(1, 1, P, claims);
        let same = holds.zip(claims).is_some_and(|(holds, claims)| holds.0 == claims.0);
        match outcome {
            Claimed::Granted { same_instance, .. } => {
                assert!(is_granted, "{holds:?} {claims:?}");
                assert_eq!(same_instance, same);
            }
            Claimed::Straggler => assert!(!is_granted, "{holds:?} {claims:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_straggler_of_nobody_is_granted() {
    let mut bench = Bench::new();
    bench.made(1);
    let Claimed::Granted { generation, .. } = bench.claim(1, 1, P, Some((5, 10))) else { panic!() };
    bench.release(1, P, generation);
    assert!(matches!(bench.claim(1, 1, P, Some((5, 9))), Claimed::Granted { .. }));
}

#[test]
fn the_sixth_takeover_in_ten_seconds_is_refused() {
    let mut bench = Bench::new();
    bench.made(1).granted(1, W);
    for _ in 0..5 {
        bench.granted(1, W);
        bench.wait(1);
    }
    assert_eq!(bench.claim(1, 1, W, None), Claimed::TooMany);
    assert!(matches!(bench.claim(1, 1, P, None), Claimed::Granted { .. }), "the other role is free");
    bench.wait(TAKEOVER_WINDOW_MS - 6);
    assert_eq!(bench.claim(1, 1, W, None), Claimed::TooMany, "9,999 ms after the first of five");
    bench.wait(1);
    bench.granted(1, W);
    assert_eq!(bench.claim(1, 1, W, None), Claimed::TooMany, "less than 10 s after the second");
}

#[test]
fn coming_back_after_a_release_is_no_takeover() {
    let mut bench = Bench::new();
    bench.made(1);
    for _ in 0..20 {
        let holder = bench.granted(1, W);
        bench.release(1, W, holder.generation);
    }
}

#[test]
fn a_release_of_another_generation_changes_nothing() {
    let mut bench = Bench::new();
    let holder = bench.made(1).granted(1, W);
    bench.release(1, W, holder.generation + 1);
    bench.release(1, W, holder.generation - 1);
    bench.release(1, P, holder.generation);
    bench.release(2, W, holder.generation);
    assert_eq!(bench.table.holder(session(1), W, bench.now), Some(holder));
    bench.release(1, W, holder.generation);
    assert_eq!(bench.table.holder(session(1), W, bench.now), None);
}

#[test]
fn a_check_compares_generations() {
    let mut bench = Bench::new();
    let holder = bench.made(1).granted(1, W);
    let phone = bench.granted(1, P);
    let generation = holder.generation;
    let held = Checked::Held { peer: Some(phone) };
    assert_eq!(bench.check(bench.hold(1, 1, W, generation)), held);
    assert_eq!(bench.table.holder(session(1), W, bench.now), Some(holder));
    assert_eq!(bench.check(bench.hold(1, 1, W, generation - 1)), Checked::Replaced);
    assert_eq!(bench.check(bench.hold(1, 1, W, generation + 5)), held, "the store knows less");
    let written = Holder { node: node(1), conn: 77, generation: generation + 5 };
    assert_eq!(bench.table.holder(session(1), W, bench.now), Some(written));
    assert_eq!(bench.check(bench.hold(1, 2, W, generation)), Checked::Killed { reason: KillReason::Expired });
    bench.release(1, P, phone.generation);
    assert_eq!(bench.check(bench.hold(1, 1, W, generation + 5)), Checked::Held { peer: None });
}

#[test]
fn a_check_tells_of_activity_and_is_none() {
    let mut bench = Bench::new();
    let holder = bench.made(1).granted(1, W);
    bench.wait(IDLE - 1);
    let hold = |idle_ms| Hold { idle_ms, ..Bench::new().hold(1, 1, W, holder.generation) };
    for idle_ms in [IDLE * 2, IDLE - 1] {
        bench.check(hold(idle_ms));
        assert_eq!(bench.expire(1), Expired::Alive { left_ms: 1 });
    }
    bench.check(hold(IDLE - 5));
    assert_eq!(bench.expire(1), Expired::Alive { left_ms: 5 });
}

#[test]
fn a_check_writes_again_what_the_store_lost() {
    let mut bench = Bench::new();
    let hold = Hold { idle_ms: IDLE - 10, ..bench.hold(1, 1, W, 5) };
    assert_eq!(bench.check(hold), Checked::Held { peer: None });
    assert_eq!(bench.expire(1), Expired::Alive { left_ms: 10 });
    let phone = bench.hold(1, 1, P, 9);
    let peer = Some(Holder { node: node(1), conn: 77, generation: 5 });
    assert_eq!(bench.check(phone), Checked::Held { peer });
    assert!(matches!(bench.claim(1, 1, W, None), Claimed::Granted { .. }));
}

#[test]
fn a_check_of_what_ended_kills_with_the_reason() {
    let mut bench = Bench::new();
    bench.made(1).made(2);
    bench.delete(1, None);
    bench.wait(IDLE);
    bench.expire(2);
    assert_eq!(bench.check(bench.hold(1, 1, W, 5)), Checked::Killed { reason: KillReason::Deleted });
    assert_eq!(bench.check(bench.hold(2, 2, W, 5)), Checked::Killed { reason: KillReason::Expired });
}

#[test]
fn expire_asks_for_the_time_left() {
    let mut bench = Bench::new();
    let holder = bench.made(1).granted(1, P);
    assert_eq!(bench.expire(1), Expired::Alive { left_ms: IDLE });
    bench.wait(IDLE - 1);
    assert_eq!(bench.expire(1), Expired::Alive { left_ms: 1 });
    bench.wait(1);
    let holders = [None, Some(holder)];
    assert_eq!(bench.expire(1), Expired::Over { reason: KillReason::Expired, holders });
    assert_eq!(bench.expire(1), OVER, "a tombstone has no holders");
    assert_eq!(bench.expire(2), OVER, "never there");
    bench.made(3).delete(3, None);
    assert_eq!(bench.expire(3), Expired::Over { reason: KillReason::Deleted, holders: [None; 2] });
}

#[test]
fn touch_only_ever_lengthens_a_life() {
    let mut bench = Bench::new();
    bench.made(1).wait(1000);
    bench.touch(1, 400);
    assert_eq!(bench.expire(1), Expired::Alive { left_ms: IDLE - 400 });
    bench.touch(1, 900);
    bench.touch(2, 0);
    assert_eq!(bench.expire(1), Expired::Alive { left_ms: IDLE - 400 });
    assert_eq!(bench.expire(2), OVER);
}

#[test]
fn delete_needs_a_live_session_and_the_token_if_one_is_given() {
    let mut bench = Bench::new();
    let holder = bench.made(1).granted(1, W);
    assert_eq!(bench.delete(1, Some(2)), Deleted::Missing);
    assert_eq!(bench.delete(1, Some(1)), Deleted::Gone { holders: [Some(holder), None] });
    let before = Deleted::Before { holders: [Some(holder), None] };
    assert_eq!(bench.delete(1, None), before, "whoever deletes again is told who held it");
    bench.release(1, W, holder.generation);
    assert_eq!(bench.delete(1, Some(2)), before, "a tombstone stays as it is");
    assert_eq!(bench.delete(2, None), Deleted::Missing);
    bench.made(3).wait(IDLE);
    assert_eq!(bench.delete(3, None), Deleted::Missing, "past its time");
}

#[test]
fn a_full_table_makes_room_by_those_past_their_time() {
    let mut bench = Bench::with(TableLimits { sessions_max: 3, tombstones_max: 3 });
    bench.made(1).made(2).made(3);
    assert_eq!(bench.register(4, 4, false), Registered::Full);
    assert_eq!(bench.check(bench.hold(4, 4, W, 5)), Checked::Away, "nor room for what was lost");
    bench.wait(IDLE - 1);
    bench.touch(2, 0);
    bench.wait(1);
    bench.made(4).made(5);
    assert_eq!(bench.register(6, 6, false), Registered::Full);
    assert!(matches!(bench.expire(2), Expired::Alive { .. }));
}

#[test]
fn what_is_long_over_leaves_without_being_asked_for() {
    let mut bench = Bench::new();
    for id in 0..100 {
        bench.made(id);
    }
    bench.wait(IDLE + EXPIRY_GRACE_MS);
    for _ in 0..4 {
        bench.table.sweep(bench.now);
    }
    assert_eq!(bench.table.sessions_len(), 0);
}

#[test]
fn the_oldest_tombstone_gives_way() {
    let mut bench = Bench::with(TableLimits { sessions_max: 9, tombstones_max: 2 });
    for id in 1..=3 {
        bench.made(id).delete(id, None);
    }
    assert_eq!(bench.register(1, 1, true), Registered::Made);
    assert_eq!(bench.register(2, 2, true), Registered::WasDeleted);
    assert_eq!(bench.register(3, 3, true), Registered::WasDeleted);
}

#[test]
fn a_session_that_nobody_claimed_is_small() {
    assert!(size_of::<Session>() <= 64, "{}", size_of::<Session>());
}

#[derive(Clone, Debug)]
enum Step {
    Ask(Request),
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let any = (0..8_u8, 0..4_u8, 0..2_u8, any::<bool>(), 0..6_u64, 0..3_u64);
    any.prop_map(|(kind, id, token, flag, small, attempt)| {
        let (session, token) = (session(id), digest(token));
        let role = if flag { W } else { P };
        let generation = (START + small * 10_000) * 1000;
        let instance = (small > 2).then_some(InstanceClaim { instance: small, attempt });
        let idle_ms = small * 20_000;
        Step::Ask(match kind {
            0 => Request::Register { ticket: conn(1), session, token, again: flag },
            1 => Request::Delete { ticket: conn(1), session, token: flag.then_some(token) },
            2 | 3 => Request::Claim { conn: conn(small), session, token, role, instance },
            4 => {
                let hold = Hold { session, token, role, conn: small, generation, instance, idle_ms };
                Request::Check { hold }
            }
            5 => Request::Expire { session },
            6 => Request::Touch { session, idle_ms },
            _ => return Step::Wait(small * 9_000),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is asked: the books balance, no generation is given twice while a session lives, nothing
    /// deleted comes back, and only the living are granted.
    #[test]
    fn invariants_hold_under_any_sequence(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut table = Table::new(IDLE, TableLimits { sessions_max: 3, tombstones_max: 3 });
        let mut now = Time::from_ms(START);
        let mut last = std::collections::HashMap::new();
        for step in steps {
            let request = match step {
                Step::Wait(ms) => { now = now + Duration::from_millis(ms); continue; }
                Step::Ask(request) => request,
            };
            let was_deleted = table.tombstones.reason(request.session(), now) == Some(KillReason::Deleted);
            if table.sessions.live(request.session(), now).is_none() {
                last.retain(|(session, _), _| *session != request.session());
            }
            let answer = table.apply(node(1), &request, now);
            table.sessions.check_invariants();
            table.tombstones.check_invariants();
            let is_live = table.sessions.live(request.session(), now).is_some();
            prop_assert!(!(was_deleted && is_live), "{request:?} revived a deleted session");
            if let Some(Answer::Claimed { session, role, outcome: Claimed::Granted { generation, .. }, .. }) = answer {
                prop_assert!(is_live);
                prop_assert_eq!(table.holder(session, role, now).map(|it| it.generation), Some(generation));
                let before = last.insert((session, role), generation);
                prop_assert!(before.is_none_or(|before| before < generation));
            }
        }
    }
}

#[test]
fn a_session_past_its_grace_is_not_brought_back_before_it_is_swept() {
    let mut bench = Bench::new();
    // More than one call sweeps.
    for id in 0..40 {
        bench.made(id);
    }
    assert_eq!(bench.table.sessions_len(), 40);
    bench.wait(IDLE + EXPIRY_GRACE_MS);
    bench.touch(39, 0);
    assert_eq!(bench.table.sessions_len(), 8);
    assert_eq!(bench.expire(39), Expired::Over { reason: KillReason::Expired, holders: [None; 2] });
}

#[test]
fn a_session_that_is_registered_again_has_no_tombstone() {
    let mut bench = Bench::new();
    bench.made(1);
    bench.wait(IDLE);
    assert!(matches!(bench.expire(1), Expired::Over { .. }));
    assert_eq!(bench.register(1, 1, true), Registered::Made);
    let holder = bench.granted(1, P);
    assert_eq!(bench.check(bench.hold(1, 1, P, holder.generation)), Checked::Held { peer: None });
}

#[test]
fn a_tombstone_is_swept_after_its_day() {
    let mut bench = Bench::new();
    bench.made(1);
    bench.delete(1, None);
    bench.wait(TOMBSTONE_MS - 1);
    bench.table.sweep(bench.now);
    assert!(!format!("{:?}", bench.table.tombstones).contains("by_id: {}"));
    bench.wait(1);
    bench.table.sweep(bench.now);
    assert!(format!("{:?}", bench.table.tombstones).contains("by_id: {}"));
}

#[test]
fn a_holder_is_known_until_the_grace_of_its_session_is_over() {
    let mut bench = Bench::new();
    let holder = bench.made(1).granted(1, P);
    for (ms, expected) in [(IDLE + EXPIRY_GRACE_MS - 1, Some(holder)), (1, None)] {
        bench.wait(ms);
        assert_eq!(bench.table.holder(session(1), P, bench.now), expected);
    }
}

#[test]
fn a_tombstone_past_its_day_says_nothing_before_it_is_swept() {
    let ended = || {
        let mut bench = Bench::new();
        // More than one call sweeps.
        for id in 0..40 {
            bench.made(id).delete(id, None);
        }
        bench.wait(TOMBSTONE_MS);
        bench
    };
    assert_eq!(ended().delete(39, None), Deleted::Missing);
    assert_eq!(ended().register(39, 39, false), Registered::Made);
}
