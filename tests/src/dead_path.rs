//! A path that dies silently: the packets of one end's connection vanish. Measures how long that end takes to
//! notice, and to recover. Runs in its own network; other connections are not affected.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use protocol::ids::Role;
use relay_client::Lost;
use relay_client::engine::{Engine, EngineEvent as Event};

use crate::harness::guard::read_until;
use crate::harness::namespace::Way;
use crate::harness::tunnel::{End, at, copy_of, fresh_code};
use crate::harness::{Namespace, Options, Relayd};

/// The end whose connection dies, and what it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A workstation shows its code, and no phone has scanned it yet.
    DeskBeforeTheScan,
    /// A workstation has a phone, and neither sends.
    IdleDesk,
    /// A workstation has a phone and sends to it.
    SendingDesk,
    /// A phone has a workstation and sends to it.
    SendingPhone,
    /// A phone has a workstation, and neither sends.
    IdlePhone,
}

impl Scene {
    /// All of them.
    pub const ALL: [Scene; 5] = [
        Scene::DeskBeforeTheScan,
        Scene::IdleDesk,
        Scene::SendingDesk,
        Scene::SendingPhone,
        Scene::IdlePhone,
    ];

    /// The time promised for it.
    pub const fn promised(self) -> Duration {
        match self {
            Scene::IdlePhone => Duration::from_secs(50),
            _ => Duration::from_secs(20),
        }
    }

    const fn sends(self) -> bool {
        matches!(self, Scene::SendingDesk | Scene::SendingPhone)
    }

    /// The event that ends the wait.
    fn is_back(self, event: &Event) -> bool {
        match self {
            Scene::DeskBeforeTheScan => matches!(event, Event::Connected),
            _ => matches!(event, Event::Opened { .. }),
        }
    }

    const fn role(self) -> Role {
        match self {
            Scene::SendingPhone | Scene::IdlePhone => Role::Phone,
            _ => Role::Workstation,
        }
    }
}

/// How long it took from the cut.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// Until the end gave its connection up.
    pub noticed: Duration,
    /// Until it was back: with its peer, or at the relay if there is no peer yet.
    pub back: Duration,
}

/// A relay with the default heartbeats, on every loopback address.
pub fn start_relay() -> Relayd {
    let options = Options::new().listen("0.0.0.0").arg("--registers-per-minute", "100000");
    Relayd::start_ready(&options.arg("--connections-per-address", "100000"))
}

/// Plays a scene once. `number` distinguishes it from others at the same time. The cut comes after the end
/// was quiet, or sending, for the time `after`.
///
/// # Panics
/// The end stops, or is not back in a minute after it noticed.
pub fn play(
    network: &Namespace,
    relay: &Relayd,
    number: u16,
    scene: Scene,
    way: Way,
    after: Duration,
) -> Took {
    let port = relay.addr().port();
    // Each end has its own address, by which its connection can be found.
    let [high, low] = number.to_be_bytes();
    let address = |role: Role| SocketAddrV4::new(Ipv4Addr::new(127, 1 + role as u8, high, low), port);
    let code = fresh_code(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let scanned = copy_of(&code);
    let mut desk =
        End::pair(Role::Workstation, code, &at(Role::Workstation, address(Role::Workstation).into()));
    let phone = (scene != Scene::DeskBeforeTheScan).then(|| {
        let mut phone = End::pair(Role::Phone, scanned, &at(Role::Phone, address(Role::Phone).into()));
        introduce(&mut desk, &mut phone);
        phone
    });
    let (mut subject, peer) = match (scene.role(), phone) {
        (Role::Phone, Some(phone)) => (phone, Some(desk)),
        (_, phone) => (desk, phone),
    };
    if peer.is_none() {
        subject.until("connection", |event| matches!(event, Event::Connected).then_some(()));
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        if let Some(peer) = &peer {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    drop(peer.engine.next_events(64, PACE));
                }
            });
        }
        let took = cut_and_wait(network, address(scene.role()), scene, way, after, &subject.engine);
        done.store(true, Ordering::SeqCst);
        took
    })
}

/// How often a sender sends.
const PACE: Duration = Duration::from_millis(200);
/// How long to wait before a case fails: twice the promised time, and more for a loaded machine.
const NOTICED_MAX: Duration = Duration::from_secs(100);

fn cut_and_wait(
    network: &Namespace,
    server: SocketAddrV4,
    scene: Scene,
    way: Way,
    after: Duration,
    engine: &Engine,
) -> Took {
    let quiet = Instant::now();
    while quiet.elapsed() < after {
        go_on(engine, scene);
    }
    let ports = read_until("the end's only connection", || {
        Some(network.client_ports(server)).filter(|ports| ports.len() == 1)
    });
    network.cut(ports[0], server, way);
    let (cut, mut noticed) = (Instant::now(), None);
    while cut.elapsed() < NOTICED_MAX {
        for event in go_on(engine, scene) {
            match event {
                Event::Reconnecting { why: Lost::Silent(_) | Lost::Closed(_), .. } if noticed.is_none() => {
                    noticed = Some(cut.elapsed());
                }
                event if scene.is_back(&event) => {
                    let noticed = noticed.expect("it is back and never left");
                    return Took { noticed, back: cut.elapsed() };
                }
                Event::Stopped { why, .. } => panic!("{scene:?}, {way:?}: {why}"),
                _ => {}
            }
        }
    }
    panic!("{scene:?}, {way:?}: not back after {NOTICED_MAX:?}; noticed: {noticed:?}");
}

/// Lets the end act as in this scene for a moment. Returns what it heard meanwhile.
fn go_on(engine: &Engine, scene: Scene) -> Vec<Event> {
    if scene.sends() {
        // A window that is full says nothing about the path.
        let _ = engine.try_send(&[7; 100]);
    }
    engine.next_events(64, PACE)
}

fn introduce(desk: &mut End, phone: &mut End) {
    let question = desk.until_asked();
    desk.engine.allow_here(question).expect("the question is open");
    desk.until_open();
    phone.until_open();
}
