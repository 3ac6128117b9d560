//! Many sessions at once, with leaves, resets, takeovers and deletes at random. What is delivered is a prefix
//! of what was sent, in order and once, and never from another session or an older link.

use std::thread;

use relay_tests::harness::random::Random;
use relay_tests::harness::sequence::{Checker, Numbered};
use relay_tests::harness::{Event, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(nothing_is_foreign_repeated_or_out_of_order);

const THREADS: u64 = 8;
const SESSIONS_EACH: u64 = 4;
const STEPS: usize = 25;

/// Fault 31: Everything at once.
/// Played: 32 pairs do random things. Soak: 100 pairs for minutes, with messages of 300 KB of each kind,
/// whole and in fragments.
/// Holds: No frame is foreign, damaged, repeated, late or silently lost, also not the first of a link. No
/// link ends or begins again unannounced.
fn nothing_is_foreign_repeated_or_out_of_order(set_up: SetUp) {
    let relay = Relay::start(set_up);
    thread::scope(|scope| {
        for worker in 0..THREADS {
            let relay = &relay;
            scope.spawn(move || {
                for each in 0..SESSIONS_EACH {
                    live(relay, worker * SESSIONS_EACH + each);
                }
            });
        }
    });
}

/// One session's life.
fn live(relay: &Relay, seed: u64) {
    let mut random = Random::new(seed);
    let mut pair = Pair::link(relay);
    for step in 0..STEPS {
        let role = Role::BOTH[random.below(2)];
        let count = random.below(40);
        pair = match random.below(4) {
            0 => talk(pair, role, count, &mut random),
            1 => leave(relay, pair, role, count),
            2 => break_off(relay, pair, role, count),
            _ => take_over(relay, pair, role, count),
        };
        // Takeovers are counted over ten seconds. A new session starts at 0.
        if step % 4 == 3 {
            pair = delete(relay, pair);
        }
    }
}

/// Both sides send; all of it arrives.
fn talk(mut pair: Pair, first: Role, count: usize, random: &mut Random) -> Pair {
    let size = [10, 200, 5000][random.below(3)];
    for from in [first, first.other()] {
        let mut numbered = Numbered::new(&pair.session, from);
        let mut checker = Checker::new(&pair.session, from);
        let (sender, receiver) = pair.from(from);
        (0..count).for_each(|_| sender.text(&numbered.text(size)));
        (0..count).for_each(|_| take_text(receiver, &mut checker));
    }
    pair
}

fn take_text(receiver: &mut Peer, checker: &mut Checker) {
    match receiver.event() {
        Event::Text(text) => checker.take(&text),
        other => panic!("{other:?} instead of frame {}", checker.count()),
    }
}

/// Sends, leaves with a Close and comes back: everything arrives, then the leave.
fn leave(relay: &Relay, pair: Pair, role: Role, count: usize) -> Pair {
    let (session, mut leaving, mut staying) = apart(pair, role);
    let mut numbered = Numbered::new(&session, role);
    let mut checker = Checker::new(&session, role);
    (0..count).for_each(|_| leaving.text(&numbered.text(100)));
    leaving.leave();
    (0..count).for_each(|_| take_text(&mut staying, &mut checker));
    staying.expect(&Event::Left);
    rejoin(relay, session, role, staying)
}

/// Sends and resets the connection: a prefix arrives, then the leave.
fn break_off(relay: &Relay, pair: Pair, role: Role, count: usize) -> Pair {
    let (session, mut leaving, mut staying) = apart(pair, role);
    let mut numbered = Numbered::new(&session, role);
    let mut checker = Checker::new(&session, role);
    (0..count).for_each(|_| leaving.text(&numbered.text(100)));
    leaving.into_ws().into_wire().reset();
    loop {
        match staying.event() {
            Event::Text(text) => checker.take(&text),
            Event::Left => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(checker.count() <= numbered.count());
    rejoin(relay, session, role, staying)
}

/// Takes over a role while its peer is sending: the older end gets a prefix, the newer may get later frames,
/// and no frame goes to both.
fn take_over(relay: &Relay, pair: Pair, role: Role, count: usize) -> Pair {
    let (session, mut older, mut sending) = apart(pair, role);
    let mut numbered = Numbered::new(&session, role.other());
    let mut checker = Checker::new(&session, role.other());
    (0..count).for_each(|_| sending.text(&numbered.text(100)));
    let mut newer = Peer::join(relay, &session, role);
    for event in older.until_closed(4409) {
        match event {
            Event::Text(text) => checker.take(&text),
            other => panic!("{other:?} at the older end"),
        }
    }
    sending.expect(&Event::Left);
    let told = sending.event();
    assert!(matches!(told, Event::Joined(_)), "{told:?} after a takeover");
    newer.expect(&Event::Joined(0));
    checker.allow_gap();
    sending.text(&numbered.text(100));
    while checker.count() < numbered.count() {
        take_text(&mut newer, &mut checker);
    }
    together(session, role, newer, sending)
}

/// Deletes the session. Both are told. A new session follows.
fn delete(relay: &Relay, mut pair: Pair) -> Pair {
    pair.session.delete(relay.addr()).expect(204);
    for peer in [&mut pair.workstation, &mut pair.phone] {
        let events = peer.until_closed(4410);
        assert_eq!(events.last(), Some(&Event::Killed("deleted".to_owned())));
    }
    Pair::link(relay)
}

fn rejoin(relay: &Relay, session: Session, role: Role, mut staying: Peer) -> Pair {
    let mut back = Peer::join(relay, &session, role);
    staying.expect(&Event::Joined(0));
    back.expect(&Event::Joined(0));
    together(session, role, back, staying)
}

/// The session, the end of that role, and the other end.
fn apart(pair: Pair, role: Role) -> (Session, Peer, Peer) {
    let Pair { session, workstation, phone } = pair;
    match role {
        Role::Workstation => (session, workstation, phone),
        Role::Phone => (session, phone, workstation),
    }
}

fn together(session: Session, role: Role, one: Peer, other: Peer) -> Pair {
    let (workstation, phone) = if role == Role::Workstation { (one, other) } else { (other, one) };
    Pair { session, workstation, phone }
}
