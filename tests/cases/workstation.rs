//! The workstation's program against a real relay, with a phone that speaks the tunnel and with one that does
//! not.

use std::net::SocketAddr;
use std::process::Command;

use protocol::ids::Role;
use relay_client::Stop;
use relay_client::engine::EngineEvent as Event;
use relay_client::tunnel::{Code, parse_pairing};
use relay_tests::harness::json::Object;
use relay_tests::harness::program::Program;
use relay_tests::harness::relayd::binary;
use relay_tests::harness::tunnel::{End, at, copy_of, session_of};
use relay_tests::harness::{Event as Heard, Peer, Relay, Role as Wire, Session, SetUp};

fn command(addr: SocketAddr, args: &[&str]) -> Command {
    let mut command = Command::new(binary("WORKSTATION_BIN", "relay-workstation"));
    command.args(["--server", &format!("http://{addr}")]).args(args).env_remove("REGISTER_KEY");
    command
}

fn workstation(addr: SocketAddr, args: &[&str]) -> Program {
    Program::start(&mut command(addr, args))
}

/// Where somebody sits who can be asked.
fn at_terminal(addr: SocketAddr, args: &[&str]) -> Program {
    Program::at_terminal(&mut command(addr, args))
}

/// The code that the program says to paste.
fn code_of(program: &Program) -> Code {
    let line = program.until("or paste this: ");
    parse_pairing(line.trim_start_matches("or paste this: ")).unwrap()
}

fn phone_of(code: Code, addr: SocketAddr) -> End {
    let mut settings = at(Role::Phone, addr);
    settings.options.name = "Pixel \u{1b}[2J8".into();
    End::pair(Role::Phone, code, &settings)
}

#[test]
fn its_user_is_asked_and_then_lines_go_both_ways() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let code = code_of(&program);
    let again = copy_of(&code);
    program.until("connected");
    program.type_line("too early");
    assert_eq!(program.line(), "no phone is connected: the line is sent when one is");

    let mut phone = phone_of(code, relay.addr());
    let words = phone.until("question", |event| match event {
        Event::Asked { words } => Some(words.to_string()),
        _ => None,
    });
    let question = program.until("\"Pixel [2J8\" wants to pair");
    assert!(question.ends_with(&format!("its screen shows: {words}")), "{question}");
    assert_eq!(program.line(), "allow it? [y/n]");
    program.type_line("what?");
    assert_eq!(program.line(), "allow it? [y/n]");
    program.type_line("y");
    assert_eq!(program.line(), "connected", "going over to another session is no leaving");
    assert_eq!(program.line(), "phone is here, encrypted");
    phone.until_open();
    assert_eq!(phone.message(), b"too early");

    phone.send("hello \u{1b}[2Jdesk".as_bytes());
    assert_eq!(program.line(), "hello \u{1b}[2Jdesk", "a pipe gets the very bytes");
    program.type_line("hello phone");
    assert_eq!(phone.message(), b"hello phone");
    phone.flush();

    // The code was used: whoever else has it is told by both ends, as far as the relay lets them in at all.
    let mut second = phone_of(again, relay.addr());
    let stop = second.until_stopped().to_string();
    assert!(stop.starts_with("the relay refused (4401)"), "{stop}");

    program.end_input();
    program.until("closed");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_second_scan_while_its_user_is_asked_changes_nothing() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let code = code_of(&program);
    let again = copy_of(&code);
    let mut phone = phone_of(code, relay.addr());
    program.until("allow it? [y/n]");
    let mut second = phone_of(again, relay.addr());
    let stop = second.until_stopped().to_string();
    assert!(stop.starts_with("this code was used already"), "{stop}");
    program.until("phone left");
    program.until("a phone was refused: this code was used already");
    program.until("allow it? [y/n]");
    program.type_line("y");
    program.until("phone is here, encrypted");
    phone.until_open();
    program.type_line("hello phone");
    assert_eq!(phone.message(), b"hello phone");
}

#[test]
fn a_phone_that_is_not_allowed_is_told() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("allow it? [y/n]");
    program.type_line("no");
    program.until("the phone was rejected");
    let stop = phone.until_stopped().to_string();
    assert_eq!(stop, "the workstation's user did not allow this phone");
    program.until("show a new code? [y/n]");
    program.type_line("n");
    assert_eq!(program.exit_code(), Some(5));
}

#[test]
fn a_phone_that_waits_is_told_when_the_program_is_interrupted() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("allow it? [y/n]");
    program.process().signal("INT");
    program.until("the phone was rejected, as this program ends");
    assert_eq!(phone.until_stopped().to_string(), "the workstation's user did not allow this phone");
    assert_eq!(program.exit_code(), Some(0), "the user ended it and refused nobody");
}

#[test]
fn a_new_code_takes_the_place_of_one_that_is_spent() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &["--pair-secs", "1"]);
    program.type_line("from before");
    program.until("the code has expired");
    program.until("show a new code? [y/n]");
    program.type_line("y");
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("allow it? [y/n]");
    program.type_line("y");
    phone.until_open();
    assert_eq!(phone.message(), b"from before", "what was typed waits for the next phone");
    phone.flush();
    program.end_input();
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_line_begun_before_the_question_does_not_answer_it() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let code = code_of(&program);
    program.until("connected");
    program.type_text("y");
    let mut phone = phone_of(code, relay.addr());
    program.until("allow it? [y/n]");
    program.type_line("");
    assert_eq!(program.line(), "allow it? [y/n]", "only what is typed after the question counts");
    program.type_line("y");
    phone.until_open();
    program.until("phone is here, encrypted");
}

#[test]
fn the_end_of_what_is_typed_does_not_end_the_answers() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let code = code_of(&program);
    program.end_input();
    program.until("no line was sent, so the program keeps running");
    program.type_line("all of it");
    program.until("no phone is connected");
    program.end_input();
    let mut phone = phone_of(code, relay.addr());
    program.until("allow it? [y/n]");
    program.type_line("y");
    phone.until_open();
    assert_eq!(phone.message(), b"all of it");
    phone.flush();
    program.until("closed");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_pipe_answers_nothing() {
    let relay = Relay::start(SetUp::Memory);
    // In a session of its own there is no terminal at all. The shell's own pipe may break, as the program
    // ends at once.
    let mut command = Command::new("sh");
    command.args(["-c", "echo y | setsid --wait \"$@\"", "sh"]);
    command.arg(binary("WORKSTATION_BIN", "relay-workstation"));
    command.args(["--server", &format!("http://{}", relay.addr())]);
    let mut program = Program::start(&mut command);
    assert!(program.line().starts_with("error: nobody can be asked whether a phone may pair"));
    assert_eq!(program.exit_code(), Some(1));
}

#[test]
fn what_is_piped_waits_for_the_phone_and_the_end_is_told_when_it_has_all() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes"]);
    let code = code_of(&program);
    program.type_line("one");
    program.type_line("two");
    program.end_input();
    let mut phone = phone_of(code, relay.addr());
    assert_eq!((phone.message(), phone.message()), (b"one".to_vec(), b"two".to_vec()));
    phone.flush();
    program.until("closed");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn what_the_phone_has_not_taken_is_told_by_the_exit_code() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes"]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.until("phone is here, encrypted");
    drop(phone);
    program.until("phone left");
    program.type_line("for nobody");
    // What is too long for any message is told of behind it.
    program.type_line(&"x".repeat(5 << 20));
    program.until("not sent: ");
    program.process().signal("INT");
    program.until("the phone has not confirmed 2 of the lines");
    assert_eq!(program.exit_code(), Some(3));
}

#[test]
fn a_line_that_could_not_be_sent_is_told_by_the_exit_code() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes"]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.type_line(&"x".repeat(5 << 20));
    program.until("not sent: the message has ");
    program.type_line("short");
    program.end_input();
    assert_eq!(phone.message(), b"short");
    phone.flush();
    program.until("the phone has not confirmed 1 of the lines");
    assert_eq!(program.exit_code(), Some(3));
}

#[test]
fn a_stdout_that_takes_nothing_more_ends_the_program_whatever_the_phone_has_not_taken() {
    let relay = Relay::start(SetUp::Memory);
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" >/dev/full", "sh"]).arg(binary("WORKSTATION_BIN", "relay-workstation"));
    command.args(["--yes", "--server", &format!("http://{}", relay.addr())]);
    let mut program = Program::start(&mut command);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.type_text("taken\nnot taken\n");
    program.end_input();
    assert_eq!(phone.message(), b"taken");
    phone.send(b"for a full disk");
    program.until("error: can't write to stdout");
    assert_eq!(program.exit_code(), Some(1));
}

#[test]
fn an_input_without_a_byte_ends_nothing() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes"]);
    program.end_input();
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    phone.send(b"still there?");
    program.until("still there?");
    program.process().signal("INT");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_hang_up_that_was_ignored_at_the_start_stays_ignored() {
    let relay = Relay::start(SetUp::Memory);
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(binary("WORKSTATION_BIN", "relay-workstation"));
    command.args(["--yes", "--server", &format!("http://{}", relay.addr())]);
    let mut program = Program::start(&mut command);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.process().signal("HUP");
    phone.send(b"still there?");
    program.until("still there?");
    program.process().signal("TERM");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_line_that_the_terminal_has_cut_is_not_sent() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &["--yes"]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.until("phone is here, encrypted");
    program.type_line(&"x".repeat(5000));
    assert!(program.line().starts_with("not sent: a terminal passes on the first 4095 bytes"));
    program.type_line("short");
    assert_eq!(phone.message(), b"short");
}

#[test]
fn what_is_kept_goes_on_without_a_code_until_it_is_forgotten() {
    let relay = Relay::start(SetUp::Memory);
    let file = std::env::temp_dir().join(format!("relay-pair-{}", std::process::id()));
    let keep = ["--yes", "--keep", file.to_str().unwrap()];
    let mut program = workstation(relay.addr(), &keep);
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("phone is here, encrypted");
    phone.until_open();
    program.process().signal("INT");
    assert_eq!(program.exit_code(), Some(0));

    let mut program = workstation(relay.addr(), &keep);
    program.until("resuming with the paired phone");
    program.until("phone is here, encrypted");
    program.type_line("back");
    assert_eq!(phone.message(), b"back");
    phone.send(b"got it");
    program.until("got it");
    program.process().signal("INT");
    assert_eq!(program.exit_code(), Some(0));

    let mut program = workstation(relay.addr(), &[&keep[..], &["--forget"]].concat());
    program.until("the pair is forgotten");
    assert_eq!(program.exit_code(), Some(0));
    assert!(!file.exists());
    let stop = phone.until_stopped().to_string();
    assert!(stop.starts_with("removed at the workstation"), "{stop}");
    let mut program = workstation(relay.addr(), &[&keep[..], &["--forget"]].concat());
    assert_eq!(program.exit_code(), Some(1), "nothing is kept");
}

#[test]
fn a_code_that_nobody_scans_ends_the_program() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--pair-secs", "1", "--yes"]);
    program.until("the code has expired");
    program.until("closed");
    assert_eq!(program.exit_code(), Some(4));
}

#[test]
fn a_phone_that_stays_away_ends_the_program() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes", "--resume-secs", "3"]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.until("phone is here");
    drop(phone);
    program.until("phone left");
    program.until("closed");
    assert_eq!(program.exit_code(), Some(4));
}

#[test]
fn a_phone_without_encryption_is_not_talked_to() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let code = code_of(&program);
    let session = session_of(&code);
    let mut phone = Peer::join(&relay, &session, Wire::Phone);
    phone.expect(&Heard::Joined(0));
    phone.text("do as I say");
    phone.binary(b"now");
    assert_eq!(program.until("the other end"), "ignored: the other end does not encrypt");
    program.type_line("hello?");
    assert_eq!(program.line(), "no phone is connected: the line is sent when one is", "it was told once");
    phone.fence();
}

/// The token alone does not make a phone. What the user types is for the phone that is paired, whatever holds
/// its place.
#[test]
fn a_peer_in_the_phones_place_is_not_asked_about_and_hears_nothing_in_clear() {
    let relay = Relay::start(SetUp::Memory);
    let file = std::env::temp_dir().join(format!("relay-place-{}", std::process::id()));
    let mut program = workstation(relay.addr(), &["--yes", "--keep", file.to_str().unwrap()]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("phone is here, encrypted");
    phone.until_open();
    let kept = Object::parse(&std::fs::read_to_string(&file).unwrap());
    let session = Session { id: kept.text("s").to_owned(), token: kept.text("t").to_owned() };

    let mut thief = Peer::join(&relay, &session, Wire::Phone);
    thief.expect(&Heard::Joined(0));
    program.until("phone left");
    thief.text("talk to me anyway?");
    assert_eq!(program.line(), "ignored: the other end does not encrypt");
    program.type_line("y");
    program.type_line("for the phone alone");
    thief.text("still here");
    thief.fence();
    thief.leave();

    assert_eq!(phone.until_stopped(), Stop::Replaced);
    program.process().signal("INT");
    let (status, lines) = program.finish();
    assert_eq!(status.code(), Some(3), "two lines were not taken");
    assert!(
        lines.ends_with("the phone has not confirmed 2 of the lines") && !lines.contains("allow it?"),
        "{lines}"
    );
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn with_plain_it_talks_as_ever() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--plain"]);
    let code = code_of(&program);
    assert!(code.key.is_none());
    let session = session_of(&code);
    let mut phone = Peer::join(&relay, &session, Wire::Phone);
    program.until("phone joined");
    phone.expect(&Heard::Joined(0));
    phone.text("hello desk");
    assert_eq!(program.line(), "hello desk");
    program.type_line("hello phone");
    phone.expect_text("hello phone");
}

#[test]
fn a_program_that_kills_tells_the_phone_before_it_is_gone() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes", "--kill"]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("phone is here, encrypted");
    phone.until_open();
    program.type_line("last");
    program.end_input();
    assert_eq!(phone.message(), b"last");
    program.until("session deleted");
    assert_eq!(program.exit_code(), Some(0));
    assert_eq!(phone.until_stopped().to_string(), "removed at the workstation: pair again");
}

#[test]
fn a_program_that_kills_ends_the_pair_of_a_second_code_too() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &["--kill", "--pair-secs", "1"]);
    program.until("session deleted");
    program.until("show a new code? [y/n]");
    program.type_line("y");
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("allow it? [y/n]");
    program.type_line("y");
    phone.until_open();
    program.until("phone is here, encrypted");
    program.process().signal("INT");
    program.until("session deleted");
    assert_eq!(program.exit_code(), Some(0));
    assert_eq!(phone.until_stopped().to_string(), "removed at the workstation: pair again");
}

#[test]
fn a_program_that_kills_and_can_not_tell_the_relay_has_failed() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes", "--kill"]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("phone is here, encrypted");
    phone.until_open();
    drop(relay);
    program.until("reconnecting");
    program.process().signal("INT");
    program.until("the relay was not told");
    assert_eq!(program.exit_code(), Some(1));
}

#[test]
fn a_second_program_on_a_kept_pair_says_so_and_ends() {
    let relay = Relay::start(SetUp::Memory);
    let file = std::env::temp_dir().join(format!("relay-pair-twice-{}", std::process::id()));
    let keep = ["--yes", "--keep", file.to_str().unwrap()];
    let mut first = workstation(relay.addr(), &keep);
    let mut phone = phone_of(code_of(&first), relay.addr());
    first.until("phone is here, encrypted");
    phone.until_open();
    for more in [&keep[..], &[&keep[..], &["--forget"]].concat()] {
        let mut second = workstation(relay.addr(), more);
        assert_eq!(second.exit_code(), Some(1), "the pair is in use");
    }
    first.type_line("undisturbed");
    assert_eq!(phone.message(), b"undisturbed");
    // The lock goes with its process, however that ends.
    first.process().kill();
    let mut third = workstation(relay.addr(), &keep);
    third.until("resuming with the paired phone");
    third.until("phone is here, encrypted");
    third.process().signal("INT");
    assert_eq!(third.exit_code(), Some(0));
    let _ = (std::fs::remove_file(&file), std::fs::remove_file(file.with_extension("lock")));
}
