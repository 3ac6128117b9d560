//! What is at the desk around the phones.

use std::path::Path;

use mio::Registry;

use super::chores::Chores;
use super::desk::Desk;
use super::log::Log;
use super::terminals::Terminals;
use super::tokens::Tokens;
use crate::ipc::folder::Folders;

/// What the phones' events need besides the phones.
pub(super) struct Room<'a> {
    pub(super) desk: &'a mut Desk,
    pub(super) terminals: &'a Terminals,
    pub(super) log: &'a mut Log,
    pub(super) chores: &'a mut Chores,
    pub(super) tokens: &'a mut Tokens,
    pub(super) registry: &'a Registry,
    /// Where the terminals' sockets are.
    pub(super) sockets: &'a Path,
    pub(super) folders: &'a Folders,
}
