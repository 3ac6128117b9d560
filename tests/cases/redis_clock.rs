//! The date of Redis's machine is set, by which sessions age. No connected client is told anything.

use std::time::{Duration, Instant};

use relay_tests::harness::guard::{let_pass, read_until};
use relay_tests::harness::redis::{Keep, Redis, dump};
use relay_tests::harness::relay::fresh_prefix;
use relay_tests::harness::ws::Ws;
use relay_tests::harness::{Options, Pair, Relay, Relayd, Role, Session, WallClock};

const HOUR: i64 = 3600;

/// Two nodes on a Redis whose date can be set.
struct Service {
    clock: WallClock,
    relay: Relay,
    redis: Redis,
    prefix: String,
}

impl Service {
    fn start(options: &Options) -> Self {
        let clock = WallClock::right();
        let redis = Redis::start_under(&clock, Keep::Nothing);
        let prefix = fresh_prefix();
        let options = options.clone().env("REDIS_URL", &redis.url()).arg("--redis-prefix", &prefix);
        Self { clock, relay: Relay::of(Relayd::start_many(2, &options)), redis, prefix }
    }

    fn keys(&self) -> usize {
        dump(&self.redis.url(), &self.prefix).len()
    }
}

fn idle_secs(secs: u64) -> Options {
    Options::new().env("SESSION_IDLE_SECS", &secs.to_string())
}

/// Fault 44.
#[test]
fn sessions_within_their_time_go_on() {
    let service = Service::start(&Options::new());
    let mut pairs: Vec<Pair> = (0..3).map(|_| Pair::link(&service.relay)).collect();
    // Five takeovers in an hour are not too many. Afterwards they are in the future.
    for (ahead_secs, takeovers) in [(HOUR, 5), (-HOUR, 1), (0, 1)] {
        service.clock.set_ahead(ahead_secs);
        for pair in &mut pairs {
            pair.expect_alive();
            (0..takeovers).for_each(|_| pair.replace_phone(&service.relay));
            pair.expect_alive();
        }
        pairs.push(Pair::link(&service.relay));
        let mut gone = Pair::link(&service.relay);
        gone.session.delete(service.relay.addr()).expect(204);
        gone.workstation.until_closed(4410);
        gone.phone.until_closed(4410);
    }
    pairs.iter_mut().for_each(Pair::expect_alive);
}

/// Redis forgets all sessions at once. Their nodes write them again with the next comparison, every 30 s.
/// Until then no new hello finds them.
///
/// Fault 44.
#[test]
fn sessions_past_their_time_are_written_again_by_their_nodes() {
    let service = Service::start(&idle_secs(1800));
    let mut pairs: Vec<Pair> = (0..3).map(|_| Pair::link(&service.relay)).collect();
    let waiting = Session::register(&service.relay);
    assert_eq!(service.keys(), pairs.len() + 1);
    service.clock.set_ahead(HOUR);
    read_until("Redis to forget them", || (service.keys() == 0).then_some(()));
    pairs.iter_mut().for_each(Pair::expect_alive);
    read_until("them to be written again", || (service.keys() == pairs.len()).then_some(()));
    for pair in &mut pairs {
        pair.expect_alive();
        pair.replace_phone(&service.relay);
        pair.expect_alive();
    }
    // That session had no client.
    let mut ws = Ws::connect(service.relay.addr());
    ws.text(&waiting.hello(Role::Workstation).json());
    ws.expect_close(4401);
    service.clock.set_ahead(-HOUR);
    pairs.iter_mut().for_each(Pair::expect_alive);
    pairs.iter_mut().for_each(|pair| pair.replace_phone(&service.relay));
    pairs.iter_mut().for_each(Pair::expect_alive);
}

/// Its node asks Redis whether the session is over, each time this end was silent for the whole idle time.
/// Redis must then still know what the other end's node said.
///
/// Fault 44.
#[test]
fn an_end_that_only_receives_stays() {
    const IDLE_SECS: u64 = 6;
    let service = Service::start(&idle_secs(IDLE_SECS));
    let mut pair = Pair::link(&service.relay);
    let mut speak = || {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(2 * IDLE_SECS) {
            pair.phone.fence();
            let_pass(Duration::from_millis(100));
        }
    };
    speak();
    service.clock.set_ahead(HOUR);
    speak();
    pair.phone.text("still there?");
    pair.workstation.expect_text("still there?");
    pair.expect_alive();
}

/// The same if neither end sends: it ends, a little later.
///
/// Fault 44.
#[test]
fn a_session_that_is_idle_at_both_ends_ends() {
    let service = Service::start(&idle_secs(3));
    let mut pair = Pair::link(&service.relay);
    service.clock.set_ahead(HOUR);
    pair.workstation.until_closed(4410);
    pair.phone.until_closed(4410);
}
