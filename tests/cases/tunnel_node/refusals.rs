//! Refusals, as both ends report them.

use std::time::Duration;

use protocol::ids::Role;
use relay_client::Stop;
use relay_client::engine::{EngineEvent as Event, Refusal, Spent};
use relay_client::tunnel::{Code, PairingKey};
use relay_tests::harness::node::NodeEnd;
use relay_tests::harness::tunnel::{End, Shelf, copy_of, fresh_code};

use super::{Ends, Net, asked, both_ways_round, talk};

both_ways_round!(
    a_used_code_is_refused,
    an_unknown_key_is_refused,
    an_expired_code_is_refused,
    a_denied_phone_is_told_and_stays_denied,
    the_end_of_a_pair_is_told_sealed,
);

/// The workstation's event.
fn expect_refused(workstation: &mut End, why: Refusal) {
    let told = workstation.until("refusal", |event| match event {
        Event::Refused(why) => Some(*why),
        _ => None,
    });
    assert_eq!(told, why);
}

/// The phone's reason to stop.
fn expect_unpaired(phone: &mut End, why: Refusal) {
    assert_eq!(phone.until_stopped(), Stop::Unpaired(why));
}

/// The phone of the other implementation prints the reason, and ends.
fn expect_end(phone: &mut NodeEnd, reason: &str) {
    assert_eq!(phone.event("refused"), reason);
    assert_eq!(phone.exit_code(), Some(1));
}

fn a_used_code_is_refused(role: Role) {
    let net = Net::start();
    let settings = net.settings(role);
    if role == Role::Workstation {
        let code = fresh_code(net.relay.addr());
        let mut phone = NodeEnd::phone(&code.to_json(), &[]);
        let mut engine = End::pair(role, copy_of(&code), &settings);
        asked(&mut engine);
        engine.allow_here();
        engine.until_open();
        phone.event("open");
        phone.tell("quit");
        assert_eq!(phone.exit_code(), Some(0));
        expect_end(&mut NodeEnd::phone(&code.to_json(), &[]), "2");
        expect_refused(&mut engine, Refusal::CodeUsed);
        let mut back = NodeEnd::phone(&phone.last("saved").unwrap(), &[]);
        back.event("open");
        talk(&mut engine, &mut back, "the first one is still welcome");
    } else {
        let (mut node, code) = net.workstation(&["--yes", "--stay"]);
        let shelf = Shelf::default();
        let mut first = End::pair_keeping(role, copy_of(&code), &settings, Box::new(shelf.clone()));
        first.until_open();
        drop(first);
        expect_unpaired(&mut End::pair(role, code, &settings), Refusal::CodeUsed);
        assert_eq!(node.event("answered"), "2");
        let mut back = End::resume(role, &settings, &shelf);
        back.until_open();
        // Messages that the workstation accepted before were for the previous process.
        node.event("open");
        talk(&mut back, &mut node, "the first one is still welcome");
    }
}

fn an_unknown_key_is_refused(role: Role) {
    let net = Net::start();
    let settings = net.settings(role);
    if role == Role::Workstation {
        let code = fresh_code(net.relay.addr());
        let mut phone = NodeEnd::phone(&code.to_json(), &["--wrong-key"]);
        let mut engine = End::pair(role, code, &settings);
        expect_end(&mut phone, "1");
        expect_refused(&mut engine, Refusal::UnknownKey);
    } else {
        let (mut node, code) = net.workstation(&[]);
        let wrong = Code { key: Some(PairingKey::from_bytes(&[7; 32])), ..code };
        expect_unpaired(&mut End::pair(role, wrong, &settings), Refusal::UnknownKey);
        assert_eq!(node.event("answered"), "1");
    }
}

fn an_expired_code_is_refused(role: Role) {
    let net = Net::start();
    let mut settings = net.settings(role);
    if role == Role::Workstation {
        settings.options.pair_for = Duration::ZERO;
        let code = fresh_code(net.relay.addr());
        let mut phone = NodeEnd::phone(&code.to_json(), &[]);
        let mut engine = End::pair(role, code, &settings);
        expect_end(&mut phone, "3");
        engine.until("expiry", |event| (*event == Event::CodeSpent(Spent::Expired)).then_some(()));
        expect_refused(&mut engine, Refusal::CodeExpired);
    } else {
        let (mut node, code) = net.workstation(&["--code-ms=0"]);
        expect_unpaired(&mut End::pair(role, code, &settings), Refusal::CodeExpired);
        assert_eq!(node.event("answered"), "3");
    }
}

fn a_denied_phone_is_told_and_stays_denied(role: Role) {
    let net = Net::start();
    let settings = net.settings(role);
    if role == Role::Workstation {
        let code = fresh_code(net.relay.addr());
        let mut phone = NodeEnd::phone(&code.to_json(), &[]);
        let mut engine = End::pair(role, code, &settings);
        asked(&mut engine);
        engine.deny();
        phone.event("denied");
        assert_eq!(phone.exit_code(), Some(1));
        expect_end(&mut NodeEnd::phone(&phone.last("saved").unwrap(), &[]), "4");
        expect_refused(&mut engine, Refusal::Denied);
    } else {
        let (mut node, code) = net.workstation(&[]);
        let shelf = Shelf::default();
        let mut engine = End::pair_keeping(role, code, &settings, Box::new(shelf.clone()));
        node.event("asked");
        node.tell("deny");
        expect_unpaired(&mut engine, Refusal::Denied);
        expect_unpaired(&mut End::resume(role, &settings, &shelf), Refusal::Denied);
        assert_eq!(node.event("answered"), "4");
    }
}

#[test]
fn an_unanswered_question_is_a_no() {
    let net = Net::start();
    let (mut node, code) = net.workstation(&["--ask-ms=300"]);
    let mut engine = End::pair(Role::Phone, code, &net.settings(Role::Phone));
    node.event("asked");
    expect_unpaired(&mut engine, Refusal::Denied);
}

fn the_end_of_a_pair_is_told_sealed(role: Role) {
    let mut ends = Ends::open(role, &[]);
    ends.talk("before the end");
    if role == Role::Workstation {
        ends.engine.engine.forget().unwrap();
        ends.node.event("removed");
        assert_eq!(ends.node.exit_code(), Some(1));
    } else {
        ends.node.tell("forget");
        let why = ends.engine.until_stopped();
        assert_eq!(why, Stop::Removed { at: Role::Workstation, is_proven: true });
        ends.node.event("forgotten");
    }
}
