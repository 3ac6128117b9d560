//! Pairs of this project's clients that talk through the tunnel while somebody else does something to the
//! relay, such as a rolling restart (`bench/operations/rolling.py`).
//!
//! Each line on standard input ends a time of measuring, and is answered by a line of JSON. At the end of the
//! input everything under way must arrive.
//!
//! A message has its number and the time it was sent at. A pair was apart for as long as the message that
//! waited longest, less what one takes otherwise.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use protocol::ids::Role;
use protocol::qr::Pairing;
use relay_client::engine::{Engine, EngineEvent as Event, EngineSettings, EngineState, KeepNothing};
use relay_client::tunnel::{Code, PairingKey, SystemEntropy};
use relay_client::{Ca, Endpoint, Proxy, http};
use serde::Serialize;

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub url: Endpoint,
    pub ca: Option<PathBuf>,
    pub pairs: usize,
    /// Between two messages of an end.
    pub every: Duration,
}

/// Bytes of a message.
const SIZE: usize = 200;
/// How long the pairing, and the end, may take.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(200);
const EVENTS_MAX: usize = 256;

/// One end, and what it has heard.
struct End {
    engine: Engine,
    sent: AtomicU64,
    /// The number that must come next.
    next: AtomicU64,
    /// The longest wait of a message that came since the last report, in nanoseconds.
    waited_ns: AtomicU64,
    /// Messages with another number than the next.
    wrong: AtomicU64,
    /// How often the tunnel opened since the last report.
    opened: AtomicU64,
}

/// One line of the answer.
#[derive(Serialize)]
struct Report {
    sent: u64,
    received: u64,
    /// Lost, doubled or out of order.
    wrong: u64,
    /// How often the tunnel of each pair opened since the last line, at either end.
    opened: Vec<u64>,
    /// The longest wait of a message of each pair since then, in milliseconds.
    waited_ms: Vec<f64>,
}

/// Runs until the end of the input.
///
/// # Errors
/// The pairs can't be made, or a message was lost, doubled or reordered.
pub(crate) fn run(talk: &Talk) -> anyhow::Result<()> {
    let ends = start(talk)?;
    let started = Instant::now();
    let (is_over, is_read) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        for end in ends.iter().flatten() {
            scope.spawn(|| end.listen(started, &is_read));
        }
        let done = wait_open(&ends).and_then(|()| {
            let talker = scope.spawn(|| speak(&ends, talk.every, started, &is_over));
            let answered = answer(&ends);
            is_over.store(true, Ordering::SeqCst);
            let spoke = talker.join();
            answered?;
            spoke.map_err(|_| anyhow::anyhow!("the talking thread panicked"))??;
            wait_complete(&ends)
        });
        is_read.store(true, Ordering::SeqCst);
        done
    })
}

fn start(talk: &Talk) -> anyhow::Result<Vec<[End; 2]>> {
    let ca = talk.ca.as_deref().map(Ca::read).transpose().map_err(anyhow::Error::msg)?;
    let endpoint = talk.url.clone().with_ca(ca.clone());
    (0..talk.pairs)
        .map(|_| {
            let pairing = http::register(&endpoint.server(), None)?.pairing;
            let key = PairingKey::random(&mut SystemEntropy)?;
            let end = |role| -> anyhow::Result<End> {
                let pairing = Pairing { ws: endpoint.to_string(), ..pairing.clone() };
                let key = PairingKey::parse(&key.reveal()).context("a key")?;
                let code = Code { pairing, key: Some(key), app: false };
                let settings =
                    EngineSettings { ca: ca.clone(), proxy: Proxy::None, ..EngineSettings::new(role) };
                Ok(End::new(Engine::pair(role, code, &settings, Box::new(KeepNothing))?))
            };
            Ok([end(Role::Workstation)?, end(Role::Phone)?])
        })
        .collect()
}

fn wait_open(ends: &[[End; 2]]) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let open = || ends.iter().flatten().filter(|end| end.engine.state() == EngineState::Open).count();
    while open() < ends.len() * 2 {
        ensure!(Instant::now() < deadline, "{} of {} ends are open", open(), ends.len() * 2);
        thread::sleep(GLANCE);
    }
    Ok(())
}

/// Each end sends once in `every`, and all of them spread over it.
fn speak(ends: &[[End; 2]], every: Duration, started: Instant, is_over: &AtomicBool) -> anyhow::Result<()> {
    let all: Vec<&End> = ends.iter().flatten().collect();
    let gap = every / u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
    let mut due = Instant::now();
    for end in all.iter().cycle() {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due += gap;
        end.speak(started)?;
    }
    Ok(())
}

/// Answers each line of the input.
fn answer(ends: &[[End; 2]]) -> anyhow::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        line?;
        writeln!(out, "{}", sonic_rs::to_string(&report(ends))?)?;
        out.flush()?;
    }
    Ok(())
}

fn report(ends: &[[End; 2]]) -> Report {
    let sum =
        |of: fn(&End) -> &AtomicU64| ends.iter().flatten().map(|end| of(end).load(Ordering::Relaxed)).sum();
    let waited = |pair: &[End; 2]| {
        let waits = pair.each_ref().map(|end| end.waited_ns.swap(0, Ordering::Relaxed));
        waits[0].max(waits[1]) as f64 / 1e6
    };
    let opened =
        |pair: &[End; 2]| pair.each_ref().map(|end| end.opened.swap(0, Ordering::Relaxed)).into_iter().sum();
    Report {
        sent: sum(|end| &end.sent),
        received: sum(|end| &end.next),
        wrong: sum(|end| &end.wrong),
        opened: ends.iter().map(opened).collect(),
        waited_ms: ends.iter().map(waited).collect(),
    }
}

/// Waits until everything that was sent has come, and prints the last report.
fn wait_complete(ends: &[[End; 2]]) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let is_complete = |[one, other]: &[End; 2]| one.has_all_of(other) && other.has_all_of(one);
    while !ends.iter().all(is_complete) && Instant::now() < deadline {
        thread::sleep(GLANCE);
    }
    let last = report(ends);
    println!("{}", sonic_rs::to_string(&last)?);
    ensure!(last.sent == last.received && last.wrong == 0, "not every message came, once and in order");
    Ok(())
}

impl End {
    fn new(engine: Engine) -> Self {
        let [sent, next, waited_ns, wrong, opened] = [const { AtomicU64::new(0) }; 5];
        End { engine, sent, next, waited_ns, wrong, opened }
    }

    fn has_all_of(&self, other: &End) -> bool {
        self.next.load(Ordering::SeqCst) == other.sent.load(Ordering::SeqCst)
    }

    fn speak(&self, started: Instant) -> anyhow::Result<()> {
        let mut message = vec![0x5a; SIZE];
        message[..8].copy_from_slice(&self.sent.load(Ordering::Relaxed).to_be_bytes());
        message[8..16].copy_from_slice(&now_ns(started).to_be_bytes());
        self.engine.send(&message, PATIENCE)?;
        self.sent.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn listen(&self, started: Instant, is_read: &AtomicBool) {
        while !is_read.load(Ordering::Relaxed) {
            for event in self.engine.next_events(EVENTS_MAX, GLANCE) {
                match event {
                    // Its refusal means that the phone came again, and another question follows.
                    Event::Ask { question, .. } => drop(self.engine.allow(question)),
                    Event::Opened { .. } => drop(self.opened.fetch_add(1, Ordering::Relaxed)),
                    Event::Message(message) => self.on_message(&message.bytes, now_ns(started)),
                    Event::Stopped { why, .. } => eprintln!("an end stopped: {why}"),
                    _ => {}
                }
            }
        }
    }

    fn on_message(&self, bytes: &[u8], now_ns: u64) {
        let number = |at: usize| bytes.get(at..at + 8)?.first_chunk().map(|eight| u64::from_be_bytes(*eight));
        let wanted = self.next.load(Ordering::Relaxed);
        match (number(0), number(8)) {
            (Some(number), Some(sent_ns)) if number == wanted && bytes.len() == SIZE => {
                self.waited_ns.fetch_max(now_ns.saturating_sub(sent_ns), Ordering::Relaxed);
            }
            _ => drop(self.wrong.fetch_add(1, Ordering::Relaxed)),
        }
        self.next.fetch_add(1, Ordering::SeqCst);
    }
}

fn now_ns(started: Instant) -> u64 {
    started.elapsed().as_nanos() as u64
}
