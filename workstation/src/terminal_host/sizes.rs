//! Who decides the size of a terminal, and when it changes. Pure: time is an argument.
//!
//! The desk's window decides: of several, the one that was used last. A phone takes the size by a button, and
//! has it until it gives it back, leaves, or somebody types at the desk, attaches or resizes a window.

use std::time::Duration;

use super::wire::WindowSize;

/// The shortest time between two changes. Each one makes most programs draw everything again.
const INTERVAL: Duration = Duration::from_millis(50);

/// The same if a phone decides.
const VIEWER_INTERVAL: Duration = Duration::from_millis(300);

/// The number of a client.
pub(super) type ClientId = usize;

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody: the size stays as it is.
    Nobody,
    /// A window of the desk.
    Window(ClientId),
    /// A phone.
    Viewer(ClientId),
}

/// The sizes of the windows, and the one that applies.
#[derive(Debug)]
pub(super) struct Sizes {
    /// The windows that have a size, the one used last at the end.
    windows: Vec<(ClientId, WindowSize)>,
    viewer: Option<(ClientId, WindowSize)>,
    applied: WindowSize,
    applied_at: Option<Duration>,
}

impl Sizes {
    /// Nobody decides yet.
    pub(super) fn new(size: WindowSize) -> Self {
        Self { windows: Vec::new(), viewer: None, applied: size, applied_at: None }
    }

    /// A window was attached, or has another size. It decides from now on.
    pub(super) fn on_window(&mut self, id: ClientId, size: WindowSize) {
        self.forget_window(id);
        if size.columns > 0 && size.rows > 0 {
            self.windows.push((id, size));
            self.viewer = None;
        }
    }

    /// Somebody typed in a window.
    pub(super) fn on_typed(&mut self, id: ClientId) {
        if let Some(at) = self.windows.iter().position(|(window, _)| *window == id) {
            let window = self.windows.remove(at);
            self.windows.push(window);
            self.viewer = None;
        }
    }

    /// Of these windows, the one that was used last.
    pub(super) fn used_last(&self, is_one: impl Fn(ClientId) -> bool) -> Option<ClientId> {
        self.windows.iter().map(|(id, _)| *id).rfind(|id| is_one(*id))
    }

    /// A phone takes the size.
    pub(super) fn on_taken(&mut self, id: ClientId, size: WindowSize) {
        self.viewer = Some((id, size));
    }

    /// A phone gives the size back.
    pub(super) fn on_given_back(&mut self, id: ClientId) {
        self.viewer.take_if(|(viewer, _)| *viewer == id);
    }

    /// A window or a phone is gone.
    pub(super) fn on_gone(&mut self, id: ClientId) {
        self.forget_window(id);
        self.on_given_back(id);
    }

    /// Who decides now.
    pub(super) fn owner(&self) -> Owner {
        match (self.viewer, self.windows.last()) {
            (Some((id, _)), _) => Owner::Viewer(id),
            (None, Some((id, _))) => Owner::Window(*id),
            (None, None) => Owner::Nobody,
        }
    }

    /// The size that applies.
    pub(super) fn applied(&self) -> WindowSize {
        self.applied
    }

    /// The size to apply now, if it changes.
    pub(super) fn poll_change(&mut self, now: Duration) -> Option<WindowSize> {
        let wanted = self.wanted().filter(|_| self.due_at().is_none_or(|at| at <= now))?;
        self.applied = wanted;
        self.applied_at = Some(now);
        Some(wanted)
    }

    /// When to poll, if a change is waiting.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.wanted().map(|_| self.due_at().unwrap_or_default())
    }

    fn wanted(&self) -> Option<WindowSize> {
        let decided = self.viewer.or(self.windows.last().copied());
        decided.map(|(_, size)| size).filter(|size| *size != self.applied)
    }

    fn due_at(&self) -> Option<Duration> {
        let interval = if self.viewer.is_some() { VIEWER_INTERVAL } else { INTERVAL };
        self.applied_at.map(|at| at + interval)
    }

    fn forget_window(&mut self, id: ClientId) {
        self.windows.retain(|(window, _)| *window != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn size(columns: u16, rows: u16) -> WindowSize {
        WindowSize { columns, rows, pixel_width: 0, pixel_height: 0 }
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_window_used_last_decides() {
        let mut sizes = Sizes::new(size(80, 24));
        assert_eq!(sizes.owner(), Owner::Nobody);
        sizes.on_window(1, size(100, 30));
        sizes.on_window(2, size(120, 50));
        assert_eq!((sizes.owner(), sizes.poll_change(ms(0))), (Owner::Window(2), Some(size(120, 50))));
        sizes.on_typed(1);
        assert_eq!((sizes.owner(), sizes.poll_change(ms(100))), (Owner::Window(1), Some(size(100, 30))));
        sizes.on_gone(1);
        assert_eq!((sizes.owner(), sizes.poll_change(ms(200))), (Owner::Window(2), Some(size(120, 50))));
        sizes.on_gone(2);
        assert_eq!((sizes.owner(), sizes.poll_change(ms(300))), (Owner::Nobody, None));
        assert_eq!(sizes.applied(), size(120, 50));
    }

    #[test]
    fn a_phone_has_the_size_until_it_gives_it_back_or_the_desk_is_used() {
        let mut sizes = Sizes::new(size(80, 24));
        sizes.on_window(1, size(80, 24));
        for end in [Sizes::on_given_back, Sizes::on_gone] {
            sizes.on_taken(7, size(40, 20));
            assert_eq!(sizes.owner(), Owner::Viewer(7));
            sizes.on_given_back(8);
            assert_eq!(sizes.owner(), Owner::Viewer(7), "another phone has nothing to give back");
            end(&mut sizes, 7);
            assert_eq!(sizes.owner(), Owner::Window(1));
        }
        sizes.on_taken(7, size(40, 20));
        sizes.on_typed(1);
        assert_eq!(sizes.owner(), Owner::Window(1));
        sizes.on_taken(7, size(40, 20));
        sizes.on_window(1, size(90, 24));
        assert_eq!(sizes.owner(), Owner::Window(1));
    }

    #[test]
    fn many_changes_become_few_and_the_last_one_counts() {
        let mut sizes = Sizes::new(size(80, 24));
        let mut changes = Vec::new();
        for at in (0..1000).step_by(10) {
            sizes.on_window(1, size(80 + u16::try_from(at / 10).unwrap(), 24));
            changes.extend(sizes.poll_change(ms(at)));
        }
        assert!((10..=21).contains(&changes.len()), "{changes:?}");
        let next = sizes.next_at().expect("the last change waits");
        assert_eq!(sizes.poll_change(next), Some(size(179, 24)));
        assert_eq!(sizes.next_at(), None);
    }

    #[test]
    fn a_window_without_a_size_decides_nothing() {
        let mut sizes = Sizes::new(size(80, 24));
        sizes.on_window(1, WindowSize::default());
        assert_eq!((sizes.owner(), sizes.next_at()), (Owner::Nobody, None));
    }
}
