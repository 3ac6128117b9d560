//! Tables of states on a virtual clock: each test feeds inputs and reads all that comes out.

mod gone;
mod odd;
mod silence;
mod waking;

use protocol::ids::Role;
use protocol::message::{HEARTBEAT, Version};

use super::*;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// A session, its clock, and everything it did since last asked.
struct SessionBench {
    session: Session,
    now: Instant,
}

impl SessionBench {
    fn new() -> Self {
        Self::of(Role::Workstation)
    }

    fn of(role: Role) -> Self {
        let identity = Identity {
            session: SessionId::from_bytes([1; 16]),
            token: Token::from_bytes([2; 16]),
            role,
            instance: 7,
        };
        let now = Instant::now();
        SessionBench { session: Session::new(identity, 1, now), now }
    }

    /// A bench whose connect was begun, accepted and drained.
    fn waiting() -> Self {
        let mut bench = SessionBench::new();
        bench.drain();
        bench.on(Input::Connected);
        bench.on(ack(false, Some(30)));
        bench
    }

    fn linked() -> Self {
        let mut bench = SessionBench::waiting();
        bench.on(joined(0));
        bench
    }

    fn drain(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.session.poll_action()).collect()
    }

    fn on(&mut self, input: Input) -> Vec<Action> {
        self.session.handle(input, self.now);
        self.drain()
    }

    fn after(&mut self, span: Duration, input: Input) -> Vec<Action> {
        self.now += span;
        self.on(input)
    }

    /// How long until the next deadline.
    fn due_in(&self) -> Duration {
        self.session.next_deadline().expect("a deadline") - self.now
    }

    /// The delay that a loss was answered with.
    fn delay_after(&mut self, input: Input) -> Duration {
        match self.on(input).pop() {
            Some(Action::Tell(ClientEvent::Reconnecting { after, .. })) => after,
            other => panic!("no retry but {other:?}"),
        }
    }

    fn gone_after(&mut self, input: Input) -> Stop {
        match self.on(input).pop() {
            Some(Action::SessionGone(why)) => why,
            other => panic!("the session is not gone but {other:?}"),
        }
    }

    fn stop_after(&mut self, input: Input) -> Stop {
        match self.on(input).pop() {
            Some(Action::Stop(why)) => why,
            other => panic!("no stop but {other:?}"),
        }
    }
}

/// The answer of a relay that leaves a paused sender without a word.
fn ack(peer: bool, heartbeat_secs: Option<u64>) -> Input {
    ack_with(peer, heartbeat_secs, None)
}

fn ack_with(peer: bool, heartbeat_secs: Option<u64>, paused_ping_secs: Option<u64>) -> Input {
    let (ttl_secs, message_bytes_max) = (None, Some(9));
    let ack = ServerMessage::HelloAck { peer, heartbeat_secs, ttl_secs, message_bytes_max, paused_ping_secs };
    Input::Message(ack)
}

fn joined(missed: u64) -> Input {
    Input::Message(ServerMessage::PeerJoined { role: Role::Phone, missed, message_bytes_max: None })
}

fn left() -> Input {
    Input::Message(ServerMessage::PeerLeft { role: Role::Phone })
}

fn text(words: &str) -> Input {
    Input::Message(ServerMessage::Frame(Frame::Text(words.to_owned())))
}

fn link(missed: u64) -> Action {
    Action::Link { missed, message_bytes_max: Some(9) }
}

fn elsewhere() -> (SessionId, Token) {
    (SessionId::from_bytes([3; 16]), Token::from_bytes([4; 16]))
}

fn broken() -> Input {
    Input::Lost(Lost::Broken("reset".into()))
}

#[test]
fn from_connect_to_link_and_back() {
    let mut bench = SessionBench::new();
    assert_eq!(bench.drain(), [Action::Connect]);
    let hello = bench.on(Input::Connected);
    let [Action::Send(hello)] = hello.as_slice() else { panic!("{hello:?}") };
    let hello = Hello::parse(hello.as_bytes(), true).unwrap();
    assert!(hello.version == Version::V3 && hello.role == Role::Workstation);
    assert_eq!(hello.instance, Some(InstanceClaim { instance: 7, attempt: 1 }));
    assert_eq!(bench.on(ack(false, None)), [Action::Tell(ClientEvent::Connected)]);
    assert_eq!(bench.on(text("early")), [], "no frame before the link");
    assert_eq!(bench.on(joined(3)), [link(3)]);
    assert_eq!(bench.on(joined(3)), [], "the link stands already");
    assert_eq!(bench.on(text("a")), [Action::Tell(ClientEvent::Text("a".into()))]);
    assert_eq!(bench.on(Input::Binary(vec![1].into())), [Action::Deliver(vec![1].into())]);
    assert_eq!(bench.on(left()), [Action::Unlink]);
    assert_eq!(bench.on(left()), []);
    assert_eq!(bench.on(text("late")), []);
}

#[test]
fn a_hello_ack_may_bring_the_link() {
    let mut bench = SessionBench::new();
    bench.drain();
    bench.on(Input::Connected);
    assert_eq!(bench.on(ack(true, None)), [Action::Tell(ClientEvent::Connected), link(0)]);
}

#[test]
fn our_own_role_and_unknown_types_mean_nothing() {
    let mut bench = SessionBench::waiting();
    let own = ServerMessage::PeerJoined { role: Role::Workstation, missed: 0, message_bytes_max: None };
    assert_eq!(bench.on(Input::Message(own)), []);
    assert_eq!(bench.on(Input::Message(ServerMessage::Unknown("later".into()))), []);
}

#[test]
fn a_peer_that_takes_less_is_sent_less() {
    let mut bench = SessionBench::waiting();
    let less = ServerMessage::PeerJoined { role: Role::Phone, missed: 0, message_bytes_max: Some(4) };
    assert_eq!(bench.on(Input::Message(less)), [Action::Link { missed: 0, message_bytes_max: Some(4) }]);
    bench.on(left());
    assert_eq!(bench.on(joined(0)), [link(0)], "the next one takes what hello-ack said");
}

#[test]
fn each_attempt_has_a_higher_number() {
    let mut bench = SessionBench::new();
    for attempt in 1..4 {
        bench.drain();
        let [Action::Send(hello)] = &bench.on(Input::Connected)[..] else { panic!() };
        let claim = Hello::parse(hello.as_bytes(), true).unwrap().instance.unwrap();
        assert_eq!(claim.attempt, attempt);
        let delay = bench.delay_after(broken());
        assert_eq!(bench.after(delay, Input::Tick), [Action::Connect]);
    }
}

#[test]
fn a_heartbeat_goes_out_every_interval() {
    let mut bench = SessionBench::waiting();
    for _ in 0..3 {
        assert_eq!(bench.due_in(), 30 * SEC);
        assert_eq!(bench.after(30 * SEC - MS, Input::Tick), []);
        assert_eq!(bench.after(MS, Input::Tick), [Action::Send(HEARTBEAT.into())]);
        bench.on(Input::Heard);
    }
}

#[test]
fn the_relay_sets_the_interval_within_reason() {
    for (says, interval) in [(Some(5), 5), (None, 30), (Some(0), 1), (Some(u64::MAX), 86_400)] {
        let mut bench = SessionBench::new();
        bench.drain();
        bench.on(Input::Connected);
        bench.on(ack(false, says));
        assert_eq!(bench.due_in(), (interval * SEC).min((3 * interval * SEC).max(130 * SEC)));
    }
}

#[test]
fn silence_ends_a_connection_after_130_s_or_three_intervals() {
    for (interval, silence) in [(5, 130), (30, 130), (60, 180)] {
        let mut bench = SessionBench::new();
        bench.drain();
        bench.on(Input::Connected);
        bench.on(ack(true, Some(interval)));
        for second in 1..silence {
            let did = bench.after(SEC, Input::Tick);
            assert!(did.iter().all(|did| matches!(did, Action::Send(_))), "{second}: {did:?}");
        }
        let did = bench.after(SEC, Input::Tick);
        let [Action::Unlink, Action::Disconnect, Action::Tell(ClientEvent::Reconnecting { after, why })] =
            &did[..]
        else {
            panic!("{did:?}")
        };
        assert_eq!(*why, Lost::Silent(Duration::from_secs(silence)));
        assert!(*after <= 300 * MS, "it had been stable");
    }
}

#[test]
fn any_byte_counts_as_life() {
    let mut bench = SessionBench::waiting();
    for _ in 0..10 {
        bench.after(129 * SEC, Input::Heard);
        assert_eq!(bench.on(Input::Tick).len(), 1, "a heartbeat, no loss");
    }
}

#[test]
fn six_seconds_to_connect_and_ten_for_the_ack() {
    let mut bench = SessionBench::new();
    bench.drain();
    assert_eq!(bench.due_in(), 6 * SEC);
    let did = bench.after(6 * SEC, Input::Tick);
    assert_eq!(did[0], Action::Disconnect);
    assert!(matches!(
        &did[1],
        Action::Tell(ClientEvent::Reconnecting { why: Lost::ConnectTimedOut(_), after }) if *after <= 300 * MS
    ));
    let mut bench = SessionBench::new();
    bench.drain();
    bench.on(Input::Connected);
    assert_eq!(bench.due_in(), 10 * SEC);
    let did = bench.after(10 * SEC, Input::Tick);
    assert!(matches!(did[1], Action::Tell(ClientEvent::Reconnecting { why: Lost::HelloTimedOut(_), .. })));
}

#[test]
fn only_ten_stable_seconds_reset_the_backoff() {
    let mut bench = SessionBench::new();
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        bench.drain();
        bench.on(Input::Connected);
        bench.on(ack(false, None));
        bench.now += 9 * SEC;
        let delay = bench.delay_after(broken());
        assert!(delay <= 30 * SEC);
        longest = longest.max(delay);
        bench.after(delay, Input::Tick);
    }
    assert!(longest > 15 * SEC, "{longest:?}");
    bench.on(Input::Connected);
    bench.on(ack(false, None));
    bench.now += 10 * SEC;
    assert!(bench.delay_after(broken()) <= 300 * MS);
}

#[test]
fn a_connection_that_was_of_use_resets_the_backoff_however_short_it_was() {
    let mut bench = SessionBench::new();
    for _ in 0..40 {
        bench.drain();
        bench.on(Input::Connected);
        bench.on(ack(true, None));
        bench.on(Input::Progress);
        bench.now += 900 * MS;
        let delay = bench.delay_after(broken());
        assert!(delay <= 300 * MS, "{delay:?}");
        bench.after(delay, Input::Tick);
    }
}

#[test]
fn codes_decide_what_a_close_means() {
    for code in [1000, 1001, 1013, 4408, 1006] {
        let delay = SessionBench::linked().delay_after(Input::Closed(Some(code)));
        assert!(code == 1006 || delay <= 300 * MS, "{code}");
    }
    for code in [4429, 1011] {
        assert!(SessionBench::linked().delay_after(Input::Closed(Some(code))) >= 10 * SEC, "{code}");
    }
    for code in [1002, 1007, 1009, 4400] {
        let message = CloseCode::parse(code).unwrap().reason().to_owned();
        assert_eq!(
            SessionBench::linked().stop_after(Input::Closed(Some(code))),
            Stop::Refused { code, message }
        );
    }
    assert_eq!(SessionBench::linked().stop_after(Input::Closed(Some(4409))), Stop::Replaced);
    assert_eq!(SessionBench::linked().gone_after(Input::Closed(Some(4410))), Stop::Killed { reason: None });
    let message = CloseCode::Unauthorized.reason().to_owned();
    let unknown = Stop::Refused { code: 4401, message };
    assert_eq!(SessionBench::linked().gone_after(Input::Closed(Some(4401))), unknown);
}

#[test]
fn what_the_relay_says_before_a_close_is_kept() {
    let mut bench = SessionBench::waiting();
    bench.on(Input::Message(ServerMessage::Error { code: "x".into(), message: "do this".into() }));
    let refused = Stop::Refused { code: 4401, message: "do this".into() };
    assert_eq!(bench.gone_after(Input::Closed(Some(4401))), refused);

    let mut bench = SessionBench::waiting();
    bench.on(Input::Message(ServerMessage::Replaced { same: true }));
    bench.delay_after(Input::Closed(Some(4409)));

    let mut bench = SessionBench::waiting();
    bench.on(Input::Message(ServerMessage::Replaced { same: false }));
    assert_eq!(bench.stop_after(Input::Closed(Some(4409))), Stop::Replaced);

    let reason = Some(KillReason::Expired);
    let killed = Input::Message(ServerMessage::SessionKilled { reason });
    assert_eq!(SessionBench::linked().gone_after(killed), Stop::Killed { reason });
}

#[test]
fn a_word_before_one_close_does_not_outlive_the_connection() {
    let mut bench = SessionBench::waiting();
    bench.on(Input::Message(ServerMessage::Replaced { same: true }));
    let delay = bench.delay_after(broken());
    bench.after(delay, Input::Tick);
    bench.on(Input::Connected);
    assert_eq!(bench.stop_after(Input::Closed(Some(4409))), Stop::Replaced);
}

#[test]
fn closing_writes_first_and_ends_with_the_answer() {
    let mut bench = SessionBench::linked();
    assert_eq!(bench.on(Input::Close), [Action::CloseWhenWritten]);
    assert_eq!(bench.on(Input::Close), []);
    assert_eq!(bench.on(text("late")), [Action::Tell(ClientEvent::Text("late".into()))]);
    assert_eq!(bench.on(left()), [Action::Unlink]);
    assert_eq!(bench.on(text("later")), []);
    assert_eq!(bench.on(Input::Closed(Some(1000))), [Action::Disconnect, Action::Stop(Stop::Closed)]);
    assert_eq!(bench.session.next_deadline(), None);
}

#[test]
fn closing_ends_in_any_state_and_whatever_comes() {
    let end = [Action::Disconnect, Action::Stop(Stop::Closed)];
    let mut connecting = SessionBench::new();
    connecting.drain();
    assert_eq!(connecting.on(Input::Close), end);

    let mut waiting = SessionBench::waiting();
    waiting.delay_after(broken());
    assert_eq!(waiting.on(Input::Close), end);

    for last in [broken(), Input::Closed(Some(4410)), Input::Impossible(Stop::Replaced)] {
        let mut bench = SessionBench::linked();
        bench.on(Input::Close);
        assert_eq!(bench.on(last), end);
    }
    let mut slow = SessionBench::linked();
    slow.on(Input::Close);
    assert_eq!(slow.due_in(), 10 * SEC);
    assert_eq!(slow.after(10 * SEC, Input::Tick), end);
}

#[test]
fn nothing_follows_the_stop() {
    let mut bench = SessionBench::linked();
    bench.on(Input::Closed(Some(4400)));
    let (session, token) = elsewhere();
    let inputs = [
        Input::Connected,
        ack(true, None),
        joined(0),
        text("x"),
        broken(),
        Input::Damaged("x".into()),
        Input::Woke(SEC),
        Input::NetworkChanged,
        Input::Foreground(false),
        Input::Foreground(true),
        Input::Move { session, token },
        Input::Registered,
        Input::NotRegistered(Lost::SessionUnknown),
        Input::Odd("x".into()),
        Input::WasPaired,
        Input::Sent,
        Input::Delivered(1),
        Input::RetryNow,
        Input::Close,
        Input::Tick,
    ];
    for input in inputs {
        assert_eq!(bench.after(100 * SEC, input), []);
    }
}
