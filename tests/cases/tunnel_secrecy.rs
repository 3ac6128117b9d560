//! What passes through the tunnel is never in clear: not in a relay's memory, in Redis or in a log.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use protocol::ids::Role;
use relay_client::tunnel::Code;
use relay_tests::harness::guard::{GUARD, read_until};
use relay_tests::harness::random::Random;
use relay_tests::harness::redis::{Keep, Redis, connect};
use relay_tests::harness::tunnel::{Ends, at, fresh_code};
use relay_tests::harness::{
    Behaviour, Event, FaultProxy, Options, Peer, Relay, Relayd, Role as Plays, Session,
};

const MESSAGES: usize = 1000;
/// This many are in flight at once.
const BATCH: usize = 100;
/// The parts of a message that are searched for: at its start, its middle and its end.
const PART: usize = 16;

/// Random messages, so that nothing else looks like them.
fn secrets(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let secret = |_| {
        let len = 32 + random.below(1500);
        (0..len).map(|_| random.any().to_be_bytes()[0]).collect()
    };
    (0..count).map(secret).collect()
}

/// Finds known messages in any bytes.
struct Search {
    /// By their first eight bytes.
    parts: HashMap<[u8; 8], ([u8; PART], usize)>,
    /// The first two bytes of all parts, to skip most bytes quickly.
    beginnings: Vec<bool>,
}

impl Search {
    fn new(messages: &[Vec<u8>]) -> Self {
        let mut search = Self { parts: HashMap::new(), beginnings: vec![false; 1 << 16] };
        for (number, message) in messages.iter().enumerate() {
            for at in [0, (message.len() - PART) / 2, message.len() - PART] {
                search.add(&message[at..at + PART], number);
            }
            // As a log or an envelope would show it.
            let hex: String = message[..PART].iter().map(|byte| format!("{byte:02x}")).collect();
            search.add(hex.as_bytes(), number);
            search.add(STANDARD_NO_PAD.encode(message).as_bytes(), number);
        }
        search
    }

    fn add(&mut self, bytes: &[u8], number: usize) {
        let part: [u8; PART] = *bytes.first_chunk().unwrap();
        self.beginnings[beginning(&part)] = true;
        self.parts.insert(*part.first_chunk().unwrap(), (part, number));
    }

    /// The messages that are found.
    fn found_in(&self, bytes: &[u8]) -> Vec<usize> {
        let candidates = bytes.windows(PART).filter(|window| self.beginnings[beginning(window)]);
        let found = candidates.filter_map(|window| {
            let (part, number) = self.parts.get(window.first_chunk::<8>()?)?;
            (part == window).then_some(*number)
        });
        found.collect()
    }

    /// The messages in a process's memory, and how many bytes of it were read.
    fn found_in_process(&self, id: u32) -> (Vec<usize>, usize) {
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
        let memory = fs::File::open(format!("/proc/{id}/mem")).unwrap();
        let (mut found, mut read) = (Vec::new(), 0);
        let mut bytes = vec![0; CHUNK + PART];
        for (start, end) in maps.lines().filter_map(readable_range) {
            for at in (start..end).step_by(CHUNK) {
                let most = usize::try_from(end - at).unwrap().min(bytes.len());
                // Pages of devices and of the kernel cannot be read, and some are gone by now.
                let count = memory.read_at(&mut bytes[..most], at).unwrap_or(0);
                read += count;
                found.extend(self.found_in(&bytes[..count]));
            }
        }
        (found, read)
    }
}

fn beginning(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

fn readable_range(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let number = |hex| u64::from_str_radix(hex, 16).ok();
    rest.starts_with('r').then_some((number(start)?, number(end)?))
}

const CHUNK: usize = 1 << 20;

/// Two nodes at the most detailed log level, on a private Redis.
struct Scene {
    redis: Redis,
    relay: Relay,
}

impl Scene {
    fn start() -> Self {
        let redis = Redis::start(Keep::Everything);
        let options = Options::new().env("REDIS_URL", &redis.url()).env("RELAY_LOG", "trace");
        let relay = Relay::of(Relayd::start_many(2, &options));
        Self { redis, relay }
    }

    /// The messages in the memory of the nodes and of Redis.
    fn found(&self, search: &Search) -> Vec<usize> {
        [found_in_memory(search, self.nodes()), found_in_memory(search, vec![self.redis.process().id()])]
            .concat()
    }

    fn nodes(&self) -> Vec<u32> {
        self.relay.nodes().iter().map(|node| node.process().id()).collect()
    }

    /// The messages in what Redis saves.
    fn found_on_disk(&self, search: &Search) -> Vec<usize> {
        let mut connection = connect(&self.redis.url());
        redis::cmd("SAVE").exec(&mut connection).unwrap();
        let (_, dir): (String, String) =
            redis::cmd("CONFIG").arg("GET").arg("dir").query(&mut connection).unwrap();
        let (mut folders, mut all, mut files) = (vec![PathBuf::from(dir)], Vec::new(), 0);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    all.extend(search.found_in(&fs::read(path).unwrap()));
                    files += 1;
                }
            }
        }
        assert!(files > 1, "a dump and what was appended");
        all
    }

    /// The messages in what the nodes logged until their end.
    fn found_in_logs(&mut self, search: &Search) -> Vec<usize> {
        let mut all = Vec::new();
        for node in self.relay.nodes_mut() {
            node.process().signal("TERM");
            let (_, log) = node.wait_end(GUARD);
            assert!(log.contains("DEBUG"), "this log does not say everything: {log}");
            all.extend(search.found_in(log.as_bytes()));
        }
        all
    }
}

fn found_in_memory(search: &Search, processes: Vec<u32>) -> Vec<usize> {
    let look = |id| {
        let (found, read) = search.found_in_process(id);
        assert!(read > 1 << 20, "only {read} bytes of process {id} could be read");
        found
    };
    processes.into_iter().flat_map(look).collect()
}

#[test]
fn a_thousand_messages_are_never_in_clear() {
    let mut scene = Scene::start();
    let proxies = [0, 1].map(|node| FaultProxy::start(scene.relay.nodes()[node].addr()));
    let [first, second] = [&proxies[0], &proxies[1]].map(FaultProxy::addr);
    let code = fresh_code(scene.relay.addr());
    let mut all = secrets(1, MESSAGES);
    all.push(key_of(&code));
    let search = Search::new(&all);
    let mut ends = Ends::pair(code, &at(Role::Workstation, first), &at(Role::Phone, second));
    for (round, messages) in all[..MESSAGES].chunks(BATCH).enumerate() {
        let here = round % 2;
        let (from, to) = match here {
            0 => (&ends.workstation, &mut ends.phone),
            _ => (&ends.phone, &mut ends.workstation),
        };
        // The receiver's network takes nothing, so they stay in the relay.
        proxies[1 - here].behave(Behaviour::Stall);
        let before = proxies[here].counts().to_upstream;
        for message in messages {
            from.send(message);
        }
        let bytes: usize = messages.iter().map(Vec::len).sum();
        let has_passed = || (proxies[here].counts().to_upstream >= before + bytes as u64).then_some(());
        read_until("the messages to reach the relay", has_passed);
        assert_eq!(scene.found(&search), [0; 0], "under way in round {round}");
        proxies[1 - here].behave(Behaviour::Clear);
        messages.iter().for_each(|message| assert!(to.message() == *message));
    }
    assert_eq!(scene.found(&search), [0; 0], "when all had come");
    assert_eq!(scene.found_on_disk(&search), [0; 0]);
    drop(ends);
    assert_eq!(scene.found_in_logs(&search), [0; 0]);
}

#[test]
fn the_same_search_finds_messages_without_a_tunnel() {
    let scene = Scene::start();
    let session = Session::register_at(scene.relay.addr());
    let mut workstation = Peer::join_raw(scene.relay.addr(), &session.hello(Plays::Workstation));
    let phone = Peer::join_raw(scene.relay.nodes()[1].addr(), &session.hello(Plays::Phone));
    workstation.expect(&Event::Joined(0));
    let messages = secrets(2, BATCH);
    let search = Search::new(&messages);
    messages.iter().for_each(|message| workstation.binary(message));
    let is_found = || (!found_in_memory(&search, scene.nodes()).is_empty()).then_some(());
    read_until("a plain message in a relay's memory", is_found);
    drop(phone);
}

#[test]
fn the_search_finds_a_message_in_each_form() {
    let messages = secrets(3, 3);
    let search = Search::new(&messages);
    let hex: String = messages[2].iter().map(|byte| format!("{byte:02x}")).collect();
    let text = STANDARD_NO_PAD.encode(&messages[0]);
    let around = [b"before", &messages[1][..], b"between", hex.as_bytes(), text.as_bytes()].concat();
    let mut found = search.found_in(&around);
    found.dedup();
    assert_eq!(found, [1, 2, 0]);
    assert_eq!(search.found_in(&secrets(4, 1).concat()), [0; 0]);
}

/// The code's key, as bytes.
fn key_of(code: &Code) -> Vec<u8> {
    let json = code.to_json();
    let (_, rest) = json.split_once("\"k\":\"").expect("a key");
    let (key, _) = rest.split_once('"').expect("its end");
    URL_SAFE_NO_PAD.decode(key).unwrap()
}
