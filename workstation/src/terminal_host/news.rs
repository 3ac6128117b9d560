//! What the clients of a terminal are told in one turn: what the command did, titles, screens, the status.

use std::time::Duration;

use relay_client::app::terminal::DeskMessage;

use super::Settings;
use super::away::Away;
use super::clients::Clients;
use super::desk_window::DeskWindow;
use super::emulator::EmulatorEvent;
use super::terminal::Terminal;
use super::viewer::Viewer;
use super::wire::{ATTENTION, Attention, COPIED, COPIED_BYTES_MAX, Status, json};

/// The clients, and what there is to tell.
pub(super) struct News<'a> {
    pub(super) clients: &'a mut Clients,
    pub(super) terminal: &'a mut Terminal,
    pub(super) settings: &'a Settings,
    pub(super) away: &'a mut Away,
    pub(super) now: Duration,
}

impl News<'_> {
    /// Tells each client what it takes.
    pub(super) fn tell_all(&mut self) {
        self.tell_events();
        self.tell_end();
        self.update_titles();
        self.update_windows();
        self.update_viewers();
        self.tell_lookers();
    }

    fn tell_events(&mut self) {
        for event in self.terminal.take_events(self.clients.answer_questions(), self.now) {
            let at = (self.settings.name.as_str(), self.clients.windows().next().is_some());
            let attention = self.away.on_event(&event, at, self.now);
            self.ask_for_attention(attention);
            match event {
                EmulatorEvent::Notice(notice) => {
                    let message = DeskMessage::Notice(notice);
                    self.clients.viewers_mut().for_each(|(_, viewer)| viewer.tell(&message));
                }
                EmulatorEvent::Clipboard(text)
                    if self.settings.clipboard && text.len() <= COPIED_BYTES_MAX =>
                {
                    self.clients.lookers_mut().for_each(|looker| looker.link.send(COPIED, text.as_bytes()));
                }
                EmulatorEvent::Title(_) => self.clients.windows_mut().for_each(DeskWindow::forget_title),
                _ => {}
            }
        }
    }

    fn tell_end(&mut self) {
        let has_window = self.clients.windows().next().is_some();
        let Some((end, _)) = self.terminal.ended() else { return };
        let at = (self.settings.name.as_str(), has_window);
        let attention = self.away.on_end(end, &self.settings.words(), at, self.now);
        self.ask_for_attention(attention);
    }

    /// Tells lists: the agent is one, and tells the phones.
    fn ask_for_attention(&mut self, attention: Option<Attention>) {
        if let Some(attention) = attention {
            let bytes = json(&attention);
            self.clients.lookers_mut().for_each(|looker| looker.link.send(ATTENTION, &bytes));
        }
    }

    /// The title of the desk's windows tells whether a phone watches or types.
    fn update_titles(&mut self) {
        if self.clients.viewers().next().is_none() && !self.clients.windows().any(DeskWindow::has_our_title) {
            return;
        }
        let own = self.terminal.screen().title().to_owned();
        let wanted = self.clients.title(if own.is_empty() { &self.settings.name } else { &own });
        let is_lacking = |window: &DeskWindow| window.lacks_title(wanted.as_deref());
        if !self.clients.windows().any(is_lacking) || !self.terminal.emulator(self.now).is_between_sequences()
        {
            return;
        }
        let windows = self.clients.windows_mut().filter(|window| window.lacks_title(wanted.as_deref()));
        windows.for_each(|window| window.show_title(wanted.as_deref(), &own));
    }

    fn update_windows(&mut self) {
        let now = self.now;
        if self.clients.windows().any(DeskWindow::lacks_main_screen)
            && let Some(screen) = self.terminal.emulator(now).poll_owed_redraw()
        {
            let windows = self.clients.windows_mut().filter(|window| window.lacks_main_screen());
            windows.for_each(|window| window.redraw(&screen, false));
        }
        if self.clients.windows().any(DeskWindow::may_catch_up) {
            let emulator = self.terminal.emulator(now);
            let (screen, is_alternate) = (emulator.redraw(), emulator.screen().modes.is_alternate);
            let windows = self.clients.windows_mut().filter(|window| window.may_catch_up());
            windows.for_each(|window| window.redraw(&screen, is_alternate));
        }
        for window in self.clients.windows_mut() {
            if let Some((end, _)) = self.terminal.ended() {
                window.end(end);
            }
            window.flush(now);
        }
    }

    fn update_viewers(&mut self) {
        let (now, owner) = (self.now, self.terminal.owner());
        let owners: Vec<_> = self.clients.viewers_mut().map(|(id, _)| id).collect();
        let owners: Vec<_> = owners.into_iter().map(|id| self.clients.owner_seen_by(id, owner)).collect();
        let ended = self.terminal.ended().map(|(end, at)| (end.clone(), at));
        for ((_, viewer), owner) in self.clients.viewers_mut().zip(owners) {
            match &ended {
                Some((end, at)) => viewer.end(end, self.terminal.screen(), *at, now),
                None => viewer.update(self.terminal, &owner, now),
            }
        }
    }

    fn tell_lookers(&mut self) {
        if self.clients.lookers_mut().next().is_some() {
            let (status, now) = (json(&self.status()), self.now);
            self.clients.lookers_mut().for_each(|looker| looker.tell(&status, now));
        }
    }

    fn status(&mut self) -> Status {
        let screen = self.terminal.screen();
        Status {
            name: self.settings.name.clone(),
            command: self.settings.words(),
            title: screen.title().to_owned(),
            columns: screen.size().columns(),
            rows: screen.size().rows(),
            view_only: self.settings.view_only,
            to: self.settings.to.clone(),
            shell: self.settings.shell.is_some(),
            since: self.settings.since,
            windows: self.clients.windows().count(),
            viewers: self.clients.viewers().map(Viewer::viewing).collect(),
            pid: std::process::id(),
        }
    }
}
