//! The program without encryption, by pipes, against a relay that does what the test tells it.

#[path = "../../client/tests/fake/mod.rs"]
mod fake;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use fake::{Fake, ID, LIMIT};

struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Program {
    fn start(server: &str, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_relay-workstation"))
            .args(["--plain", "--server", server])
            .args(args)
            .env_remove("REGISTER_KEY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        collect(child.stdout.take().unwrap(), sender.clone());
        collect(child.stderr.take().unwrap(), sender);
        Program { stdin: child.stdin.take(), child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("a line")
    }

    /// Lines until the first that starts like this.
    fn until(&self, start: &str) -> Vec<String> {
        let mut lines = vec![self.line()];
        while !lines.last().is_some_and(|line| line.starts_with(start)) {
            lines.push(self.line());
        }
        lines
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

/// What it says on stdout and on stderr is read together, as a terminal shows it.
fn collect(output: impl Read + Send + 'static, lines: Sender<String>) {
    let output = BufReader::new(output);
    thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_conversation_from_the_code_to_the_end_of_the_input() {
    let fake = Fake::start();
    let mut program = Program::start(&fake.http_url(), &["--public-url", "wss://relay.example.org/ws"]);
    let head = fake.answer_register("ws://localhost:3001/ws");
    assert!(head.starts_with("POST /api/register "), "{head}");
    let shown = program.until("or paste this: ");
    let payload = format!(r#"{{"u":"wss://relay.example.org/ws","s":"{ID}","t":"{ID}"}}"#);
    assert_eq!(shown, [format!("or paste this: {payload}")], "no picture goes into a pipe");
    assert_eq!(program.line(), "the phone connects to wss://relay.example.org/ws");

    let mut peer = fake.accept();
    assert!(peer.text().contains(r#""r":"workstation","v":3"#));
    peer.say(r#"{"type":"hello-ack","sessionId":"x","peer":false}"#);
    assert_eq!(program.line(), "connected");
    program.type_line("too early");
    assert_eq!(program.line(), "no phone is connected: the line is sent when one is");
    peer.say(r#"{"type":"peer-joined","role":"phone"}"#);
    assert_eq!(program.line(), "phone joined");
    assert_eq!(peer.text(), "too early");
    program.type_line("hello phone");
    assert_eq!(peer.text(), "hello phone");
    peer.frame("hello \\u001b[2Jworkstation", false);
    assert_eq!(program.line(), "hello \u{1b}[2Jworkstation", "a pipe gets the very bytes");
    peer.frame("AGI=", true);
    assert_eq!(program.line(), "\0b");
    peer.say(r#"{"type":"peer-left","role":"phone"}"#);
    assert_eq!(program.line(), "phone left");
    peer.say(r#"{"type":"peer-joined","role":"phone"}"#);
    assert_eq!(program.line(), "phone joined");

    program.type_line("last");
    program.stdin = None;
    assert_eq!(peer.text(), "last");
    assert_eq!(peer.read_close_code(), Some(1000));
    assert_eq!(program.line(), "closed");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn an_interrupt_closes_and_kill_deletes_the_session() {
    let fake = Fake::start();
    let mut program = Program::start(&fake.http_url(), &["--kill", "--register-key", "k3y"]);
    let head = fake.answer_register(&fake.ws_url());
    assert!(head.contains("\r\nAuthorization: Bearer k3y\r\n"), "{head}");
    let mut peer = fake.accept_and_link("phone");
    program.until("phone joined");
    program.interrupt();
    assert_eq!(peer.read_close_code(), Some(1000));
    let head = fake.answer_http("HTTP/1.1 204 No Content\r\n\r\n");
    assert!(head.starts_with(&format!("DELETE /api/session/{ID} ")), "{head}");
    assert_eq!((program.line().as_str(), program.line().as_str()), ("closed", "session deleted"));
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_session_that_is_taken_away_is_a_failure() {
    let fake = Fake::start();
    let mut program = Program::start(&fake.http_url(), &[]);
    fake.answer_register(&fake.ws_url());
    let mut peer = fake.accept_and_link("phone");
    program.until("phone joined");
    peer.say(r#"{"type":"session-killed","reason":"deleted"}"#);
    let line = program.line();
    assert_eq!(line, "stopped: the session was deleted: pair again");
    assert_eq!(program.exit_code(), Some(1));
}

#[test]
fn without_a_relay_it_says_what_to_start() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut program = Program::start(&format!("http://{free}"), &[]);
    assert_eq!(program.exit_code(), Some(1));
    let words = "connection refused; is relayd running there? start it with `relayd`";
    assert_eq!(program.line(), format!("error: can't reach http://{free}: {words}"));
}

#[test]
fn the_picture_is_written_for_this_user_only() {
    let fake = Fake::start();
    let file = std::env::temp_dir().join(format!("workstation-test-{}.png", std::process::id()));
    let program = Program::start(&fake.http_url(), &["--png", file.to_str().unwrap()]);
    fake.answer_register("wss://relay.example.org/ws");
    program.until("the code is also in ");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.ends_with(b"IEND\xaeB`\x82"));
}

#[test]
fn a_ca_file_that_cant_be_read_is_named_before_anything_is_tried() {
    let fake = Fake::start();
    let mut program = Program::start(&fake.http_url(), &["--ca", "/nowhere/ca.pem"]);
    assert_eq!(program.exit_code(), Some(1));
    let said = program.line();
    assert!(said.starts_with("error: the CA file /nowhere/ca.pem can't be read (No such file"), "{said}");
}

#[test]
fn a_variable_that_leads_to_no_certificate_is_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-workstation"));
    command.args(["--yes", "--server", "https://127.0.0.1:9"]).env("SSL_CERT_FILE", "/nowhere/ca.pem");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("SSL_CERT_FILE is set to /nowhere/ca.pem, which can't be read (No such file"),
        "{said}"
    );
}
