//! The two phones for a terminal, with a workstation's engine through a real relay: the C example, linked to
//! the library like an app, and the Rust program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use protocol::ids::Role;
use relay_client::Stop;
use relay_client::engine::{EngineEvent as Event, KeepNothing};
use relay_client::tunnel::Code;
use relay_tests::harness::program::Program;
use relay_tests::harness::relayd::binary;
use relay_tests::harness::tunnel::{End, at, copy_of, fresh_code};
use relay_tests::harness::{Relay, SetUp};

/// A private folder, deleted with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("relay-phone-in-c-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is a temporary file.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Compiles the example against the static library that this test's own build has made.
fn compile(out: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let test = env::current_exe().unwrap();
    // target/<profile>/deps/<this test> → target/<profile>/deps/librelay_mobile.a; the one in the folder
    // above may be older.
    let library = test.with_file_name("librelay_mobile.a");
    assert!(library.is_file(), "{} is not there: run `cargo test -p relay-tests`", library.display());
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"]);
    command.arg(root.join("mobile/include")).arg(root.join("mobile/examples/c/phone.c")).arg(library);
    let system: &[&str] = if cfg!(target_os = "macos") {
        &["-framework", "Security", "-framework", "CoreFoundation"]
    } else {
        &["-lpthread", "-ldl", "-lm"]
    };
    let status = command.args(system).arg("-o").arg(out).status();
    let status = status.unwrap_or_else(|error| {
        panic!("this case needs a C compiler named cc ({error}): install gcc or clang, or run ./run-test.sh")
    });
    assert!(status.success(), "{command:?} failed");
}

#[test]
fn a_phone_in_c_pairs_talks_is_killed_resumes_and_forgets() {
    let folder = Folder::new();
    let (program, kept) = (folder.file("phone"), folder.file("kept"));
    compile(&program);
    let in_c = |argument: Option<&str>| Program::start(Command::new(&program).arg(&kept).args(argument));
    let relay = Relay::start(SetUp::Memory);
    let code = fresh_code(relay.addr());
    let text = copy_of(&code).to_json();
    let settings = at(Role::Workstation, relay.addr());
    let mut workstation = End::pair_keeping(Role::Workstation, code, &settings, Box::new(KeepNothing));

    let mut phone = in_c(Some(&text));
    let name = workstation.until("question", |event| match event {
        Event::Ask { name, .. } => Some(name.clone()),
        _ => None,
    });
    assert_eq!(name, "a phone in C");
    phone.until("the workstation asks its user; both screens show: ");
    workstation.allow();
    phone.until("open");
    workstation.until_open();
    workstation.send("grüß dich".as_bytes());
    phone.until("workstation: grüß dich");
    phone.type_line("from C");
    assert_eq!(workstation.message(), b"from C");
    workstation.flush();
    let private = fs::read_to_string(&kept).unwrap();
    assert!(private.starts_with("{\"u\":\"ws://") && private.contains("\"role\":\"phone\""));
    phone.process().kill();

    let mut phone = in_c(None);
    workstation.until("restart", |event| matches!(event, Event::Restarted { .. }).then_some(()));
    phone.until("open");
    for number in 0..50 {
        phone.type_line(&format!("line {number}"));
    }
    for number in 0..50 {
        assert_eq!(workstation.message(), format!("line {number}").into_bytes());
    }
    let (status, lines) = phone.finish();
    assert!(status.success() && lines.contains("the workstation has it all"), "{status}\n{lines}");
    assert!(lines.contains("stopped (1): closed"), "{lines}");

    let (status, lines) = in_c(Some("--forget")).finish();
    assert!(status.success() && lines.contains("forgotten"), "{status}\n{lines}");
    assert!(!kept.exists());
    let why = workstation.until_stopped();
    assert!(matches!(why, Stop::Removed { at: Role::Phone, .. }), "{why:?}");

    let (status, lines) = in_c(None).finish();
    assert_eq!(status.code(), Some(1), "{lines}");
    assert!(lines.contains("not started: no pairing is kept: pair first"), "{lines}");
    let (_, lines) = in_c(Some("hello")).finish();
    assert!(lines.contains("not started: "), "{lines}");
}

/// The example of `mobile/`; `cargo test --workspace` builds it, as `cargo build --examples` does.
fn in_rust(arguments: &[&str]) -> Program {
    let program = binary("RELAY_PHONE_BIN", "examples/phone");
    Program::start(Command::new(program).args(arguments))
}

#[test]
fn a_line_that_the_phone_in_rust_could_not_send_changes_its_exit_code() {
    let relay = Relay::start(SetUp::Memory);
    let code = fresh_code(relay.addr());
    let text = copy_of(&code).to_json();
    let settings = at(Role::Workstation, relay.addr());
    let mut workstation = End::pair(Role::Workstation, code, &settings);
    let mut phone = in_rust(&[&text]);
    workstation.until_asked();
    workstation.allow();
    workstation.until_open();
    phone.type_line(&"x".repeat(5 << 20));
    phone.until("not sent: the message has ");
    let (status, lines) = phone.finish();
    assert_eq!(status.code(), Some(1), "{lines}");
}

#[test]
fn the_phone_in_rust_uses_the_tunnel_if_the_code_has_a_key() {
    let relay = Relay::start(SetUp::Memory);
    let code = fresh_code(relay.addr());
    let text = copy_of(&code).to_json();
    let settings = at(Role::Workstation, relay.addr());
    let mut workstation = End::pair(Role::Workstation, code, &settings);
    let mut phone = in_rust(&[&text]);
    workstation.until_asked();
    workstation.allow();
    phone.until("workstation is here, encrypted");
    workstation.until_open();
    workstation.send(b"down\x1b[2J");
    phone.until(r"workstation: down\u{1b}[2J");
    phone.type_line("up");
    assert_eq!(workstation.message(), b"up");
    let (status, lines) = phone.finish();
    assert!(status.success() && lines.ends_with("closed"), "{status}\n{lines}");
}

#[test]
fn the_phone_in_rust_talks_without_encryption_only_on_request() {
    let relay = Relay::start(SetUp::Memory);
    let code = Code { key: None, ..fresh_code(relay.addr()) };
    let (status, said) = in_rust(&[&code.to_json()]).finish();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("nothing would be encrypted: pass --plain"), "{said}");
    let phone = in_rust(&["--plain", &code.to_json()]);
    phone.until("connected");
    assert!(phone.finish().0.success());
}

#[test]
fn a_line_that_the_phone_could_not_send_without_encryption_is_told_by_its_exit_code() {
    let relay = Relay::start(SetUp::Memory);
    let code = Code { key: None, ..fresh_code(relay.addr()) };
    let mut phone = in_rust(&["--plain", &code.to_json()]);
    phone.until("connected");
    phone.type_line("nobody is there");
    phone.until("not sent: no workstation");
    let (status, lines) = phone.finish();
    assert_eq!(status.code(), Some(1), "{lines}");
}
