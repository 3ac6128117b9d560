//! The tunnel through a real relay: pairing, messages both ways, reconnecting.

use std::time::Duration;

use protocol::ids::Role;
use relay_client::engine::{EngineEvent as Event, EngineState as State, FlushError};
use relay_tests::harness::tunnel::{End, Ends, Shelf, at, copy_of, fresh_code};
use relay_tests::harness::{Relay, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(messages_go_both_ways_whole_and_in_order, both_ends_come_back_after_a_restart);

fn message(number: usize) -> Vec<u8> {
    let len = [0, 1, 200, 32 * 1024, 32 * 1024 + 1, 300_000][number % 6];
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((0..len).map(|at| (at * 31 + number) as u8));
    bytes
}

fn messages_go_both_ways_whole_and_in_order(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let nodes = relay.nodes();
    let (first, last) = (nodes[0].addr(), nodes[nodes.len() - 1].addr());
    let code = fresh_code(first);
    let Ends { mut workstation, mut phone } =
        Ends::pair(code, &at(Role::Workstation, first), &at(Role::Phone, last));
    assert_eq!((workstation.engine.state(), phone.engine.state()), (State::Open, State::Open));
    for number in 0..30 {
        workstation.send(&message(number));
        phone.send(&message(number + 1));
        assert_eq!(phone.message(), message(number), "{number}");
        assert_eq!(workstation.message(), message(number + 1), "{number}");
    }
}

#[test]
fn a_flush_ends_with_its_engine() {
    let relay = Relay::start(SetUp::Memory);
    let Ends { workstation, phone } = Ends::through(relay.addr());
    workstation.send(b"which the phone's app never takes");
    workstation.engine.close();
    // The first one waits for the end, and the second one comes after it.
    for _ in 0..2 {
        assert_eq!(workstation.engine.flush(Duration::MAX), Err(FlushError { unacknowledged: 1 }));
    }
    assert_eq!(workstation.engine.state(), State::Stopped);
    drop(phone);
}

fn both_ends_come_back_after_a_restart(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let (settings, phone_settings) = (at(Role::Workstation, relay.addr()), at(Role::Phone, relay.addr()));
    let (shelf, pocket) = (Shelf::default(), Shelf::default());
    let code = fresh_code(relay.addr());
    let scanned = copy_of(&code);
    let workstation = End::pair_keeping(Role::Workstation, code, &settings, Box::new(shelf.clone()));
    let phone = End::pair_keeping(Role::Phone, scanned, &phone_settings, Box::new(pocket.clone()));
    let Ends { mut workstation, phone } = Ends::introduce(workstation, phone);
    drop(phone);
    workstation.send(b"lost with the old process");
    let mut phone = End::resume(Role::Phone, &phone_settings, &pocket);
    phone.until_open();
    let unconfirmed = workstation.until("restart", |event| match event {
        Event::Restarted { unconfirmed } => Some(*unconfirmed),
        _ => None,
    });
    assert_eq!(unconfirmed, 1);
    workstation.send(b"news");
    assert_eq!(phone.message(), b"news");
    drop(workstation);
    let mut workstation = End::resume(Role::Workstation, &settings, &shelf);
    workstation.until_open();
    phone.until_open();
    phone.send(b"back");
    assert_eq!(workstation.message(), b"back");
}
