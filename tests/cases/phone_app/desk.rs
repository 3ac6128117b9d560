//! The phone with the real desk: its agent, and terminals that `workstation run` shares.

use relay_tests::harness::desk::{Desk as RealDesk, code_of};
use relay_tests::harness::window::Window;
use relay_tests::harness::{Relay, SetUp};

use super::Pocket;

/// A desk, and a phone that is paired with it.
fn paired(relay: &Relay, pocket: &Pocket) -> (RealDesk, String) {
    let desk = RealDesk::new(relay.addr());
    let url = format!("ws://{}/ws", relay.addr());
    let mut program = desk.start(&["pair", "--yes", "--public-url", &url]);
    let phone = pocket.phone(&["--name", "Pixel", &code_of(&program).to_json()]);
    program.until("paired with \"Pixel\"");
    assert_eq!(program.exit_code(), Some(0));
    let (status, said) = phone.finish();
    assert!(status.success(), "{said}");
    let (_, listed) = pocket.run(&["desks"]);
    (desk, listed.split_once(' ').expect("a number and a name").0.to_owned())
}

/// A shell that is shared, at its first prompt.
fn shared_shell(desk: &RealDesk) -> Window {
    let mut command = desk.command(&["run", "--", "sh"]);
    command.env("PS1", "ready> ").env("ENV", "").env("TERM", "xterm");
    let mut window = Window::open(&command, 80, 24);
    window.until("ready> ");
    window
}

#[test]
fn a_shared_shell_is_used_from_the_phone_to_its_end() {
    let relay = Relay::start(SetUp::Memory);
    let pocket = Pocket::new();
    let (desk, number) = paired(&relay, &pocket);
    let mut window = shared_shell(&desk);
    let mut phone = Window::open(&pocket.command(&["--desk", &number, "--watch", "sh"]), 80, 25);
    let modes = phone.modes();
    phone.until("ready>");
    phone.type_text("echo $((1200 + 75))\r");
    phone.until("1275");
    window.until("1275");
    // What the desk types is seen too, and scripts read it as text.
    window.type_text("seq 100 $((139 + 1))\r");
    phone.until("140");
    let (code, text) = pocket.run(&["--desk", &number, "--watch", "sh", "--dump", "--once"]);
    assert_eq!(code, Some(1), "one engine uses a pair at a time: {text}");
    assert!(text.contains("another program uses this pair"), "{text}");
    // Up to lines that have left the screen, and back.
    phone.type_text("\x1b[5;2~");
    phone.until("1275");
    phone.type_text("exit 3\r");
    phone.until("sh has ended with exit code 3");
    phone.until_modes(&modes);
    assert_eq!(phone.exit_code(), Some(0));
    assert_eq!(window.exit_code(), Some(3));
}

#[test]
fn a_script_types_into_a_terminal_and_reads_it_and_the_shell_goes_on() {
    let relay = Relay::start(SetUp::Memory);
    let pocket = Pocket::new();
    let (desk, number) = paired(&relay, &pocket);
    let mut window = shared_shell(&desk);
    let watch = ["--desk", &number, "--watch", "sh", "--dump", "--send-keys", "echo $((600 + 66)){Enter}"];
    let mut phone = pocket.phone(&watch);
    phone.until("666");
    phone.process().signal("TERM");
    assert_eq!(phone.exit_code(), Some(0));
    window.until("666");
    let (code, text) = pocket.run(&["--desk", &number, "--watch", "sh", "--dump", "--once"]);
    assert!(code == Some(0) && text.contains("\n666\n"), "{text}");
    let (code, text) = pocket.run(&["--desk", &number, "--watch", "nothing", "--dump"]);
    assert!(code == Some(1) && text.contains("nothing can't be shown: "), "{text}");
    window.type_text("exit\r");
    assert_eq!(window.exit_code(), Some(0));
}
