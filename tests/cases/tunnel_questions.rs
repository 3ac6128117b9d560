//! The workstation's question, through a real relay: slow answers, and phones that come and go meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use protocol::ids::Role;
use relay_client::engine::{
    AllowError, Clock, EngineEvent as Event, EngineSettings, EngineState as State, Keeper, NotAsked, Refusal,
    Spent, SystemClock, limits,
};
use relay_client::{Endpoint, Stop};
use relay_tests::harness::guard::read_until;
use relay_tests::harness::tunnel::{End, Shelf, at, copy_of, fresh_code};
use relay_tests::harness::{Behaviour, FaultProxy, Options, Relayd};
use zeroize::Zeroizing;

/// A phone about which the user is being asked, with a network before the phone and one before the
/// workstation's requests.
struct Scene {
    desk: End,
    phone: End,
    shelf: Shelf,
    requests: FaultProxy,
    air: FaultProxy,
    relayd: Relayd,
}

impl Scene {
    fn asked() -> (Self, u64) {
        Self::asked_keeping(|shelf| Box::new(shelf))
    }

    fn asked_keeping(keeper: impl FnOnce(Shelf) -> Box<dyn Keeper>) -> (Self, u64) {
        Self::asked_with(keeper, Arc::new(SystemClock))
    }

    fn asked_with(keeper: impl FnOnce(Shelf) -> Box<dyn Keeper>, clock: Arc<dyn Clock>) -> (Self, u64) {
        let relayd = Relayd::start_ready(&Options::new());
        let [requests, air] = [(); 2].map(|()| FaultProxy::start(relayd.addr()));
        let shelf = Shelf::default();
        let code = fresh_code(relayd.addr());
        let server = Endpoint::parse_http(&format!("http://{}", requests.addr())).unwrap();
        let settings = EngineSettings { server: Some(server), clock, ..at(Role::Workstation, relayd.addr()) };
        let desk = End::pair_keeping(Role::Workstation, copy_of(&code), &settings, keeper(shelf.clone()));
        let phone = End::pair(Role::Phone, code, &at(Role::Phone, air.addr()));
        let mut scene = Scene { desk, phone, shelf, requests, air, relayd };
        let question = scene.desk.until_asked();
        until_asked(&mut scene.phone);
        (scene, question)
    }

    /// A yes whose request to the relay gets no answer until `meanwhile` has run.
    fn allow_slowly(
        &mut self,
        question: u64,
        meanwhile: impl FnOnce(&End, &mut End),
    ) -> Result<(), AllowError> {
        self.requests.behave(Behaviour::Stall);
        let Scene { desk, phone, requests, .. } = self;
        thread::scope(|scope| {
            let yes = scope.spawn(|| desk.engine.allow(question));
            read_until("the request", || (requests.counts().connections > 0).then_some(()));
            meanwhile(desk, phone);
            requests.behave(Behaviour::Clear);
            yes.join().unwrap()
        })
    }

    fn expect_denied(&mut self) {
        assert_eq!(self.phone.until_stopped(), Stop::Unpaired(Refusal::Denied));
        read_until("nothing to be kept", || self.shelf.text().is_none().then_some(()));
        // The code's own is left.
        let one_left = || (self.relayd.metric("relay_sessions") == 1).then_some(());
        read_until("the fresh session to be deleted", one_left);
    }
}

fn until_asked(phone: &mut End) {
    phone.until("question", |event| matches!(event, Event::Asked { .. }).then_some(()));
}

#[test]
fn a_no_overrides_a_yes_that_waits_for_the_relay() {
    let (mut scene, question) = Scene::asked();
    let yes = scene.allow_slowly(question, |desk, _| desk.engine.deny(question).unwrap());
    assert!(matches!(yes, Err(AllowError::NotAsked(NotAsked))), "{yes:?}");
    scene.expect_denied();
    let over = scene.desk.until("end of the question", |event| match event {
        Event::AskOver { question, allowed } => Some((*question, *allowed)),
        _ => None,
    });
    assert_eq!(over, (question, false));
}

#[test]
fn a_phone_that_comes_back_while_the_yes_waits_for_the_relay_is_not_asked_about_again() {
    let (mut scene, question) = Scene::asked();
    let air = FaultProxy::start(scene.relayd.addr());
    let cut = std::mem::replace(&mut scene.air, air);
    let yes = scene.allow_slowly(question, |desk, phone| {
        cut.cut();
        until_asked(phone);
        read_until("the phone's return", || (desk.engine.state() != State::Waiting).then_some(()));
    });
    yes.unwrap();
    scene.desk.until("opening", |event| match event {
        Event::Ask { .. } => panic!("the user has answered"),
        event => matches!(event, Event::Opened { .. }).then_some(()),
    });
    scene.phone.until_open();
    scene.phone.send(b"it is me");
    assert_eq!(scene.desk.message(), b"it is me");
    assert_eq!(scene.desk.engine.deny(question), Err(NotAsked), "and it stays");
}

#[test]
fn an_answer_to_an_older_question_does_nothing_and_says_so() {
    let (mut scene, older) = Scene::asked();
    scene.air.cut();
    let newer = scene.desk.until_asked();
    assert!(newer > older);
    assert_eq!(scene.desk.engine.deny(older), Err(NotAsked));
    assert_eq!(scene.desk.engine.allow_here(older), Err(NotAsked));
    assert!(matches!(scene.desk.engine.allow(older), Err(AllowError::NotAsked(_))));
    scene.desk.allow();
    scene.desk.until_open();
    scene.phone.until_open();
}

/// A storage that reports when it is called, and waits.
struct Slow {
    shelf: Shelf,
    asked: Sender<()>,
    go: Receiver<()>,
}

impl Keeper for Slow {
    fn load(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        self.shelf.load()
    }

    fn store(&mut self, text: &str) -> io::Result<()> {
        self.asked.send(()).unwrap();
        self.go.recv().unwrap();
        self.shelf.store(text)
    }

    fn forget(&mut self) -> io::Result<()> {
        self.shelf.forget()
    }
}

#[test]
fn a_no_overrides_a_yes_that_is_being_stored() {
    let ((asked, is_asked), (go, may_go)) = (channel(), channel());
    let (mut scene, question) = Scene::asked_keeping(|shelf| Box::new(Slow { shelf, asked, go: may_go }));
    scene.desk.engine.allow(question).unwrap();
    is_asked.recv().unwrap();
    assert_eq!(scene.shelf.text(), None);
    scene.desk.engine.deny(question).unwrap();
    go.send(()).unwrap();
    scene.expect_denied();
}

/// A clock that can be set ahead.
#[derive(Default)]
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> Duration {
        SystemClock.now() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// What the workstation reports when a question is not answered, and about its code. The phone may have left
/// before.
fn unanswered(phone_leaves: bool) -> (Scene, bool, Spent) {
    let clock = Arc::new(Ahead::default());
    let (mut scene, question) =
        Scene::asked_with(|shelf| Box::new(shelf), Arc::clone(&clock) as Arc<dyn Clock>);
    if phone_leaves {
        scene.air.behave(Behaviour::Refuse);
        scene.air.cut();
        scene.desk.until("leave", |event| matches!(event, Event::Left).then_some(()));
    }
    clock.0.store((limits::PAIR_FOR + limits::ANSWER_GRACE).as_secs(), Ordering::SeqCst);
    let allowed = scene.desk.until("end of the question", |event| match event {
        Event::AskOver { question: over, allowed } if *over == question => Some(*allowed),
        _ => None,
    });
    let why = scene.desk.until("end of the code", |event| match event {
        Event::CodeSpent(why) => Some(*why),
        _ => None,
    });
    assert_eq!(scene.desk.engine.allow_here(question), Err(NotAsked));
    (scene, allowed, why)
}

#[test]
fn an_unanswered_question_ends_and_its_phone_is_told() {
    let (mut scene, allowed, why) = unanswered(false);
    assert_eq!((allowed, why), (false, Spent::Unanswered));
    scene.expect_denied();
}

#[test]
fn a_question_about_a_phone_that_never_comes_back_ends() {
    let (scene, allowed, why) = unanswered(true);
    assert_eq!((allowed, why), (false, Spent::PhoneGone));
    assert_eq!(scene.shelf.text(), None);
}
