//! The tunnel is a pure machine: guarded by reading its sources.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(sources(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn the_tunnel_names_no_clock_socket_thread_or_file() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = sources(&source.join("tunnel"));
    paths.push(source.join("tunnel.rs"));
    assert!(paths.len() > 20, "{paths:?}");
    // Tests may read their vectors.
    paths.retain(|path| !path.components().any(|part| part.as_os_str() == "tests"));
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for worldly in
            ["Instant", "SystemTime", "std::net", "std::thread", "std::fs", "std::io", "mio::", "Mutex"]
        {
            assert!(!text.contains(worldly), "{} names {worldly}", path.display());
        }
        let asks_the_system = text.contains("getrandom::");
        assert!(!asks_the_system || path.ends_with("entropy.rs"), "{} draws by itself", path.display());
    }
}
