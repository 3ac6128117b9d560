//! Files between `workstation send` and `receive` and the example `phone`, through the agent and a relay.

mod breaks;
mod killed;
mod many;
mod refused;
mod stopped;
mod ways;
mod windows;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use relay_tests::harness::desk::{Desk, code_of};
use relay_tests::harness::guard::{GUARD, read_until_or};
use relay_tests::harness::program::Program;

use crate::phone_app::Pocket;

/// A desk and a phone that is paired with it, each with a folder for files.
struct Place {
    desk: Desk,
    phone: Phone,
}

/// The phone's program and folders.
struct Phone {
    pocket: Pocket,
    number: String,
}

impl Place {
    /// Both use the relay at this address.
    fn new(addr: SocketAddr) -> Self {
        let desk = Desk::new(addr);
        let phone = Phone::pair(&desk, addr, "Pixel");
        for name in ["out", "in"] {
            fs::create_dir(desk.folder().join(name)).unwrap();
        }
        Place { desk, phone }
    }

    /// A path in the desk's folder.
    fn at(&self, name: &str) -> PathBuf {
        self.desk.folder().join(name)
    }

    /// A file of the desk with these bytes.
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.at("out").join(name);
        fs::write(&path, bytes).unwrap();
        text(&path)
    }
}

impl Phone {
    /// Pairs with the desk under this name, and ends.
    fn pair(desk: &Desk, addr: SocketAddr, name: &str) -> Self {
        let pocket = Pocket::new();
        let url = format!("ws://{addr}/ws");
        let mut program = desk.start(&["pair", "--yes", "--public-url", &url]);
        let phone = pocket.phone(&["--name", name, &code_of(&program).to_json()]);
        program.until("paired with");
        assert_eq!(program.exit_code(), Some(0));
        let (status, said) = phone.finish();
        assert!(status.success(), "{said}");
        let (_, listed) = pocket.run(&["desks"]);
        let number = listed.split_once(' ').expect("a number and a name").0.to_owned();
        for name in ["out", "in"] {
            fs::create_dir(pocket.path().join(name)).unwrap();
        }
        Phone { pocket, number }
    }

    /// A path in the phone's folder.
    fn at(&self, name: &str) -> PathBuf {
        self.pocket.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.at("out").join(name);
        fs::write(&path, bytes).unwrap();
        text(&path)
    }

    /// Talks to the desk.
    fn start(&self, args: &[&str]) -> Program {
        self.pocket.phone(&[&["--desk", &self.number], args].concat())
    }

    /// Takes files into its folder `in`, until it is stopped.
    fn taking(&self) -> Program {
        self.start(&["--inbox", &text(&self.at("in"))])
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Bytes without a pattern, the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Fails without printing megabytes.
fn assert_same(path: &Path, bytes: &[u8]) {
    let found = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        found == bytes,
        "{}: {} bytes that are not the {} sent",
        path.display(),
        found.len(),
        bytes.len()
    );
}

/// Waits until so much of a file has been written below `folder`. What the agent and these programs have said
/// is told if that does not come.
fn until_part(folder: &Path, bytes: u64, desk: &Desk, programs: &[&Program]) {
    let written = || {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum::<u64>()
    };
    let look = || (written() >= bytes).then_some(());
    read_until_or(GUARD, "a part of the file", look, || {
        let log = fs::read_to_string(desk.state().join("agent.log")).unwrap_or_default();
        let said: Vec<String> = programs.iter().map(|program| program.unread()).collect();
        format!(": {} bytes in {:?}\n{log}\n{}", written(), names(folder), said.join("\n"))
    });
}

/// Files and folders below this one.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // Tells for whom a folder was made.
        .filter(|name| name != ".relay-from")
        .collect();
    names.sort();
    names
}
