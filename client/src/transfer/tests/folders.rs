//! Which folders of the receiver's user a set may go into.

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
