//! The clients of a terminal's host: windows, phones, lists, and those that have not said what they are.

use std::collections::BTreeMap;
use std::time::Duration;

use relay_client::app::terminal::SizeOwner;

use super::desk_window::DeskWindow;
use super::sizes::{ClientId, Owner};
use super::viewer::Viewer;
use super::wire::STATUS;
use crate::ipc::link::Link;

/// The most clients at a time; further ones are refused.
const CLIENTS_MAX: usize = 64;

/// The most phones among them, so that places are left for the desk's own windows and lists.
const VIEWERS_MAX: usize = 48;

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

    /// True if there is nothing more to do with it.
    fn is_over(&self, now: Duration) -> bool {
        match self {
            Client::New(link, since) => link.has_ended() || now >= *since + GREETING_MAX,
            Client::Window(window) => window.is_over(),
            Client::Viewer(viewer) => viewer.is_over(),
            Client::Looker(looker) => looker.link.has_ended() || looker.link.queued() > STATUS_QUEUED_MAX,
        }
    }

    /// When to look at it, whatever comes.
    fn next_at(&self, now: Duration) -> Option<Duration> {
        match self {
            Client::New(_, since) => Some(*since + GREETING_MAX),
            Client::Window(window) => window.next_at(),
            Client::Viewer(viewer) => viewer.next_at(now),
            Client::Looker(looker) => looker.next_at(),
        }
    }
}

/// All clients, by their numbers.
#[derive(Debug)]
pub(super) struct Clients {
    all: BTreeMap<ClientId, Client>,
    next_id: ClientId,
}

impl Clients {
    /// Nobody yet; the first one gets this number.
    pub(super) fn new(first: ClientId) -> Self {
        Self { all: BTreeMap::new(), next_id: first }
    }

    /// True if one more is let in.
    pub(super) fn has_room(&self) -> bool {
        self.all.len() < CLIENTS_MAX
    }

    /// True if one more phone is let in.
    pub(super) fn has_room_for_viewer(&self) -> bool {
        self.viewers().count() < VIEWERS_MAX
    }

    /// The number for the next one.
    pub(super) fn take_id(&mut self) -> ClientId {
        self.next_id += 1;
        self.next_id - 1
    }

    pub(super) fn put(&mut self, id: ClientId, client: Client) {
        self.all.insert(id, client);
    }

    pub(super) fn get(&mut self, id: ClientId) -> Option<&mut Client> {
        self.all.get_mut(&id)
    }

    /// Takes out one that has not said what it is.
    pub(super) fn take_new(&mut self, id: ClientId) -> Option<Link> {
        match self.all.remove(&id)? {
            Client::New(link, _) => Some(link),
            other => {
                self.put(id, other);
                None
            }
        }
    }

    pub(super) fn ids(&self) -> Vec<ClientId> {
        self.all.keys().copied().collect()
    }

    pub(super) fn window(&mut self, id: ClientId) -> Option<&mut DeskWindow> {
        match self.all.get_mut(&id) {
            Some(Client::Window(window)) => Some(window),
            _ => None,
        }
    }

    pub(super) fn viewer(&mut self, id: ClientId) -> Option<&mut Viewer> {
        match self.all.get_mut(&id) {
            Some(Client::Viewer(viewer)) => Some(viewer),
            _ => None,
        }
    }

    pub(super) fn windows(&self) -> impl Iterator<Item = &DeskWindow> {
        self.all.values().filter_map(|client| match client {
            Client::Window(window) => Some(window),
            _ => None,
        })
    }

    pub(super) fn windows_mut(&mut self) -> impl Iterator<Item = &mut DeskWindow> {
        self.all.values_mut().filter_map(|client| match client {
            Client::Window(window) => Some(window),
            _ => None,
        })
    }

    pub(super) fn viewers(&self) -> impl Iterator<Item = &Viewer> {
        self.all.values().filter_map(|client| match client {
            Client::Viewer(viewer) => Some(&**viewer),
            _ => None,
        })
    }

    /// The viewers, each with its number.
    pub(super) fn viewers_mut(&mut self) -> impl Iterator<Item = (ClientId, &mut Viewer)> {
        self.all.iter_mut().filter_map(|(id, client)| match client {
            Client::Viewer(viewer) => Some((*id, &mut **viewer)),
            _ => None,
        })
    }

    pub(super) fn lookers_mut(&mut self) -> impl Iterator<Item = &mut Looker> {
        self.all.values_mut().filter_map(|client| match client {
            Client::Looker(looker) => Some(looker),
            _ => None,
        })
    }

    /// Tells the desk something.
    pub(super) fn note(&mut self, words: &str) {
        self.windows_mut().for_each(|window| window.note(words));
    }

    /// True if the command must wait for a window.
    pub(super) fn are_full(&self) -> bool {
        self.windows().any(DeskWindow::is_full)
    }

    /// True if this window is a terminal, which answers questions.
    pub(super) fn is_terminal(&self, id: ClientId) -> bool {
        matches!(self.all.get(&id), Some(Client::Window(window)) if window.is_terminal())
    }

    /// True if a real terminal answers what the command asks of its terminal.
    pub(super) fn answer_questions(&self) -> bool {
        self.windows().any(DeskWindow::is_terminal)
    }

    /// What the title of the desk's windows says of the phones that look on; `None` if there are none.
    pub(super) fn title(&self, own: &str) -> Option<String> {
        let clean = |text: &str| text.chars().filter(|char| !char.is_control()).collect::<String>();
        let what = |viewer: &Viewer| {
            let does = if viewer.viewing().has_typed { "types" } else { "watches" };
            format!("{} {does}", clean(viewer.device()))
        };
        let all: Vec<String> = self.viewers().map(what).collect();
        (!all.is_empty()).then(|| format!("{} – {}", clean(own), all.join(", ")))
    }

    /// Windows that read nothing hold up the command only as long as nobody else looks on.
    pub(super) fn leave_stuck_windows(&mut self, now: Duration) {
        self.windows_mut().for_each(|window| window.on_time(now));
        let others = self.viewers().count() + self.windows().filter(|window| !window.is_stuck()).count();
        if others > 0 {
            self.windows_mut().filter(|window| window.is_stuck()).for_each(DeskWindow::fall_behind);
        }
    }

    /// Who decides the size, as this viewer is told.
    pub(super) fn owner_seen_by(&self, id: ClientId, owner: Owner) -> SizeOwner {
        match owner {
            Owner::Nobody => SizeOwner::Nobody,
            Owner::Window(_) => SizeOwner::Desk,
            Owner::Viewer(viewer) if viewer == id => SizeOwner::You,
            Owner::Viewer(viewer) => match self.all.get(&viewer) {
                Some(Client::Viewer(viewer)) => SizeOwner::Other(viewer.device().to_owned()),
                _ => SizeOwner::Nobody,
            },
        }
    }

    /// Takes out those that there is nothing more to do with.
    pub(super) fn take_over(&mut self, now: Duration) -> Vec<(ClientId, Client)> {
        let over = self.all.iter().filter(|(_, client)| client.is_over(now)).map(|(id, _)| *id);
        let over: Vec<ClientId> = over.collect();
        over.into_iter().filter_map(|id| Some((id, self.all.remove(&id)?))).collect()
    }

    /// True if all have been told of the end. Lists need not be.
    pub(super) fn are_told(&self) -> bool {
        self.all.values().all(|client| matches!(client, Client::Looker(_)))
    }

    /// When to look at one of them, whatever comes.
    pub(super) fn next_at(&self, now: Duration) -> Option<Duration> {
        self.all.values().filter_map(|client| client.next_at(now)).min()
    }
}

/// A list that wants the status.
#[derive(Debug)]
pub(super) struct Looker {
    pub(super) link: Link,
    told: Vec<u8>,
    told_at: Option<Duration>,
    is_behind: bool,
}

impl Looker {
    pub(super) fn new(link: Link) -> Self {
        Self { link, told: Vec::new(), told_at: None, is_behind: false }
    }

    /// Tells the status if it differs from the last.
    pub(super) fn tell(&mut self, status: &[u8], now: Duration) {
        self.link.flush();
        self.is_behind = self.told != status;
        if self.is_behind && self.next_at().is_none_or(|at| at <= now) {
            self.link.send(STATUS, status);
            self.told = status.to_vec();
            self.told_at = Some(now);
            self.is_behind = false;
        }
    }

    /// When to tell it, if that had to wait.
    fn next_at(&self) -> Option<Duration> {
        self.told_at.filter(|_| self.is_behind).map(|at| at + STATUS_INTERVAL)
    }
}
