//! Files on disk: the folder that a receiver never leaves, and the files that a sender reads.
//!
//! [`Inbox`] is the receiver's folder. A name from elsewhere is made safe by `name`. Each folder of a name is
//! opened by itself and never through a link, so nothing is written outside, whatever is moved meanwhile. The
//! first folder is one that was made for this sender: `mark` says so. A file that is under way is
//! `NAME.part`, a [`Part`]; `NAME.part.info` beside it says whose it is. A whole file gets its name only if
//! that is free, else a numbered one.
//!
//! [`Walk`] finds the files of a folder, [`Source`] reads one and notices when it changes meanwhile.

mod error;
mod existing;
mod inbox;
mod mark;
mod name;
mod part;
mod place;
mod sidecar;
mod source;
mod walk;
mod zeros;

pub use error::FolderError;
pub use existing::Existing;
pub use inbox::{Begun, Inbox, Wanted};
pub use name::safe_name;
pub use part::Part;
pub use source::{Block, Source, SourceError};
pub use walk::{Found, FoundFile, Opener, Walk, check_readable};
