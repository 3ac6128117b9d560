//! The loop of a terminal's host: one thread, one poll, nothing that blocks.
//!
//! A turn: what clients say, what was typed to the command, what the command wrote to the emulator and the
//! windows, and then to each viewer what it takes.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::time::{Duration, Instant};

use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token};
use relay_client::app::terminal::{DeskMessage, Size, SizeOwner, ViewerMessage, paste_bytes, text_bytes};

use crate::ipc::peer::check_own;

use super::Settings;
use super::child::{Child, Output};
use super::clients::{Client, Looker};
use super::desk_window::DeskWindow;
use super::emulator::{Emulator, EmulatorEvent};
use super::link::Link;
use super::signals::{Received, SignalPipe};
use super::sizes::{ClientId, Owner, Sizes};
use super::viewer::Viewer;
use super::wire::{self, Attach, End, Status, View, WindowSize, json, parsed};

/// The lines that are kept of what scrolled off the top.
const HISTORY_LINES: usize = 2000;

/// The most clients at a time; further ones are refused.
const CLIENTS_MAX: usize = 64;

/// The most bytes of the command in one turn.
const OUTPUT_LEN: usize = 64 << 10;

/// The window that starts the command comes within this time, or never.
const FIRST_WINDOW_WITHIN: Duration = Duration::from_secs(20);

/// After the command's end, its last bytes come within this time.
const LAST_BYTES_WITHIN: Duration = Duration::from_millis(200);

/// A command that was hung up and goes on for so long is killed.
const HANG_UP_GRACE: Duration = Duration::from_secs(5);

/// Clients that read nothing are told of the end for so long.
const FAREWELL_MAX: Duration = Duration::from_secs(30);

const LISTENER: Token = Token(0);
const SIGNALS: Token = Token(1);
const CHILD: Token = Token(2);
const FIRST_CLIENT: ClientId = 3;

/// The size of a terminal that nobody has given one.
const SIZE: WindowSize = WindowSize { columns: 80, rows: 24, pixel_width: 0, pixel_height: 0 };

/// A shared terminal.
pub(super) struct Host {
    settings: Settings,
    poll: Poll,
    listener: UnixListener,
    signals: SignalPipe,
    clients: BTreeMap<ClientId, Client>,
    next_id: ClientId,
    child: Option<Child>,
    emulator: Emulator,
    sizes: Sizes,
    began: Instant,
    hung_up_at: Option<Duration>,
    /// How and when the command ended, once all that it wrote was read.
    ended: Option<(End, Duration)>,
    /// When the command's process ended.
    exited_at: Option<Duration>,
    status_at: Option<Duration>,
    buffer: Vec<u8>,
}

impl Host {
    pub(super) fn new(listener: StdListener, settings: Settings) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (poll, mut listener) = (Poll::new()?, UnixListener::from_std(listener));
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let signals = SignalPipe::open(poll.registry(), SIGNALS)?;
        Ok(Self {
            settings,
            poll,
            listener,
            signals,
            clients: BTreeMap::new(),
            next_id: FIRST_CLIENT,
            child: None,
            emulator: Emulator::new(screen_size(SIZE), HISTORY_LINES),
            sizes: Sizes::new(SIZE),
            began: Instant::now(),
            hung_up_at: None,
            ended: None,
            exited_at: None,
            status_at: None,
            buffer: vec![0; OUTPUT_LEN],
        })
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

    fn note(&mut self, events: &Events) {
        for event in events {
            match event.token() {
                LISTENER | SIGNALS => {}
                CHILD => {
                    if event.is_readable() || event.is_read_closed() {
                        self.child.iter_mut().for_each(Child::note_readable);
                    }
                }
                Token(id) => {
                    if event.is_readable() || event.is_read_closed() {
                        self.clients
                            .get_mut(&id)
                            .into_iter()
                            .for_each(|client| client.link().note_readable());
                    }
                }
            }
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        self.accept()?;
        self.take_signals();
        if let Some(child) = &mut self.child {
            child.flush();
        }
        self.read_clients()?;
        self.apply_size();
        self.read_child();
        self.emulator.on_timeout(self.now());
        self.check_end();
        self.update_clients();
        self.drop_clients();
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // One connection that failed, or no descriptor for it.
                Err(_) => return Ok(()),
            };
            if self.clients.len() >= CLIENTS_MAX || check_own(&stream).is_err() {
                continue;
            }
            let id = self.next_id;
            self.next_id += 1;
            self.poll.registry().register(&mut stream, Token(id), Interest::READABLE | Interest::WRITABLE)?;
            self.clients.insert(id, Client::New(Link::new(stream), self.now()));
        }
    }

    fn take_signals(&mut self) {
        while let Some(received) = self.signals.poll_signal() {
            match received {
                // Looked at in each turn.
                Received::ChildEnded => {}
                Received::Terminate => self.hang_up(),
            }
        }
    }

    fn hang_up(&mut self) {
        if let Some(child) = &self.child
            && self.hung_up_at.is_none()
        {
            child.hang_up();
            self.hung_up_at = Some(self.now());
        }
    }

    fn read_clients(&mut self) -> io::Result<()> {
        let ids: Vec<ClientId> = self.clients.keys().copied().collect();
        for id in ids {
            self.read_client(id)?;
        }
        Ok(())
    }

    /// Reads one client as far as the command takes what it types.
    fn read_client(&mut self, id: ClientId) -> io::Result<()> {
        while self.child.as_ref().is_none_or(Child::has_room) {
            let Some(link) = self.clients.get_mut(&id).map(Client::link) else { return Ok(()) };
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
        match self.clients.get_mut(&id) {
            Some(Client::New(..)) => return self.on_greeting(id, kind, payload),
            Some(Client::Window(_)) => self.on_window_frame(id, kind, payload),
            Some(Client::Viewer(_)) if kind == wire::DATA => self.on_viewer_message(id, payload),
            _ => {}
        }
        Ok(())
    }

    fn on_greeting(&mut self, id: ClientId, kind: u8, payload: &[u8]) -> io::Result<()> {
        let now = self.now();
        let Some(Client::New(mut link, since)) = self.clients.remove(&id) else { return Ok(()) };
        let client = match kind {
            wire::ATTACH => {
                let attach: Attach = parsed(payload).unwrap_or_default();
                self.sizes.on_window(id, attach.size);
                Client::Window(DeskWindow::new(link, attach, now))
            }
            wire::VIEW => {
                let view: View = parsed(payload).unwrap_or_default();
                let view = View { may_type: view.may_type && !self.settings.view_only, ..view };
                self.note_windows(&format!("{} watches", view.device));
                Client::Viewer(Box::new(Viewer::new(link, view)))
            }
            wire::LOOK => Client::Looker(Looker::new(link)),
            _ => {
                link.close();
                Client::New(link, since)
            }
        };
        self.clients.insert(id, client);
        if kind == wire::ATTACH {
            self.on_attached(id)?;
        }
        Ok(())
    }

    fn on_attached(&mut self, id: ClientId) -> io::Result<()> {
        self.apply_size();
        if self.child.is_none() && self.ended.is_none() {
            return self.start();
        }
        if let Some(window) = self.clients.get_mut(&id).and_then(Client::window) {
            // It gets the whole screen in this turn.
            window.fall_behind();
        }
        Ok(())
    }

    fn start(&mut self) -> io::Result<()> {
        match Child::start(&self.settings.command, &self.settings.name, self.sizes.applied()) {
            Ok(child) => {
                child.register(self.poll.registry(), CHILD)?;
                self.child = Some(child);
                // The command's folder may be unmounted once the command has left it.
                drop(std::env::set_current_dir("/"));
            }
            Err(end) => self.ended = Some((end, self.now())),
        }
        Ok(())
    }

    fn on_window_frame(&mut self, id: ClientId, kind: u8, payload: &[u8]) {
        let Some(window) = self.clients.get_mut(&id).and_then(Client::window) else { return };
        match kind {
            wire::INPUT => {
                if window.is_terminal() {
                    self.sizes.on_typed(id);
                }
                self.type_bytes(payload);
            }
            wire::RESIZE => {
                if let Some(size) = parsed(payload) {
                    self.sizes.on_window(id, size);
                }
            }
            wire::DETACH => {
                window.detach();
                self.sizes.on_gone(id);
            }
            wire::REDRAW => window.fall_behind(),
            wire::HANG_UP => self.hang_up(),
            _ => {}
        }
    }

    fn on_viewer_message(&mut self, id: ClientId, message: &[u8]) {
        let now = self.now();
        let Some(viewer) = self.clients.get_mut(&id).and_then(Client::viewer) else { return };
        let Some(message) = viewer.on_message(message, now) else { return };
        match message {
            ViewerMessage::TakeSize(size) if viewer.may_type() => {
                let size = WindowSize { columns: size.columns(), rows: size.rows(), ..WindowSize::default() };
                self.sizes.on_taken(id, size);
            }
            ViewerMessage::GiveBack => self.sizes.on_given_back(id),
            typed if viewer.may_type() => {
                let bytes = typed_bytes(&typed, self.emulator.screen());
                if !bytes.is_empty() && viewer.note_typed() {
                    let words = format!("{} types", viewer.device());
                    self.note_windows(&words);
                }
                self.type_bytes(&bytes);
            }
            _ => {}
        }
    }

    fn type_bytes(&mut self, bytes: &[u8]) {
        if let Some(child) = &mut self.child {
            child.type_bytes(bytes);
        }
    }

    fn note_windows(&mut self, words: &str) {
        self.clients.values_mut().filter_map(Client::window).for_each(|window| window.note(words));
    }

    fn apply_size(&mut self) {
        let Some(size) = self.sizes.poll_change(self.now()) else { return };
        self.emulator.resize(screen_size(size));
        if let Some(child) = &self.child {
            child.resize(size);
        }
    }

    /// Reads what the command wrote, unless a window must catch up first.
    fn read_child(&mut self) {
        self.leave_stuck_windows();
        let is_held = self.clients.values_mut().filter_map(Client::window).any(|window| window.is_full());
        let Some(child) = self.child.as_mut().filter(|child| child.is_readable() && !is_held) else { return };
        if let Output::Bytes(count) = child.read(&mut self.buffer) {
            self.on_output(count);
        }
    }

    fn on_output(&mut self, count: usize) {
        let bytes = &self.buffer[..count];
        self.clients.values_mut().filter_map(Client::window).for_each(|window| window.output(bytes));
        self.emulator.feed(bytes, self.began.elapsed());
        if let Some(screen) = self.emulator.poll_owed_redraw() {
            self.clients.values_mut().filter_map(Client::window).for_each(|window| window.output(&screen));
        }
        self.answer();
        self.tell_notices();
    }

    /// Answers the questions of the command, if no window of the desk does.
    fn answer(&mut self) {
        let replies = self.emulator.take_replies();
        let is_answered = self.clients.values_mut().filter_map(Client::window).any(|it| it.is_terminal());
        if !is_answered && !replies.is_empty() {
            self.type_bytes(&replies);
        }
    }

    fn tell_notices(&mut self) {
        for event in self.emulator.take_events() {
            if let EmulatorEvent::Notice(notice) = event {
                let message = DeskMessage::Notice(notice);
                let viewers = self.clients.values_mut().filter_map(Client::viewer);
                viewers.for_each(|viewer| viewer.tell(&message));
            }
        }
    }

    /// Windows that read nothing hold up the command only as long as nobody else looks on.
    fn leave_stuck_windows(&mut self) {
        let now = self.now();
        let lookers_on = self.clients.values().filter(|client| match client {
            Client::Window(window) => !window.is_stuck(now),
            Client::Viewer(_) => true,
            _ => false,
        });
        if lookers_on.count() > 0 {
            let windows = self.clients.values_mut().filter_map(Client::window);
            windows.filter(|window| window.is_stuck(now)).for_each(DeskWindow::fall_behind);
        }
    }

    /// Notices that the command has ended, and that all it wrote has been read.
    fn check_end(&mut self) {
        let now = self.now();
        let Some(child) = &mut self.child else { return };
        if self.hung_up_at.is_some_and(|at| now >= at + HANG_UP_GRACE) {
            child.kill();
        }
        let Some(end) = child.poll_end().cloned() else { return };
        let exited_at = *self.exited_at.get_or_insert(now);
        let is_drained =
            child.has_hung_up() || (!child.is_readable() && now >= exited_at + LAST_BYTES_WITHIN);
        if is_drained {
            self.child = None;
            self.ended = Some((end, now));
        }
    }

    fn update_clients(&mut self) {
        let now = self.now();
        self.status_at = None;
        self.tell_lookers(now);
        let names = self.viewer_names();
        let owner = self.sizes.owner();
        self.catch_up_windows();
        for (id, client) in &mut self.clients {
            match client {
                Client::Window(window) => {
                    if let Some((end, _)) = &self.ended {
                        window.end(end);
                    }
                    window.flush(now);
                }
                Client::Viewer(viewer) => match &self.ended {
                    Some((end, at)) => viewer.end(end, self.emulator.screen(), *at, now),
                    None => {
                        let owner = owner_seen_by(*id, owner, &names);
                        viewer.update(&mut self.emulator, &owner, now);
                    }
                },
                Client::New(..) | Client::Looker(_) => {}
            }
        }
    }

    /// Gives the whole screen to windows that lack it and take it.
    fn catch_up_windows(&mut self) {
        let lacks_main = |client: &Client| matches!(client, Client::Window(it) if it.lacks_main_screen());
        if self.clients.values().any(lacks_main) && !self.emulator.screen().modes.is_alternate {
            let windows = self.clients.values_mut().filter_map(Client::window);
            windows.filter(|window| window.lacks_main_screen()).for_each(DeskWindow::fall_behind);
        }
        if self.clients.values_mut().filter_map(Client::window).any(|window| window.may_catch_up()) {
            let screen = self.emulator.redraw();
            let is_alternate = self.emulator.screen().modes.is_alternate;
            let windows = self.clients.values_mut().filter_map(Client::window);
            let behind = windows.filter(|window| window.may_catch_up());
            behind.for_each(|window| window.redraw(&screen, is_alternate));
        }
    }

    fn viewer_names(&self) -> BTreeMap<ClientId, String> {
        let named = self.clients.iter().filter_map(|(id, client)| match client {
            Client::Viewer(viewer) => Some((*id, viewer.device().to_owned())),
            _ => None,
        });
        named.collect()
    }

    fn tell_lookers(&mut self, now: Duration) {
        if !self.clients.values().any(|client| matches!(client, Client::Looker(_))) {
            return;
        }
        let status = json(&self.status());
        let lookers = self.clients.values_mut().filter_map(Client::looker);
        self.status_at = lookers.filter_map(|looker| looker.tell(&status, now)).min();
    }

    fn status(&mut self) -> Status {
        let screen = self.emulator.screen();
        let viewers = self.clients.values().filter_map(|client| match client {
            Client::Viewer(viewer) => Some(viewer.viewing()),
            _ => None,
        });
        Status {
            name: self.settings.name.clone(),
            command: self.settings.words(),
            title: screen.title().to_owned(),
            columns: screen.size().columns(),
            rows: screen.size().rows(),
            view_only: self.settings.view_only,
            to: self.settings.to.clone(),
            since: self.settings.since,
            windows: self.clients.values().filter(|client| matches!(client, Client::Window(_))).count(),
            viewers: viewers.collect(),
            pid: std::process::id(),
        }
    }

    fn drop_clients(&mut self) {
        let now = self.now();
        let over: Vec<ClientId> =
            self.clients.iter().filter(|(_, client)| client.is_over(now)).map(|(id, _)| *id).collect();
        for id in over {
            let Some(client) = self.clients.remove(&id) else { continue };
            self.sizes.on_gone(id);
            match client {
                Client::Window(window) if window.hangs_up() => self.hang_up(),
                Client::Viewer(viewer) => self.note_windows(&format!("{} left", viewer.device())),
                _ => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        let has_clients = self.clients.values().any(|client| !matches!(client, Client::Looker(_)));
        match &self.ended {
            Some((_, at)) => !has_clients || self.now() >= *at + FAREWELL_MAX,
            None => self.child.is_none() && self.now() >= FIRST_WINDOW_WITHIN,
        }
    }

    /// How long to wait for an event.
    fn timeout(&mut self) -> Option<Duration> {
        let now = self.now();
        let is_held = self.clients.values_mut().filter_map(Client::window).any(|window| window.is_full());
        let has_output = self.child.as_ref().is_some_and(|child| child.is_readable() && !is_held);
        if has_output {
            return Some(Duration::ZERO);
        }
        let viewers = self.clients.values().filter_map(|client| match client {
            Client::Viewer(viewer) => viewer.due_at(now),
            other => other.deadline(),
        });
        let ended = self.ended.as_ref().map(|(_, at)| *at + FAREWELL_MAX);
        let first = (self.child.is_none() && self.ended.is_none()).then_some(FIRST_WINDOW_WITHIN);
        let last_bytes = self.exited_at.filter(|_| self.child.is_some()).map(|at| at + LAST_BYTES_WITHIN);
        let kill = self.hung_up_at.filter(|_| self.child.is_some()).map(|at| at + HANG_UP_GRACE);
        let others = [
            self.emulator.poll_timeout(),
            self.sizes.next_at(),
            self.status_at,
            ended,
            first,
            last_bytes,
            kill,
        ];
        let next = viewers.chain(others.into_iter().flatten()).min()?;
        // A millisecond more, as poll rounds down.
        Some(next.saturating_sub(now) + Duration::from_millis(u64::from(next > now)))
    }
}

/// What the command reads when a phone types this.
fn typed_bytes(message: &ViewerMessage, screen: &relay_client::app::terminal::Screen) -> Vec<u8> {
    match message {
        ViewerMessage::Text(text) => text_bytes(text),
        ViewerMessage::Key(key, modifiers) => key.bytes(*modifiers, &screen.modes),
        ViewerMessage::Paste(text) => paste_bytes(text, &screen.modes),
        ViewerMessage::Mouse(mouse) => mouse.bytes(&screen.modes),
        _ => Vec::new(),
    }
}

fn owner_seen_by(id: ClientId, owner: Owner, names: &BTreeMap<ClientId, String>) -> SizeOwner {
    match owner {
        Owner::Nobody => SizeOwner::Nobody,
        Owner::Window(_) => SizeOwner::Desk,
        Owner::Viewer(viewer) if viewer == id => SizeOwner::You,
        Owner::Viewer(viewer) => SizeOwner::Other(names.get(&viewer).cloned().unwrap_or_default()),
    }
}

fn screen_size(size: WindowSize) -> Size {
    Size::clamped(size.columns, size.rows)
}
