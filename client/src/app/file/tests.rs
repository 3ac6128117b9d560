//! The two machines together, and alone against ends that break the rules.

mod rules;
mod vectors;

use std::time::Duration;

use super::*;
use crate::app::Reason;

const NOW: Duration = Duration::from_secs(1);

fn offer(name: &str, size: u64, is_inline: bool) -> Offer {
    let (id, mtime_ms) = (FileId(*b"0123456789abcdef"), 1_795_928_829_123);
    Offer { id, name: name.into(), size, mtime_ms, mode: None, hash: None, is_inline }
}

/// Everything that the sender has to say, record by record, at a receiver.
fn hear(sender: &mut FileSender, receiver: &mut FileReceiver) -> Result<Vec<String>, Malformed> {
    let mut heard = Vec::new();
    while let Some(message) = sender.poll_message(true, NOW) {
        let mut rest = &message[..];
        while !rest.is_empty() {
            heard.extend(receiver.take_record(&mut rest)?.map(|incoming| format!("{incoming:?}")));
        }
    }
    Ok(heard)
}

/// Everything that the receiver has to say, at a sender.
fn answer(receiver: &mut FileReceiver, sender: &mut FileSender) -> Result<Vec<Answer>, Malformed> {
    let mut answers = Vec::new();
    while let Some(message) = receiver.poll_message(NOW) {
        answers.extend(sender.on_message(&message, NOW)?);
    }
    Ok(answers)
}
