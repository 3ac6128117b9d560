//! What a profile keeps on disk: its relay, its phones, and the sessions that are still to be deleted.
//!
//! Every file is this user's alone and replaced whole or not at all. One that is damaged is named in an
//! error, and the others are not touched.

pub(crate) mod file;
pub(crate) mod phones;
pub(crate) mod profile;
pub(crate) mod retire;
