//! The tunnel and the app protocol are pure machines: guarded by reading its sources.

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

/// The sources of a module with its folder. Tests may read their vectors.
fn module(name: &str) -> Vec<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = sources(&source.join(name));
    paths.push(source.join(name).with_extension("rs"));
    paths.retain(|path| !path.components().any(|part| part.as_os_str() == "tests"));
    paths
}

fn expect_pure(paths: &[PathBuf]) {
    for path in paths {
        let text = fs::read_to_string(path).unwrap();
        for worldly in
            ["Instant", "SystemTime", "std::net", "std::thread", "std::fs", "std::io", "mio::", "Mutex"]
        {
            assert!(!text.contains(worldly), "{} names {worldly}", path.display());
        }
        let asks_the_system = text.contains("getrandom::");
        assert!(!asks_the_system || path.ends_with("entropy.rs"), "{} draws by itself", path.display());
    }
}

#[test]
fn the_tunnel_names_no_clock_socket_thread_or_file() {
    let paths = module("tunnel");
    assert!(paths.len() > 20, "{paths:?}");
    expect_pure(&paths);
}

#[test]
fn the_app_protocol_names_no_clock_socket_thread_or_file() {
    let paths = module("app");
    assert!(paths.len() > 15, "{paths:?}");
    expect_pure(&paths);
}
