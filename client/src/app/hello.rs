//! What the two ends say about themselves: `hello` of either, and the desk's page of what it offers.

use super::limits::{FEATURES_MAX, NAME_BYTES_MAX, TERMINALS_MAX, TITLE_BYTES_MAX};
use super::rights::Rights;
use crate::text::harmless;

/// The version of the app protocol that this library speaks. An end that knows a later one keeps to the
/// other's.
pub const VERSION: u32 = 1;

/// An end's first words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The newest version that it knows.
    pub version: u32,
    /// What it can do beyond the version; unknown words are ignored.
    pub features: Vec<String>,
    /// The kind of device, as `phone`, `browser`, `workstation`.
    pub device: String,
    /// Its name for itself; harmless to show.
    pub name: String,
    /// Phone: its page is not visible, so its user sees nothing that it draws.
    pub hidden: bool,
}

impl Hello {
    /// A hello of this library's version without features.
    pub fn new(device: &str, name: &str) -> Self {
        let (device, name) = (device.to_owned(), name.to_owned());
        Hello { version: VERSION, features: Vec::new(), device, name, hidden: false }.bounded()
    }

    /// The same within the bounds of the wire, and harmless to show.
    pub(super) fn bounded(mut self) -> Self {
        self.features.retain(|feature| feature.len() <= NAME_BYTES_MAX);
        self.features.truncate(FEATURES_MAX);
        self.device = shown(&self.device, NAME_BYTES_MAX);
        self.name = shown(&self.name, NAME_BYTES_MAX);
        self
    }

    /// True if it names this feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|named| named == feature)
    }
}

/// What the desk offers to this phone. Sent behind its hello, and again when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskInfo {
    /// The desk's name.
    pub name: String,
    /// What this phone may do.
    pub rights: Rights,
    /// The terminals that are shared with this phone.
    pub terminals: Vec<TerminalInfo>,
}

/// One shared terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminalInfo {
    /// Its name, by which it is opened.
    pub name: String,
    /// The title that its program has set; may be empty.
    pub title: String,
    /// Its width.
    pub cols: u16,
    /// Its height.
    pub rows: u16,
    /// Nobody may type into it from a phone.
    pub view_only: bool,
}

impl DeskInfo {
    /// The same within the bounds of the wire, and harmless to show.
    pub(super) fn bounded(mut self) -> Self {
        self.name = shown(&self.name, NAME_BYTES_MAX);
        self.terminals.truncate(TERMINALS_MAX);
        for terminal in &mut self.terminals {
            terminal.name = shown(&terminal.name, NAME_BYTES_MAX);
            terminal.title = shown(&terminal.title, TITLE_BYTES_MAX);
        }
        self
    }
}

/// At most `bytes_max` bytes of a text, made harmless.
fn shown(text: &str, bytes_max: usize) -> String {
    super::cut(&harmless(super::cut(text, bytes_max)), bytes_max).to_owned()
}
