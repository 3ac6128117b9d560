//! One pair of this project's own clients: the cost of the tunnel, compared with raw mode without it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use protocol::ids::Role;
use protocol::qr::Pairing;
use relay_client::engine::{Engine, EngineEvent as Event, EngineSettings, KeepNothing};
use relay_client::tunnel::{Code, PairingKey, SystemEntropy};
use relay_client::{Client, ClientEvent as PlainEvent, ConnectionSettings as PlainSettings, Endpoint, http};

use crate::meter;
use crate::outcome::{CPU, Kind, Outcome, RATE, mib};
use crate::target::{Place, Target};
use crate::workload::Timing;

/// Messages from the workstation to the phone, as fast as possible.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    /// Bytes of a message.
    pub size: usize,
}

/// How long a step of the set-up may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The receiver checks for a signal, and the clock, this often.
const GLANCE: Duration = Duration::from_millis(100);
/// Events that are taken at once.
const EVENTS_MAX: usize = 256;

/// What arrived in the measured time.
struct Flow {
    messages: u64,
    secs: f64,
    cpu_ns: Option<u64>,
    relay_cpu_ns: Option<u64>,
}

impl Sealed {
    /// Raw first, then sealed, so that both have the same neighbours on this machine.
    pub(super) fn measure(
        &self,
        timing: Timing,
        target: &Target,
        interrupted: &AtomicBool,
    ) -> anyhow::Result<Outcome> {
        let Place::Relay { workstation, phone } = &target.place else { bail!("the tunnel needs a relay") };
        let trial = Trial { size: self.size, timing, target, interrupted };
        let raw = trial.raw(workstation, phone)?;
        let sealed = trial.sealed(workstation, phone)?;
        let mut outcome = Outcome::default();
        outcome.push(RATE, Kind::Compared, 0, Some(sealed.rate()));
        outcome.push("raw msg/s", Kind::Shown, 0, Some(raw.rate()));
        outcome.push("sealed MiB/s", Kind::Shown, 1, Some(sealed.rate() * mib(self.size as u64)));
        outcome.push("sealed/raw", Kind::Shown, 2, Some(sealed.rate() / raw.rate()));
        outcome.push(CPU, Kind::Compared, 3, sealed.per_message_us(sealed.relay_cpu_ns));
        outcome.push("both clients' CPU µs/msg", Kind::Shown, 3, sealed.per_message_us(sealed.cpu_ns));
        outcome.push("in raw mode", Kind::Shown, 3, raw.per_message_us(raw.cpu_ns));
        outcome.frames = raw.messages + sealed.messages;
        Ok(outcome)
    }
}

impl Flow {
    fn rate(&self) -> f64 {
        self.messages as f64 / self.secs
    }

    fn per_message_us(&self, ns: Option<u64>) -> Option<f64> {
        ns.map(|ns| ns as f64 / 1e3 / self.messages as f64)
    }
}

struct Trial<'a> {
    size: usize,
    timing: Timing,
    target: &'a Target,
    interrupted: &'a AtomicBool,
}

impl Trial<'_> {
    fn raw(&self, workstation: &Endpoint, phone: &Endpoint) -> anyhow::Result<Flow> {
        let pairing = http::register(&workstation.server(), None)?.pairing;
        let client = |endpoint: &Endpoint, role| -> anyhow::Result<Client> {
            let pairing = Pairing { ws: endpoint.to_string(), ..pairing.clone() };
            Ok(Client::connect(PlainSettings { raw: true, ..PlainSettings::new(&pairing, role)? })?)
        };
        let (workstation, phone) = (client(workstation, Role::Workstation)?, client(phone, Role::Phone)?);
        for client in [&workstation, &phone] {
            while !matches!(
                client.next_event(PATIENCE).context("the clients did not join")?,
                PlainEvent::Joined { .. }
            ) {}
        }
        let send = |message: Vec<u8>| workstation.send_binary(message).is_ok();
        let receive = |judge: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>| match phone.next_event(GLANCE) {
            Some(PlainEvent::Binary(bytes)) => judge(&bytes),
            Some(other) => bail!("unexpected {other:?}"),
            None => Ok(()),
        };
        self.flow(send, receive)
    }

    fn sealed(&self, workstation: &Endpoint, phone: &Endpoint) -> anyhow::Result<Flow> {
        let pairing = http::register(&workstation.server(), None)?.pairing;
        let key = PairingKey::random(&mut SystemEntropy)?;
        let engine = |endpoint: &Endpoint, role| -> anyhow::Result<Engine> {
            let pairing = Pairing { ws: endpoint.to_string(), ..pairing.clone() };
            let key = PairingKey::parse(&key.reveal()).context("a key")?;
            let code = Code { pairing, key: Some(key), app: false };
            Ok(Engine::pair(role, code, &EngineSettings::new(role), Box::new(KeepNothing))?)
        };
        let (workstation, phone) = (engine(workstation, Role::Workstation)?, engine(phone, Role::Phone)?);
        wait_for(&workstation, |event| matches!(event, Event::Ask { .. }))?;
        // This is the first question, as the phone never lost its connection.
        workstation.allow(1)?;
        wait_for(&workstation, |event| matches!(event, Event::Opened { .. }))?;
        wait_for(&phone, |event| matches!(event, Event::Opened { .. }))?;
        // Its own events must be read, too.
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    workstation.next_events(EVENTS_MAX, GLANCE);
                }
            });
            let send = |message: Vec<u8>| workstation.send(&message, PATIENCE).is_ok();
            let receive = |judge: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>| {
                for event in phone.next_events(EVENTS_MAX, GLANCE) {
                    match event {
                        Event::Message(message) => judge(&message.bytes)?,
                        Event::Connected | Event::Opened { .. } | Event::Left => {}
                        other => bail!("unexpected {other:?}"),
                    }
                }
                Ok(())
            };
            let flow = self.flow(send, receive);
            stop.store(true, Ordering::Relaxed);
            flow
        })
    }

    /// One thread sends without a pause; this one takes what comes, and checks its number and length.
    fn flow(
        &self,
        send: impl Fn(Vec<u8>) -> bool + Sync,
        receive: impl Fn(&mut dyn FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Flow> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let sender = scope.spawn(|| send_until(&stop, self.size, &send));
            let mut came = 0_u64;
            let mut take = || {
                receive(&mut |bytes| {
                    let number = bytes.first_chunk().map(|first| u64::from_be_bytes(*first));
                    ensure!(bytes.len() == self.size && number == Some(came), "{number:?} came for {came}");
                    came += 1;
                    Ok(())
                })?;
                anyhow::Ok(came)
            };
            let flow = self.measured(&mut take);
            stop.store(true, Ordering::Relaxed);
            // The sender may wait for room.
            while flow.is_ok() && !sender.is_finished() {
                take()?;
            }
            flow
        })
    }

    /// `take` takes what is there, and returns how many messages arrived so far.
    fn measured(&self, take: &mut impl FnMut() -> anyhow::Result<u64>) -> anyhow::Result<Flow> {
        let mut until = |deadline: Instant| -> anyhow::Result<u64> {
            let mut came = take()?;
            while Instant::now() < deadline {
                ensure!(!self.interrupted.load(Ordering::Relaxed), "interrupted");
                came = take()?;
            }
            Ok(came)
        };
        let cpu = || (meter::process_cpu_ns(std::process::id()), self.target.cpu_ns());
        let before = until(Instant::now() + self.timing.warmup)?;
        let (begun, (own, relay)) = (Instant::now(), cpu());
        let messages = until(begun + self.timing.measured)? - before;
        let (secs, (own_now, relay_now)) = (begun.elapsed().as_secs_f64(), cpu());
        let spent = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Ok(Flow { messages, secs, cpu_ns: spent(own_now, own), relay_cpu_ns: spent(relay_now, relay) })
    }
}

/// Sends numbered messages until `stop`, or until they are refused.
fn send_until(stop: &AtomicBool, size: usize, send: &(impl Fn(Vec<u8>) -> bool + Sync)) {
    let mut number = 0_u64;
    let mut is_sent = true;
    while is_sent && !stop.load(Ordering::Relaxed) {
        let mut message = vec![0x5a; size];
        message[..8].copy_from_slice(&number.to_be_bytes());
        is_sent = send(message);
        number += 1;
    }
}

fn wait_for(engine: &Engine, is_it: impl Fn(&Event) -> bool) -> anyhow::Result<()> {
    loop {
        let events = engine.next_events(1, PATIENCE);
        let event = events.first().context("the engines did not pair")?;
        if is_it(event) {
            return Ok(());
        }
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one pair of clients, messages of {} bytes through the tunnel and without it", self.size)
    }
}
