//! The project's own vectors, for every other implementation to check itself against: each record, a set
//! message by message, and what a receiver answers to faults.
//!
//! `client/vectors/file-1.json` is what this computes from fixed inputs. It was written once, by
//! `RELAY_FILE_WRITE_VECTORS=1 cargo test -p relay-client vector`, and changes only with the version of the
//! kind.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::record::{ReceiverRecord, SenderRecord};
use super::*;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vector {
    about: String,
    /// One record of each type, and its values.
    records: Vec<Record>,
    /// A set of two files, the second resumed, as two honest ends may say it.
    conversation: Vec<Said>,
    /// Each at a receiver to which file 0 (20,000 bytes, not inline, accepted from offset 5) and file 1
    /// (2 bytes, inline) were offered.
    faults: Vec<Fault>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    from: String,
    what: String,
    hex: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    from: String,
    what: String,
    hex: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fault {
    what: String,
    hex: String,
    /// `ignored`, or the token of the reset.
    answer: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn records() -> Vec<Record> {
    let full =
        Offer { mode: Some(0o644), hash: Some([0xAB; 32]), ..offer("photos/grün.jpg", 70_000, false) };
    let reason = Reason::new(reason::NO_SPACE, "the disk is full");
    let from_sender = [
        ("OFFER 0, inline, 5 bytes", SenderRecord::Offer(0, offer("a.txt", 5, true))),
        ("OFFER 300, 70000 bytes, with mode and hash", SenderRecord::Offer(300, full)),
        ("DATA 0, hello", SenderRecord::Data(0, b"hello")),
        ("HOLE 300, 65536 bytes", SenderRecord::Hole(300, 65_536)),
        ("END 0", SenderRecord::End(0, Sha256::digest(b"hello").into())),
        ("AGAIN 300", SenderRecord::Again(300)),
        ("FAIL 300, no-space", SenderRecord::Fail(300, reason.clone())),
        ("TOTAL 301", SenderRecord::Total(301)),
        ("WAIT", SenderRecord::Wait),
    ];
    let from_receiver = [
        ("ACCEPT 300 from 0", ReceiverRecord::Accept(300, 0, None)),
        ("ACCEPT 300 from 65536", ReceiverRecord::Accept(300, 65_536, Some([0xCD; 32]))),
        ("WRITTEN 300, 70000 bytes", ReceiverRecord::Written(300, 70_000)),
        ("DONE 0, a (1).txt", ReceiverRecord::Done(0, "a (1).txt".into())),
        ("FAILED 300, no-space", ReceiverRecord::Failed(300, reason)),
        (
            "TAKEN, 300 done, 1 failed, 12345678 bytes",
            ReceiverRecord::Taken { done: 300, failed: 1, bytes: 12_345_678 },
        ),
        ("WAIT", ReceiverRecord::Wait),
    ];
    let record = |from: &str, what: &str, put: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        put(&mut bytes);
        Record { from: from.to_owned(), what: what.to_owned(), hex: hex(&bytes) }
    };
    let mut records: Vec<Record> =
        from_sender.iter().map(|(what, said)| record("sender", what, &|out| said.put(out))).collect();
    records.extend(from_receiver.iter().map(|(what, said)| record("receiver", what, &|out| said.put(out))));
    records
}

fn conversation() -> Vec<Said> {
    let (mut sender, mut receiver, mut said) = (FileSender::new(NOW), FileReceiver::new(NOW), Vec::new());
    let mut from_sender = |sender: &mut FileSender, receiver: &mut FileReceiver, what: &str| {
        let message = sender.poll_message(true, NOW).expect("something to say");
        let mut rest = &message[..];
        while !rest.is_empty() {
            receiver.take_record(&mut rest).expect("an honest sender");
        }
        said.push(Said { from: "sender".into(), what: what.into(), hex: hex(&message) });
    };
    let file: Vec<u8> = (0..16_400).map(|at: u32| at.to_le_bytes()[0]).collect();
    sender.offer(offer("a.txt", 5, true));
    sender.data(0, b"hello");
    sender.end(0, Sha256::digest(b"hello").into());
    sender.offer(offer("b.bin", 16_400, false));
    sender.total();
    from_sender(&mut sender, &mut receiver, "a small file, and the offer of one that waits for an answer");
    receiver.done(0, "a.txt");
    receiver.accept(1, 16_384, Sha256::digest(&file[..16_384]).into());
    let first = receiver.poll_message(NOW).expect("something to say");
    sender.on_message(&first, NOW).expect("an honest receiver");
    sender.data(1, &file[16_384..]);
    sender.end(1, Sha256::digest(&file).into());
    from_sender(&mut sender, &mut receiver, "the rest of the second file; byte n of it is n mod 256");
    receiver.written(1, 16_400);
    receiver.done(1, "b.bin");
    let last = receiver.poll_message(NOW).expect("something to say");
    sender.on_message(&last, NOW).expect("an honest receiver");
    let answer =
        |what: &str, message: &[u8]| Said { from: "receiver".into(), what: what.into(), hex: hex(message) };
    said.insert(1, answer("the first file is whole, the second goes on where it was", &first));
    said.push(answer("all is settled", &last));
    said
}

fn faults() -> Vec<Fault> {
    let cases: [(&str, &[u8]); 10] = [
        ("a type of a later version", &[0x60, 1, 0]),
        ("bytes behind the values of a record", &[8, 2, 1, 2]),
        ("data of a file that was not offered", &[2, 2, 2, 9]),
        ("more data than the file has", &[2, 4, 1, 9, 9, 9]),
        ("a hole beyond the file's end", &[3, 4, 0, 0x80, 0xC0, 1]),
        ("an inline file begins again", &[5, 1, 1]),
        ("a file begins again after data", &[2, 2, 0, 9, 5, 1, 0]),
        ("another total than was offered", &[7, 1, 3]),
        ("a record that is cut", &[2, 9, 0]),
        ("an offer without its values", &[1, 3, 4, 0, 0]),
    ];
    cases.iter().map(|(what, message)| fault(what, message)).collect()
}

fn fault(what: &str, message: &[u8]) -> Fault {
    let (mut sender, mut receiver) = (FileSender::new(NOW), FileReceiver::new(NOW));
    sender.offer(offer("a", 20_000, false));
    sender.offer(offer("b", 2, true));
    hear(&mut sender, &mut receiver).expect("an honest sender");
    receiver.accept(0, 5, [1; 32]);
    let mut rest = message;
    let mut answer = "ignored";
    while !rest.is_empty() && answer == "ignored" {
        match receiver.take_record(&mut rest) {
            Ok(_) => {}
            Err(_) => answer = Reason::MALFORMED,
        }
    }
    Fault { what: what.to_owned(), hex: hex(message), answer: answer.to_owned() }
}

fn computed() -> Vector {
    let about =
        "The kind file, version 1: see docs/app-files.md. All messages are in hex. The id of an offer is \
                 0123456789abcdef in ASCII, its time of change 1795928829123."
            .to_owned();
    Vector { about, records: records(), conversation: conversation(), faults: faults() }
}

#[test]
fn the_vectors_are_met() {
    let file = format!("{}/vectors/file-1.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("RELAY_FILE_WRITE_VECTORS").is_some() {
        std::fs::write(&file, sonic_rs::to_string_pretty(&computed()).unwrap() + "\n").unwrap();
    }
    let written: Vector = sonic_rs::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written, computed());
}
