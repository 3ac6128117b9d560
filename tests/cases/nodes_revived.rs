//! A phone moves to another node while its node is stopped. When that node resumes, the older connection
//! never gets a later frame.

use std::time::Duration;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Event, Fleet, Options, Pair, Peer, Role, Session};

const PAIRS: usize = 20;
/// How long one look at a silent end takes.
const LOOK: Duration = Duration::from_millis(5);

/// Fault 41.
#[test]
fn the_older_connection_gets_nothing_that_was_sent_after_the_move() {
    let fleet = Fleet::start_with(2, Keep::Nothing, &Options::new().env("RELAY_LOG", "debug"));
    let join = |session: &Session, role, at| Peer::join_as(fleet.addr(at), &session.hello(role));
    let mut pairs: Vec<Pair> = (0..PAIRS)
        .map(|_| {
            let session = Session::register_at(fleet.addr(1));
            let (workstation, phone) = (join(&session, Role::Workstation, 1), join(&session, Role::Phone, 1));
            Pair::linked(session, workstation, phone)
        })
        .collect();
    fleet.node(1).process().signal("STOP");
    let mut moved: Vec<Peer> = pairs.iter().map(|pair| join(&pair.session, Role::Phone, 0)).collect();
    pairs.iter_mut().for_each(|pair| pair.workstation.text("late"));
    let given_up = |line: &str| line.contains("\"silent\"").then_some(());
    fleet.node(0).log().wait_for("end of the stream", given_up).expect("a node that runs");
    fleet.node(1).process().signal("CONT");
    for (pair, newer) in pairs.iter_mut().zip(&mut moved) {
        pair.phone.expect_closed(4409);
        pair.workstation.expect(&Event::Left);
        let told = meet(&mut pair.workstation, newer);
        eprintln!("{told:?}");
        // The frame came between the move and the link, so there was no receiver, or it was the newer one. If
        // the other node begins a new stream, the link may end at once with the frame, and both are told.
        assert!(told.missed + told.heard_late == 1 || told.left > 0, "{told:?}");
    }
}

/// What both ends were told after the first link of the older connection had ended.
#[derive(Debug, Default)]
struct Told {
    missed: u64,
    heard_late: u64,
    left: u64,
}

/// Until the newer connection gets what was sent to it.
fn meet(workstation: &mut Peer, newer: &mut Peer) -> Told {
    let mut told = Told::default();
    read_until("the newer connection to hear something", || {
        match workstation.event_within(LOOK).expect("a connection that stays") {
            Some(Event::Joined(missed)) => {
                told.missed += missed;
                workstation.text("in time");
            }
            Some(Event::Left) => told.left += 1,
            Some(other) => panic!("{other:?} at the workstation"),
            None => {}
        }
        match newer.event_within(LOOK).expect("a connection that stays") {
            Some(Event::Text(text)) if text == "late" => told.heard_late += 1,
            Some(Event::Text(text)) => return (text == "in time").then_some(()),
            Some(Event::Joined(_) | Event::Left) | None => {}
            Some(other) => panic!("{other:?} at the newer connection"),
        }
        None
    });
    told
}
