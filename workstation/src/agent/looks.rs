//! A phone opens a channel of kind terminal: to see one that is shared, or for a shell of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mio::net::UnixStream;
use relay_client::app::terminal::{Size, Target, accepting_shell};
use relay_client::app::{ChannelId, Reason, Right, Rights};

use super::lines::PhoneKey;
use super::openings::Opening;
use super::phone::Phone;
use super::room::Room;
use super::shells::Shells;
use super::terminals::Access;
use super::viewers::Viewers;
use crate::ipc::peer;
use crate::terminal_host::wire::{View, WindowSize};

/// A phone's channel.
struct Asker<'a> {
    key: PhoneKey,
    phone: &'a Phone,
    ch: ChannelId,
}

/// What was opened.
pub(super) enum Look {
    /// The terminal of this name.
    Shared(String),
    /// A shell, in the terminal of this name.
    Shell(String),
}

impl Look {
    /// What the phone does now.
    pub(super) fn deed(&self) -> String {
        match self {
            Look::Shared(name) => format!("looks at the terminal \"{name}\""),
            Look::Shell(name) => format!("opened a shell: `workstation attach {name}` shows it"),
        }
    }

    pub(super) fn is_shell(&self) -> bool {
        matches!(self, Look::Shell(_))
    }
}

/// The parts that have phones' terminals.
pub(super) struct Looks<'a> {
    pub(super) viewers: &'a mut Viewers,
    pub(super) shells: &'a mut Shells,
}

impl Looks<'_> {
    /// Opens what the parameters want, and accepts the channel.
    ///
    /// # Errors
    /// Why not; the channel is not answered.
    pub(super) fn open(
        &mut self,
        opening: &Opening<'_>,
        phone: &Phone,
        room: &mut Room<'_>,
    ) -> Result<Look, Reason> {
        let target = Target::parse(opening.params).ok_or_else(malformed)?;
        let asker = &Asker { key: opening.key, phone, ch: opening.ch };
        if self.viewers.is_full(asker.key) {
            return Err(Reason::new(Reason::TOO_MANY, "this phone looks at as many terminals as it may"));
        }
        match target {
            Target::Shared(name) => self.open_shared(asker, name, room).map(Look::Shared),
            Target::Shell(size) => self.open_shell(asker, window_size(size), room).map(Look::Shell),
        }
    }

    fn open_shared(
        &mut self,
        asker: &Asker<'_>,
        name: String,
        room: &mut Room<'_>,
    ) -> Result<String, Reason> {
        let (file, rights) = (&asker.phone.file, asker.phone.file.rights());
        let access = room.terminals.access(&name, file.id(), rights);
        let may_type = match access {
            Access::Unknown => return Err(no_terminal(&name)),
            Access::Refused => {
                return Err(Reason::new(Reason::RIGHTS, "this phone may not see this terminal"));
            }
            access => access == Access::Type,
        };
        let stream = connect(&room.sockets.join(format!("{name}.sock"))).map_err(|_| no_terminal(&name))?;
        self.show(asker, (&name, stream), View { device: file.name(), may_type, size: None }, room)?;
        accept(asker, "{}")?;
        Ok(name)
    }

    fn open_shell(
        &mut self,
        asker: &Asker<'_>,
        size: WindowSize,
        room: &mut Room<'_>,
    ) -> Result<String, Reason> {
        check_shell(asker.phone.file.rights(), room.desk.serves_shells())?;
        let started = self.shells.open(room.folders, room.terminals, size, Instant::now())?;
        let (name, stream) = (started.name, started.stream);
        let failed = |error: std::io::Error| Reason::new(Reason::OTHER, error.to_string());
        stream.set_nonblocking(true).map_err(failed)?;
        let view = View { device: asker.phone.file.name(), may_type: true, size: Some(size) };
        self.show(asker, (&name, UnixStream::from_std(stream)), view, room)?;
        accept(asker, &accepting_shell(&name))?;
        Ok(name)
    }

    fn show(
        &mut self,
        asker: &Asker<'_>,
        terminal: (&str, UnixStream),
        view: View,
        room: &mut Room<'_>,
    ) -> Result<(), Reason> {
        let place = (room.tokens.next(), room.registry);
        let app = Arc::clone(&asker.phone.app);
        let added = self.viewers.add((asker.key, &app, asker.ch), terminal, view, place);
        added.map_err(|error| Reason::new(Reason::OTHER, error.to_string()))
    }
}

fn accept(asker: &Asker<'_>, params: &str) -> Result<(), Reason> {
    let accepted = asker.phone.app.accept(asker.ch, params);
    accepted.map_err(|error| Reason::new(Reason::OTHER, error.to_string()))
}

fn connect(socket: &Path) -> std::io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    peer::check_own(&stream)?;
    Ok(stream)
}

/// # Errors
/// No shell may be opened; the words say what the user at the desk can do.
fn check_shell(rights: Rights, is_served: bool) -> Result<(), Reason> {
    if !rights.has(Right::Shell) {
        let words =
            "this phone may not open a shell; at the desk, `workstation rights NAME +shell` allows it";
        return Err(Reason::new(Reason::RIGHTS, words));
    }
    if !is_served {
        let words = "no shell can be opened now: at the desk, start `workstation serve --shell`";
        return Err(Reason::new(Reason::UNAVAILABLE, words));
    }
    Ok(())
}

fn window_size(size: Size) -> WindowSize {
    WindowSize { columns: size.columns(), rows: size.rows(), ..WindowSize::default() }
}

fn malformed() -> Reason {
    Reason::new(Reason::MALFORMED, "the parameters name no terminal, and want no shell")
}

/// Why a terminal is not shown.
fn no_terminal(name: &str) -> Reason {
    Reason::new(Reason::NOT_FOUND, format!("there is no terminal {name:?} for this phone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_needs_the_right_and_a_serve() {
        let (with, without) = (Rights::default().with(Right::Shell), Rights::default());
        assert_eq!(check_shell(without, true).unwrap_err().token(), Reason::RIGHTS);
        assert_eq!(check_shell(with, false).unwrap_err().token(), Reason::UNAVAILABLE);
        assert_eq!(check_shell(with, true), Ok(()));
    }
}
