//! How agents begin and end: two at once, killed, ending, replaced, and without need.

use std::fs::{self, DirBuilder};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::thread;

use relay_tests::harness::desk::Desk;
use relay_tests::harness::guard::read_until;
use relay_tests::harness::program::Program;
use relay_tests::harness::{Relay, SetUp};

fn place() -> (Relay, Desk) {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    (relay, desk)
}

#[test]
fn commands_that_start_at_once_find_one_agent() {
    let (_relay, desk) = place();
    let mut programs: Vec<_> = (0..6).map(|_| desk.start(&["devices"])).collect();
    for program in &mut programs {
        program.until("no phone is paired");
        assert_eq!(program.exit_code(), Some(0));
    }
    let log = fs::read_to_string(desk.state().join("agent.log")).unwrap();
    assert_eq!(log.matches("begins, version").count(), 1, "{log}");
    // One that is started by hand finds the place taken, and ends.
    let mut second = desk.start(&["agent"]);
    assert_eq!(second.exit_code(), Some(0));
    desk.present_agent();
}

#[test]
fn after_a_kill_a_command_works_again_and_the_phone_comes_back() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    desk.kill_agent();
    assert!(desk.runtime().join("agent.sock").exists(), "its socket stays");
    let program = desk.start(&["chat"]);
    program.until("encrypted with \"Pixel\"");
    phone.until_ready();
    let chat = phone.open_chat();
    phone.say(chat, "1", "still here");
    program.until("still here");
}

#[test]
fn an_agent_that_nothing_needs_ends_and_the_next_command_starts_another() {
    let (_relay, desk) = place();
    desk.run(&["devices"]);
    let first = desk.present_agent();
    desk.until_no_agent();
    desk.run(&["devices"]);
    assert_ne!(desk.present_agent(), first);
}

/// The folder of the sockets ends with the user's last login, and a timer's commands don't have its name.
#[test]
fn an_agent_whose_socket_is_gone_is_found_again() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    let chat = desk.start(&["chat"]);
    chat.until("encrypted with \"Pixel\"");
    let agent = desk.present_agent();
    let mut without = desk.command(&["devices"]);
    without.env_remove("XDG_RUNTIME_DIR");
    let (status, words) = Program::start(&mut without).finish();
    assert!(status.success() && words.contains("Pixel  online"), "{words}");

    fs::remove_dir_all(desk.folder().join("run")).unwrap();
    read_until("the agent's other socket", || desk.state().join("agent.sock").exists().then_some(()));
    assert!(desk.run(&["devices"]).contains("Pixel  online"));
    DirBuilder::new().mode(0o700).create(desk.folder().join("run")).unwrap();
    assert!(desk.run(&["devices"]).contains("Pixel  online"));
    read_until("the agent's old socket", || desk.agent().filter(|pid| *pid == agent));
    let channel = phone.open_chat();
    phone.say(channel, "1", "still here");
    chat.until("still here");
}

/// The race is between the command's connection and the agent's last look at its socket.
#[test]
fn a_command_that_comes_while_the_agent_ends_is_served() {
    let (_relay, desk) = place();
    for _ in 0..20 {
        desk.run(&["devices"]);
        let agent = desk.present_agent().to_string();
        let ended = std::process::Command::new("kill").args(["-TERM", &agent]).status().unwrap();
        assert!(ended.success());
        assert!(desk.run(&["devices"]).contains("no phone is paired"));
    }
}

/// A stand-in for an agent of an older program: it has the place, tells a lower version, and ends when it is
/// asked to.
#[test]
fn an_older_agent_is_asked_to_end_and_replaced() {
    let (_relay, desk) = place();
    desk.run(&["devices"]);
    desk.kill_agent();
    let socket = desk.runtime().join("agent.sock");
    fs::remove_file(&socket).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let lock = fs::File::options().write(true).open(desk.state().join("agent.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let older = thread::spawn(move || {
        let (mut command, _) = listener.accept().unwrap();
        read_frame(&mut command);
        let hello = br#"{"t":"hello","version":0,"pid":1}"#;
        command.write_all(&[&[0, 0, 0, hello.len() as u8, 1][..], hello].concat()).unwrap();
        let asked = read_frame(&mut command);
        drop((command, listener));
        drop(lock);
        asked
    });
    assert!(desk.run(&["devices"]).contains("no phone is paired"));
    assert_eq!(older.join().unwrap(), br#"{"t":"step-down"}"#);
}

fn read_frame(socket: &mut impl Read) -> Vec<u8> {
    let mut header = [0; 5];
    socket.read_exact(&mut header).unwrap();
    let mut payload = vec![0; usize::from(header[3])];
    socket.read_exact(&mut payload).unwrap();
    payload
}
