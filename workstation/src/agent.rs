//! The agent: one process per user and profile that holds the phones' pairs and tunnels for all commands.
//!
//! A command finds it by its socket or starts it; it ends with the last command and the last shared terminal.
//! `place` is the lock and the socket, `desk` the commands, `phones` the phones with `chat` and `viewers`,
//! `terminals` what there is to see, `looks` and `shells` how a phone opens it, `chores` what takes long, `retiring` what is left to do for revoked
//! phones. One thread polls and decides; the engines have threads of their own.

mod chat;
mod chores;
mod desk;
mod lines;
mod log;
mod looks;
mod phone;
mod phones;
mod place;
mod process;
mod retiring;
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
use mio::{Events, Interest, Poll, Token, Waker};
use relay_client::app::{Right, Rights};
use relay_client::engine::EngineState;

use crate::ipc::client::log_path;
use crate::ipc::folder::Folders;
use crate::ipc::peer;
use crate::ipc::wire::{FromAgent, PairRequest, Pairing, RightsChange, ToAgent};
use crate::state::phones::{self as kept, Damaged, PhoneFile};
use crate::state::profile::Profile;
use chores::{Chores, Done};
use desk::{Desk, Role};
use lines::Saying;
use log::Log;
use phone::Phone;
use phones::{Phones, Room};
use place::Place;
use process::{end_on_signal, machine_name};
use retiring::Retiring;
use terminals::Terminals;
use tokens::{LISTENER, Tokens, WAKE};

/// How long nothing needs the agent before it ends, so that two commands in a row use the same one.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// What connections may take to close at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The phones of a profile.
const PHONES_MAX: usize = 32;

/// The running agent.
struct Agent {
    poll: Poll,
    tokens: Tokens,
    folders: Folders,
    place: Place,
    listener: UnixListener,
    log: Log,
    desk: Desk,
    phones: Phones,
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
            log,
            desk: Desk::default(),
            phones: Phones::new(machine_name(), on_news),
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
        let mut has_more = self.desk.read();
        while let Some((token, request)) = self.desk.next_request() {
            self.on_request(token, request);
        }
        while let Some(done) = self.chores.next_done() {
            self.on_done(done);
        }
        self.retiring.begin_if_due(now, &mut self.chores);
        has_more |= self.phones.turn(&mut Room {
            desk: &mut self.desk,
            terminals: &self.terminals,
            log: &mut self.log,
            tokens: &mut self.tokens,
            registry: self.poll.registry(),
            sockets: self.terminals.folder(),
            folders: &self.folders,
        });
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
        self.listener = listener;
        self.terminals.set_folder(terminals);
        self.folders = folders.clone();
        Ok(())
    }

    fn accept(&mut self) {
        // Without a descriptor for it, the command waits until another one has gone.
        while let Ok((stream, _)) = self.listener.accept() {
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
        let next = [Some(self.terminals.scan_at()), idle, self.retiring.due_at()].into_iter().flatten().min();
        // One more millisecond, as poll rounds down.
        next.unwrap_or(now).saturating_duration_since(now) + Duration::from_millis(1)
    }

    /// Notes whether something needs the agent.
    fn note_need(&mut self) {
        let is_needed = !self.desk.is_empty()
            || !self.terminals.is_empty()
            || self.phones.is_pairing()
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

/// What commands ask for.
impl Agent {
    fn on_request(&mut self, token: Token, request: ToAgent) {
        match request {
            ToAgent::Hello { .. } => {}
            ToAgent::StepDown => {
                self.log.line("a newer program asks for the place");
                self.must_end.store(true, Ordering::Relaxed);
            }
            ToAgent::Devices => self.tell_devices(token),
            ToAgent::Rename { old, new } => {
                let renamed = self.rename(&old, &new);
                self.answer(token, renamed);
            }
            ToAgent::Rights { name, change } => match self.change_rights(&name, &change) {
                Ok(()) => self.tell_devices(token),
                Err(error) => self.answer(token, Err(error)),
            },
            ToAgent::Serve { shell } => {
                self.desk.set_role(token, Role::Serve { shell });
                self.tell_devices(token);
            }
            ToAgent::Revoke { name } => {
                if let Err(error) = self.revoke(token, &name) {
                    self.answer(token, Err(error));
                }
            }
            ToAgent::Chat { to } => match to.iter().find(|name| self.phones.find(name).is_none()) {
                Some(name) => self.answer(token, Err(unknown(name))),
                None => {
                    self.desk.set_role(token, Role::Chat { to });
                    self.tell_devices(token);
                }
            },
            ToAgent::Say { number, id, text } => {
                if let Some(Role::Chat { to }) = self.desk.role(token).cloned() {
                    self.phones.say(&mut self.desk, token, &to, Saying { number, id, text });
                }
            }
            ToAgent::Heard { number } => self.phones.on_printed(number),
            ToAgent::Retry => self.phones.links().for_each(|app| app.engine().retry_now()),
            ToAgent::Pair(request) => {
                if let Err(error) = self.pair(token, *request) {
                    self.answer(token, Err(error));
                }
            }
            ToAgent::Answer { question, yes } => self.on_answer(token, question, yes),
        }
    }

    fn answer(&mut self, token: Token, done: anyhow::Result<()>) {
        let answer = match done {
            Ok(()) => FromAgent::Done,
            Err(error) => FromAgent::Failed { why: format!("{error:#}") },
        };
        self.desk.tell(token, &answer);
    }

    fn tell_devices(&mut self, token: Token) {
        let devices = FromAgent::Devices { phones: self.phones.listed(), damaged: self.damaged.clone() };
        self.desk.tell(token, &devices);
    }

    fn rename(&mut self, old: &str, new: &str) -> anyhow::Result<()> {
        let key = self.phones.find(old).ok_or_else(|| unknown(old))?;
        let new = kept::checked_name(new)?;
        anyhow::ensure!(
            old == new || self.phones.unused_name(&new, key) == new,
            "another phone is called \"{new}\" already"
        );
        if let Some(phone) = self.phones.get_mut(key) {
            phone.file.set_name(&new)?;
        }
        self.phones.offer_all(&self.terminals);
        Ok(())
    }

    /// A phone that is connected is told at once, and loses the channels that it may not have any more.
    fn change_rights(&mut self, name: &str, change: &RightsChange) -> anyhow::Result<()> {
        let key = self.phones.find(name).ok_or_else(|| unknown(name))?;
        let Some(phone) = self.phones.get_mut(key) else { return Err(unknown(name)) };
        let (old, new) = (phone.file.rights(), change.applied_to(phone.file.rights()));
        if old == new {
            return Ok(());
        }
        phone.file.set_rights(new)?;
        self.log.line(&format!("\"{name}\" may {} from now on", words_of(new)));
        phone.close_chat_without_right();
        self.phones.offer_all(&self.terminals);
        Ok(())
    }

    /// Ends the pair with a phone. The answer comes when the phone and the relay were told.
    fn revoke(&mut self, token: Token, name: &str) -> anyhow::Result<()> {
        let key = self.phones.find(name).ok_or_else(|| unknown(name))?;
        let Some(phone) = self.phones.get_mut(key) else { return Err(unknown(name)) };
        let file = Arc::clone(&phone.file);
        // First, so that nothing is forgotten if this process ends in the middle. The phone goes all the
        // same.
        if let Err(error) = self.retiring.add(&file) {
            let line = format!(
                "warning: {error}. If the relay can't be asked now, the session of \"{name}\" stays there until \
                 it expires"
            );
            self.log.line(&line);
            self.desk.tell(token, &FromAgent::Note { line });
        }
        let Some(phone) = self.phones.remove(key, &mut self.desk) else { return Err(unknown(name)) };
        self.log.line(&format!("\"{name}\" is revoked"));
        if let Err(error) = file.erase() {
            // It is tried once more with the engine's end, which answers the command.
            self.log.line(&error.to_string());
        }
        self.chores.forget(file.id().to_owned(), phone.app, token);
        Ok(())
    }

    fn pair(&mut self, token: Token, request: PairRequest) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.phones.listed().len() < PHONES_MAX,
            "{PHONES_MAX} phones are paired, and more are not possible: revoke one first"
        );
        let file = PhoneFile::new(self.folders.state(), request.relay.clone())?;
        let phone = Phone::pair(file, request, self.phones.desk_name())?;
        let key = self.phones.add(phone, &self.terminals);
        self.desk.set_role(token, Role::Pairing(key));
        Ok(())
    }

    fn on_answer(&mut self, token: Token, question: u64, yes: bool) {
        let Some(Role::Pairing(key)) = self.desk.role(token).cloned() else { return };
        let Some(phone) = self.phones.get_mut(key) else { return };
        if yes {
            self.chores.allow(key, Arc::clone(&phone.app), question);
        } else {
            // A question that is over needs no answer.
            let _ = phone.app.engine().deny(question);
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Allowed { phone, words } => {
                if let Some(line) = words
                    && let Some(command) = self.desk.with_role(&Role::Pairing(phone))
                {
                    self.desk.tell(command, &FromAgent::Pairing(Pairing::Line { line }));
                }
            }
            Done::Forgotten { id, outcome, command } => {
                let answer = self.retiring.on_forgotten(&id, outcome, &mut self.log);
                self.answer(command, answer);
            }
            Done::Deleted { gone, failed } => self.retiring.on_deleted(&gone, &failed, &mut self.log),
        }
    }

    /// A command is gone. A code and its question end with the command that shows it.
    fn on_command_gone(&mut self, token: Token, role: &Role) {
        self.phones.forget_command(token);
        let Role::Pairing(key) = role else { return };
        let Some(phone) = self.phones.get_mut(*key) else { return };
        let Some(pairing) = phone.pairing.as_ref().filter(|pairing| pairing.allowed_at.is_none()) else {
            return;
        };
        if let Some(question) = pairing.question {
            // The phone is told that it was rejected.
            let _ = phone.app.engine().deny(question);
        }
        phone.app.close();
    }
}

fn unknown(name: &str) -> anyhow::Error {
    anyhow::anyhow!("no phone is called \"{name}\"; the command devices lists them")
}

fn words_of(rights: Rights) -> String {
    let words: Vec<&str> = rights.iter().map(Right::as_str).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
