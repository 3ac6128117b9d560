//! This program's own file, to start it once more.

use std::io;
use std::path::{Path, PathBuf};

/// What Linux puts behind the path of a file that was replaced or removed.
const DELETED: &str = " (deleted)";

/// The path of this program. After an upgrade, that of the new program in the same place.
///
/// # Errors
/// There is no file of it any more.
pub(crate) fn own() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let present = present(&path, Path::is_file);
    present.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{} is gone", path.display())))
}

fn present(path: &Path, is_there: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let replaced = path.to_str().and_then(|text| text.strip_suffix(DELETED)).map(Path::new);
    [Some(path), replaced].into_iter().flatten().find(|path| is_there(path)).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_upgrade_it_is_the_new_program() {
        let at = |there: &'static str| move |path: &Path| path == Path::new(there);
        let found = |path: &str, there| present(Path::new(path), at(there));
        assert_eq!(found("/bin/w", "/bin/w"), Some("/bin/w".into()));
        assert_eq!(found("/bin/w (deleted)", "/bin/w"), Some("/bin/w".into()));
        assert_eq!(found("/bin/w (deleted)", "/bin/w (deleted)"), Some("/bin/w (deleted)".into()));
        assert_eq!(found("/bin/w (deleted)", "/other"), None);
    }
}
