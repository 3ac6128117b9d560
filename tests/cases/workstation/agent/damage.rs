//! Folders, sockets and files that must not be used, and a disk that is full.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::{Desk, code_of};
use relay_tests::harness::guard::read_until;
use relay_tests::harness::program::Program;
use relay_tests::harness::{Relay, SetUp};

fn place() -> (Relay, Desk) {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    (relay, desk)
}

#[test]
fn a_folder_that_others_may_enter_is_refused() {
    let (_relay, desk) = place();
    desk.run(&["devices"]);
    fs::set_permissions(desk.runtime(), fs::Permissions::from_mode(0o755)).unwrap();
    let (code, words) = desk.try_run(&["devices"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("other users may enter") && words.contains("chmod 700"), "{words}");
    fs::set_permissions(desk.runtime(), fs::Permissions::from_mode(0o700)).unwrap();
    desk.run(&["devices"]);
}

/// Only root can make what belongs to another user.
#[test]
fn a_folder_and_a_socket_of_another_user_are_refused() {
    const OTHER: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (relay, desk) = place();
    desk.run(&["devices"]);
    desk.kill_agent();
    chown(desk.runtime(), Some(OTHER), None).unwrap();
    let (code, words) = desk.try_run(&["devices"]);
    assert!(code == Some(1) && words.contains("belongs to another user (65534)"), "{words}");
    chown(desk.runtime(), Some(0), None).unwrap();

    let others = Desk::new(relay.addr());
    let program = others.folder().join("program");
    let ours = others.command(&["agent"]);
    fs::copy(ours.get_program(), &program).unwrap();
    for folder in [others.folder().clone(), others.folder().join("state"), others.folder().join("run")] {
        chown(folder, Some(OTHER), Some(OTHER)).unwrap();
    }
    let mut command = Command::new(&program);
    command.args(ours.get_args()).uid(OTHER).gid(OTHER);
    copy_environment(&ours, &mut command);
    let _agent = Program::start(&mut command);
    let socket = others.runtime().join("agent.sock");
    read_until("the other user's agent", || socket.exists().then_some(()));
    fs::rename(&socket, desk.runtime().join("agent.sock")).unwrap();
    let (code, words) = desk.try_run(&["devices"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("must not be used") && words.contains("is user 65534's"), "{words}");
}

#[test]
fn a_phones_file_cut_in_half_is_named_and_harms_no_other() {
    let (_relay, desk) = place();
    let (_lost, mut kept) = (desk.pair("lost"), desk.pair("kept"));
    desk.kill_agent();
    let is_of = |name: &str, text: &str| text.contains(&format!("\"name\":\"{name}\""));
    let files = desk.phone_files();
    let lost = files.iter().find(|file| is_of("lost", &fs::read_to_string(file).unwrap())).unwrap();
    let text = fs::read_to_string(lost).unwrap();
    fs::write(lost, &text[..text.len() / 2]).unwrap();

    let listed = desk.run(&["devices"]);
    let id = lost.file_name().unwrap().to_str().unwrap();
    assert!(
        listed.contains(&format!("{id} is damaged")) && listed.contains("pair that phone again"),
        "{listed}"
    );
    kept.until_ready();
    let listed = desk.run(&["devices", "--json"]);
    assert!(listed.contains("\"name\":\"kept\"") && !listed.contains("\"name\":\"lost\""), "{listed}");
    assert_eq!(fs::read_to_string(lost).unwrap().len(), text.len() / 2, "it is left as it is");
}

#[test]
fn other_files_cut_in_half_are_named_too() {
    let (_relay, desk) = place();
    let _phone = desk.pair("Pixel");
    desk.kill_agent();
    fs::write(desk.state().join("retire.json"), "[{\"phone\":").unwrap();
    let listed = desk.run(&["devices"]);
    assert!(listed.contains("retire.json is damaged") && listed.contains("Pixel"), "{listed}");
    assert!(listed.contains("it is put aside as"), "{listed}");
    // A phone must be gone when the user wants it gone.
    desk.run(&["revoke", "Pixel"]);
    assert!(desk.phone_files().is_empty());
    assert!(desk.state().join("retire.damaged").exists() && !desk.state().join("retire.json").exists());

    // Nor does a note that can't be written keep it.
    let mut phone = desk.pair("Pixel");
    fs::create_dir(desk.state().join("retire.json")).unwrap();
    let words = desk.run(&["revoke", "Pixel"]);
    assert!(words.contains("warning: can't write") && words.contains("no longer paired"), "{words}");
    assert!(desk.phone_files().is_empty());
    phone.until_stopped();

    fs::write(desk.state().join("profile.json"), "{\"relay\"").unwrap();
    let (code, words) = desk.try_run(&["pair", "--yes"]);
    assert!(
        code == Some(1) && words.contains("profile.json is damaged") && words.contains("setup"),
        "{words}"
    );
}

/// The state lies on a disk of one block, which the log takes.
#[test]
fn on_a_full_disk_a_phone_is_not_paired_and_the_user_reads_why() {
    let (relay, desk) = place();
    let program = desk.command(&["pair", "--yes"]);
    let mut command = Command::new("unshare");
    command.args(if rustix::process::geteuid().is_root() {
        &["--mount"][..]
    } else {
        &["--map-root-user", "--mount"]
    });
    let script = "mount -t tmpfs -o size=4k,mode=700 none \"$XDG_STATE_HOME\" && exec \"$@\"";
    command.args(["sh", "-c", script, "sh"]).arg(program.get_program()).args(program.get_args());
    copy_environment(&program, &mut command);
    let mut program = Program::start(&mut command);
    let _phone = AppPhone::pair(code_of(&program), relay.addr(), "Pixel");
    let words = program.until("the pairing could not be kept");
    assert!(words.contains("phones/") && words.contains("No space left on device"), "{words}");
    assert_eq!(program.exit_code(), Some(1));
}

/// Gives `to` the environment that was set for `from`.
fn copy_environment(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}
