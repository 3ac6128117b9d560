//! `doctor` names each mistake that is planted here, and what to do about it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use relay_tests::harness::desk::Desk;
use relay_tests::harness::json::Object;
use relay_tests::harness::program::Program;
use relay_tests::harness::tls::TlsRedis;
use relay_tests::harness::window::Window;
use relay_tests::harness::{Authority, Options, Relay, SetUp};

/// What `doctor` found.
struct Found {
    code: Option<i32>,
    text: String,
}

impl Found {
    fn by(program: Program) -> Self {
        let (status, text) = program.finish();
        Found { code: status.code(), text }
    }

    /// The findings of this check that want something done.
    fn wrong(&self, check: &str) -> Vec<String> {
        let findings = self.text.lines().filter(|line| line.starts_with('{')).map(Object::parse);
        let wrong = findings.filter(|found| found.text("check") == check && found.text("level") == "wrong");
        wrong.map(|found| format!("{} → {}", found.text("words"), found.text("remedy"))).collect()
    }

    /// The check wants something done, and says all of this; the exit code tells so, too.
    fn expect_wrong(&self, check: &str, words: &[&str]) {
        let wrong = self.wrong(check);
        let has_all = |line: &String| words.iter().all(|words| line.contains(words));
        assert!(wrong.iter().any(has_all), "{check} {words:?}: {wrong:?} in {}", self.text);
        assert_eq!(self.code, Some(1));
    }
}

fn doctor(desk: &Desk, args: &[&str]) -> Found {
    Found::by(desk.start(&[&["doctor", "--json"], args].concat()))
}

fn place() -> (Relay, Desk) {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    (relay, desk)
}

/// A server that gives each connection this answer; an empty one is never given.
fn server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if answer.is_empty() {
                silent.push(stream);
                continue;
            }
            // A client that is gone needs no answer.
            drop(stream.read(&mut [0; 1024]).and_then(|_| stream.write_all(answer.as_bytes())));
        }
    });
    addr
}

fn url(addr: SocketAddr) -> String {
    format!("http://{addr}")
}

#[test]
fn where_all_is_well_nothing_is_to_do() {
    let (relay, desk) = place();
    let _phone = desk.pair("Pixel");
    // The harness's relay listens on loopback alone, so the address of its code is another case's.
    let found = doctor(&desk, &[]);
    for check in ["state", "space", "proxy", "relay", "tls", "clock", "key", "terminal", "agent"] {
        assert_eq!(found.wrong(check), Vec::<String>::new());
        assert!(found.text.contains(&format!(r#""check":"{check}""#)), "{check}: {}", found.text);
    }
    let text = Found::by(desk.start(&["doctor"])).text;
    assert!(text.contains(&format!("ok    relay      {} answers", url(relay.addr()))), "{text}");
}

#[test]
fn a_relay_that_is_not_there_is_named() {
    let (_relay, desk) = place();
    let found = doctor(&desk, &["--server", "http://127.0.0.1:9"]);
    found.expect_wrong("relay", &["http://127.0.0.1:9", "refused", "workstation setup URL"]);
}

#[test]
fn another_server_in_the_relays_place_is_named() {
    let (_relay, desk) = place();
    let other = server("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>");
    doctor(&desk, &["--server", &url(other)]).expect_wrong("relay", &["not as a relay does", "its path"]);
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let (_relay, desk) = place();
    doctor(&desk, &["--server", &url(server(""))]).expect_wrong("relay", &["→"]);
}

#[test]
fn a_clock_that_differs_is_named() {
    let (_relay, desk) = place();
    let past =
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";
    let found = doctor(&desk, &["--server", &url(server(past))]);
    found.expect_wrong("clock", &["ahead of the relay's", "timedatectl"]);
}

#[test]
fn a_wrong_key_is_named() {
    let relay = Relay::start_with(SetUp::Memory, &Options::new().env("REGISTER_KEY", "right"));
    let desk = Desk::new(relay.addr());
    for args in [&["--register-key", "wrong"][..], &[]] {
        doctor(&desk, args).expect_wrong("key", &["--register-key"]);
    }
    assert_eq!(doctor(&desk, &["--register-key", "right"]).wrong("key"), Vec::<String>::new());
}

#[test]
fn an_address_that_no_phone_can_reach_is_named() {
    let (_relay, desk) = place();
    // The harness's relay listens on loopback.
    doctor(&desk, &[]).expect_wrong("address", &["phones are told", "loopback"]);
    let found = doctor(&desk, &["--public-url", "ws://localhost:1/ws"]);
    found.expect_wrong("address", &["the phone itself", "--public-url"]);
}

#[test]
fn a_certificate_of_a_stranger_is_named() {
    let (_relay, desk) = place();
    let authority = Authority::new();
    let stranger = TlsRedis::start(&authority, "127.0.0.1");
    let server = format!("https://127.0.0.1:{}", stranger.port());
    doctor(&desk, &["--server", &server]).expect_wrong("relay", &[&server, "certificate"]);
}

#[test]
fn proxies_that_are_wrong_or_not_there_are_named() {
    let (_relay, desk) = place();
    let found = doctor(&desk, &["--proxy", "http://127.0.0.1:9"]);
    found.expect_wrong("proxy", &["http://127.0.0.1:9", "--proxy none"]);
    let mut command = desk.command(&["doctor", "--json", "--server", "http://relay.invalid"]);
    command.env("http_proxy", "ftp://x");
    Found::by(Program::start(&mut command)).expect_wrong("proxy", &["http_proxy"]);
}

#[test]
fn a_window_or_a_terminal_that_shows_no_code_is_named() {
    let (_relay, desk) = place();
    let mut command = desk.command(&["doctor"]);
    command.env("TERM", "xterm").env("LANG", "C.UTF-8");
    let (code, shown) = Window::open(&command, 60, 20).finish();
    assert!(code == Some(1) && shown.contains("60×20, and a code needs 80×24"), "{shown}");
    command.env("TERM", "dumb");
    let (code, shown) = Window::open(&command, 200, 50).finish();
    assert!(code == Some(1) && shown.contains("set TERM"), "{shown}");
}

#[test]
fn folders_and_files_that_others_may_read_are_named() {
    let (_relay, desk) = place();
    let _phone = desk.pair("Pixel");
    let file = desk.phone_files().remove(0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let name = file.display().to_string();
    doctor(&desk, &[]).expect_wrong("state", &["others may read", &name, "chmod"]);
    fs::set_permissions(desk.state(), fs::Permissions::from_mode(0o755)).unwrap();
    doctor(&desk, &[]).expect_wrong("state", &["other users may enter", "chmod 700"]);
}

#[test]
fn damaged_files_are_named() {
    let (_relay, desk) = place();
    let _phone = desk.pair("Pixel");
    desk.kill_agent();
    let file = desk.phone_files().remove(0);
    fs::write(&file, "{").unwrap();
    let retired = desk.state().join("retire.json");
    fs::write(&retired, "[{").unwrap();
    let found = doctor(&desk, &[]);
    found.expect_wrong("files", &["is damaged", "pair that phone again"]);
    found.expect_wrong("files", &["retire.json is damaged"]);
    assert!(retired.exists(), "nothing is changed");
    fs::write(desk.state().join("profile.json"), "{\"relay\"").unwrap();
    doctor(&desk, &[]).expect_wrong("profile", &["profile.json is damaged", "setup"]);
}

#[test]
fn a_full_disk_is_named() {
    let (_relay, desk) = place();
    let program = desk.command(&["doctor", "--json"]);
    let mut command = Command::new("unshare");
    let is_root = rustix::process::geteuid().is_root();
    command.args(if is_root { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
    let script = "mount -t tmpfs -o size=64k,mode=700 none \"$XDG_STATE_HOME\" && exec \"$@\"";
    command.args(["sh", "-c", script, "sh"]).arg(program.get_program()).args(program.get_args());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Found::by(Program::start(&mut command)).expect_wrong("space", &["KiB are left", "make room"]);
}

#[test]
fn an_agent_that_says_nothing_is_named_and_none_is_no_mistake() {
    let (_relay, desk) = place();
    let found = doctor(&desk, &[]);
    assert!(found.text.contains("none runs now") && found.wrong("agent").is_empty(), "{}", found.text);
    assert_eq!(desk.agent(), None, "it starts none");
    let _silent = UnixListener::bind(desk.runtime().join("agent.sock")).unwrap();
    let pid = std::process::id().to_string();
    doctor(&desk, &[]).expect_wrong("agent", &["does not answer: end its process", &pid]);
}

#[test]
fn a_terminal_that_says_nothing_is_named() {
    let (_relay, desk) = place();
    doctor(&desk, &[]);
    fs::create_dir_all(desk.runtime().join("terminals")).unwrap();
    fs::set_permissions(desk.runtime().join("terminals"), fs::Permissions::from_mode(0o700)).unwrap();
    let _silent = UnixListener::bind(desk.runtime().join("terminals/stuck.sock")).unwrap();
    doctor(&desk, &[]).expect_wrong("terminals", &["stuck does not answer"]);
}

#[test]
fn a_service_whose_program_is_gone_and_a_shell_that_is_not_there_are_named() {
    let (_relay, desk) = place();
    let units = desk.folder().join(".config/systemd/user");
    fs::create_dir_all(&units).unwrap();
    let unit = "[Service]\nExecStart=\"/nowhere/workstation\" \"serve\"\n";
    fs::write(units.join("relay-workstation.service"), unit).unwrap();
    let mut command = desk.command(&["doctor", "--json"]);
    command.env("SHELL", "/nowhere/sh").env_remove("XDG_CONFIG_HOME");
    let found = Found::by(Program::start(&mut command));
    found.expect_wrong("service", &["/nowhere/workstation", "service install"]);
    found.expect_wrong("shell", &["/nowhere/sh"]);
}

/// The files that `service install` would write are what the two managers read.
#[test]
fn the_files_of_a_service_are_read_by_others() {
    let (_relay, desk) = place();
    let folder = PathBuf::from(desk.folder());
    let inbox = folder.join("in \"box\" 100% $HOME");
    fs::create_dir(&inbox).unwrap();
    let print = |manager: &str| {
        let mut command = desk.command(&["service", "install", "--shell", "--print", manager, "--inbox"]);
        let output = command.arg(&inbox).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let plist = folder.join("service.plist");
    fs::write(&plist, print("launchd")).unwrap();
    let script = "import plistlib, sys; d = plistlib.load(open(sys.argv[1], 'rb')); \
                  print(*d['ProgramArguments'][1:], d['KeepAlive'], d['RunAtLoad'], sep='|')";
    let output = Command::new("python3").args(["-c", script]).arg(&plist).output().unwrap();
    let expected = format!(
        "serve|--profile|default|--shell|--inbox|{}|{{'SuccessfulExit': False}}|True\n",
        inbox.display()
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");

    let unit = folder.join("relay-workstation.service");
    let verify = || {
        let mut command = Command::new("systemd-analyze");
        command.args(["--user", "verify"]).arg(&unit);
        command.env("XDG_RUNTIME_DIR", folder.join("run")).env("HOME", &folder).output()
    };
    fs::write(&unit, print("systemd")).unwrap();
    // Where there is no systemd, there is nobody to read it.
    let Ok(output) = verify() else { return };
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = fs::read_to_string(&unit).unwrap();
    fs::write(&unit, text.replace("Restart=on-failure", "Restart=sometimes")).unwrap();
    assert!(!verify().unwrap().stderr.is_empty(), "a mistake would be told");
}
