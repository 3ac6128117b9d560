//! The shared terminal itself: the command, its screen, its size, and how it ends.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};
use relay_client::app::terminal::{Screen, Size};

use super::Settings;
use super::child::{Child, Output};
use super::emulator::{Emulator, EmulatorEvent};
use super::screen_keeper::ScreenKeeper;
use super::sizes::{ClientId, Owner, Sizes};
use super::wire::{End, WindowSize};

/// The window that starts the command comes within this time, or never.
const FIRST_WINDOW_WITHIN: Duration = Duration::from_secs(20);

/// After the command's end, its last bytes come within this time.
const LAST_BYTES_WITHIN: Duration = Duration::from_millis(200);

/// A command that was hung up and goes on for so long is killed.
const HANG_UP_GRACE: Duration = Duration::from_secs(5);

/// The size of a terminal that nobody has given one.
const SIZE: WindowSize = WindowSize { columns: 80, rows: 24, pixel_width: 0, pixel_height: 0 };

/// Where the command is.
enum Stage {
    /// Not started.
    Waiting,
    Running(Child),
    /// It ended like this, at this time, and all that it wrote was read.
    Ended(End, Duration),
}

/// See the module.
pub(super) struct Terminal {
    stage: Stage,
    screen: ScreenKeeper,
    sizes: Sizes,
    hung_up_at: Option<Duration>,
    is_killed: bool,
    /// When the command's process ended.
    exited_at: Option<Duration>,
}

impl Terminal {
    /// A terminal of this size, until somebody decides it.
    pub(super) fn new(size: Option<WindowSize>) -> Self {
        let size = size.unwrap_or(SIZE);
        Self {
            stage: Stage::Waiting,
            screen: ScreenKeeper::new(screen_size(size)),
            sizes: Sizes::new(size),
            hung_up_at: None,
            is_killed: false,
            exited_at: None,
        }
    }

    /// Starts the command, if that has not happened. True if it has just been tried.
    ///
    /// # Errors
    /// Its terminal can't be polled.
    pub(super) fn start(
        &mut self,
        settings: &Settings,
        (registry, token): (&Registry, Token),
        now: Duration,
    ) -> io::Result<bool> {
        if !matches!(self.stage, Stage::Waiting) {
            return Ok(false);
        }
        self.apply_size(now);
        self.stage = match Child::start(&settings.command, &settings.name, self.sizes.applied()) {
            Ok(child) => {
                child.register(registry, token)?;
                // The command's folder may be unmounted once the command has left it.
                drop(std::env::set_current_dir("/"));
                Stage::Running(child)
            }
            Err(end) => Stage::Ended(end, now),
        };
        Ok(true)
    }

    fn child(&mut self) -> Option<&mut Child> {
        match &mut self.stage {
            Stage::Running(child) => Some(child),
            _ => None,
        }
    }

    /// Poll says that the command may have written.
    pub(super) fn note_readable(&mut self) {
        self.child().into_iter().for_each(Child::note_readable);
    }

    /// True if a read may bring output.
    pub(super) fn has_output(&self) -> bool {
        matches!(&self.stage, Stage::Running(child) if child.is_readable())
    }

    /// Reads what the command wrote.
    pub(super) fn read<'a>(&mut self, buffer: &'a mut [u8], now: Duration) -> &'a [u8] {
        let Some(Output::Bytes(count)) = self.child().map(|child| child.read(buffer)) else { return &[] };
        self.screen.add(&buffer[..count], now);
        &buffer[..count]
    }

    /// True if what is typed is taken: the command reads it, or has ended.
    pub(super) fn has_room(&self) -> bool {
        !matches!(&self.stage, Stage::Running(child) if !child.has_room())
    }

    /// Gives bytes to the command, as if they were typed.
    pub(super) fn type_bytes(&mut self, bytes: &[u8]) {
        self.child().into_iter().for_each(|child| child.type_bytes(bytes));
    }

    /// Goes on with what was typed.
    pub(super) fn flush(&mut self) {
        self.child().into_iter().for_each(Child::flush);
    }

    /// The windows, and who decides the size.
    pub(super) fn sizes(&mut self) -> &mut Sizes {
        &mut self.sizes
    }

    /// Who decides the size.
    pub(super) fn owner(&self) -> Owner {
        self.sizes.owner()
    }

    /// A window or a phone is gone.
    pub(super) fn forget(&mut self, id: ClientId) {
        self.sizes.on_gone(id);
    }

    /// Changes the size, if it is time.
    pub(super) fn apply_size(&mut self, now: Duration) {
        let Some(size) = self.sizes.poll_change(now) else { return };
        self.screen.resize(screen_size(size), now);
        self.child().into_iter().for_each(|child| child.resize(size));
    }

    /// The emulator, which has read everything.
    pub(super) fn emulator(&mut self, now: Duration) -> &mut Emulator {
        self.screen.emulator(now)
    }

    /// The screen, which may lack the output of the last milliseconds.
    pub(super) fn screen(&mut self) -> &Screen {
        self.screen.screen()
    }

    /// Answers what the command asked of its terminal, unless a real one does, and returns what else it did.
    pub(super) fn take_events(&mut self, is_answered: bool, now: Duration) -> Vec<EmulatorEvent> {
        if !is_answered {
            let replies = self.screen.emulator(now).take_replies();
            self.type_bytes(&replies);
        }
        let events = self.screen.take_events();
        if is_answered {
            self.screen.drop_replies();
        }
        events
    }

    /// Ends the command as a terminal that is closed does.
    pub(super) fn hang_up(&mut self, now: Duration) {
        if self.hung_up_at.is_none()
            && let Some(child) = self.child()
        {
            child.hang_up();
            self.hung_up_at = Some(now);
        }
    }

    /// Does what is due: reads output, kills what does not end, and notices the end.
    pub(super) fn on_time(&mut self, now: Duration) {
        self.screen.on_time(now);
        self.is_killed = self.hung_up_at.is_some_and(|at| now >= at + HANG_UP_GRACE);
        let is_killed = self.is_killed;
        let exited_at = self.exited_at;
        let Some(child) = self.child() else { return };
        if is_killed {
            child.kill();
        }
        let Some(end) = child.poll_end().cloned() else { return };
        let exited_at = exited_at.unwrap_or(now);
        let is_drained =
            child.has_hung_up() || (!child.is_readable() && now >= exited_at + LAST_BYTES_WITHIN);
        self.exited_at = Some(exited_at);
        if is_drained {
            self.screen.catch_up(now);
            self.stage = Stage::Ended(end, now);
        }
    }

    /// When to call [`Terminal::on_time`] or [`Terminal::apply_size`], if nothing happens before.
    pub(super) fn next_at(&self) -> Option<Duration> {
        let waiting = matches!(self.stage, Stage::Waiting).then_some(FIRST_WINDOW_WITHIN);
        let is_running = matches!(self.stage, Stage::Running(_));
        // What can be read waits for a window, and not for the time.
        let may_end = is_running && !self.has_output();
        let last_bytes = self.exited_at.filter(|_| may_end).map(|at| at + LAST_BYTES_WITHIN);
        let kill = self.hung_up_at.filter(|_| is_running && !self.is_killed).map(|at| at + HANG_UP_GRACE);
        let all = [waiting, last_bytes, kill, self.screen.next_at(), self.sizes.next_at()];
        all.into_iter().flatten().min()
    }

    /// How and when the command ended.
    pub(super) fn ended(&self) -> Option<(&End, Duration)> {
        match &self.stage {
            Stage::Ended(end, at) => Some((end, *at)),
            _ => None,
        }
    }

    /// True if nobody has come to start the command.
    pub(super) fn is_abandoned(&self, now: Duration) -> bool {
        matches!(self.stage, Stage::Waiting) && now >= FIRST_WINDOW_WITHIN
    }
}

fn screen_size(size: WindowSize) -> Size {
    Size::clamped(size.columns, size.rows)
}
