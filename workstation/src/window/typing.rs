//! What is typed in the window.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::detach_key::DetachKey;
use super::speaker::Speaker;
use crate::terminal_host::wire::DETACH;

/// The most bytes that one read takes.
const READ_LEN: usize = 16 << 10;

/// Ctrl-D: the end of the input, for a program that reads lines from a terminal.
const END_OF_INPUT: u8 = 0x04;

/// Passes standard input to the command until it ends, or the user detaches.
pub(super) fn pass(speaker: &Speaker, is_terminal: bool) {
    // Read without the buffer of `Stdin`. If there is no standard input, nothing is typed.
    let Ok(input) = io::stdin().as_fd().try_clone_to_owned() else { return };
    // An error means that the host is gone, which the reader of its output tells.
    let _gone = if is_terminal {
        pass_keys(speaker, File::from(input))
    } else {
        pass_file(speaker, File::from(input))
    };
}

fn pass_keys(speaker: &Speaker, mut input: File) -> io::Result<()> {
    let (mut key, mut bytes, began) = (DetachKey::default(), vec![0; READ_LEN], Instant::now());
    loop {
        if let Some(at) = key.next_at() {
            wait_readable(&input, at.saturating_sub(began.elapsed()))?;
            if let Some(held) = key.poll_held(began.elapsed()) {
                speaker.type_bytes(&[held])?;
                continue;
            }
        }
        let count = match read(&mut input, &mut bytes)? {
            // The terminal is gone. SIGHUP tells that, too.
            0 => return Ok(()),
            count => count,
        };
        let typed = key.on_typed(&bytes[..count], began.elapsed());
        if !typed.passed.is_empty() {
            speaker.type_bytes(&typed.passed)?;
        }
        if typed.is_detach {
            return speaker.say(DETACH, b"");
        }
    }
}

/// A pipe or a file: its end is typed as Ctrl-D, twice if it is in the middle of a line.
fn pass_file(speaker: &Speaker, mut input: File) -> io::Result<()> {
    let (mut bytes, mut last) = (vec![0; READ_LEN], b'\n');
    loop {
        match read(&mut input, &mut bytes)? {
            0 if last == b'\n' => return speaker.type_bytes(&[END_OF_INPUT]),
            0 => return speaker.type_bytes(&[END_OF_INPUT; 2]),
            count => {
                last = bytes[count - 1];
                speaker.type_bytes(&bytes[..count])?;
            }
        }
    }
}

fn read(input: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Another program has set it not to block.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait_readable(input, Duration::from_secs(1))?;
            }
            result => return result,
        }
    }
}

/// Waits until there is something to read, or the time is over.
fn wait_readable(input: &File, time: Duration) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&input.as_raw_fd()), Token(0), Interest::READABLE)?;
    match poll.poll(&mut Events::with_capacity(1), Some(time)) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}
