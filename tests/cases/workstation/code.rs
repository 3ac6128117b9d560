//! The code in a window: drawn where it fits, drawn again when the window changes, replaced when it has
//! ended, and never written into a pipe or a file.

use std::fs;
use std::process::Command;

use relay_client::tunnel::{Code, parse_pairing};
use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::Desk;
use relay_tests::harness::window::Window;
use relay_tests::harness::{Relay, SetUp};

/// `pair` with a link, in a terminal that knows colours and characters beyond ASCII.
fn pair(desk: &Desk, relay: &Relay, more: &[&str]) -> Command {
    let page = format!("http://{}/p", relay.addr());
    let mut command = desk.command(&[&["pair", "--page-url", &page], more].concat());
    command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
    command
}

/// The code of the link that the text has.
fn code_in(text: &str) -> Code {
    let line = text.lines().find_map(|line| line.split_once("or paste this: ")).expect("a link").1;
    assert!(line.contains("/p#2"), "{line}");
    parse_pairing(line).unwrap()
}

#[test]
fn it_fits_a_small_window_and_follows_its_changes_until_it_is_used() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let mut window = Window::open(&pair(&desk, &relay, &["--yes"]), 80, 24);
    let first = window.until("waiting for a phone");
    assert!(first.contains('▀'), "{first}");
    assert!(first.lines().count() <= 24, "{first}");
    let code = code_in(&first);
    window.resize(80, 20);
    window.until("\x1b[Jno picture: the window has 20 rows and the code needs ");
    window.until("waiting for a phone");
    window.resize(30, 40);
    window.until("\x1b[Jno picture: the window has 30 columns and the code needs 37");
    window.until("waiting for a phone");
    window.resize(80, 24);
    let again = window.until("waiting for a phone");
    assert!(again.contains('▀'), "{again}");
    assert_eq!(code_in(&again).pairing.session, code.pairing.session);
    window.process().signal("STOP");
    window.process().signal("CONT");
    let third = window.until("waiting for a phone");
    assert!(third.contains('▀') && !third.contains("\x1b[J"), "nothing above it is replaced: {third}");
    let mut phone = AppPhone::pair(code, relay.addr(), "Pixel");
    window.until("\x1b[J(a phone has used the code)\r\n");
    window.until("paired with \"Pixel\"");
    phone.until_ready();
    assert_eq!(window.exit_code(), Some(0));
}

#[test]
fn a_line_takes_its_place_when_it_expires() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let mut window = Window::open(&pair(&desk, &relay, &["--pair-secs", "1"]), 80, 24);
    window.until("waiting for a phone");
    window.until("\x1b[J(the code has expired)\r\n");
    window.until("show a new code? [y/n]");
    window.type_text("y\n");
    let second = window.until("waiting for a phone");
    assert!(second.contains('▀'), "{second}");
    window.until("show a new code? [y/n]");
    window.type_text("n\n");
    assert_eq!(window.exit_code(), Some(4));
}

#[test]
fn its_picture_goes_to_the_window_and_not_into_a_file() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let inner = pair(&desk, &relay, &["--yes"]);
    let file = desk.folder().join("told");
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" 2>\"$TOLD\"", "sh"]).arg(inner.get_program()).args(inner.get_args());
    inner.get_envs().for_each(|(name, value)| match value {
        Some(value) => drop(shell.env(name, value)),
        None => drop(shell.env_remove(name)),
    });
    let mut window = Window::open(shell.env("TOLD", &file), 80, 24);
    let shown = window.until("the phone connects to ");
    assert!(shown.contains('▀'), "{shown}");
    let mut phone = AppPhone::pair(code_in(&shown), relay.addr(), "Pixel");
    window.until("\x1b[J(a phone has used the code)\r\n");
    phone.until_ready();
    assert_eq!(window.exit_code(), Some(0));
    let told = fs::read_to_string(&file).unwrap();
    assert!(told.contains("or paste this: ") && told.contains("paired with \"Pixel\""), "{told}");
    assert!(told.chars().all(|char| char == '\n' || (char != '▀' && !char.is_control())), "{told:?}");
}

#[test]
fn a_terminal_gets_what_it_can_show() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    for (name, value, has_blocks, has_colours) in [
        ("TERM", "xterm-256color", true, true),
        ("NO_COLOR", "1", true, false),
        ("LC_ALL", "C", false, true),
        ("TERM", "dumb", false, false),
    ] {
        let mut command = pair(&desk, &relay, &["--pair-secs", "60"]);
        let mut window = Window::open(command.env(name, value), 120, 60);
        let shown = window.until("or paste this: ");
        let seen = (shown.contains('▀'), shown.contains("\x1b[38;5;16") || shown.contains("\x1b[48;5;16"));
        assert_eq!(seen, (has_blocks, has_colours), "{name}={value}: {shown}");
        assert_eq!(shown.is_ascii(), !has_blocks, "{name}={value}");
        let is_plain = value == "dumb";
        window.until("connects to ");
        // The status of a terminal that cannot rewrite is a line.
        window.until(if is_plain { "connected\r\n" } else { "waiting for a phone" });
        window.type_text("\x03");
        let (code, rest) = window.finish();
        assert_eq!(code, Some(4), "{rest}");
        assert_eq!(rest.contains('\x1b'), !is_plain, "{rest:?}");
    }
    let mut window = Window::open(&pair(&desk, &relay, &["--no-qr"]), 120, 60);
    let shown = window.until("waiting for a phone");
    assert!(!shown.contains('▀') && shown.contains("or paste this: http://"), "{shown}");
}
