//! A phone sleeps, changes the network, goes to the background. Nothing is lost, and it is back at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use protocol::ids::Role;
use relay_client::Lost;
use relay_client::engine::{Clock, EngineEvent as Event, EngineSettings, EngineState as State, SystemClock};
use relay_tests::harness::guard::{let_pass, read_until};
use relay_tests::harness::tunnel::{Ends, at, fresh_code};
use relay_tests::harness::{Behaviour, FaultProxy, Options, Relayd};

/// A clock on which a sleep can be simulated.
#[derive(Default)]
struct Jumping(AtomicU64);

impl Jumping {
    fn sleep(&self, span: Duration) {
        self.0.fetch_add(span.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for Jumping {
    fn now(&self) -> Duration {
        SystemClock.now() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A phone on a bad network, with its own clock, paired with a workstation on a good network.
struct Scene {
    ends: Ends,
    proxy: FaultProxy,
    clock: Arc<Jumping>,
    relayd: Relayd,
}

impl Scene {
    fn start(options: &Options) -> Self {
        let relayd = Relayd::start_ready(options);
        let proxy = FaultProxy::start(relayd.addr());
        let clock = Arc::new(Jumping::default());
        let phone =
            EngineSettings { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..at(Role::Phone, proxy.addr()) };
        let ends = Ends::pair(fresh_code(relayd.addr()), &at(Role::Workstation, relayd.addr()), &phone);
        Self { ends, proxy, clock, relayd }
    }

    /// The workstation notices that its phone is gone.
    fn lose_phone(&mut self) {
        self.ends.workstation.until("leave", |event| matches!(event, Event::Left).then_some(()));
    }

    /// Waits until the pairing is complete.
    fn settle(&mut self) {
        self.ends.phone.send(b"settled?");
        assert_eq!(self.ends.workstation.message(), b"settled?");
        self.ends.workstation.send(b"settled");
        assert_eq!(self.ends.phone.message(), b"settled");
    }

    /// Ten messages that cannot be delivered now.
    fn send_meanwhile(&self) {
        for number in 0..10 {
            self.ends.workstation.send(&[number; 20_000]);
        }
    }

    /// They arrive now, and the phone can answer.
    fn expect_all(&mut self) {
        for number in 0..10 {
            assert_eq!(self.ends.phone.message(), [number; 20_000]);
        }
        self.ends.phone.send(b"here I am");
        assert_eq!(self.ends.workstation.message(), b"here I am");
    }

    fn until_lost(&mut self) -> Lost {
        self.ends.phone.until("loss", |event| match event {
            Event::Reconnecting { why, .. } => Some(why.clone()),
            _ => None,
        })
    }
}

/// The goal is two seconds. A loaded machine gets much more.
const SOON: Duration = Duration::from_secs(20);

fn heartbeat_of_a_second() -> Options {
    Options::new().env("HEARTBEAT_INTERVAL_SECS", "1")
}

/// Waits until the phone has noticed its sleep, then gives it a network. Returns how long it took in all.
fn wake(scene: &mut Scene) -> Duration {
    let woken = Instant::now();
    scene.clock.sleep(NIGHT);
    let lost = scene.until_lost();
    assert!(matches!(lost, Lost::Slept(slept) if slept > NIGHT / 2), "{lost:?}");
    // What began before the sleep stays in the black hole: the phone has given it up.
    scene.proxy.behave(Behaviour::Clear);
    scene.ends.phone.until_open();
    woken.elapsed()
}

const NIGHT: Duration = Duration::from_secs(8 * 3600);

#[test]
fn after_a_night_a_phone_is_back_at_once_and_nothing_is_lost() {
    let mut scene = Scene::start(&heartbeat_of_a_second());
    scene.settle();
    scene.proxy.behave(Behaviour::Stall);
    scene.lose_phone();
    scene.send_meanwhile();
    assert_eq!(scene.ends.phone.engine.state(), State::Open, "asleep, it knows nothing");
    let took = wake(&mut scene);
    println!("open {} ms after a night", took.as_millis());
    scene.expect_all();
    assert!(took < SOON, "{took:?}");
}

#[test]
fn after_a_night_in_the_middle_of_a_connect_a_phone_is_back_at_once() {
    let mut scene = Scene::start(&heartbeat_of_a_second());
    scene.proxy.behave(Behaviour::Stall);
    scene.proxy.reset();
    scene.until_lost();
    scene.lose_phone();
    scene.send_meanwhile();
    let is_dialling = || (scene.proxy.counts().live == 1).then_some(());
    read_until("a connect that leads nowhere", is_dialling);
    let took = wake(&mut scene);
    println!("open {} ms after a night in a connect", took.as_millis());
    scene.expect_all();
    assert!(took < SOON, "{took:?}");
}

#[test]
fn in_the_background_nothing_is_tried() {
    let mut scene = Scene::start(&Options::new());
    scene.ends.phone.engine.set_foreground(false);
    // It is still open: a working connection is kept.
    scene.ends.workstation.send(b"hidden");
    assert_eq!(scene.ends.phone.message(), b"hidden");
    let before = scene.proxy.counts().connections;
    scene.proxy.reset();
    scene.until_lost();
    scene.lose_phone();
    scene.send_meanwhile();
    scene.ends.phone.engine.network_changed();
    let_pass(Duration::from_secs(2));
    assert_eq!(scene.proxy.counts().connections, before);
    assert_eq!(scene.ends.phone.engine.state(), State::Connecting);
    let shown = Instant::now();
    scene.ends.phone.engine.set_foreground(true);
    scene.ends.phone.until_open();
    println!("open {} ms after it was shown", shown.elapsed().as_millis());
    scene.expect_all();
    assert_eq!(scene.proxy.counts().connections, before + 1);
}

#[test]
fn in_another_network_a_dead_connection_is_given_up_after_two_seconds() {
    let mut scene = Scene::start(&Options::new());
    scene.proxy.behave(Behaviour::Stall);
    scene.send_meanwhile();
    let changed = Instant::now();
    scene.ends.phone.engine.network_changed();
    assert_eq!(scene.until_lost(), Lost::Silent(Duration::from_secs(2)));
    scene.proxy.behave(Behaviour::Clear);
    scene.ends.phone.until_open();
    println!("open {} ms after the network changed", changed.elapsed().as_millis());
    scene.expect_all();
    scene.relayd.wait_ready(200);
}

#[test]
fn in_another_network_a_connection_that_answers_stays() {
    let mut scene = Scene::start(&Options::new());
    let before = scene.proxy.counts().connections;
    scene.ends.phone.engine.network_changed();
    // Longer than an answer may take.
    let_pass(Duration::from_secs(3));
    scene.send_meanwhile();
    scene.expect_all();
    assert_eq!(scene.proxy.counts().connections, before);
}
