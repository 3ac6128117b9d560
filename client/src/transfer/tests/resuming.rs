//! Breaks at any moment: of the channel, of the sender's program, of the receiver's, of both at once by the
//! system. What arrives is whole and right, and what was there is not sent again.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::super::*;
use super::line::*;
use crate::tunnel::model::Rng;

/// Files of all sorts; gives their paths.
fn some_files(scratch: &Scratch, seed: u64) -> Vec<PathBuf> {
    let sizes = [0, 1, 5_000, 16_384, 16_385, 70_000, 400_000, 1_500_000];
    for (at, size) in sizes.into_iter().enumerate() {
        scratch.write(&format!("set/{at}"), &noise(size, seed + at as u64));
    }
    (0..200).for_each(|at| drop(scratch.write(&format!("set/small/{at}"), &noise(300, seed + at))));
    vec![scratch.from("set"), scratch.write("alone", &noise(90_000, seed))]
}

fn expect_same(scratch: &Scratch) {
    let expected = names(&scratch.from(""));
    assert_eq!(scratch.kept(), expected);
    for name in expected {
        assert!(fs::read(scratch.from(&name)).unwrap() == fs::read(scratch.to(&name)).unwrap(), "{name}");
    }
}

#[test]
fn a_set_that_breaks_anywhere_arrives_once_and_whole() {
    for seed in 0..30 {
        let mut rng = Rng::new(seed);
        let scratch = Scratch::new();
        let paths = some_files(&scratch, seed);
        let mut sender = send(&paths);
        let mut breaks = 0;
        let totals = loop {
            let receiver = receive(&scratch, "phone", &sender);
            let mut transfer = Transfer::new(sender, receiver);
            transfer.between().message_len = [2048, 8000, 32_000][rng.index(3)];
            let mut steps = if breaks < 6 { 1 + rng.below(60) } else { u64::MAX };
            let breaks_now = |_: &mut Transfer| {
                steps -= 1;
                steps == 0
            };
            match transfer.run_until(breaks_now) {
                Some(Outcome::Complete(totals)) => break totals,
                None => {}
                other => panic!("seed {seed}: {other:?}"),
            }
            breaks += 1;
            // The receiver is gone. The sender's program lives on, or starts again.
            sender = if rng.one_in(2) { send(&paths) } else { transfer.into_broken_sender() };
        };
        assert_eq!(totals.failed, 0, "seed {seed}");
        expect_same(&scratch);
    }
}

#[test]
fn a_part_is_not_sent_again() {
    let scratch = Scratch::new();
    let path = scratch.write("film", &noise(6_000_000, 1));
    let mut offsets = Vec::new();
    for round in 1..=3 {
        let mut transfer = Transfer::of(&scratch, std::slice::from_ref(&path));
        let limit = if round < 3 { round * 2_000_000 } else { u64::MAX };
        let stops = |transfer: &mut Transfer| transfer.receiver.progress().bytes_written > limit;
        let outcome = transfer.run_until(stops);
        assert_eq!(outcome.is_some(), round == 3);
        offsets.extend(transfer.sent_events.into_iter().filter_map(|event| match event {
            SendEvent::Resumed { offset, .. } => Some(offset),
            _ => None,
        }));
        assert_eq!(scratch.kept().len(), if round < 3 { 2 } else { 1 });
    }
    assert!(offsets.len() == 2 && offsets[0] > 2_000_000 && offsets[1] > 4_000_000, "{offsets:?}");
    expect_same(&scratch);
}

#[test]
fn a_set_whose_channel_is_gone_gives_its_parts_to_the_next_one_at_once() {
    let scratch = Scratch::new();
    let path = scratch.write("film", &noise(3_000_000, 1));
    let mut old = Transfer::of(&scratch, std::slice::from_ref(&path));
    old.run_until(|transfer| transfer.receiver.progress().bytes_written > 1_000_000);
    old.receiver.on_gone();
    let mut transfer = Transfer::of(&scratch, &[path]);
    assert_eq!(transfer.complete().done, 1);
    assert!(matches!(&transfer.sent_events[0], SendEvent::Resumed { .. }), "{:?}", transfer.sent_events);
    assert!(matches!(old.step_receiver(), Step::Over(Outcome::Broken(_))));
    expect_same(&scratch);
}

#[test]
fn a_damaged_part_is_dropped_and_the_file_is_right() {
    for damage in [|bytes: &mut Vec<u8>| bytes[5] ^= 1, |bytes: &mut Vec<u8>| bytes.resize(7_000_000, 0)] {
        let scratch = Scratch::new();
        let path = scratch.write("film", &noise(3_000_000, 1));
        let mut transfer = Transfer::of(&scratch, std::slice::from_ref(&path));
        transfer.run_until(|transfer| transfer.receiver.progress().bytes_written > 1_000_000);
        drop(transfer);
        let mut bytes = fs::read(scratch.to("film.part")).unwrap();
        damage(&mut bytes);
        fs::write(scratch.to("film.part"), bytes).unwrap();
        let mut transfer = Transfer::of(&scratch, &[path]);
        assert_eq!(transfer.complete().done, 1);
        assert!(!transfer.sent_events.iter().any(|event| matches!(event, SendEvent::Resumed { .. })));
        expect_same(&scratch);
    }
}

#[test]
fn a_whole_file_of_the_same_length_and_time_but_other_bytes_stays() {
    let scratch = Scratch::new();
    let path = scratch.write("a", &noise(50_000, 1));
    fs::write(scratch.to("a"), noise(50_000, 2)).unwrap();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::File::options().write(true).open(scratch.to("a")).unwrap().set_modified(time).unwrap();
    assert_eq!(Transfer::of(&scratch, &[path]).complete().done, 1);
    assert_eq!(scratch.kept(), ["a", "a (1)"]);
    assert!(fs::read(scratch.to("a")).unwrap() == noise(50_000, 2));
    assert!(fs::read(scratch.to("a (1)")).unwrap() == noise(50_000, 1));
}

#[test]
fn a_part_of_an_older_state_of_the_file_is_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.write("a", &noise(3_000_000, 1));
    let mut transfer = Transfer::of(&scratch, std::slice::from_ref(&path));
    transfer.run_until(|transfer| transfer.receiver.progress().bytes_written > 1_000_000);
    drop(transfer);
    scratch.write("a", &noise(2_000_000, 9));
    assert_eq!(Transfer::of(&scratch, &[path]).complete().done, 1);
    assert_eq!(scratch.kept(), ["a", "a.part", "a.part.info"]);
    assert!(fs::read(scratch.to("a")).unwrap() == noise(2_000_000, 9));
}

#[test]
fn somebody_elses_part_is_never_touched() {
    let scratch = Scratch::new();
    fs::write(scratch.to("a.part"), b"of another program").unwrap();
    let path = scratch.write("a", &noise(3_000_000, 1));
    let mut transfer = Transfer::of(&scratch, &[path]);
    transfer.run_until(|transfer| transfer.receiver.progress().bytes_written > 1_000_000);
    assert_eq!(scratch.kept(), ["a (1).part", "a (1).part.info", "a.part"]);
    assert_eq!(transfer.complete().done, 1);
    assert_eq!(scratch.kept(), ["a", "a.part"]);
    assert_eq!(fs::read(scratch.to("a.part")).unwrap(), b"of another program");
}

#[test]
fn the_same_file_from_two_phones_does_not_mix() {
    let [one, two] = [Scratch::new(), Scratch::new()];
    let bytes = [noise(3_000_000, 1), noise(3_000_000, 2)];
    let paths = [one.write("film", &bytes[0]), two.write("film", &bytes[1])];
    for broken in [false, true] {
        let target = Scratch::new();
        let start = |at: usize, from: &str| {
            let sender = send(&paths[at..=at]);
            let receiver = receive(&target, from, &sender);
            Transfer::new(sender, receiver)
        };
        let mut transfers = [start(0, "phone 1"), start(1, "phone 2")];
        for _ in 0..10 {
            for transfer in &mut transfers {
                transfer.step_sender();
                transfer.step_receiver();
            }
        }
        assert_eq!(target.kept().len(), 4, "{:?}", target.kept());
        if broken {
            drop(transfers);
            transfers = [start(0, "phone 1"), start(1, "phone 2")];
        }
        for transfer in transfers.iter_mut().rev() {
            assert_eq!(transfer.complete().done, 1);
            let resumed = transfer.sent_events.iter().any(|event| matches!(event, SendEvent::Resumed { .. }));
            assert_eq!(resumed, broken, "{:?}\n{:?}", transfer.sent_events, transfer.received_events);
        }
        assert_eq!(target.kept(), ["film", "film (1)"]);
        assert!(fs::read(target.to("film")).unwrap() == bytes[1], "it was whole first");
        assert!(fs::read(target.to("film (1)")).unwrap() == bytes[0]);
    }
}

/// Both programs in a process that the system kills after some work, again and again.
#[test]
fn programs_that_are_killed_leave_nothing_wrong() {
    const STEPS: &str = "RELAY_KILLED_AFTER";
    const PLACE: &str = "RELAY_KILLED_AT";
    if let Some(steps) = std::env::var(STEPS).ok().and_then(|steps| steps.parse::<u64>().ok()) {
        let scratch = Scratch::at(std::env::var(PLACE).unwrap().into());
        let mut transfer = Transfer::of(&scratch, &[scratch.from("set"), scratch.from("alone")]);
        transfer.between().message_len = 8_000;
        let mut left = steps;
        transfer.run_until(|_| {
            if left == 0 {
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            }
            left -= 1;
            false
        });
        return;
    }
    let (scratch, mut rng) = (Scratch::new(), Rng::new(1));
    let paths = some_files(&scratch, 1);
    let mut killed = 0;
    for _ in 0..12 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = "transfer::tests::resuming::programs_that_are_killed_leave_nothing_wrong";
        command.args(["--exact", name]).env(PLACE, scratch.path()).env(STEPS, rng.below(120).to_string());
        killed += u32::from(!output_of(&mut command).status.success());
    }
    assert!(killed >= 4, "killed {killed} times");
    assert_eq!(Transfer::of(&scratch, &paths).complete().failed, 0);
    let left_over = scratch.kept().into_iter().filter(|name| !name.contains(".relay-new-"));
    assert_eq!(left_over.collect::<Vec<_>>(), names(&scratch.from("")));
    let _ = fs::remove_file(scratch.to("set/small/.relay-new-0"));
    let _ = fs::remove_file(scratch.to("set/.relay-new-0"));
    expect_same(&scratch);
}

#[test]
fn the_progress_stays_while_a_channel_is_opened_again() {
    let scratch = Scratch::new();
    let path = scratch.write("film", &noise(5_000_000, 7));
    let mut transfer = Transfer::of(&scratch, &[path]);
    transfer.run_until(|transfer| transfer.sender.progress().bytes_written > 0);
    let written = transfer.sender.progress().bytes_written;
    let sender = transfer.into_broken_sender();
    assert_eq!(sender.progress().bytes_written, written);
    let receiver = receive(&scratch, "phone", &sender);
    let mut transfer = Transfer::new(sender, receiver);
    transfer.step_sender();
    assert_eq!(transfer.sender.progress().bytes_written, written, "offered again, and not answered");
    assert_eq!(transfer.complete().bytes, 5_000_000);
    assert_eq!(transfer.sender.progress().bytes_written, 5_000_000);
}
