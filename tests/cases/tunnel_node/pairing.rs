//! The first pairing, and what may get lost in it.

use protocol::ids::Role;
use relay_client::engine::{EngineEvent as Event, Refusal};
use relay_client::{Lost, Stop};
use relay_tests::harness::json::Object;
use relay_tests::harness::node::NodeEnd;
use relay_tests::harness::tunnel::{End, Shelf, copy_of, fresh_code, fresh_link, session_of};

use super::{Ends, Net, asked, both_ways_round, talk};

both_ways_round!(
    the_words_are_equal_and_both_move_to_a_fresh_session,
    a_link_pairs_too,
    a_phone_that_a_second_scan_displaces_comes_back,
);

/// Two ends that are asked about each other, and the code between them.
fn introduced(net: &Net, role: Role, shelf: &Shelf) -> (End, NodeEnd, relay_client::tunnel::Code) {
    let settings = net.settings(role);
    let keeper = Box::new(shelf.clone());
    match role {
        Role::Workstation => {
            let code = fresh_code(net.relay.addr());
            let node = NodeEnd::phone(&code.to_json(), &["--name=Anna's phone"]);
            (End::pair_keeping(role, copy_of(&code), &settings, keeper), node, code)
        }
        Role::Phone => {
            let (node, code) = net.workstation(&[]);
            (End::pair_keeping(role, copy_of(&code), &settings, keeper), node, code)
        }
    }
}

fn the_words_are_equal_and_both_move_to_a_fresh_session(role: Role) {
    let (net, shelf) = (Net::start(), Shelf::default());
    let (mut engine, mut node, code) = introduced(&net, role, &shelf);
    let former = code.pairing.session.to_string();
    if role == Role::Workstation {
        let (name, words) = asked(&mut engine);
        assert_eq!((name.as_str(), words), ("Anna's phone", node.event("words")));
        node.event("asked");
        engine.allow();
    } else {
        let words = engine.until("question", |event| match event {
            Event::Asked { words } => Some(words.to_string()),
            _ => None,
        });
        assert_eq!(words, node.event("words"));
        assert_eq!(node.event("asked"), "engine");
        node.tell("allow");
    }
    let moved = node.event("moved");
    if role == Role::Phone {
        assert_eq!(node.event("retired"), former);
    }
    engine.until_open();
    node.event("open");
    assert_ne!(moved, former);
    assert_eq!(Object::parse(&shelf.text().unwrap()).text("s"), moved, "where the engine is at home");
    talk(&mut engine, &mut node, "the first word");
    // A photo of the code is useless now: its session is deleted already, or while the late phone waits in
    // it.
    let mut late = NodeEnd::phone(&code.to_json(), &[]);
    let stopped = late.event("stopped");
    assert!(["4401", "4410"].contains(&&stopped[..4]), "{stopped}");
    assert_eq!(late.exit_code(), Some(1));
}

fn a_link_pairs_too(role: Role) {
    let net = Net::start();
    let settings = net.settings(role);
    let (mut engine, mut node) = match role {
        Role::Workstation => {
            let code = fresh_code(net.relay.addr());
            let node = NodeEnd::phone(&code.to_link().unwrap(), &[]);
            let mut engine = End::pair(role, code, &settings);
            asked(&mut engine);
            engine.allow();
            (engine, node)
        }
        Role::Phone => {
            let (mut node, _) = net.workstation(&["--yes"]);
            let code = relay_client::tunnel::parse_pairing(&node.event("link")).unwrap();
            (End::pair(role, code, &settings), node)
        }
    };
    engine.until_open();
    node.event("open");
    talk(&mut engine, &mut node, "by a link");
}

#[test]
fn a_link_of_one_secret_pairs_too() {
    let net = Net::start();
    let (link, code) = fresh_link(net.relay.addr());
    assert_eq!(session_of(&copy_of(&code)).id, session_of(&code).id);
    let mut node = NodeEnd::phone(&link, &[]);
    let mut engine = End::pair(Role::Workstation, code, &net.settings(Role::Workstation));
    asked(&mut engine);
    engine.allow();
    engine.until_open();
    node.event("open");
    talk(&mut engine, &mut node, "by one secret");
}

#[test]
fn a_phone_that_stored_its_key_comes_back_with_it() {
    Ends::open(Role::Workstation, &["--lose-hello"]).talk("by the pair key");
}

#[test]
fn a_lost_settled_is_sent_again() {
    let mut ends = Ends::open(Role::Workstation, &["--lose-settled", "--turn-ms=1000"]);
    ends.talk("found");
}

#[test]
fn a_phone_may_come_back_while_the_user_thinks() {
    let net = Net::start();
    let code = fresh_code(net.relay.addr());
    let mut node = NodeEnd::phone(&code.to_json(), &[]);
    let mut engine = End::pair(Role::Workstation, code, &net.settings(Role::Workstation));
    let (_, first) = asked(&mut engine);
    node.tell("cut");
    let (_, second) = asked(&mut engine);
    assert_ne!(first, second, "another handshake has other words");
    engine.allow();
    engine.until_open();
    node.event("open");
    talk(&mut engine, &mut node, "after a thought");
}

#[test]
fn an_engine_may_come_back_while_the_user_thinks() {
    let net = Net::start();
    let (mut node, code) = net.workstation(&[]);
    let mut engine = End::pair(Role::Phone, code, &net.settings(Role::Phone));
    node.event("asked");
    net.proxy.cut();
    node.event("asked");
    node.tell("allow");
    engine.until_open();
    node.event("open");
    talk(&mut engine, &mut node, "after a thought");
}

fn a_phone_that_a_second_scan_displaces_comes_back(role: Role) {
    let net = Net::start();
    let (mut engine, mut node, code) = introduced(&net, role, &Shelf::default());
    if role == Role::Workstation {
        asked(&mut engine);
        node.event("asked");
        let mut second = End::pair(Role::Phone, code, &net.settings(Role::Phone));
        assert_eq!(second.until_stopped(), Stop::Unpaired(Refusal::CodeUsed));
        node.event("displaced");
        asked(&mut engine);
        engine.allow();
    } else {
        node.event("asked");
        let mut second = NodeEnd::phone(&code.to_json(), &[]);
        assert_eq!(second.event("refused"), "2");
        engine.until("displacement", |event| {
            matches!(event, Event::Reconnecting { why: Lost::Displaced, .. }).then_some(())
        });
        node.event("asked");
        node.tell("allow");
    }
    engine.until_open();
    node.event("open");
    talk(&mut engine, &mut node, "the first one");
}
