//! How much room the terminal's window has.

/// The rows of the window that stdout goes to; `None` if it goes elsewhere, or nobody knows.
#[cfg(unix)]
pub(crate) fn rows() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|&rows| rows > 0)
}

#[cfg(not(unix))]
pub(crate) fn rows() -> Option<usize> {
    None
}
