//! What a client is, by its first frame, and what it may do.

use std::time::Duration;

use super::Settings;
use super::clients::{Client, Looker};
use super::desk_window::DeskWindow;
use super::viewer::Viewer;
use super::wire::{self, View, parsed};
use crate::ipc::link::Link;

/// The client that this frame makes of a connection; `None` if it is not one of ours.
pub(super) fn greeted(
    link: Link,
    (kind, payload): (u8, &[u8]),
    settings: &Settings,
    now: Duration,
) -> Option<Client> {
    Some(match kind {
        wire::ATTACH => Client::Window(DeskWindow::new(link, parsed(payload).unwrap_or_default(), now)),
        wire::VIEW => Client::Viewer(Box::new(Viewer::new(link, view_of(payload, settings)))),
        wire::LOOK => Client::Looker(Looker::new(link)),
        _ => return None,
    })
}

/// What a phone may do at this terminal, as the agent tells.
pub(super) fn view_of(payload: &[u8], settings: &Settings) -> View {
    let view: View = parsed(payload).unwrap_or_default();
    View { may_type: view.may_type && !settings.view_only, ..view }
}
