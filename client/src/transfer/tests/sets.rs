//! Sets that arrive whole.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::super::*;
use super::line::*;
use crate::folder::Inbox;

#[test]
fn a_folder_arrives_with_names_times_and_bytes() {
    let scratch = Scratch::new();
    let files =
        [("a.txt", 0), ("b/c.bin", 1), ("b/d/e", 16 * 1024), ("b/d/f", 16 * 1024 + 1), ("g", 3_000_000)];
    for (at, (name, len)) in files.iter().enumerate() {
        scratch.write(&format!("set/{name}"), &noise(*len, at as u64));
    }
    let mut transfer = Transfer::of(&scratch, &[scratch.from("set"), scratch.write("single", b"x")]);
    let totals = transfer.complete();
    assert_eq!((totals.done, totals.failed, totals.bytes), (6, 0, 1 + 2 * 16 * 1024 + 1 + 3_000_000 + 1));
    let mut expected: Vec<String> = files.iter().map(|(name, _)| format!("set/{name}")).collect();
    expected.push("single".into());
    expected.sort();
    assert_eq!(scratch.kept(), expected);
    for name in &expected {
        assert!(fs::read(scratch.from(name)).unwrap() == fs::read(scratch.to(name)).unwrap(), "{name}");
        let [from, to] = [scratch.from(name), scratch.to(name)].map(|path| fs::metadata(path).unwrap());
        assert_eq!((from.mtime(), from.mtime_nsec() / 1_000_000), (to.mtime(), to.mtime_nsec() / 1_000_000));
    }
    let progress = transfer.sender.progress();
    assert_eq!((progress.files_settled, progress.files_total), (6, 6));
    assert_eq!((progress.bytes_written, progress.bytes_total), (totals.bytes, totals.bytes));
    assert_eq!(transfer.receiver.progress(), progress);
}

#[test]
fn ten_thousand_small_files_share_messages_and_wait_for_nothing() {
    let scratch = Scratch::new();
    for number in 0..10_000 {
        scratch.write(&format!("set/{:02}/{number}", number % 20), &noise(1024, number));
    }
    let mut transfer = Transfer::of(&scratch, &[scratch.from("set")]);
    assert_eq!(transfer.complete().done, 10_000);
    let sent = transfer.between().sent;
    assert!(sent < 400, "{sent} messages");
    assert_eq!(scratch.kept().len(), 10_000);
    for number in [0, 5_000, 9_999] {
        let name = format!("set/{:02}/{number}", number % 20);
        assert!(fs::read(scratch.to(&name)).unwrap() == noise(1024, number));
    }
}

#[test]
fn a_message_is_as_long_as_the_channel_wants() {
    let scratch = Scratch::new();
    let path = scratch.write("a", &noise(400_000, 1));
    let mut transfer = Transfer::of(&scratch, &[path]);
    transfer.between().message_len = 2048;
    assert_eq!(transfer.complete().done, 1);
    let sent = transfer.between().sent;
    assert!((196..215).contains(&sent), "{sent} messages");
}

#[test]
fn a_sparse_file_of_4_gib_arrives_with_its_holes() {
    let scratch = Scratch::new();
    let path = scratch.write("sparse", b"start");
    let file = fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &noise(100_000, 2), 3 << 30).unwrap();
    file.set_len(4 << 30).unwrap();
    let mut transfer = Transfer::of(&scratch, std::slice::from_ref(&path));
    assert_eq!(transfer.complete().bytes, 4 << 30);
    let sent = transfer.between().sent;
    assert!(sent < 100, "{sent} messages");
    let [from, to] = [path, scratch.to("sparse")].map(|path| fs::metadata(path).unwrap());
    assert_eq!((from.len(), to.len()), (4 << 30, 4 << 30));
    assert!(to.blocks() * 512 < 4_000_000, "{} blocks", to.blocks());
    let mut start = [0; 6];
    let kept = fs::File::open(scratch.to("sparse")).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&kept, &mut start, 0).unwrap();
    assert_eq!(&start, b"start\0");
}

#[test]
fn the_mode_is_kept_if_both_users_want_that() {
    let scratch = Scratch::new();
    let paths = ["small", "large"]
        .map(|name| scratch.write(name, &noise(if name == "small" { 9 } else { 40_000 }, 1)));
    for path in &paths {
        fs::set_permissions(path, fs::Permissions::from_mode(0o4711)).unwrap();
    }
    let mode = |scratch: &Scratch, name| fs::metadata(scratch.to(name)).unwrap().mode() & 0o7777;
    assert_eq!(Transfer::of(&scratch, &paths).complete().done, 2);
    assert_ne!(mode(&scratch, "small"), 0o711);
    let other = Scratch::new();
    let sender = SendSet::new(&paths, SendOptions { mode: true }).unwrap();
    let receiver = receive(&other, "phone", &sender);
    assert_eq!(Transfer::new(sender, receiver).complete().done, 2);
    assert_eq!(["small", "large"].map(|name| mode(&other, name)), [0o600, 0o600], "nothing can be run");
    let third = Scratch::new();
    let sender = SendSet::new(&paths, SendOptions { mode: true }).unwrap();
    let options = ReceiveOptions { mode: true, ..ReceiveOptions::default() };
    let inbox = Inbox::open(&third.to("")).unwrap();
    let receiver = ReceiveSet::new(inbox, "phone", &sender.params(), options).unwrap();
    assert_eq!(Transfer::new(sender, receiver).complete().done, 2);
    assert_eq!(["small", "large"].map(|name| mode(&third, name)), [0o711, 0o711]);
}

#[test]
fn links_inside_a_folder_are_not_followed_and_named_ones_are() {
    let scratch = Scratch::new();
    scratch.write("secret", b"no");
    let target = scratch.write("set/real", b"yes");
    symlink(scratch.from("secret"), scratch.from("set/link")).unwrap();
    symlink(scratch.from(""), scratch.from("set/out")).unwrap();
    symlink(&target, scratch.from("named")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.from("set/pipe"), rustix::fs::Mode::from_raw_mode(0o600))
        .unwrap();
    let mut transfer = Transfer::of(&scratch, &[scratch.from("set"), scratch.from("named")]);
    assert_eq!(transfer.complete().done, 2);
    assert_eq!(scratch.kept(), ["named", "set/real"]);
    let skipped = transfer.sent_events.iter().filter_map(|event| match event {
        SendEvent::Skipped { name, .. } => Some(name.as_str()),
        _ => None,
    });
    assert_eq!(skipped.collect::<Vec<_>>(), ["set/link", "set/out", "set/pipe"]);
    assert!(SendSet::new(&[scratch.from("nothing")], SendOptions::default()).is_err());
}

#[test]
fn nothing_is_overwritten_and_what_is_there_is_not_doubled() {
    let scratch = Scratch::new();
    let paths = [scratch.write("a.txt", b"mine"), scratch.write("b.bin", &noise(50_000, 3))];
    fs::write(scratch.to("a.txt"), b"older").unwrap();
    fs::write(scratch.to("b.bin"), b"older").unwrap();
    assert_eq!(Transfer::of(&scratch, &paths).complete().done, 2);
    assert_eq!(scratch.kept(), ["a (1).txt", "a.txt", "b (1).bin", "b.bin"]);
    assert_eq!(fs::read(scratch.to("a.txt")).unwrap(), b"older");
    assert_eq!(fs::read(scratch.to("a (1).txt")).unwrap(), b"mine");
    // The same files again: they are there already.
    let mut again = Transfer::of(&scratch, &paths);
    assert_eq!(again.complete().done, 2);
    assert_eq!(scratch.kept().len(), 4);
    assert!(again.between().sent < 10);
    let kept = again.received_events.iter().filter_map(|event| match event {
        ReceiveEvent::Done { kept_as, .. } => Some(kept_as.as_str()),
        _ => None,
    });
    assert_eq!(kept.collect::<Vec<_>>(), ["a (1).txt", "b (1).bin"]);
}

#[test]
fn a_receiver_that_is_behind_returns_credit_together_and_all_of_it() {
    let scratch = Scratch::new();
    let path = scratch.write("film", &noise(3_000_000, 3));
    let mut transfer = Transfer::of(&scratch, &[path]);
    transfer.complete();
    let between = transfer.between();
    assert!(between.returns < between.sent / 2, "{} returns of {} messages", between.returns, between.sent);
    assert_eq!(between.held_by_receiver(), 0);
}
