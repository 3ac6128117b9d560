//! Which folders of the receiver's user a set may go into, and what of the sender's folders is not sent.

use std::fs;

use super::super::*;
use super::line::*;

/// A user's own project, and a set of that name whose files would be run there.
fn project() -> (Scratch, SendSet) {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.to("proj/.git/hooks")).unwrap();
    scratch.write("proj/.git/hooks/post-checkout", b"#!/bin/sh");
    scratch.write("proj/Makefile", &noise(50_000, 1));
    let set = send(&[scratch.from("proj")]);
    (scratch, set)
}

const RECEIVED: [&str; 2] = ["proj (1)/Makefile", "proj (1)/_.git/hooks/post-checkout"];

#[test]
fn a_folder_that_a_user_has_made_is_not_entered_and_no_name_is_hidden() {
    let (scratch, set) = project();
    let receiver = receive(&scratch, "phone", &set);
    assert_eq!(Transfer::new(set, receiver).complete().done, 2);
    assert_eq!(scratch.kept(), RECEIVED);
}

#[test]
fn a_set_goes_on_in_its_own_folder_and_another_phone_gets_another_one() {
    let (scratch, set) = project();
    let receiver = receive(&scratch, "phone", &set);
    let mut transfer = Transfer::new(set, receiver);
    let part = scratch.to("proj (1)/Makefile.part");
    while !fs::metadata(&part).is_ok_and(|part| part.len() > 0) {
        transfer.step_sender();
        transfer.step_receiver();
    }
    drop(transfer);
    for _ in 0..2 {
        let set = send(&[scratch.from("proj")]);
        let receiver = receive(&scratch, "phone", &set);
        assert_eq!(Transfer::new(set, receiver).complete().done, 2);
        assert_eq!(scratch.kept(), RECEIVED);
    }
    let set = send(&[scratch.from("proj")]);
    let receiver = receive(&scratch, "another", &set);
    assert_eq!(Transfer::new(set, receiver).complete().done, 2);
    let others = RECEIVED.map(|name| name.replace("(1)", "(2)"));
    assert_eq!(scratch.kept(), [RECEIVED.map(str::to_owned), others].concat());
}

#[test]
fn a_received_folder_is_sent_without_its_mark() {
    let (scratch, set) = project();
    let receiver = receive(&scratch, "phone", &set);
    assert_eq!(Transfer::new(set, receiver).complete().done, 2);
    let back = Scratch::new();
    let set = send(&[scratch.to("proj (1)")]);
    let receiver = receive(&back, "desk", &set);
    assert_eq!(Transfer::new(set, receiver).complete().done, 2);
    assert_eq!(back.kept(), RECEIVED);
}

#[test]
fn what_the_user_named_and_can_not_be_sent_counts_as_failed_and_links_do_not() {
    let scratch = Scratch::new();
    let gone = scratch.write("gone", b"x");
    scratch.write("set/there", b"y");
    std::os::unix::fs::symlink(&gone, scratch.from("set/link")).unwrap();
    let (long, deep) =
        (format!("set/{0}/{0}/{0}/{0}/{0}/z", "l".repeat(250)), "set/d".to_owned() + &"/d".repeat(70));
    scratch.write(&long, b"z");
    fs::create_dir_all(scratch.from(&deep)).unwrap();
    let set = send(&[gone.clone(), scratch.from("set")]);
    fs::remove_file(gone).unwrap();
    let receiver = receive(&scratch, "phone", &set);
    let mut transfer = Transfer::new(set, receiver);
    transfer.run();
    let Step::Over(Outcome::Complete(totals)) = transfer.step_sender() else { panic!("it is not over") };
    assert_eq!((totals.done, totals.failed), (1, 3), "{:?}", transfer.sent_events);
    assert_eq!(transfer.sender.progress().files_settled, transfer.sender.progress().files_total);
    assert_eq!(scratch.kept(), ["set/there"]);
}
