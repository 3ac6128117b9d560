//! The session of a tunnel is taken over, deleted, expired or lost: which end stops, which one comes back,
//! and what it reports.

use std::time::Duration;

use protocol::ids::Role;
use relay_client::engine::{EngineEvent as Event, EngineSettings, ForgetError};
use relay_client::{Lost, Stop};
use relay_tests::harness::guard::{let_pass, read_until};
use relay_tests::harness::redis::Keep;
use relay_tests::harness::tunnel::{End, Ends, Shelf, at, copy_of, fresh_code, fresh_code_with, session_of};
use relay_tests::harness::{
    Behaviour, FaultProxy, Fleet, Options, Peer, Relay, Relayd, Role as Plays, Session, SetUp,
};
use relay_tests::on_each_setup;

on_each_setup!(another_device_ends_the_first_and_says_so, a_deleted_session_ends_both_and_says_so);

/// A pair that stays in the code's session. Returns the credentials, too.
fn pair_here(relay: &Relay) -> (Ends, Session) {
    let nodes = relay.nodes();
    let (first, last) = (nodes[0].addr(), nodes[nodes.len() - 1].addr());
    let code = fresh_code(first);
    let session = session_of(&code);
    let ends = Ends::pair_here(code, &at(Role::Workstation, first), &at(Role::Phone, last));
    (ends, session)
}

fn another_device_ends_the_first_and_says_so(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let (mut ends, session) = pair_here(&relay);
    let _other = Peer::join_raw(relay.next_addr(&session, Plays::Phone), &session.hello(Plays::Phone));
    let why = ends.phone.until_stopped();
    assert_eq!(why, Stop::Replaced);
    assert!(why.to_string().contains("another program uses this pair and took over its role"), "{why}");
}

fn a_deleted_session_ends_both_and_says_so(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let (mut ends, session) = pair_here(&relay);
    let header = format!("Authorization: Bearer {}", session.token);
    session.delete_with(relay.addr(), &[&header]).expect(204);
    for end in [&mut ends.workstation, &mut ends.phone] {
        let why = end.until_stopped();
        assert!(matches!(why, Stop::Removed { is_proven: false, .. }), "{why:?}");
        assert!(why.to_string().ends_with(", or so the relay says: pair again"), "{why}");
    }
}

#[test]
fn a_stopped_engine_says_so_whenever_it_is_told_to_forget() {
    let relay = Relay::start(SetUp::Memory);
    let mut ends = Ends::through(relay.addr());
    ends.phone.engine.close();
    ends.phone.until_stopped();
    for _ in 0..2 {
        assert!(matches!(ends.phone.engine.forget(), Err(ForgetError::Stopped)));
    }
    // The session was deleted anyway. An end that forgot the pair knows that, and reports it again.
    let why = ends.workstation.until_stopped();
    assert_eq!(why, Stop::Removed { at: Role::Phone, is_proven: false });
    let ends = Ends::through(relay.addr());
    for _ in 0..2 {
        ends.workstation.engine.forget().unwrap();
    }
}

#[test]
fn a_pair_that_one_end_forgets_is_over_for_the_other() {
    let relay = Relayd::start_ready(&Options::new());
    let code = fresh_code(relay.addr());
    let (phone, shelf) = (copy_of(&code), Shelf::default());
    let settings = at(Role::Workstation, relay.addr());
    let workstation = End::pair_keeping(Role::Workstation, code, &settings, Box::new(shelf.clone()));
    let phone = End::pair(Role::Phone, phone, &at(Role::Phone, relay.addr()));
    let mut ends = Ends::introduce(workstation, phone);
    assert!(shelf.text().is_some());
    ends.workstation.engine.forget().unwrap();
    assert_eq!(shelf.text(), None);
    let why = ends.phone.until_stopped();
    assert_eq!(why, Stop::Removed { at: Role::Workstation, is_proven: true });
    assert_eq!(why.to_string(), "removed at the workstation: pair again");
}

/// A pair on bad networks before a relay where sessions expire soon.
struct Scene {
    ends: Ends,
    proxies: [FaultProxy; 2],
    relayd: Relayd,
}

const KEY: &str = "the-key-to-register";
const IDLE_SECS: u64 = 3;

impl Scene {
    fn start(key: Option<&str>) -> Self {
        let options = Options::new()
            .env("SESSION_IDLE_SECS", &IDLE_SECS.to_string())
            .env("HEARTBEAT_INTERVAL_SECS", "1");
        let options = key.into_iter().fold(options, |options, key| options.env("REGISTER_KEY", key));
        let relayd = Relayd::start_ready(&options);
        let proxies = [(); 2].map(|()| FaultProxy::start(relayd.addr()));
        let code = fresh_code_with(relayd.addr(), key);
        let workstation = EngineSettings {
            register_key: key.map(str::to_owned),
            ..at(Role::Workstation, proxies[0].addr())
        };
        let ends = Ends::pair(code, &workstation, &at(Role::Phone, proxies[1].addr()));
        Self { ends, proxies, relayd }
    }

    /// The network is a black hole for longer than an unused session lives.
    fn expire(&mut self) {
        self.proxies.iter().for_each(|proxy| proxy.behave(Behaviour::Stall));
        self.ends.workstation.send(b"sent into the dark");
        let both_gone = || (self.relayd.metric("relay_sessions") == 0).then_some(());
        read_until("the relay to give both up", both_gone);
        let_pass(Duration::from_secs(IDLE_SECS + 1));
    }

    fn clear(&self, role: Role) {
        self.proxies[role as usize].behave(Behaviour::Clear);
    }

    fn expect_return(&mut self) {
        self.ends.workstation.until_open();
        self.ends.phone.until_open();
        assert_eq!(self.ends.phone.message(), b"sent into the dark");
        self.ends.phone.send(b"back");
        assert_eq!(self.ends.workstation.message(), b"back");
        self.ends.phone.flush();
    }
}

#[test]
fn both_ends_of_an_expired_session_register_it_again() {
    let mut scene = Scene::start(None);
    for _ in 0..2 {
        scene.expire();
        [Role::Workstation, Role::Phone].iter().for_each(|&role| scene.clear(role));
        scene.expect_return();
    }
}

#[test]
fn with_a_key_the_workstation_brings_the_session_back_and_the_phone_waits() {
    let mut scene = Scene::start(Some(KEY));
    scene.expire();
    scene.clear(Role::Phone);
    let after = scene.ends.phone.until("wait", |event| match event {
        Event::Reconnecting { why: why @ Lost::WorkstationAway { .. }, after } => {
            assert!(why.to_string().starts_with("the workstation has been away since "), "{why}");
            Some(*after)
        }
        _ => None,
    });
    assert!(after >= Duration::from_secs(10), "{after:?}");
    scene.clear(Role::Workstation);
    scene.expect_return();
}

#[test]
fn the_ends_fill_a_store_that_came_back_empty() {
    let mut fleet = Fleet::start(2, Keep::Everything);
    let proxies = [0, 1].map(|node| FaultProxy::start(fleet.addr(node)));
    let code = fresh_code(fleet.addr(0));
    let [first, second] = [&proxies[0], &proxies[1]].map(FaultProxy::addr);
    let mut ends = Ends::pair(code, &at(Role::Workstation, first), &at(Role::Phone, second));
    (0..2).for_each(|node| fleet.node_mut(node).kill());
    ends.workstation.send(b"over an empty store");
    ends.phone.send(b"and back");
    fleet.redis().kill();
    fleet.redis().forget();
    fleet.redis().restart();
    for (node, proxy) in proxies.iter().enumerate() {
        fleet.replace(node);
        proxy.set_upstream(fleet.addr(node));
    }
    fleet.wait_ready();
    assert_eq!(ends.phone.message(), b"over an empty store");
    assert_eq!(ends.workstation.message(), b"and back");
}

#[test]
fn a_phone_that_was_away_learns_from_the_relay_that_its_pair_ended() {
    let relay = Relayd::start_ready(&Options::new());
    let air = FaultProxy::start(relay.addr());
    let code = fresh_code(relay.addr());
    let mut ends = Ends::pair(code, &at(Role::Workstation, relay.addr()), &at(Role::Phone, air.addr()));
    air.behave(Behaviour::Refuse);
    air.cut();
    ends.workstation.until("leave", |event| matches!(event, Event::Left).then_some(()));
    ends.workstation.engine.forget().unwrap();
    air.behave(Behaviour::Clear);
    let why = ends.phone.until_stopped();
    assert_eq!(why, Stop::Removed { at: Role::Workstation, is_proven: false });
    assert_eq!(why.to_string(), "removed at the workstation, or so the relay says: pair again");
}
