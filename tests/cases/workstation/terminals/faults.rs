//! Commands that misbehave, and the keys that stop them.

use std::io::Write;
use std::os::unix::net::UnixStream;

use relay_tests::harness::window::Window;

use super::{Desk, pid, signal};

#[test]
fn ctrl_c_stops_a_flood() {
    let desk = Desk::new();
    let mut window = desk.run("trap 'exit 8' INT; yes");
    window.until("y\r\ny\r\n");
    window.type_text("\u{3}");
    assert_eq!(window.finish().0, Some(8));
}

#[test]
fn job_control_is_the_commands_own() {
    let desk = Desk::new();
    let mut command = desk.command(&["run", "--", "sh", "-i"]);
    command.env("PS1", "ready> ");
    let mut window = Window::open(&command, 80, 24);
    window.until("ready> ");
    window.type_text("cat\n");
    window.until("cat\r\n");
    window.type_text("echoed\n");
    window.until("echoed\r\nechoed\r\n");
    window.type_text("\u{1a}");
    window.until("Stopped");
    window.until("ready> ");
    window.type_text("fg\n");
    window.until("cat\r\n");
    window.type_text("again\n");
    window.until("again\r\nagain\r\n");
    window.type_text("\u{4}");
    window.until("ready> ");
    window.type_text("exit 5\n");
    assert_eq!(window.finish().0, Some(5));
}

#[test]
fn a_mebibyte_without_a_newline_passes() {
    let desk = Desk::new();
    let mut window = desk.run("head -c 1048576 /dev/zero | tr '\\0' x; echo; echo end");
    window.until("end");
    assert_eq!(window.finish().0, Some(0));
}

/// How much time a process has used, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let behind_name = stat.rsplit_once(')').expect("a name").1;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}

/// A phone's end of the socket, which never reads.
fn silent_viewer(desk: &Desk) -> UnixStream {
    let mut viewer = UnixStream::connect(desk.socket("sh")).unwrap();
    let payload = br#"{"device":"Pixel","mayType":true}"#;
    viewer.write_all(&u32::try_from(payload.len()).unwrap().to_be_bytes()).unwrap();
    viewer.write_all(&[0x10]).unwrap();
    viewer.write_all(payload).unwrap();
    viewer
}

#[test]
fn a_phone_that_never_acknowledges_holds_up_nobody() {
    let desk = Desk::new();
    let mut window = desk.run("read a; seq 1 100000; exit 2");
    desk.until_terminals(1);
    let viewers: Vec<UnixStream> = (0..10).map(|_| silent_viewer(&desk)).collect();
    relay_tests::harness::guard::read_until("ten viewers", || {
        (desk.listing().matches(r#""device":"Pixel""#).count() == viewers.len()).then_some(())
    });
    window.type_text("\n");
    let (code, shown) = window.finish();
    assert_eq!(code, Some(2));
    assert!(shown.contains("99999\r\n100000\r\n"));
}

#[test]
fn more_phones_than_there_are_places_keep_no_window_out() {
    let desk = Desk::new();
    let mut window = desk.run("echo ready; read a; echo got $a; exit 2");
    window.until("ready");
    let viewers: Vec<UnixStream> = (0..80).map(|_| silent_viewer(&desk)).collect();
    relay_tests::harness::guard::read_until("as many phones as there are places for", || {
        (desk.listing().matches(r#""device":"Pixel""#).count() == 48).then_some(())
    });
    let mut second = desk.window(&["attach", "sh"]);
    second.until("ready");
    second.type_text("on\n");
    window.until("got on");
    assert_eq!((window.finish().0, second.finish().0), (Some(2), Some(2)));
    drop(viewers);
}

#[test]
fn a_window_that_stops_reading_holds_up_nobody_who_looks_on() {
    let desk = Desk::new();
    let mut window = desk.run("echo ready; read a; seq 1 200000; echo all; read b");
    window.until("ready");
    window.process().signal("STOP");
    let mut second = desk.window(&["attach", "sh"]);
    second.until("ready");
    second.type_text("\n");
    second.until("200000\r\nall");
    window.process().signal("CONT");
    window.until("all");
}

#[test]
fn a_host_that_dies_leaves_its_name_free() {
    let desk = Desk::new();
    let mut window = desk.window(&["run", "--name", "mine", "--", "sh", "-c", "echo ready; read a"]);
    window.until("ready");
    signal("KILL", pid(&desk.until_terminals(1)[0]));
    window.until("error: the process that kept the terminal mine was killed");
    assert_eq!(window.finish().0, Some(125));
    let mut again = desk.window(&["run", "--name", "mine", "--", "true"]);
    assert_eq!(again.finish().0, Some(0));
    assert!(!desk.socket("mine").exists());
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let desk = Desk::new();
    let mut window = desk.run("echo ready; read a; echo got $a");
    window.until("ready");
    for greeting in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xff\xff\xff\xff\x01", b"\0\0\0\0\x77", b"\0\0\0\x02\x10{]"]
    {
        let mut stranger = UnixStream::connect(desk.socket("sh")).unwrap();
        stranger.write_all(greeting).unwrap();
    }
    window.type_text("on\n");
    window.until("got on");
    assert_eq!(window.finish().0, Some(0));
}

#[test]
fn a_terminal_whose_socket_was_removed_makes_another() {
    let desk = Desk::new();
    let mut window = desk.run("echo ready; read a; echo got $a");
    window.until("ready");
    // As the system does when the user's last session ends.
    std::fs::remove_dir_all(desk.folder.join("relay-workstation")).unwrap();
    desk.until_terminals(1);
    let mut second = desk.window(&["attach", "sh"]);
    second.until("ready");
    second.type_text("on\n");
    window.until("got on");
    assert_eq!((window.finish().0, second.finish().0), (Some(0), Some(0)));
}

#[test]
fn a_window_that_goes_on_without_a_stop_leaves_the_terminal_as_it_was() {
    let desk = Desk::new();
    let before = Window::open(&desk.command(&["--help"]), 80, 24).modes();
    let mut window = desk.run("echo ready; read a; echo got $a");
    window.until("ready");
    window.process().signal("CONT");
    // It draws the screen once more when it has come to the signal.
    window.until("ready");
    window.type_text("on\n");
    window.until("got on");
    assert_eq!(window.finish().0, Some(0));
    window.until_modes(&before);
}

#[test]
fn a_host_whose_only_window_reads_nothing_sleeps() {
    let desk = Desk::new();
    let go = desk.file("go");
    let script = format!("echo ready; until [ -e {} ]; do sleep 0.1; done; yes", go.display());
    let mut window = desk.run(&script);
    window.until("ready");
    let host = pid(&desk.until_terminals(1)[0]);
    window.process().signal("STOP");
    std::fs::write(&go, "").unwrap();
    // After five seconds the window counts as one that reads nothing.
    relay_tests::harness::guard::let_pass(std::time::Duration::from_secs(6));
    let before = ticks(host);
    relay_tests::harness::guard::let_pass(std::time::Duration::from_secs(2));
    assert!(ticks(host) - before < 10, "{} ticks of the processor in 2 s", ticks(host) - before);
    window.process().signal("CONT");
    window.until("y\r\n");
}

#[test]
fn a_window_that_is_suspended_from_outside_leaves_the_terminal_and_comes_back() {
    let desk = Desk::new();
    let mut window = desk.run("echo ready; read a; echo got $a");
    window.until("ready");
    let raw = window.modes();
    window.process().signal("TSTP");
    window.until_other_modes(&raw);
    window.process().signal("CONT");
    window.until_modes(&raw);
    window.until("ready");
    window.type_text("on\n");
    window.until("got on");
    assert_eq!(window.finish().0, Some(0));
}
