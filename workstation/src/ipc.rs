//! How the program's processes talk to each other: frames on Unix sockets in folders of the user's own.
//!
//! `folder` is where the sockets lie, `frame` and `link` are how bytes become frames, `wire` is what a
//! command and the agent say, `client` is the command's end, and `carried` its end of channels to phones.

pub(crate) mod carried;
pub(crate) mod client;
pub(crate) mod folder;
pub(crate) mod frame;
pub(crate) mod link;
pub(crate) mod peer;
pub(crate) mod wire;
