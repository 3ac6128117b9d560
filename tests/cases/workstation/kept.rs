//! A pair that is kept in a file: resumed, forgotten, used twice, and its place taken by another client.

use relay_client::Stop;
use relay_tests::harness::json::Object;
use relay_tests::harness::{Event as Heard, Peer, Role as Wire, Session};

use super::{paired, workstation};

#[test]
fn a_kept_pair_needs_no_code_until_it_is_forgotten() {
    let file = std::env::temp_dir().join(format!("relay-pair-{}", std::process::id()));
    let keep = ["--yes", "--keep", file.to_str().unwrap()];
    let (relay, mut program, mut phone) = paired(&keep);
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
fn a_second_program_on_a_kept_pair_says_so_and_ends() {
    let file = std::env::temp_dir().join(format!("relay-pair-twice-{}", std::process::id()));
    let keep = ["--yes", "--keep", file.to_str().unwrap()];
    let (relay, mut first, mut phone) = paired(&keep);
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

/// The token alone is not enough to be the phone. What the user types is only for the paired phone, whatever
/// client has its role.
#[test]
fn a_client_in_the_phones_place_causes_no_question_and_gets_nothing_in_clear() {
    let file = std::env::temp_dir().join(format!("relay-place-{}", std::process::id()));
    let (relay, mut program, mut phone) = paired(&["--yes", "--keep", file.to_str().unwrap()]);
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
