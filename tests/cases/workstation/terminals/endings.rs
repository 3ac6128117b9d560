//! How a command under `run` ends, and what is left of it: its exit code, and a terminal as it was found.

use std::process::Command;

use super::{Desk, pid, signal};

#[test]
fn the_exit_code_is_the_commands() {
    let desk = Desk::new();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let mut window = desk.run(script);
        assert_eq!(window.finish(), (Some(code), String::new()), "{script}");
    }
    desk.until_terminals(0);
}

#[test]
fn a_command_that_cannot_be_started_is_named() {
    let desk = Desk::new();
    for (program, code) in [("no-such-program", 127), ("/", 126)] {
        let mut window = desk.window(&["run", "--", program]);
        window.until("error: could not start the command: ");
        assert_eq!(window.finish().0, Some(code), "{program}");
    }
}

#[test]
fn without_a_command_it_is_the_users_shell() {
    let desk = Desk::new();
    let mut window = desk.window(&["run"]);
    window.type_text("echo sum $((40 + 2)); exit 3\n");
    window.until("sum 42");
    assert_eq!(window.finish().0, Some(3));
}

#[test]
fn all_output_comes_before_the_end() {
    let desk = Desk::new();
    let mut window = desk.run("seq 1 20000; exit 4");
    let (code, shown) = window.finish();
    assert_eq!(code, Some(4));
    assert_eq!(shown.lines().count(), 20_000);
    assert!(shown.ends_with("\n19999\r\n20000\r\n"), "{}", &shown[shown.len() - 40..]);
}

#[test]
fn the_terminal_is_left_as_it_was_found() {
    let desk = Desk::new();
    let ready = "printf ready; exec sleep 1000";
    for end in ["exit", "raw", "TERM", "INT", "host killed"] {
        let script = match end {
            "exit" => "printf ready; read line",
            // It leaves its own terminal raw; the window's stays as it was.
            "raw" => "stty raw -echo; printf ready; dd bs=1 count=1 status=none",
            _ => ready,
        };
        let mut window = desk.window(&["run", "--", "sh", "-c", script]);
        window.until("ready");
        let raw = window.modes();
        assert!(!raw.contains("ISIG") && !raw.contains("ICANON"), "{raw}");
        match end {
            "exit" | "raw" => window.type_text("x\r"),
            "host killed" => signal("KILL", pid(&desk.until_terminals(1)[0])),
            name => window.process().signal(name),
        }
        let code = window.finish().0;
        let expected = match end {
            "TERM" => 143,
            "INT" => 130,
            "host killed" => 125,
            _ => 0,
        };
        assert_eq!(code, Some(expected), "{end}");
        assert_eq!(window.modes(), modes_of_a_new_window(), "{end}");
        desk.kill_all();
    }
}

/// The modes of a window that no program has used.
fn modes_of_a_new_window() -> String {
    let window = relay_tests::harness::window::Window::open(Command::new("sleep").arg("1000"), 80, 24);
    window.modes()
}

#[test]
fn without_a_terminal_bytes_pass_as_through_script() {
    let desk = Desk::new();
    let mut command = Command::new("sh");
    command.args(["-c", "printf 'one\\ntwo' | \"$@\"; echo code $?", "sh"]);
    let run = desk.command(&["run", "--", "sh", "-c", "stty -echo; cat; exit 5"]);
    command.arg(run.get_program()).args(run.get_args());
    for (name, value) in run.get_envs() {
        value.map(|value| command.env(name, value));
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // What came before `stty` took effect may have been echoed.
    assert!(text.ends_with("one\r\ntwocode 5\n"), "{text:?} {:?}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_command_does_not_see_the_relays_key() {
    let desk = Desk::new();
    let mut command = desk.command(&["run", "--", "env"]);
    command.env("RELAY_SERVER", "https://relay.example.org").env("OTHER", "kept");
    let mut window = relay_tests::harness::window::Window::open(&command, 80, 24);
    let shown = window.finish().1;
    assert!(!shown.contains("secret") && !shown.contains("RELAY_SERVER"), "{shown}");
    for kept in ["OTHER=kept", "TERM=xterm", "RELAY_PROFILE=default", "WORKSTATION_TERMINAL=env"] {
        assert!(shown.contains(kept), "no {kept} in {shown}");
    }
}
