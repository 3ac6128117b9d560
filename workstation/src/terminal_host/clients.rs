//! The clients of a terminal's host: windows, phones, lists, and those that have not said what they are.

use std::time::Duration;

use super::desk_window::DeskWindow;
use super::link::Link;
use super::viewer::Viewer;
use super::wire::STATUS;

/// A client that has not said what it is for so long is left.
const GREETING_MAX: Duration = Duration::from_secs(10);

/// The shortest time between two statuses to one list.
const STATUS_INTERVAL: Duration = Duration::from_millis(200);

/// A list that lets more wait than this is left.
const STATUS_QUEUED_MAX: usize = 64 << 10;

/// One client.
#[derive(Debug)]
pub(super) enum Client {
    /// It has not said what it is.
    New(Link, Duration),
    Window(DeskWindow),
    Viewer(Box<Viewer>),
    Looker(Looker),
}

impl Client {
    pub(super) fn link(&mut self) -> &mut Link {
        match self {
            Client::New(link, _) => link,
            Client::Window(window) => &mut window.link,
            Client::Viewer(viewer) => &mut viewer.link,
            Client::Looker(looker) => &mut looker.link,
        }
    }

    pub(super) fn window(&mut self) -> Option<&mut DeskWindow> {
        match self {
            Client::Window(window) => Some(window),
            _ => None,
        }
    }

    pub(super) fn viewer(&mut self) -> Option<&mut Viewer> {
        match self {
            Client::Viewer(viewer) => Some(viewer),
            _ => None,
        }
    }

    pub(super) fn looker(&mut self) -> Option<&mut Looker> {
        match self {
            Client::Looker(looker) => Some(looker),
            _ => None,
        }
    }

    /// True if there is nothing more to do with it.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        match self {
            Client::New(link, since) => link.has_ended() || now >= *since + GREETING_MAX,
            Client::Window(window) => window.is_over(),
            Client::Viewer(viewer) => viewer.is_over(),
            Client::Looker(looker) => looker.link.has_ended() || looker.link.queued() > STATUS_QUEUED_MAX,
        }
    }

    /// When to look at it, whatever comes.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self {
            Client::New(_, since) => Some(*since + GREETING_MAX),
            Client::Window(window) if window.is_full() => Some(window.stuck_at()),
            _ => None,
        }
    }
}

/// A list that wants the status.
#[derive(Debug)]
pub(super) struct Looker {
    pub(super) link: Link,
    told: Vec<u8>,
    told_at: Option<Duration>,
}

impl Looker {
    pub(super) fn new(link: Link) -> Self {
        Self { link, told: Vec::new(), told_at: None }
    }

    /// Tells the status if it differs from the last. Returns when to look again, if it may not be told yet.
    pub(super) fn tell(&mut self, status: &[u8], now: Duration) -> Option<Duration> {
        self.link.flush();
        if self.told == status {
            return None;
        }
        if let Some(at) = self.told_at.map(|at| at + STATUS_INTERVAL).filter(|at| *at > now) {
            return Some(at);
        }
        self.link.send(STATUS, status);
        self.told = status.to_vec();
        self.told_at = Some(now);
        None
    }
}
