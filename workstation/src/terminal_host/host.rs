//! The loop of a terminal's host: one thread, one poll, nothing that blocks.
//!
//! A turn: what clients say, what was typed to the command, what the command wrote to the windows, and then
//! to each viewer what it takes.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::thread;
use std::time::{Duration, Instant};

use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token};
use relay_client::app::terminal::ViewerMessage;

use super::Settings;
use super::answers::{Origin, origin};
use super::away::Away;
use super::clients::{Client, Clients};
use super::flood::Flood;
use super::greeting::{greeted, view_of};
use super::news::News;
use super::place::Place;
use super::signals::{Received, SignalPipe};
use super::sizes::ClientId;
use super::terminal::Terminal;
use super::typed::Typed;
use super::viewer::typed_bytes;
use super::wire::{self, WindowSize, parsed};
use crate::ipc::link::Link;
use crate::ipc::peer::check_own;

/// The most bytes of the command in one turn.
const OUTPUT_LEN: usize = 64 << 10;

/// Clients that read nothing are told of the end for so long.
const FAREWELL_MAX: Duration = Duration::from_secs(30);

const LISTENER: Token = Token(0);
const SIGNALS: Token = Token(1);
const CHILD: Token = Token(2);
const FIRST_CLIENT: ClientId = 3;

/// In a flood of small pieces, so long is waited for more of them: each read costs as much as thousands of
/// bytes.
const GATHER: Duration = Duration::from_millis(1);

/// A shared terminal and its clients.
pub(super) struct Host {
    settings: Settings,
    place: Place,
    poll: Poll,
    listener: UnixListener,
    signals: SignalPipe,
    clients: Clients,
    terminal: Terminal,
    typed: Typed,
    flood: Flood,
    away: Away,
    began: Instant,
    buffer: Vec<u8>,
}

impl Host {
    pub(super) fn new(listener: StdListener, place: Place, settings: Settings) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (poll, mut listener) = (Poll::new()?, UnixListener::from_std(listener));
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let signals = SignalPipe::open(poll.registry(), SIGNALS)?;
        let mut host = Self {
            place,
            poll,
            listener,
            signals,
            clients: Clients::new(FIRST_CLIENT),
            terminal: Terminal::new(settings.shell),
            typed: Typed::default(),
            flood: Flood::default(),
            away: Away::default(),
            began: Instant::now(),
            buffer: vec![0; OUTPUT_LEN],
            settings,
        };
        if host.settings.shell.is_some() {
            host.terminal.start(&host.settings, (host.poll.registry(), CHILD), Duration::ZERO)?;
        }
        Ok(host)
    }

    /// Serves until the command has ended and everybody was told.
    pub(super) fn serve(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(128);
        while !self.is_over() {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => self.note(&events),
            }
            self.turn()?;
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn news(&mut self) -> News<'_> {
        let now = self.now();
        let (clients, terminal, away) = (&mut self.clients, &mut self.terminal, &mut self.away);
        News { clients, terminal, settings: &self.settings, away, now }
    }

    fn note(&mut self, events: &Events) {
        for event in events.iter().filter(|event| event.is_readable() || event.is_read_closed()) {
            match event.token() {
                LISTENER | SIGNALS => {}
                CHILD => self.terminal.note_readable(),
                Token(id) => {
                    self.clients.get(id).into_iter().for_each(|client| client.link().note_readable());
                }
            }
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        self.look_at_place()?;
        self.accept()?;
        while let Some(received) = self.signals.poll_signal() {
            match received {
                // Looked at in each turn.
                Received::ChildEnded => {}
                Received::Terminate => self.terminal.hang_up(self.now()),
            }
        }
        self.terminal.flush();
        for id in self.clients.ids() {
            self.read_client(id)?;
        }
        self.pass_typed();
        self.terminal.apply_size(self.now());
        self.read_output();
        self.terminal.on_time(self.now());
        self.news().tell_all();
        self.drop_clients();
        Ok(())
    }

    /// Listens at another place if the socket is gone.
    fn look_at_place(&mut self) -> io::Result<()> {
        let Some((name, listener)) = self.place.poll_moved(&self.settings.name, self.now()) else {
            return Ok(());
        };
        listener.set_nonblocking(true)?;
        let mut listener = UnixListener::from_std(listener);
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        (self.settings.name, self.listener) = (name, listener);
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        // An error is that of one connection, or there is no descriptor for it.
        while let Ok((mut stream, _)) = self.listener.accept() {
            if self.clients.has_room() && check_own(&stream).is_ok() {
                let id = self.clients.take_id();
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut stream, Token(id), interest)?;
                self.clients.put(id, Client::New(Link::new(stream), self.now()));
            }
        }
        Ok(())
    }

    /// Gives the command what was typed, as far as it takes it.
    fn pass_typed(&mut self) {
        while self.terminal.has_room()
            && let Some((id, bytes)) = self.typed.poll_next()
        {
            self.terminal.type_bytes(&bytes);
            self.clients.window(id).into_iter().for_each(|window| window.on_taken(bytes.len()));
        }
    }

    /// Reads one client, unless too much of what it typed waits.
    fn read_client(&mut self, id: ClientId) -> io::Result<()> {
        while !self.typed.is_full(id) {
            let Some(link) = self.clients.get(id).map(Client::link) else { return Ok(()) };
            let frame = link.next_frame().map(|frame| (frame.kind, frame.payload.to_vec()));
            match frame {
                Some((kind, payload)) => self.on_frame(id, kind, &payload)?,
                None if link.is_readable() => link.read(),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn on_frame(&mut self, id: ClientId, kind: u8, payload: &[u8]) -> io::Result<()> {
        match self.clients.get(id) {
            Some(Client::New(..)) => return self.on_greeting(id, kind, payload),
            Some(Client::Window(_)) => self.on_window_frame(id, kind, payload),
            Some(Client::Viewer(_)) if kind == wire::DATA => self.on_viewer_message(id, payload),
            Some(Client::Viewer(_)) if kind == wire::VIEW => self.on_view(id, payload),
            _ => {}
        }
        Ok(())
    }

    /// A client says what it is.
    fn on_greeting(&mut self, id: ClientId, kind: u8, payload: &[u8]) -> io::Result<()> {
        let now = self.now();
        let Some(link) = self.clients.take_new(id) else { return Ok(()) };
        if kind == wire::VIEW && !self.clients.has_room_for_viewer() {
            return Ok(());
        }
        let Some(mut client) = greeted(link, (kind, payload), &self.settings, now) else { return Ok(()) };
        match &mut client {
            Client::Window(window) => {
                self.away.note_used(now);
                self.terminal.sizes().on_window(id, window.size());
                let is_first = self.terminal.start(&self.settings, (self.poll.registry(), CHILD), now)?;
                if !is_first {
                    // It gets the whole screen in this turn.
                    window.fall_behind();
                }
            }
            Client::Viewer(viewer) => {
                if let Some(size) = viewer.size() {
                    self.terminal.sizes().on_taken(id, size);
                }
                self.clients.note(&format!("{} came", viewer.device()));
            }
            Client::New(..) | Client::Looker(_) => {}
        }
        self.clients.put(id, client);
        Ok(())
    }

    /// What a phone may do has changed. What it typed before is not passed on if it may not type any more.
    fn on_view(&mut self, id: ClientId, payload: &[u8]) {
        let view = view_of(payload, &self.settings);
        if !view.may_type {
            self.typed.forget(id);
            self.terminal.sizes().on_given_back(id);
        }
        self.clients.viewer(id).into_iter().for_each(|viewer| viewer.set_view(view.clone()));
    }

    fn on_window_frame(&mut self, id: ClientId, kind: u8, payload: &[u8]) {
        let Some(window) = self.clients.window(id) else { return };
        match kind {
            wire::INPUT => self.on_input(id, payload),
            wire::RESIZE => {
                let size = parsed(payload).unwrap_or_default();
                self.away.note_used(self.began.elapsed());
                self.terminal.sizes().on_window(id, size);
            }
            wire::DETACH => {
                window.detach();
                self.terminal.forget(id);
            }
            wire::REDRAW => window.fall_behind(),
            wire::HANG_UP => self.terminal.hang_up(self.began.elapsed()),
            _ => {}
        }
    }

    /// A window sent input. What its terminal sent by itself is no sign that its user is there, and of
    /// several windows that answer a question, one is heard.
    fn on_input(&mut self, id: ClientId, bytes: &[u8]) {
        let clients = &self.clients;
        let answering = self.terminal.sizes().used_last(|id| clients.is_terminal(id));
        match origin(bytes) {
            Origin::Answers if answering.is_some_and(|answering| answering != id) => {
                self.clients.window(id).into_iter().for_each(|window| window.on_taken(bytes.len()));
                return;
            }
            Origin::Typed => {
                self.away.note_used(self.began.elapsed());
                self.terminal.sizes().on_typed(id);
            }
            Origin::Reports | Origin::Answers => {}
        }
        self.typed.push(id, bytes);
    }

    fn on_viewer_message(&mut self, id: ClientId, message: &[u8]) {
        let now = self.now();
        let Some(viewer) = self.clients.viewer(id) else { return };
        let Some(message) = viewer.on_message(message, now) else { return };
        match message {
            ViewerMessage::TakeSize(size) if viewer.may_type() => {
                let size = WindowSize { columns: size.columns(), rows: size.rows(), ..WindowSize::default() };
                self.terminal.sizes().on_taken(id, size);
            }
            ViewerMessage::GiveBack => self.terminal.sizes().on_given_back(id),
            typed if viewer.may_type() => {
                let bytes = typed_bytes(&typed, &self.terminal.emulator(now).screen().modes);
                if !bytes.is_empty() && viewer.note_typed() {
                    let words = format!("{} typed", viewer.device());
                    self.clients.note(&words);
                }
                if !bytes.is_empty() {
                    self.away.note_phone_used(now);
                }
                self.typed.push(id, &bytes);
            }
            _ => {}
        }
    }

    /// Reads what the command wrote, unless a window must catch up first.
    fn read_output(&mut self) {
        let now = self.now();
        self.clients.leave_stuck_windows(now);
        if self.terminal.has_output() && !self.clients.are_full() {
            if self.flood.is_on(now) {
                // Short, and only while bytes come faster than anybody reads.
                thread::sleep(GATHER);
            }
            let bytes = self.terminal.read(&mut self.buffer, now);
            self.clients.windows_mut().for_each(|window| window.output(bytes));
            self.flood.on_read(bytes.len(), self.began.elapsed());
        }
    }

    fn drop_clients(&mut self) {
        let now = self.now();
        for (id, client) in self.clients.take_over(now) {
            self.terminal.forget(id);
            match client {
                Client::Window(window) if window.hangs_up() => self.terminal.hang_up(now),
                Client::Viewer(viewer) => {
                    self.typed.forget(id);
                    self.clients.note(&format!("{} left", viewer.device()));
                }
                _ => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        let now = self.now();
        let is_told = |at: Duration| self.clients.are_told() || now >= at + FAREWELL_MAX;
        self.terminal.is_abandoned(now) || self.terminal.ended().is_some_and(|(_, at)| is_told(at))
    }

    /// How long to wait for an event.
    fn timeout(&self) -> Option<Duration> {
        let now = self.now();
        if self.terminal.has_output() && !self.clients.are_full() {
            return Some(Duration::ZERO);
        }
        let farewell = self.terminal.ended().map(|(_, at)| at + FAREWELL_MAX);
        let place = Some(self.place.next_at());
        let all = [self.terminal.next_at(), self.clients.next_at(now), farewell, place];
        let next = all.into_iter().flatten().min()?;
        // A millisecond more, as poll rounds down.
        Some(next.saturating_sub(now) + Duration::from_millis(u64::from(next > now)))
    }
}
