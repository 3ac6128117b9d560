//! Faults of disks, files, names and users. Each ends with the right file or with a named reason.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::super::*;
use super::line::*;
use crate::app::Reason;
use crate::app::file::{FileId, FileSender, Offer, reason};

/// A large file whose transfer has begun and is not over.
fn half_way() -> (Scratch, PathBuf, Transfer) {
    let scratch = Scratch::new();
    let path = scratch.write("log", &noise(4_000_000, 1));
    let mut transfer = Transfer::of(&scratch, std::slice::from_ref(&path));
    let half = |transfer: &mut Transfer| transfer.receiver.progress().bytes_written > 1_000_000;
    assert_eq!(transfer.run_until(half), None);
    assert!(transfer.receiver.progress().bytes_written < 3_000_000);
    (scratch, path, transfer)
}

/// The change has its own reason, and nothing is left at the receiver.
fn expect_failure(change: impl FnOnce(&PathBuf), token: &str) {
    let (scratch, path, mut transfer) = half_way();
    change(&path);
    let totals = transfer.complete();
    assert_eq!((totals.done, totals.failed), (0, 1));
    assert_eq!(transfer.failures(), [("log".to_owned(), token.to_owned())]);
    assert!(scratch.kept().is_empty(), "{:?}", scratch.kept());
    let told = matches!(&transfer.received_events[..], [_, ReceiveEvent::Failed { reason, .. }] if reason.token() == token);
    assert!(told, "{:?}", transfer.received_events);
}

#[test]
fn a_source_that_shrinks_is_named() {
    expect_failure(
        |path| File::options().write(true).open(path).unwrap().set_len(100).unwrap(),
        reason::SHRANK,
    );
}

#[test]
fn a_source_that_grows_is_named() {
    expect_failure(
        |path| File::options().append(true).open(path).unwrap().write_all(b"x").unwrap(),
        reason::GREW,
    );
}

#[test]
fn a_source_that_changes_is_named() {
    let change = |path: &PathBuf| {
        let file = File::options().write(true).open(path).unwrap();
        file.write_all_at(b"other", 10).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    };
    expect_failure(change, reason::CHANGED);
}

#[test]
fn a_source_that_vanishes_before_it_is_opened_is_named() {
    let scratch = Scratch::new();
    let paths = ["a", "b", "c"].map(|name| scratch.write(name, &noise(40_000, 1)));
    let mut transfer = Transfer::of(&scratch, &paths);
    transfer.step_sender();
    fs::remove_file(&paths[1]).unwrap();
    let totals = transfer.complete();
    assert_eq!((totals.done, totals.failed), (2, 1));
    assert_eq!(transfer.failures(), [("b".to_owned(), reason::VANISHED.to_owned())]);
    assert_eq!(scratch.kept(), ["a", "c"]);
}

#[test]
fn a_source_that_became_another_file_or_a_link_is_not_sent() {
    let scratch = Scratch::new();
    let paths = ["a", "b"].map(|name| scratch.write(name, &noise(40_000, 1)));
    let mut transfer = Transfer::of(&scratch, &paths);
    transfer.step_sender();
    fs::remove_file(&paths[0]).unwrap();
    symlink(&paths[1], &paths[0]).unwrap();
    assert_eq!(transfer.complete().failed, 1);
    assert_eq!(transfer.failures(), [("a".to_owned(), reason::CHANGED.to_owned())]);
}

/// Runs the rest of this test in a process of its own, whose `to` folder is a disk of 1 MiB.
fn on_a_small_disk(test: &str, body: impl FnOnce(&Scratch)) {
    if std::env::var_os("RELAY_SMALL_DISK").is_some() {
        let scratch = Scratch::new();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(scratch.to("")).status();
        assert!(mounted.unwrap().success(), "a test of a full disk needs mount");
        body(&scratch);
        return;
    }
    // A namespace of its own: no other program sees the disk, and it ends with the process.
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount"]).arg(std::env::current_exe().unwrap());
    let name = format!("transfer::tests::faults::{test}");
    let output = output_of(command.args(["--exact", &name]).env("RELAY_SMALL_DISK", "1"));
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_full_disk_is_named_and_the_part_goes_on_when_there_is_room() {
    on_a_small_disk("a_full_disk_is_named_and_the_part_goes_on_when_there_is_room", |scratch| {
        fs::write(scratch.to("other"), noise(400_000, 1)).unwrap();
        let path = scratch.write("big", &noise(900_000, 2));
        let mut transfer = Transfer::of(scratch, std::slice::from_ref(&path));
        assert_eq!(transfer.complete().failed, 1);
        let no_space = |name: &str| (name.to_owned(), reason::NO_SPACE.to_owned());
        assert_eq!(transfer.failures(), [no_space("big")]);
        assert_eq!(scratch.kept(), ["big.part", "big.part.info", "other"]);
        let mut filler = File::options().append(true).open(scratch.to("other")).unwrap();
        while filler.write_all(b"x").is_ok() {}
        let paths = [scratch.write("small", b"in one block"), scratch.write("larger", &noise(20_000, 1))];
        let mut transfer = Transfer::of(scratch, &paths);
        assert_eq!(transfer.complete().failed, 2);
        assert_eq!(transfer.failures(), [no_space("larger"), no_space("small")]);
        assert_eq!(scratch.kept(), ["big.part", "big.part.info", "other"]);
        drop(filler);
        fs::remove_file(scratch.to("other")).unwrap();
        let mut transfer = Transfer::of(scratch, &[path]);
        assert_eq!(transfer.complete().done, 1);
        let resumed =
            matches!(&transfer.sent_events[0], SendEvent::Resumed { offset, .. } if *offset > 400_000);
        assert!(resumed, "{:?}", transfer.sent_events);
        assert_eq!(scratch.kept(), ["big"]);
        assert!(fs::read(scratch.to("big")).unwrap() == noise(900_000, 2));
    });
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let scratch = Scratch::new();
    let outside = scratch.write("outside/keep", b"keep");
    symlink(outside.parent().unwrap(), scratch.to("link")).unwrap();
    symlink(&outside, scratch.to("file")).unwrap();
    fs::write(scratch.to("plain"), b"plain").unwrap();
    fs::create_dir(scratch.to("folder")).unwrap();
    let large = vec![7; 20_000];
    let names = [
        ("../../x", "x"),
        ("/etc/y", "etc/y"),
        (r"C:\z", "C__z"),
        ("con", "_con"),
        ("a\u{202e}b\x07", "a_b_"),
        ("", "unnamed"),
        // A link, a folder, a file that are there.
        ("file", "file (1)"),
        ("folder", "folder (1)"),
        ("plain", "plain (1)"),
        ("link/w", reason::IN_THE_WAY),
        ("plain/w", reason::IN_THE_WAY),
        ("Plain", "Plain"),
        ("u\u{308}", "u\u{308}"),
        ("\u{fc}", "\u{fc}"),
    ];
    for bytes in [&b"small"[..], &large] {
        let found = names.map(|(name, _)| offer_one(&scratch, name, bytes));
        let is_first = bytes.len() < 10;
        for ((name, expected), found) in names.into_iter().zip(found) {
            let is_numbered = !is_first && expected != reason::IN_THE_WAY;
            assert!(found == expected || (is_numbered && found.contains('(')), "{name:?} became {found:?}");
        }
    }
    assert_eq!(fs::read(&outside).unwrap(), b"keep");
    assert_eq!(names_of(&scratch, "outside"), ["keep"]);
    assert!(fs::symlink_metadata(scratch.to("file")).unwrap().is_symlink());
    assert!(fs::symlink_metadata(scratch.to("link")).unwrap().is_symlink());
}

#[test]
fn a_target_that_became_a_link_or_a_folder_meanwhile_is_not_touched() {
    for is_link in [true, false] {
        let (scratch, path, mut transfer) = half_way();
        let outside = scratch.write("outside", b"keep");
        if is_link {
            symlink(&outside, scratch.to("log")).unwrap();
        } else {
            fs::create_dir(scratch.to("log")).unwrap();
        }
        assert_eq!(transfer.complete().done, 1);
        assert!(fs::read(scratch.to("log (1)")).unwrap() == fs::read(path).unwrap());
        assert_eq!(fs::read(outside).unwrap(), b"keep");
    }
}

#[test]
fn a_part_that_became_a_link_or_went_away_is_named() {
    for is_link in [true, false] {
        let (scratch, _path, mut transfer) = half_way();
        let outside = scratch.write("outside", b"keep");
        fs::remove_file(scratch.to("log.part")).unwrap();
        if is_link {
            symlink(&outside, scratch.to("log.part")).unwrap();
        }
        assert_eq!(transfer.complete().failed, 1);
        assert_eq!(transfer.failures(), [("log".to_owned(), reason::WRITE.to_owned())]);
        assert!(!scratch.to("log").exists());
        assert_eq!(fs::read(outside).unwrap(), b"keep");
    }
}

#[test]
fn a_folder_that_is_moved_out_and_replaced_by_a_link_meanwhile_does_not_lead_out() {
    let scratch = Scratch::new();
    for name in ["set/a", "set/b"] {
        scratch.write(name, &noise(1_000_000, 1));
    }
    let outside = scratch.write("outside/keep", b"keep");
    let mut transfer = Transfer::of(&scratch, &[scratch.from("set")]);
    assert_eq!(transfer.run_until(|transfer| transfer.receiver.progress().bytes_written > 300_000), None);
    fs::rename(scratch.to("set"), scratch.to("moved")).unwrap();
    symlink(outside.parent().unwrap(), scratch.to("set")).unwrap();
    let totals = transfer.complete();
    assert!(totals.done >= 1, "{totals:?}");
    assert_eq!(names_of(&scratch, "outside"), ["keep"]);
    assert!(scratch.to("moved/a").exists());
}

fn names_of(scratch: &Scratch, folder: &str) -> Vec<String> {
    names(&scratch.from(folder))
}

/// Offers one file under a name that no honest sender has. Gives its name at the receiver, or why it failed.
fn offer_one(scratch: &Scratch, name: &str, bytes: &[u8]) -> String {
    let mut hostile = Hostile::new(scratch, ReceiveOptions::default());
    let is_inline = bytes.len() < 16_000;
    hostile.sender.offer(offer(name, bytes.len() as u64, is_inline)).unwrap();
    if !is_inline {
        hostile.pass();
    }
    let hash = <sha2::Sha256 as sha2::Digest>::digest(bytes).into();
    hostile.sender.data(0, bytes);
    hostile.sender.end(0, hash);
    hostile.pass();
    match hostile.receiver.poll_event() {
        Some(ReceiveEvent::Done { kept_as, .. }) => kept_as,
        Some(ReceiveEvent::Failed { reason, .. }) => reason.token().to_owned(),
        Some(ReceiveEvent::Started { .. }) => match hostile.receiver.poll_event() {
            Some(ReceiveEvent::Done { kept_as, .. }) => kept_as,
            other => panic!("{name:?}: {other:?}"),
        },
        other => panic!("{name:?}: {other:?}"),
    }
}

fn offer(name: &str, size: u64, is_inline: bool) -> Offer {
    let (id, mtime_ms) = (FileId([1; 16]), 1_700_000_000_000 + size);
    Offer { id, name: name.into(), size, mtime_ms, mode: None, hash: None, is_inline }
}

/// A sender that says what it likes.
struct Hostile {
    sender: FileSender,
    receiver: ReceiveSet,
    channel: OneEnd,
}

/// Keeps what the receiver says.
#[derive(Default)]
struct OneEnd {
    said: Vec<Vec<u8>>,
    reset: Option<Reason>,
    held: usize,
}

impl FileChannel for OneEnd {
    fn try_send(&mut self, payload: &[u8]) -> Result<(), SendRefused> {
        self.said.push(payload.to_vec());
        Ok(())
    }

    fn message_len(&self) -> usize {
        32_000
    }

    fn consumed(&mut self, bytes: usize) {
        self.held -= bytes;
    }

    fn end(&mut self) {}

    fn reset(&mut self, reason: Reason) {
        self.reset = Some(reason);
    }
}

const NOW: Duration = Duration::from_secs(1);

impl Hostile {
    fn new(scratch: &Scratch, options: ReceiveOptions) -> Self {
        let inbox = crate::folder::Inbox::open(&scratch.to("")).unwrap();
        let receiver = ReceiveSet::new(inbox, "phone", r#"{"v":1}"#, options).unwrap();
        Hostile { sender: FileSender::new(NOW), receiver, channel: OneEnd::default() }
    }

    fn say(&mut self, message: Vec<u8>) -> Step {
        self.channel.held += message.len();
        self.receiver.on_data(message, NOW);
        self.settle()
    }

    fn settle(&mut self) -> Step {
        loop {
            let step = self.receiver.advance(&mut self.channel, NOW);
            if step != Step::More {
                return step;
            }
        }
    }

    /// Everything that the two have said goes over.
    fn pass(&mut self) -> Step {
        let mut step = self.settle();
        while let Some(message) = self.sender.poll_message(true, NOW) {
            step = self.say(message);
            for message in std::mem::take(&mut self.channel.said) {
                self.sender.on_message(&message, NOW).unwrap();
            }
        }
        step
    }
}

#[test]
fn a_million_offers_cost_a_receiver_little() {
    let scratch = Scratch::new();
    let options = ReceiveOptions { files_max: 2000, ..ReceiveOptions::default() };
    let mut hostile = Hostile::new(&scratch, options);
    // Offers that are refused, so that each makes room for the next.
    let size = options.file_bytes_max + 1;
    let mut offered = 0;
    let outcome = loop {
        while offered < 1_000_000 && hostile.sender.offer(offer("x", size, false)).is_some() {
            offered += 1;
        }
        if let Step::Over(outcome) = hostile.pass() {
            break outcome;
        }
        assert_eq!(hostile.channel.held, 0);
        while hostile.receiver.poll_event().is_some() {}
    };
    assert!((2000..2050).contains(&offered), "{offered} offers");
    assert!(matches!(outcome, Outcome::Broken(reason) if reason.token() == Reason::TOO_MANY));
    assert!(scratch.kept().is_empty());
}

#[test]
fn offers_without_data_are_bounded_and_leave_nothing() {
    let scratch = Scratch::new();
    let mut hostile = Hostile::new(&scratch, ReceiveOptions::default());
    let mut offered = 0;
    while hostile.sender.offer(offer(&format!("{offered}"), 1 << 40, false)).is_some() {
        offered += 1;
    }
    hostile.pass();
    assert_eq!((offered, scratch.kept().len()), (32, 64), "a part and its sidecar for each");
    hostile.receiver.on_gone();
    assert!(matches!(hostile.settle(), Step::Over(Outcome::Broken(_))));
    assert!(scratch.kept().is_empty(), "parts without a byte are of no use");
}

#[test]
fn holes_of_a_few_bytes_are_not_hashed_all_at_once() {
    let scratch = Scratch::new();
    let mut hostile = Hostile::new(&scratch, ReceiveOptions::default());
    hostile.sender.offer(offer("sparse", 1 << 30, false)).unwrap();
    hostile.pass();
    // 64 holes of 16 MiB.
    let message = [3, 5, 0, 0x80, 0x80, 0x80, 8].repeat(64);
    hostile.channel.held += message.len();
    hostile.receiver.on_data(message, NOW);
    for holes in 1..=3 {
        assert_eq!(hostile.receiver.advance(&mut hostile.channel, NOW), Step::More);
        assert_eq!(hostile.receiver.progress().bytes_written, holes << 24);
    }
    hostile.receiver.on_gone();
}

#[test]
fn a_lying_sender_gets_nothing_kept() {
    let scratch = Scratch::new();
    for (name, size) in [("small", 5), ("large", 20_000)] {
        let mut hostile = Hostile::new(&scratch, ReceiveOptions::default());
        hostile.sender.offer(offer(name, size, size < 100)).unwrap();
        hostile.pass();
        hostile.sender.data(0, &vec![1; usize::try_from(size).unwrap()]);
        hostile.sender.end(0, [0; 32]);
        hostile.pass();
        let mut failed = false;
        while let Some(event) = hostile.receiver.poll_event() {
            failed |= matches!(event, ReceiveEvent::Failed { reason, .. } if reason.token() == reason::HASH);
        }
        assert!(failed && scratch.kept().is_empty(), "{:?}", scratch.kept());
    }
    // More data than the file has, bytes that mean nothing, a record that is cut.
    for message in [&[2, 3, 0, 1, 1][..], &[0xFF; 20], &[1, 200], &[4, 1, 0]] {
        let mut hostile = Hostile::new(&scratch, ReceiveOptions::default());
        let step = hostile.say(message.to_vec());
        assert!(matches!(step, Step::Over(Outcome::Broken(_))), "{message:?}: {step:?}");
        assert_eq!(
            hostile.channel.reset.map(|reason| reason.token().to_owned()).as_deref(),
            Some(Reason::MALFORMED)
        );
    }
}

#[test]
fn a_user_who_cancels_keeps_the_part_for_later() {
    for by_sender in [true, false] {
        let (scratch, path, mut transfer) = half_way();
        if by_sender {
            transfer.sender.cancel();
        } else {
            transfer.receiver.cancel();
        }
        transfer.run();
        let step = transfer.step_receiver();
        assert!(matches!(step, Step::Over(Outcome::Broken(_))), "{step:?}");
        drop(transfer);
        assert_eq!(scratch.kept(), ["log.part", "log.part.info"]);
        let mut transfer = Transfer::of(&scratch, &[path]);
        assert_eq!(transfer.complete().done, 1);
        assert!(matches!(&transfer.sent_events[0], SendEvent::Resumed { offset, .. } if *offset > 1_000_000));
        assert_eq!(scratch.kept(), ["log"]);
    }
}

#[test]
fn a_program_that_hangs_is_given_up_and_one_that_is_away_is_not() {
    let (_scratch, _path, mut transfer) = half_way();
    transfer.sender.on_link(false, transfer.now);
    transfer.now += Duration::from_secs(10_000);
    while transfer.step_sender() == Step::More {}
    assert!(!matches!(transfer.step_sender(), Step::Over(_)), "it is away");
    transfer.sender.on_link(true, transfer.now);
    assert!(!matches!(transfer.step_sender(), Step::Over(_)), "it has just come back");
    transfer.now += Duration::from_secs(301);
    let step = transfer.step_sender();
    assert!(
        matches!(&step, Step::Over(Outcome::Broken(reason)) if reason.token() == reason::SILENT),
        "{step:?}"
    );
}
