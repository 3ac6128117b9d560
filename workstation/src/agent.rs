//! The agent: one process per user and profile that holds the phones' pairs and tunnels for all commands.
//!
//! A command finds it by its socket or starts it; it ends with the last command and the last shared terminal.
//! `place` is the lock and the socket, `desk` the commands and `requests` what they ask, `phones` the phones
//! with `chat` and `viewers`, `openings` what becomes of the channels that they open, `carried` the channels
//! that a command does the work of. `notifier` has the notices on their way, and each phone's are in
//! `notices`. `terminals` is what there is to see, `looks` and `shells` how a phone opens it, `chores` what
//! takes long, `retiring` what is left to do for revoked phones. One thread polls and decides; the engines
//! have threads of their own.

mod carried;
mod chat;
mod chores;
mod clips;
mod desk;
mod lines;
mod log;
mod looks;
mod notices;
mod notifier;
mod openings;
mod pairing;
mod phone;
mod phones;
mod place;
mod process;
mod requests;
mod retiring;
mod room;
mod shells;
mod terminals;
mod tokens;
mod viewers;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Waker};
use relay_client::engine::EngineState;

use crate::ipc::client::log_path;
use crate::ipc::folder::Folders;
use crate::ipc::peer;
use crate::state::phones::{self as kept, Damaged, PhoneFile};
use crate::state::profile::Profile;
use chores::Chores;
use desk::{Asked, Desk};
use log::Log;
use notifier::{Around, Notifier};
use phone::Phone;
use phones::Phones;
use place::Place;
use process::{end_on_signal, machine_name};
use retiring::Retiring;
use room::Room;
use terminals::Terminals;
use tokens::{LISTENER, Tokens, WAKE};

/// How long nothing needs the agent before it ends, so that two commands in a row use the same one.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// What connections may take to close at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The running agent.
struct Agent {
    poll: Poll,
    tokens: Tokens,
    folders: Folders,
    place: Place,
    listener: UnixListener,
    /// A command may wait to be accepted.
    has_caller: bool,
    log: Log,
    desk: Desk,
    phones: Phones,
    notifier: Notifier,
    terminals: Terminals,
    chores: Chores,
    retiring: Retiring,
    /// Files that could not be used.
    damaged: Damaged,
    /// A signal or a newer command asks for the end.
    must_end: Arc<AtomicBool>,
    /// Since then nothing needs it.
    idle_since: Option<Instant>,
}

/// The whole life of an agent; blocks until it ends. Ends at once where another one has its place.
///
/// # Errors
/// It could not begin; the log says so, too.
pub(crate) fn run(folders: Folders) -> anyhow::Result<()> {
    let mut log = Log::open(&log_path(&folders));
    let lived = Place::take(&folders).and_then(|place| match place {
        None => Ok(()),
        Some((place, listener)) => Agent::new(folders, place, listener)?.live(),
    });
    if let Err(error) = &lived {
        log.line(&format!("error: {error:#}"));
    }
    lived
}

impl Agent {
    fn new(
        folders: Folders,
        place: Place,
        listener: std::os::unix::net::UnixListener,
    ) -> anyhow::Result<Self> {
        let mut log = Log::open(&log_path(&folders));
        let poll = Poll::new().context("can't poll")?;
        let wake = Arc::new(Waker::new(poll.registry(), WAKE).context("can't make a waker")?);
        let mut listener = UnixListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).context("can't poll")?;
        let must_end = Arc::new(AtomicBool::new(false));
        end_on_signal(&must_end, &wake)?;
        let waker = Arc::clone(&wake);
        let on_news = Arc::new(move || drop(waker.wake()));
        let (terminals, retiring) = (Terminals::new(folders.terminals()?), Retiring::load(folders.state()));
        log.line(&format!("begins, version {}", env!("CARGO_PKG_VERSION")));
        let mut agent = Agent {
            poll,
            tokens: Tokens::new(),
            place,
            listener,
            has_caller: true,
            log,
            desk: Desk::default(),
            phones: Phones::new(machine_name(), on_news),
            notifier: Notifier::new()?,
            terminals,
            chores: Chores::new(wake),
            retiring,
            damaged: Vec::new(),
            must_end,
            idle_since: None,
            folders,
        };
        agent.resume_all();
        Ok(agent)
    }

    /// Goes on with every pair that is kept. One that can't be used harms no other.
    fn resume_all(&mut self) {
        let state = self.folders.state().to_owned();
        let profile = Profile::load(&state).unwrap_or_else(|error| {
            self.damaged.push(format!("{error:#}"));
            None
        });
        self.damaged.extend(self.retiring.damage());
        match kept::load_all(&state) {
            Ok((files, damaged)) => {
                self.damaged.extend(damaged);
                files.into_iter().for_each(|file| self.resume(file, profile.as_ref()));
            }
            Err(error) => self.damaged.push(format!("{error:#}")),
        }
        for words in &self.damaged {
            self.log.line(words);
        }
    }

    fn resume(&mut self, file: Arc<PhoneFile>, profile: Option<&Profile>) {
        if self.retiring.has_phone(file.id()) {
            // It was revoked, and this agent's forerunner did not come to the end of it.
            if let Err(error) = file.erase() {
                self.damaged.push(error.to_string());
            }
            return;
        }
        let (name, relay) = (file.name(), profile.map(|profile| &profile.relay));
        match Phone::resume(file, relay, self.phones.desk_name()) {
            Ok(phone) => {
                self.phones.add(phone, &self.terminals);
            }
            Err(error) => self.damaged.push(format!("\"{name}\" can't be used: {error:#}")),
        }
    }

    /// Serves until nothing needs it, or it is told to end.
    fn live(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            let has_more = self.turn();
            self.note_need();
            if self.is_over() {
                break;
            }
            let timeout = if has_more { Duration::ZERO } else { self.due_in() };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                polled => polled.context("can't poll")?,
            }
            for event in &events {
                let token = event.token();
                if event.is_readable() || event.is_read_closed() {
                    self.has_caller |= token == LISTENER;
                    self.desk.note_readable(token);
                    self.terminals.note_readable(token);
                    self.phones.viewers.note_readable(token);
                }
            }
        }
        self.end();
        Ok(())
    }

    /// Does everything that there is to do now. True if there may be more.
    fn turn(&mut self) -> bool {
        let now = Instant::now();
        self.accept();
        if now >= self.terminals.scan_at() {
            self.stay_found();
        }
        self.terminals.scan(now, &mut self.tokens, self.poll.registry());
        if self.terminals.read() {
            self.phones.offer_all(&self.terminals);
        }
        self.desk.read();
        while let Some((token, asked)) = self.desk.next_request() {
            match asked {
                Asked::Request(request) => self.on_request(token, request),
                Asked::Data(handle, message) => {
                    self.phones.carried.on_command_data(token, handle, message, &mut self.desk);
                }
            }
        }
        for copied in self.terminals.take_copied() {
            self.phones.copy(&copied);
        }
        for raised in self.terminals.take_raised() {
            self.notifier.raise_for_terminal(&raised, &mut self.phones, &mut self.log);
        }
        let mut has_more = self.desk.has_more();
        while let Some(done) = self.chores.next_done() {
            self.on_done(done);
        }
        self.retiring.begin_if_due(now, &mut self.chores);
        has_more |= self.phones.turn(&mut Room {
            desk: &mut self.desk,
            terminals: &self.terminals,
            log: &mut self.log,
            chores: &mut self.chores,
            tokens: &mut self.tokens,
            registry: self.poll.registry(),
            sockets: self.terminals.folder(),
            folders: &self.folders,
        });
        let state = self.folders.state();
        let (desk, chores, log) = (&mut self.desk, &mut self.chores, &mut self.log);
        self.notifier.turn(&mut self.phones, &mut Around { desk, chores, log, state });
        for (token, role) in self.desk.flush(now) {
            self.on_command_gone(token, &role);
        }
        has_more
    }

    /// Listens again if the socket is gone: its folder ends with the user's last login.
    fn stay_found(&mut self) {
        let Ok(folders) = self.folders.reopened() else { return };
        if !self.place.is_lost(&folders) {
            return;
        }
        match self.listen_again(&folders) {
            Ok(()) => self.log.line("listens again: its socket was gone, or has another place now"),
            Err(error) => self.log.line(&format!("can't be found by commands: {error:#}")),
        }
    }

    fn listen_again(&mut self, folders: &Folders) -> anyhow::Result<()> {
        let terminals = folders.terminals()?;
        let mut listener = UnixListener::from_std(self.place.listen(folders)?);
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE).context("can't poll")?;
        (self.listener, self.has_caller) = (listener, true);
        self.terminals.set_folder(terminals);
        self.folders = folders.clone();
        Ok(())
    }

    fn accept(&mut self) {
        while self.has_caller {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                // Without a descriptor for it, the command waits until another one has gone.
                Err(error) => {
                    self.has_caller = error.kind() != io::ErrorKind::WouldBlock;
                    return;
                }
            };
            let admitted = peer::check_own(&stream)
                .and_then(|()| self.desk.admit(stream, self.tokens.next(), self.poll.registry()));
            if let Err(error) = admitted {
                self.log.line(&format!("a connection was not accepted: {error}"));
            }
        }
    }

    fn due_in(&self) -> Duration {
        let now = Instant::now();
        let idle = self.idle_since.map(|since| since + IDLE_MAX);
        let (carried, notices) = (
            self.phones.carried.due_at(),
            self.phones.all().filter_map(|phone| phone.notices.due_at()).min(),
        );
        let due = [Some(self.terminals.scan_at()), idle, self.retiring.due_at(), carried, notices];
        let next = due.into_iter().flatten().min();
        // One more millisecond, as poll rounds down.
        next.unwrap_or(now).saturating_duration_since(now) + Duration::from_millis(1)
    }

    /// Notes whether something needs the agent.
    fn note_need(&mut self) {
        let is_needed = !self.desk.is_empty()
            || !self.terminals.is_empty()
            || self.phones.is_pairing()
            || self.phones.all().any(|phone| phone.notices.is_busy())
            || !self.chores.is_idle();
        self.idle_since = if is_needed { None } else { self.idle_since.or_else(|| Some(Instant::now())) };
    }

    /// True if it is time to end.
    fn is_over(&self) -> bool {
        let is_idle = self.idle_since.is_some_and(|since| since.elapsed() >= IDLE_MAX);
        is_idle || self.must_end.load(Ordering::Relaxed)
    }

    /// Lets nobody find this agent any more, then closes the connections. A command that came meanwhile sees
    /// the end of its connection before a hello, and tries again.
    fn end(self) {
        let Agent { place, listener, desk, phones, mut log, .. } = self;
        place.close();
        drop((listener, desk));
        phones.note_seen(&mut log);
        phones.links().for_each(|app| app.close());
        let deadline = Instant::now() + CLOSE_WITHIN;
        for app in phones.links() {
            while app.engine().state() != EngineState::Stopped && Instant::now() < deadline {
                drop(app.next_events(1, deadline.saturating_duration_since(Instant::now())));
            }
        }
        log.line("ends");
    }
}
