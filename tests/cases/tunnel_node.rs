//! The client library's tunnel against a second implementation of it, through a real relay.
//!
//! One end is an engine behind a network that can be cut, the other is a program of `tests/node`. Each case
//! runs twice: with the engine as the workstation, and as the phone.

mod lives;
mod messages;
mod pairing;
mod refusals;

use protocol::ids::Role;
use relay_client::engine::{EngineEvent as Event, EngineSettings};
use relay_client::tunnel::{Code, parse_pairing};
use relay_tests::harness::node::{NodeEnd, shown};
use relay_tests::harness::tunnel::{End, Shelf, at, fresh_code};
use relay_tests::harness::{FaultProxy, Relay, SetUp};

/// Makes two tests of each `fn(Role)`, by the engine's role.
macro_rules! both_ways_round {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            #[test]
            fn engine_is_workstation() {
                super::$name(protocol::ids::Role::Workstation);
            }
            #[test]
            fn engine_is_phone() {
                super::$name(protocol::ids::Role::Phone);
            }
        })+
    };
}
use both_ways_round;

/// A relay, and the network before the engine.
struct Net {
    relay: Relay,
    proxy: FaultProxy,
}

impl Net {
    fn start() -> Self {
        let relay = Relay::start(SetUp::Memory);
        let proxy = FaultProxy::start(relay.addr());
        Net { relay, proxy }
    }

    /// An engine's settings.
    fn settings(&self, role: Role) -> EngineSettings {
        let mut settings = at(role, self.proxy.addr());
        settings.options.name = "engine".into();
        settings
    }

    /// A Node workstation and the code that it shows.
    fn workstation(&self, options: &[&str]) -> (NodeEnd, Code) {
        let mut workstation = NodeEnd::workstation(&format!("http://{}", self.relay.addr()), options);
        let code = parse_pairing(&workstation.event("code")).unwrap();
        (workstation, code)
    }
}

/// Both ends, paired and open.
struct Ends {
    net: Net,
    engine: End,
    node: NodeEnd,
    /// The engine's secret store.
    shelf: Shelf,
}

impl Ends {
    /// The engine has this role. Both have moved to a fresh session.
    fn open(role: Role, options: &[&str]) -> Self {
        Self::open_with(role, options, |_| {})
    }

    /// The same with other settings of the engine.
    fn open_with(role: Role, options: &[&str], change: impl FnOnce(&mut EngineSettings)) -> Self {
        let net = Net::start();
        let mut settings = net.settings(role);
        change(&mut settings);
        let shelf = Shelf::default();
        let keeper = Box::new(shelf.clone());
        let (mut engine, mut node) = match role {
            Role::Workstation => {
                let code = fresh_code(net.relay.addr());
                let node = NodeEnd::phone(&code.to_json(), options);
                let mut engine = End::pair_keeping(role, code, &settings, keeper);
                asked(&mut engine);
                engine.allow();
                (engine, node)
            }
            Role::Phone => {
                let (node, code) = net.workstation(&[options, &["--yes"]].concat());
                (End::pair_keeping(role, code, &settings, keeper), node)
            }
        };
        engine.until_open();
        node.event("open");
        Ends { net, engine, node, shelf }
    }

    /// One message each way.
    fn talk(&mut self, text: &str) {
        talk(&mut self.engine, &mut self.node, text);
    }
}

/// One message each way, and nothing before it.
fn talk(engine: &mut End, node: &mut NodeEnd, text: &str) {
    engine.send(text.as_bytes());
    node.tell(&format!("send {text}"));
    assert_eq!(node.message(), shown(text.as_bytes()));
    assert_eq!(String::from_utf8_lossy(&engine.message()), text);
}

/// The phone's name for itself, and the words, that a workstation shows its user.
fn asked(workstation: &mut End) -> (String, String) {
    workstation.until("question", |event| match event {
        Event::Ask { name, words, .. } => Some((name.clone(), words.to_string())),
        _ => None,
    })
}
