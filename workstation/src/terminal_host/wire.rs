//! What a terminal's host and its clients say to each other, as frames of `ipc::frame`.
//!
//! A client's first frame says what it is: a desk's window (`ATTACH`), a phone that looks on (`VIEW`, from
//! the agent), or a list that wants to know (`LOOK`). Everything but raw bytes is JSON. Unknown types and
//! fields are ignored, so that an older host can talk to a newer command.

use serde::{Deserialize, Serialize};

/// A window wants to attach: [`Attach`].
pub(crate) const ATTACH: u8 = 0x01;
/// Bytes that were typed in a window.
pub(crate) const INPUT: u8 = 0x02;
/// A window has another size now: [`WindowSize`].
pub(crate) const RESIZE: u8 = 0x03;
/// A window leaves. Answered by [`DETACHED`].
pub(crate) const DETACH: u8 = 0x04;
/// A window wants the whole screen once more.
pub(crate) const REDRAW: u8 = 0x05;
/// The command must end, as if its terminal had been closed.
pub(crate) const HANG_UP: u8 = 0x06;
/// A phone looks on: [`View`]. Once more when its rights or its name have changed.
pub(crate) const VIEW: u8 = 0x10;
/// One message of the kind *terminal*, in either direction.
pub(crate) const DATA: u8 = 0x11;
/// A client wants [`Status`], now and whenever it changes.
pub(crate) const LOOK: u8 = 0x20;

/// So many typed bytes a window sends ahead of what the command has taken: [`TAKEN`] tells of that.
pub(crate) const INPUT_AHEAD_MAX: usize = 64 << 10;

/// The window is attached. The first frame it gets.
pub(crate) const ATTACHED: u8 = 0x81;
/// What the command wrote.
pub(crate) const OUTPUT: u8 = 0x82;
/// A phone came, left or types: [`Note`].
pub(crate) const NOTE: u8 = 0x83;
/// The command ended: [`End`]. The last frame.
pub(crate) const ENDED: u8 = 0x84;
/// The window is detached. The last frame.
pub(crate) const DETACHED: u8 = 0x85;
/// So many more typed bytes were taken: a `u32`, big-endian.
pub(crate) const TAKEN: u8 = 0x86;
/// [`Status`].
pub(crate) const STATUS: u8 = 0xa0;
/// The command wants its user's attention, who is not at the desk: [`Attention`].
pub(crate) const ATTENTION: u8 = 0xa1;
/// The command put this text into the clipboard, and may pass it on: UTF-8, at most [`COPIED_BYTES_MAX`].
pub(crate) const COPIED: u8 = 0xa2;

/// A longer text is not passed on.
pub(crate) const COPIED_BYTES_MAX: usize = 32 << 10;

/// The size of a window. Zeros are sizes that the window does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WindowSize {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    pub(crate) pixel_width: u16,
    pub(crate) pixel_height: u16,
}

/// A window that attaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Attach {
    /// It is a terminal, which answers the questions that programs ask of terminals.
    pub(crate) is_terminal: bool,
    /// Its size, if it is a terminal.
    pub(crate) size: WindowSize,
    /// The command ends with this window, unless the window detaches.
    pub(crate) hang_up: bool,
}

/// A phone that looks on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct View {
    /// The phone's name, for the desk.
    pub(crate) device: String,
    /// Its rights let it type.
    pub(crate) may_type: bool,
    /// It decides the size, which is this one: the terminal is a shell that it has just opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<WindowSize>,
}

/// Words for the window's user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Note {
    pub(crate) text: String,
}

/// Why the user should look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attention {
    pub(crate) title: String,
    pub(crate) text: String,
}

/// How the command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum End {
    /// It exited with this code.
    Code(u8),
    /// This signal ended it.
    Signal(u8),
    /// It could not be started.
    NotStarted {
        /// Why not.
        why: String,
        /// 127 if there is no such command, 126 if it can't be run; as shells have it.
        code: u8,
    },
}

impl End {
    /// The exit code that shells give for this end.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            End::Code(code) | End::NotStarted { code, .. } => *code,
            End::Signal(signal) => 128u8.saturating_add(*signal),
        }
    }
}

/// What there is to know of a shared terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    /// Its name.
    pub(crate) name: String,
    /// The command and its arguments, for people.
    pub(crate) command: String,
    /// The title that the command set.
    pub(crate) title: String,
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    /// No phone may type.
    pub(crate) view_only: bool,
    /// The phones that may look on; empty if all may.
    pub(crate) to: Vec<String>,
    /// A phone opened it as a shell of its own.
    pub(crate) shell: bool,
    /// When it began, in seconds since 1970.
    pub(crate) since: u64,
    /// How many windows are attached.
    pub(crate) windows: usize,
    /// The phones that look on.
    pub(crate) viewers: Vec<Viewing>,
    /// The host's process.
    pub(crate) pid: u32,
}

/// A phone that looks on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Viewing {
    pub(crate) device: String,
    /// It may type.
    pub(crate) may_type: bool,
    /// It has typed.
    pub(crate) has_typed: bool,
}

/// The JSON of a value.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    // These types have no maps and no floats, so nothing in them can't be written.
    sonic_rs::to_vec(value).unwrap_or_default()
}

/// The value in a payload; `None` if it is not JSON of this kind.
pub(crate) fn parsed<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Option<T> {
    sonic_rs::from_slice(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_missing_fields_are_fine() {
        let attach: Attach = parsed(br#"{"isTerminal":true,"size":{"columns":90},"new":[1]}"#).unwrap();
        let size = WindowSize { columns: 90, ..WindowSize::default() };
        assert_eq!(attach, Attach { is_terminal: true, size, hang_up: false });
        assert_eq!(parsed::<View>(b"{}"), Some(View::default()));
        assert_eq!(parsed::<View>(b"["), None);
    }

    #[test]
    fn ends_are_written_and_read() {
        let failed = End::NotStarted { why: "no".into(), code: 127 };
        for (end, code) in [(End::Code(3), 3), (End::Signal(9), 137), (failed, 127)] {
            assert_eq!(parsed::<End>(&json(&end)), Some(end.clone()));
            assert_eq!(end.exit_code(), code);
        }
    }
}
