//! Why a file is not kept.

use std::io;

use rustix::io::Errno;
use thiserror::Error;

use crate::app::Reason;
use crate::app::file::reason;

/// Why a file is not kept. What was written of it stays where it can be resumed.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The disk is full.
    #[error("the disk of {folder} is full: make room and send {name} again, the rest follows")]
    NoSpace {
        /// The folder.
        folder: String,
        /// The file.
        name: String,
    },
    /// The user's quota is used up.
    #[error("the disk quota for {folder} is used up: make room and send {name} again, the rest follows")]
    Quota {
        /// The folder.
        folder: String,
        /// The file.
        name: String,
    },
    /// The disk can't hold so long a file.
    #[error("{name} is too large for the file system of {folder}")]
    TooLarge {
        /// The folder.
        folder: String,
        /// The file.
        name: String,
    },
    /// A component of the name is there and is not a folder.
    #[error("{name} can't be written: {component} is there and is {what}, not a folder")]
    InTheWay {
        /// The file.
        name: String,
        /// The component.
        component: String,
        /// What it is.
        what: &'static str,
    },
    /// Every number is taken.
    #[error("{name} can't be written: too many files of this name are there")]
    TooMany {
        /// The file.
        name: String,
    },
    /// What arrived is not what the sender has.
    #[error("{name} arrived with another hash than its sender has: send it again")]
    Hash {
        /// The file.
        name: String,
    },
    /// Any other failure.
    #[error("{name} can't be written: {error}")]
    Other {
        /// The file.
        name: String,
        /// The system's answer.
        error: io::Error,
    },
}

impl FolderError {
    /// What the system said while `name` was written in `folder`.
    pub(super) fn of(error: io::Error, folder: &str, name: &str) -> Self {
        let (folder, name) = (folder.to_owned(), name.to_owned());
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC) => FolderError::NoSpace { folder, name },
            Some(Errno::DQUOT) => FolderError::Quota { folder, name },
            Some(Errno::FBIG) => FolderError::TooLarge { folder, name },
            _ => FolderError::Other { name, error },
        }
    }

    /// For the sender.
    pub fn reason(&self) -> Reason {
        let token = match self {
            FolderError::NoSpace { .. } => reason::NO_SPACE,
            FolderError::Quota { .. } => reason::QUOTA,
            FolderError::TooLarge { .. } => reason::TOO_LARGE,
            FolderError::InTheWay { .. } => reason::IN_THE_WAY,
            FolderError::TooMany { .. } => Reason::TOO_MANY,
            FolderError::Hash { .. } => reason::HASH,
            FolderError::Other { .. } => reason::WRITE,
        };
        Reason::new(token, self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_of_a_disk_has_its_reason() {
        for (errno, token) in [
            (Errno::NOSPC, reason::NO_SPACE),
            (Errno::DQUOT, reason::QUOTA),
            (Errno::FBIG, reason::TOO_LARGE),
            (Errno::IO, reason::WRITE),
        ] {
            let error = FolderError::of(errno.into(), "inbox", "film.mp4");
            assert_eq!(error.reason().token(), token);
            assert!(error.to_string().contains("film.mp4"), "{error}");
        }
    }
}
