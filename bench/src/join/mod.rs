//! Connects the pairs of a run, many at a time, before the load starts.
//!
//! `crowd` drives many conversations at once. `register` and `hello` are the two kinds that a relay knows.

mod address;
mod crowd;
mod glance;
mod hello;
mod register;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, ensure};
use mio::net::TcpStream;
use protocol::ids::Role;
use relay_client::Endpoint;

use self::crowd::ANSWER_WITHIN;
use self::hello::End;
use crate::floor;
use crate::frame::{self, Passage, Pattern, Template};
use crate::inbox::Inbox;
use crate::socket::Socket;
use crate::target::Place;
use crate::workload::{Mode, Workload};

pub(crate) use self::register::Session;

/// One joined pair: its two connections, and the frames from the workstation to the phone.
#[derive(Debug)]
pub(crate) struct Opened {
    pub workstation: End,
    pub phone: End,
    pub template: Template,
    pub pattern: Pattern,
}

/// Opens all pairs of a workload, numbered from `first`.
///
/// # Errors
/// The server can't be reached, or does not answer as it must; or a signal came.
pub(crate) fn all(
    place: &Place,
    workload: &Workload,
    first: usize,
    interrupted: &AtomicBool,
) -> anyhow::Result<Vec<Opened>> {
    let pairs = first..first + workload.pairs;
    match place {
        Place::Relay { .. } => {
            let sessions = sessions(place, workload.pairs, interrupted)?;
            let ends = link(place, &sessions, workload.mode, interrupted)?;
            let open = |(pair, (session, [workstation, phone])): (usize, (Session, [End; 2]))| {
                let (template, pattern) = frame::for_pair(workload, pair, Passage::Relayed(session.id));
                Opened { workstation, phone, template, pattern }
            };
            Ok(pairs.zip(sessions.into_iter().zip(ends)).map(open).collect())
        }
        Place::Floor(addr) => {
            let open = |pair| {
                let [workstation, phone] = at_floor(*addr, pair)
                    .with_context(|| format!("pair {pair} could not be joined at the floor"))?;
                let (template, pattern) = frame::for_pair(workload, pair, Passage::Copied);
                Ok(Opened { workstation, phone, template, pattern })
            };
            pairs.map(open).collect()
        }
    }
}

/// Makes sessions, as many at once as [`crowd::AT_ONCE`].
///
/// # Errors The target is not a relay, cannot be reached, or refuses; or a signal arrived.
pub(crate) fn sessions(
    place: &Place,
    count: usize,
    interrupted: &AtomicBool,
) -> anyhow::Result<Vec<Session>> {
    let [url, _] = relay(place)?;
    register::all(url, count, interrupted).context("the sessions could not be registered")
}

/// Connects so many times, asks for `/health` each time, and leaves. Returns how many connections went on from
/// an earlier one's TLS, which only `resumes` allows.
///
/// # Errors The target is not a relay, cannot be reached, or does not answer as it must; or a signal arrived.
pub(crate) fn glances(
    place: &Place,
    count: usize,
    resumes: bool,
    interrupted: &AtomicBool,
) -> anyhow::Result<usize> {
    let [url, _] = relay(place)?;
    glance::all(url, count, resumes, interrupted).context("the relay could not be asked for its health")
}

/// Opens both connections of each session, and waits until they are linked.
///
/// # Errors The target is not a relay, cannot be reached, or does not answer as it must; or a signal arrived.
pub(crate) fn link(
    place: &Place,
    sessions: &[Session],
    mode: Mode,
    interrupted: &AtomicBool,
) -> anyhow::Result<Vec<[End; 2]>> {
    let urls = relay(place)?;
    hello::all(urls, sessions, mode, interrupted).context("the pairs could not be joined")
}

/// The address of each role.
fn relay(place: &Place) -> anyhow::Result<[&Endpoint; 2]> {
    match place {
        Place::Relay { workstation, phone } => Ok(Role::ALL.map(|role| match role {
            Role::Workstation => workstation,
            Role::Phone => phone,
        })),
        Place::Floor(_) => anyhow::bail!("the floor knows no sessions"),
    }
}

/// Pairs join the floor one after another, as that costs it nothing.
fn at_floor(addr: SocketAddr, pair: usize) -> anyhow::Result<[End; 2]> {
    let mut streams = [StdStream::connect(addr)?, StdStream::connect(addr)?];
    for stream in &mut streams {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.write_all(floor::first_line(pair).as_bytes())?;
    }
    for stream in &mut streams {
        let mut answer = [0; floor::JOINED.len()];
        stream.read_exact(&mut answer)?;
        ensure!(answer == floor::JOINED, "the floor answered something else");
        stream.set_nonblocking(true)?;
    }
    Ok(streams
        .map(|stream| End { stream: Socket::plain(TcpStream::from_std(stream)), inbox: Inbox::new(true) }))
}
