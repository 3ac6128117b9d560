//! One file of JSON: read with errors that name it, written whole or not at all.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, anyhow};
use relay_client::engine::{FileKeeper, Keeper};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The most bytes that are read of one.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the file has; `None` if there is no file.
///
/// # Errors
/// It can't be read, or is damaged. The error names it and what to do, which is `remedy`.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, remedy: &str) -> anyhow::Result<Option<T>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(|| format!("can't read {}", path.display()))?,
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let read = file.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    read.with_context(|| format!("can't read {}", path.display()))?;
    // Its own words would quote the file, which has secrets.
    sonic_rs::from_slice(&bytes).map(Some).map_err(|_| {
        anyhow!("{} is damaged ({} bytes, not the JSON it should be): {remedy}", path.display(), bytes.len())
    })
}

/// Replaces the file by this text.
///
/// # Errors
/// The old file is still there; the error names it.
pub(crate) fn write_text(path: &Path, text: &str) -> io::Result<()> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("can't write {}: {error}", path.display()));
    FileKeeper::new(path).store(text).map_err(named)
}

/// Replaces the file by this value.
///
/// # Errors
/// The old file is still there; the error names it.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let named = |error: &dyn std::fmt::Display| format!("can't write {}: {error}", path.display());
    let text = sonic_rs::to_string(value).map(Zeroizing::new);
    let text = text.map_err(|error| io::Error::other(named(&error)))?;
    FileKeeper::new(path).store(&text).map_err(|error| io::Error::new(error.kind(), named(&error)))
}

/// Removes the file; none there is as good.
///
/// # Errors
/// It is still there; the error names it.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("can't remove {}: {error}", path.display()));
    FileKeeper::new(path).forget().map_err(named)
}
