//! How the program's processes talk to each other: frames on Unix sockets.

pub(crate) mod frame;
