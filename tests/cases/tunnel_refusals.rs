//! Phones that the tunnel refuses, and relays that replay or damage records, through real relays.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use protocol::ids::Role;
use relay_client::engine::{EngineEvent as Event, EngineState as State, Refusal};
use relay_client::tunnel::{Code, PairingKey, SystemEntropy};
use relay_client::{Lost, Stop};
use relay_tests::harness::tunnel::{End, Ends, at, copy_of, fresh_code, session_of};
use relay_tests::harness::{Event as Said, Options, Peer, Relayd, Role as Plays, Session};

/// A workstation that shows a code, and what the code is.
fn desk() -> (Relayd, End, Code) {
    let relayd = Relayd::start_ready(&Options::new());
    let code = fresh_code(relayd.addr());
    let workstation = End::pair(Role::Workstation, copy_of(&code), &at(Role::Workstation, relayd.addr()));
    (relayd, workstation, code)
}

fn phone(relayd: &Relayd, code: &Code) -> End {
    End::pair(Role::Phone, copy_of(code), &at(Role::Phone, relayd.addr()))
}

fn expect_refused(workstation: &mut End, phone: &mut End, why: Refusal, words: &str) {
    let stop = phone.until_stopped();
    assert_eq!(stop, Stop::Unpaired(why));
    assert!(stop.to_string().contains(words), "{stop}");
    let told = workstation.until("refusal", |event| match event {
        Event::Refused(why) => Some(*why),
        _ => None,
    });
    assert_eq!(told, why);
}

#[test]
fn a_second_phone_with_a_used_code_is_refused_and_reported() {
    let (relayd, mut workstation, code) = desk();
    let mut first = phone(&relayd, &code);
    workstation.until_asked();
    let mut second = phone(&relayd, &code);
    expect_refused(&mut workstation, &mut second, Refusal::CodeUsed, "used already");
    // The second phone took its place at the relay and has left. The first one comes back by itself.
    first.until("displacement", |event| {
        matches!(event, Event::Reconnecting { why: Lost::Displaced, .. }).then_some(())
    });
    workstation.until_asked();
    workstation.allow();
    workstation.until_open();
    first.until_open();
    first.send(b"still me");
    assert_eq!(workstation.message(), b"still me");
}

#[test]
fn a_phone_that_is_displaced_again_and_again_stops_after_three_returns() {
    let (relayd, mut workstation, code) = desk();
    let mut first = phone(&relayd, &code);
    for _ in 0..4 {
        first.until("question", |event| matches!(event, Event::Asked { .. }).then_some(()));
        workstation.until_asked();
        let session = session_of(&code);
        Peer::join_raw(relayd.addr(), &session.hello(Plays::Phone)).leave();
        workstation.until("leave", |event| matches!(event, Event::Left).then_some(()));
    }
    assert_eq!(first.until_stopped(), Stop::Replaced);
    // The question is still open.
    workstation.allow();
}

#[test]
fn a_code_with_another_key_is_refused() {
    let (relayd, mut workstation, code) = desk();
    let key = PairingKey::random(&mut SystemEntropy).unwrap();
    let mut stranger = phone(&relayd, &Code { key: Some(key), ..copy_of(&code) });
    expect_refused(&mut workstation, &mut stranger, Refusal::UnknownKey, "does not know this phone's key");
    // The code is still valid.
    let friend = phone(&relayd, &code);
    let mut ends = Ends::introduce(workstation, friend);
    ends.phone.send(b"it is me");
    assert_eq!(ends.workstation.message(), b"it is me");
}

#[test]
fn after_pairing_the_codes_key_is_refused() {
    let relayd = Relayd::start_ready(&Options::new());
    let code = fresh_code(relayd.addr());
    let scanned = copy_of(&code);
    let mut ends =
        Ends::pair_here(code, &at(Role::Workstation, relayd.addr()), &at(Role::Phone, relayd.addr()));
    let mut later = phone(&relayd, &scanned);
    expect_refused(&mut ends.workstation, &mut later, Refusal::CodeUsed, "used already");
}

#[test]
fn after_pairing_the_codes_session_is_gone() {
    let (relayd, workstation, code) = desk();
    let first = phone(&relayd, &code);
    let mut ends = Ends::introduce(workstation, first);
    // The phone reports this once it has moved, and only then is the old session deleted.
    ends.phone.send(b"moved");
    assert_eq!(ends.workstation.message(), b"moved");
    let mut later = phone(&relayd, &code);
    let stop = later.until_stopped();
    assert!(matches!(stop, Stop::Refused { code: 4401, .. } | Stop::Killed { .. }), "{stop:?}");
    ends.workstation.send(b"undisturbed");
    assert_eq!(ends.phone.message(), b"undisturbed");
}

#[test]
fn a_forged_refusal_does_not_stop_a_paired_phone() {
    let mut scene = Scene::start();
    scene.middle.shared.forges.store(true, Ordering::SeqCst);
    let why = scene.ends.phone.until("refusal", |event| match event {
        Event::Reconnecting { why: why @ Lost::Refused(_), after } => {
            assert!(*after >= Duration::from_secs(10), "{after:?}");
            Some(why.to_string())
        }
        _ => None,
    });
    assert!(why.starts_with("the workstation, or the relay in its name, refused this phone: "), "{why}");
    assert!(why.ends_with("; trying again"), "{why}");
    scene.ends.phone.until_open();
    scene.send();
    scene.expect_talk();
}

#[test]
fn a_replayed_h1_has_no_effect() {
    let mut scene = Scene::start();
    for _ in 0..20 {
        scene.meddle(Meddling::ReplayH1);
        scene.send();
        scene.expect_talk();
    }
    assert_eq!((scene.ends.workstation.engine.state(), scene.ends.phone.engine.state()), (OPEN, OPEN));
    assert_eq!(scene.middle.shared.ends.load(Ordering::SeqCst), 0, "no connection was lost");
}

#[test]
fn a_replayed_record_costs_only_a_connection() {
    let mut scene = Scene::start();
    scene.meddle(Meddling::ReplayRecord);
    scene.send();
    scene.expect_spoilt();
    scene.expect_talk();
}

#[test]
fn a_flipped_bit_costs_only_a_connection() {
    for at in [5, 13, 40] {
        let mut scene = Scene::start();
        scene.meddle(Meddling::Flip { at });
        scene.send();
        scene.expect_spoilt();
        scene.expect_talk();
    }
}

const OPEN: State = State::Open;

/// What the man in the middle does to the phone's next record.
#[derive(Clone, Copy, Debug)]
enum Meddling {
    /// Sends the last H1 before it, under another name.
    ReplayH1,
    /// Sends it twice.
    ReplayRecord,
    /// Turns a bit of this byte.
    Flip { at: usize },
}

/// A pair with a man in the middle. The two ends are at two relays that know the same session, and the
/// records of each are passed to the other.
struct Scene {
    ends: Ends,
    middle: Middle,
    _relays: [Relayd; 2],
}

impl Scene {
    fn start() -> Self {
        let relays = [(); 2].map(|()| Relayd::start_ready(&Options::new()));
        let code = fresh_code(relays[0].addr());
        let session = session_of(&code);
        session.register_again(relays[1].addr()).expect(200);
        let middle = Middle::start(session, [&relays[0], &relays[1]].map(Relayd::addr));
        let [desk, pocket] = [&relays[0], &relays[1]].map(Relayd::addr);
        let ends = Ends::pair_here(code, &at(Role::Workstation, desk), &at(Role::Phone, pocket));
        Self { ends, middle, _relays: relays }
    }

    fn meddle(&self, how: Meddling) {
        *lock(&self.middle.shared.next) = Some(how);
    }

    fn send(&self) {
        self.ends.phone.send(b"to the workstation");
    }

    /// What was sent arrives once, and so does an answer.
    fn expect_talk(&mut self) {
        assert_eq!(self.ends.workstation.message(), b"to the workstation");
        self.ends.workstation.send(b"to the phone");
        assert_eq!(self.ends.phone.message(), b"to the phone");
        self.ends.phone.send(b"and thanks");
        assert_eq!(self.ends.workstation.message(), b"and thanks");
        assert!(lock(&self.middle.shared.next).is_none(), "no record was changed");
    }

    fn expect_spoilt(&mut self) {
        let words = self.ends.workstation.until("fault", |event| match event {
            Event::Reconnecting { why: why @ Lost::Damaged(_), .. } => Some(why.to_string()),
            _ => None,
        });
        assert!(words.contains("damaged, repeated or lost"), "{words}");
        self.ends.workstation.until_open();
    }
}

/// Passes records between two relays. It is the phone at the first and the workstation at the second.
struct Middle {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    next: Mutex<Option<Meddling>>,
    /// How often an end lost the other.
    ends: AtomicU64,
    is_over: AtomicBool,
    /// Breaks the link, and refuses the phone's next H1 in the workstation's name.
    forges: AtomicBool,
}

impl Middle {
    fn start(session: Session, addrs: [std::net::SocketAddr; 2]) -> Self {
        let shared = Arc::new(Shared::default());
        let heard = Arc::clone(&shared);
        let thread = thread::spawn(move || heard.carry(&session, addrs));
        Self { shared, thread: Some(thread) }
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(
            thread::panicking() || joined.is_none_or(|joined| joined.is_ok()),
            "the one in the middle fell"
        );
    }
}

impl Shared {
    fn carry(&self, session: &Session, addrs: [std::net::SocketAddr; 2]) {
        let plays = [Plays::Phone, Plays::Workstation];
        let join = |at: usize| Peer::join_raw(addrs[at], &session.hello(plays[at]));
        let mut peers = [join(0), join(1)];
        let mut h1 = Vec::new();
        let mut refuses = false;
        while !self.is_over.load(Ordering::SeqCst) {
            if self.forges.swap(false, Ordering::SeqCst) {
                refuses = true;
                peers[1] = join(1);
            }
            for from in [0, 1] {
                let to = 1 - from;
                match peers[from].event_within(LOOK_UP) {
                    Ok(Some(Said::Bare(message))) if from == 1 && refuses && message[0] == H1 => {
                        refuses = false;
                        peers[1].binary(&[REFUSAL, message[1], message[2], message[3], message[4], 1]);
                    }
                    Ok(Some(Said::Bare(message))) => {
                        let messages = if from == 1 { self.meddled(message, &mut h1) } else { vec![message] };
                        messages.iter().for_each(|message| peers[to].binary(message));
                    }
                    // To the other end it must look as if there were no man in the middle.
                    Ok(Some(Said::Left)) => {
                        self.ends.fetch_add(1, Ordering::SeqCst);
                        peers[to] = join(to);
                    }
                    Ok(_) => {}
                    Err(_) => peers[from] = join(from),
                }
            }
        }
    }

    fn meddled(&self, message: Vec<u8>, h1: &mut Vec<u8>) -> Vec<Vec<u8>> {
        if message[0] == H1 {
            h1.clone_from(&message);
            return vec![message];
        }
        match lock(&self.next).take_if(|_| message.len() > HELLO_MIN) {
            None => vec![message],
            Some(Meddling::ReplayH1) => {
                h1[1] = h1[1].wrapping_add(1);
                vec![h1.clone(), message]
            }
            Some(Meddling::ReplayRecord) => vec![message.clone(), message],
            Some(Meddling::Flip { at }) => {
                let mut flipped = message;
                flipped[at] ^= 1;
                vec![flipped]
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const LOOK_UP: Duration = Duration::from_millis(5);
const H1: u8 = 1;
const REFUSAL: u8 = 4;
/// Records with a message are longer than this; acknowledgements are not.
const HELLO_MIN: usize = 41;
