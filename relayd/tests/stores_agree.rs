//! The embedded store and the shared one are one store: the same requests get the same answers, but for the figures
//! of generations, which both only promise to rise.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use common::{Creds, GUARD, Node, Server, fresh_prefix};
use protocol::ids::{NodeId, Role, SessionId, Token};
use protocol::message::{InstanceClaim, KillReason};
use relayd_core::store::table::{Table, TableLimits};
use relayd_core::store::{
    Answer, Checked, Claimed, Conn, Deleted, Expired, Hold, Holder, Registered, Request,
};
use relayd_core::time::Time;

/// The Redis of `RELAY_TEST_REDIS_URL`, else one of our own.
struct Shared {
    url: String,
    _server: Option<Server>,
}

impl Shared {
    fn open() -> Self {
        match std::env::var("RELAY_TEST_REDIS_URL") {
            Ok(url) => Shared { url, _server: None },
            Err(_) => {
                let server = Server::start(&[]);
                Shared { url: server.url(), _server: Some(server) }
            }
        }
    }
}

/// Both stores, asked the same by two nodes.
struct Pair {
    nodes: [Node; 2],
    table: Table,
    /// The table's clock. A millisecond per step, so that the table gives no generation out twice.
    now: Time,
    /// Redis's generation of each generation of the table's.
    generations: HashMap<u64, u64>,
    /// The outcomes that came up, so that a test can tell that its sequences reach them all.
    outcomes: BTreeSet<String>,
}

/// A step before it is known which figures each store gave out.
#[derive(Clone, Copy, Debug)]
struct Step {
    node: usize,
    kind: u64,
    session: SessionId,
    token: u8,
    role: Role,
    flag: bool,
    instance: Option<InstanceClaim>,
    pick: u64,
    idle_ms: u64,
}

const IDLE_SECS: u64 = 3600;

/// All that a store says while it has room and can be asked, in alphabetical order.
const OUTCOMES: [&str; 17] = [
    "checked Deleted",
    "checked Expired",
    "checked Held",
    "checked Replaced",
    "claimed Granted",
    "claimed Straggler",
    "claimed TooMany",
    "claimed Unauthorized",
    "deleted Before",
    "deleted Gone",
    "deleted Missing",
    "expired Alive",
    "over Deleted",
    "over Expired",
    "registered Exists",
    "registered Made",
    "registered WasDeleted",
];

/// Above all generations that either store gives out, and still exact in Lua.
const FAR: u64 = 1 << 52;

impl Pair {
    fn new(url: &str) -> Self {
        let prefix = fresh_prefix();
        let nodes = [(), ()].map(|()| Node::connect(url, &prefix, IDLE_SECS));
        let table = Table::new(IDLE_SECS * 1000, TableLimits::default());
        let now = Time::from_ms(1_000_000_000);
        Pair {
            nodes,
            table,
            now,
            generations: HashMap::from([(1, 1), (FAR, FAR)]),
            outcomes: BTreeSet::new(),
        }
    }

    /// Carries out a step in both stores. Panics where they differ.
    fn step(&mut self, step: Step, seed: u64, count: usize) {
        let mut known: Vec<_> = self.generations.iter().map(|(&ours, &theirs)| (ours, theirs)).collect();
        known.sort_unstable();
        // Mostly what was given out last: that is what a node holds.
        let back = usize::try_from(step.pick * step.pick / 8).unwrap_or(0) % known.len();
        let (ours, theirs) = known[known.len() - 1 - back];
        let (ours, theirs) = (request(&step, ours), request(&step, theirs));
        let node = &mut self.nodes[step.node];
        self.now = self.now + Duration::from_millis(1);
        let told = self.table.apply(node.id, &ours, self.now);
        let heard = match told {
            None => {
                node.tell(theirs);
                None
            }
            Some(_) => Some(node.ask(theirs)),
        };
        if let (
            Some(Answer::Claimed { outcome: Claimed::Granted { generation: ours, .. }, .. }),
            Some(Answer::Claimed { outcome: Claimed::Granted { generation: theirs, .. }, .. }),
        ) = (&told, &heard)
        {
            let before = self.generations.insert(*ours, *theirs);
            assert!(before.is_none_or(|before| before == *theirs), "seed {seed} step {count}");
        }
        self.outcomes.extend(told.as_ref().map(outcome_word));
        let (told, heard) = (told.map(|it| self.translated(it)), heard.map(|it| rounded(&it, &told)));
        assert_eq!(told, heard, "left: table, right: Redis; seed {seed}, step {count}: {step:?}");
    }

    /// The table's answer with Redis's generations.
    fn translated(&self, answer: Answer) -> Answer {
        let figure = |ours: u64| self.generations.get(&ours).copied().unwrap_or(ours);
        let holder = |it: Holder| Holder { generation: figure(it.generation), ..it };
        with_generations(answer, figure, holder)
    }
}

/// An outcome's name without its figures.
fn outcome_word(answer: &Answer) -> String {
    let shown = match answer {
        Answer::Registered { outcome, .. } => format!("registered {outcome:?}"),
        Answer::Deleted { outcome, .. } => format!("deleted {outcome:?}"),
        Answer::Claimed { outcome, .. } => format!("claimed {outcome:?}"),
        Answer::Checked { outcome: Checked::Killed { reason }, .. } => format!("checked {reason:?}"),
        Answer::Checked { outcome, .. } => format!("checked {outcome:?}"),
        Answer::Expired { outcome: Expired::Over { reason, .. }, .. } => format!("over {reason:?}"),
        Answer::Expired { outcome, .. } => format!("expired {outcome:?}"),
    };
    shown.split([' ', '{']).take(2).collect::<Vec<_>>().join(" ")
}

fn with_generations(
    answer: Answer,
    figure: impl Fn(u64) -> u64,
    holder: impl Fn(Holder) -> Holder + Copy,
) -> Answer {
    let both = |holders: [Option<Holder>; 2]| holders.map(|it| it.map(holder));
    match answer {
        Answer::Claimed {
            conn,
            session,
            role,
            outcome: Claimed::Granted { generation, replaced, same_instance, peer },
        } => {
            let (generation, replaced, peer) = (figure(generation), replaced.map(holder), peer.map(holder));
            let outcome = Claimed::Granted { generation, replaced, same_instance, peer };
            Answer::Claimed { conn, session, role, outcome }
        }
        Answer::Checked { session, role, generation, outcome } => {
            let outcome = match outcome {
                Checked::Held { peer } => Checked::Held { peer: peer.map(holder) },
                other => other,
            };
            Answer::Checked { session, role, generation: figure(generation), outcome }
        }
        Answer::Deleted { ticket, session, outcome: Deleted::Gone { holders } } => {
            Answer::Deleted { ticket, session, outcome: Deleted::Gone { holders: both(holders) } }
        }
        Answer::Deleted { ticket, session, outcome: Deleted::Before { holders } } => {
            Answer::Deleted { ticket, session, outcome: Deleted::Before { holders: both(holders) } }
        }
        Answer::Expired { session, outcome: Expired::Over { reason, holders } } => {
            Answer::Expired { session, outcome: Expired::Over { reason, holders: both(holders) } }
        }
        other => other,
    }
}

/// Redis's answer, with the table's time left where the two are near: they have clocks of their own.
fn rounded(heard: &Answer, told: &Option<Answer>) -> Answer {
    let left = |answer: &Answer| match *answer {
        Answer::Expired { outcome: Expired::Alive { left_ms }, .. } => Some(left_ms),
        _ => None,
    };
    match (left(heard), told.as_ref().and_then(left)) {
        (Some(heard_ms), Some(told_ms)) if heard_ms.abs_diff(told_ms) < 20_000 => told.unwrap_or(*heard),
        _ => *heard,
    }
}

fn request(step: &Step, generation: u64) -> Request {
    let Step { session, role, instance, idle_ms, flag, .. } = *step;
    let token = Token::from_bytes([step.token; 16]).digest();
    let conn = Conn { slot: 3, name: u64::MAX - step.pick };
    match step.kind {
        0 | 1 => Request::Register { ticket: conn, session, token, again: flag },
        2 => Request::Delete { ticket: conn, session, token: flag.then_some(token) },
        3..=8 => Request::Claim { conn, session, token, role, instance },
        9..=12 => {
            let hold = Hold { session, token, role, conn: conn.name, generation, instance, idle_ms };
            Request::Check { hold }
        }
        13 => Request::Expire { session },
        14 | 15 => Request::Release { session, role, generation },
        _ => Request::Touch { session, idle_ms },
    }
}

/// A small generator, so that a seed names a sequence for ever.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn session(&mut self) -> SessionId {
        SessionId::from_bytes([0; 16].map(|_: u8| self.roll(256) as u8))
    }

    fn step(&mut self, sessions: &[SessionId]) -> Step {
        let attempt = [0, 1, 9, 10, 1 << 53, (1 << 53) + 1, u64::MAX][self.roll(7) as usize];
        let instance = InstanceClaim { instance: self.roll(2) * 0xabc0_0000_0000_0000, attempt };
        let half_an_hour = IDLE_SECS * 500;
        Step {
            node: self.roll(2) as usize,
            kind: self.roll(17),
            session: sessions[self.roll(sessions.len() as u64) as usize],
            // Mostly the right one.
            token: u8::from(self.roll(8) == 0),
            role: Role::ALL[self.roll(2) as usize],
            flag: self.roll(2) == 0,
            instance: (self.roll(3) > 0).then_some(instance),
            pick: self.roll(8),
            // Fresh, live, past its time, and long gone: the store's own expiry is a minute after the idle time.
            idle_ms: [0, half_an_hour, IDLE_SECS * 1000 + 20_000, IDLE_SECS * 5000][self.roll(4) as usize],
        }
    }
}

#[test]
fn any_sequence_gets_the_same_answers_from_both() {
    let shared = Shared::open();
    let mut pair = Pair::new(&shared.url);
    for seed in 0..60 {
        let mut dice = Dice(seed);
        pair.generations.retain(|&ours, _| ours == 1 || ours == FAR);
        let sessions = [dice.session(), dice.session(), dice.session()];
        for count in 0..150 {
            pair.step(dice.step(&sessions), seed, count);
        }
    }
    let reached: Vec<&str> = pair.outcomes.iter().map(String::as_str).collect();
    assert_eq!(
        reached, OUTCOMES,
        "the sequences reach every outcome but those of a store that is full or away"
    );
}

#[test]
fn takeovers_are_counted_alike() {
    let shared = Shared::open();
    let mut pair = Pair::new(&shared.url);
    let mut dice = Dice(1);
    let sessions = [dice.session()];
    let calm = Step { kind: 0, token: 0, flag: false, instance: None, ..dice.step(&sessions) };
    pair.step(calm, 1, 0);
    for count in 1..12 {
        let node = count % 2;
        pair.step(Step { kind: 3, node, role: Role::Phone, ..calm }, 1, count);
    }
}

/// Expires until it is over. Each try tells how long it may take at most.
fn until_over(node: &mut Node, session: SessionId) -> (KillReason, [Option<Holder>; 2]) {
    let started = Instant::now();
    loop {
        match node.expire(session) {
            Expired::Over { reason, holders } => return (reason, holders),
            Expired::Alive { left_ms } => assert!((1..=2000).contains(&left_ms), "{left_ms}"),
            Expired::Away => panic!("away"),
        }
        assert!(started.elapsed() < GUARD, "it never ended");
    }
}

#[test]
fn a_session_ends_when_its_time_is_over_by_redis_s_own_clock() {
    let shared = Shared::open();
    let mut node = Node::connect(&shared.url, &fresh_prefix(), 2);
    let (ended, left) = (Creds::random(), Creds::random());
    assert_eq!(node.register(&left, false), Registered::Made);
    assert_eq!(node.register(&ended, false), Registered::Made);
    let hold = node.hold(&ended, Role::Phone);
    let holder = Holder { node: node.id, conn: hold.conn, generation: hold.generation };
    assert_eq!(until_over(&mut node, ended.session), (KillReason::Expired, [None, Some(holder)]));
    assert_eq!(until_over(&mut node, ended.session), (KillReason::Expired, [None, None]));
    assert_eq!(node.check(hold), Checked::Killed { reason: KillReason::Expired });
    assert_eq!(node.claim(&ended, Role::Phone).1, Claimed::Unauthorized);
    assert_eq!(node.register(&ended, true), Registered::Made, "a paired client comes back");
    // Registered before the one that ended was active last, and nobody ended it: past its time all the same.
    assert_eq!(node.claim(&left, Role::Phone).1, Claimed::Unauthorized);
    assert_eq!(node.register(&left, false), Registered::Exists);
    assert_eq!(node.register(&Creds { token: Creds::random().token, ..left }, true), Registered::Made);
}

/// Fault 29.
#[test]
fn every_key_expires_and_none_shows_a_token() {
    let shared = Shared::open();
    let prefix = fresh_prefix();
    let mut node = Node::connect(&shared.url, &prefix, IDLE_SECS);
    let mut connection =
        redis::Client::open(shared.url.as_str()).and_then(|client| client.get_connection()).unwrap();
    let token = Token::random().unwrap();
    let [made, deleted, lost] = [(); 3].map(|()| Creds { token: token.digest(), ..Creds::random() });
    for creds in [made, deleted] {
        node.register(&creds, false);
        node.hold(&creds, Role::Workstation);
    }
    node.tell(Request::Touch { session: made.session, idle_ms: 0 });
    let ticket = node.conn();
    node.ask(Request::Delete { ticket, session: deleted.session, token: None });
    let Creds { session, token: digest } = lost;
    let hold = Hold {
        session,
        token: digest,
        role: Role::Phone,
        conn: 1,
        generation: 9,
        instance: None,
        idle_ms: 0,
    };
    assert_eq!(node.check(Hold { idle_ms: 1_800_000, ..hold }), Checked::Held { peer: None });
    let [touched, written] = [(); 2].map(|()| Creds { token: token.digest(), ..Creds::random() });
    let hold = Hold { session: touched.session, idle_ms: 1_800_000, ..hold };
    assert_eq!(node.check(hold), Checked::Held { peer: None });
    node.tell(Request::Touch { session: touched.session, idle_ms: 600_000 });
    assert_eq!(node.check(Hold { session: written.session, ..hold }), Checked::Held { peer: None });
    node.hold(&written, Role::Phone);
    let (full, day) = (3_660_000, 86_400_000);
    let spans =
        [(made, full), (deleted, day), (lost, full - 1_800_000), (touched, full - 600_000), (written, full)];
    for (creds, span_ms) in spans {
        let key = format!("{prefix}sess:{}", creds.session);
        let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
        assert!((span_ms - 60_000..=span_ms).contains(&left), "{key} lives {left} ms of {span_ms}");
        let fields: HashMap<String, String> = redis::cmd("HGETALL").arg(&key).query(&mut connection).unwrap();
        assert!(!format!("{fields:?}").contains(&token.reveal()), "{fields:?}");
    }
}

#[test]
fn a_redis_that_forgets_its_scripts_is_told_them_again() {
    let server = Server::start(&[]);
    let mut node = Node::connect(&server.url(), &fresh_prefix(), IDLE_SECS);
    let creds = Creds::random();
    assert_eq!(node.register(&creds, false), Registered::Made);
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.connection()).unwrap();
    let hold = node.hold(&creds, Role::Workstation);
    assert_eq!(node.check(hold), Checked::Held { peer: None });
    assert_eq!(node.backend().restored(), 1, "no connection was lost over it");
}

#[test]
fn what_sits_at_a_session_s_key_and_is_none_is_no_session() {
    let server = Server::start(&[]);
    let prefix = fresh_prefix();
    let mut node = Node::connect(&server.url(), &prefix, IDLE_SECS);
    let (odd, good) = (Creds::random(), Creds::random());
    let key = format!("{prefix}sess:{}", odd.session);
    redis::cmd("SET").arg(&key).arg("odd").exec(&mut server.connection()).unwrap();
    assert_eq!(node.claim(&odd, Role::Phone).1, Claimed::Unauthorized);
    assert_eq!(node.register(&good, false), Registered::Made);
    assert_eq!(node.register(&odd, false), Registered::Exists);
    assert_eq!(node.register(&odd, true), Registered::Made);
    assert!(matches!(node.claim(&odd, Role::Phone).1, Claimed::Granted { replaced: None, .. }));
    assert_eq!(node.backend().restored(), 1);
}

#[test]
fn two_nodes_see_each_other_s_holders() {
    let shared = Shared::open();
    let prefix = fresh_prefix();
    let [mut one, mut two] = [(), ()].map(|()| Node::connect(&shared.url, &prefix, IDLE_SECS));
    let creds = Creds::random();
    one.register(&creds, false);
    let workstation = one.hold(&creds, Role::Workstation);
    let seen =
        |node: NodeId, hold: &Hold| Some(Holder { node, conn: hold.conn, generation: hold.generation });
    match two.claim(&creds, Role::Phone).1 {
        Claimed::Granted { peer, replaced: None, .. } => assert_eq!(peer, seen(one.id, &workstation)),
        other => panic!("{other:?}"),
    }
    match two.claim(&creds, Role::Workstation).1 {
        Claimed::Granted { replaced, .. } => assert_eq!(replaced, seen(one.id, &workstation)),
        other => panic!("{other:?}"),
    }
    assert_eq!(one.check(workstation), Checked::Replaced);
}
