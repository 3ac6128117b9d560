//! How the program's processes talk to each other: frames on Unix sockets in folders of the user's own.

pub(crate) mod folder;
pub(crate) mod frame;
pub(crate) mod peer;
