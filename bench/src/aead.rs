//! What AES-GCM alone costs for the bytes of a frame: the part of TLS that cannot be saved.
//!
//! A frame is opened once, as it comes, and sealed once, as it goes on in its envelope. With one frame under
//! way each has a record of its own. With many, a record has up to 16 KiB of frames.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, anyhow};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Header, mask and payload's envelope around `size` bytes: what comes from the sender, and what goes on.
const INCOMING_MORE: usize = 8;
const OUTGOING_MORE: usize = 128;
const RECORD_MAX: usize = 16 << 10;
/// The authenticated head of a record (RFC 8446 §5.2), and the byte for its kind.
const HEAD: [u8; 5] = [23, 3, 3, 0, 0];
const KIND: usize = 1;

const ROUNDS: usize = 15;
const ROUND_BYTES: usize = 32 << 20;

/// Prints the cost for frames of `size` bytes, the median of some rounds.
///
/// # Errors
/// The system's AES-GCM refused.
pub(crate) fn measure(size: usize) -> Result<()> {
    let (incoming, outgoing) = (size + INCOMING_MORE, size + OUTGOING_MORE);
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| anyhow!("no key"))?);
    let alone = open_ns(&key, incoming)? + seal_ns(&key, outgoing)?;
    let share = |frame: usize, record_ns: f64| record_ns * frame as f64 / RECORD_MAX as f64;
    let together = share(incoming, open_ns(&key, RECORD_MAX)?) + share(outgoing, seal_ns(&key, RECORD_MAX)?);
    println!("AES-256-GCM for a frame of {size} bytes: {incoming} bytes opened, {outgoing} sealed");
    println!("  a record for each frame    {:.3} µs", alone / 1e3);
    println!("  records of 16 KiB          {:.3} µs", together / 1e3);
    Ok(())
}

fn seal_ns(key: &LessSafeKey, bytes: usize) -> Result<f64> {
    let mut record = vec![0x5a; bytes + KIND];
    median(bytes, |number| {
        let tag = key.seal_in_place_separate_tag(nonce(number), Aad::from(HEAD), black_box(&mut record));
        tag.map(|tag| {
            let _ = black_box(tag);
        })
        .map_err(|_| anyhow!("a record could not be sealed"))
    })
}

/// Opening changes the record, so a fresh copy is opened each time, and the copy's time is taken off.
fn open_ns(key: &LessSafeKey, bytes: usize) -> Result<f64> {
    let mut sealed = vec![0x5a; bytes + KIND];
    key.seal_in_place_append_tag(nonce(0), Aad::from(HEAD), &mut sealed)
        .map_err(|_| anyhow!("a record could not be sealed"))?;
    let mut record = sealed.clone();
    let copied = median(bytes, |_| {
        black_box(&mut record).copy_from_slice(black_box(&sealed));
        Ok(())
    })?;
    let opened = median(bytes, |_| {
        record.copy_from_slice(&sealed);
        let plain = key.open_in_place(nonce(0), Aad::from(HEAD), black_box(&mut record));
        plain
            .map(|plain| {
                black_box(plain.len());
            })
            .map_err(|_| anyhow!("a record could not be opened"))
    })?;
    Ok((opened - copied).max(0.0))
}

/// The median time of one call.
fn median(bytes: usize, mut call: impl FnMut(u64) -> Result<()>) -> Result<f64> {
    let count = (ROUND_BYTES / bytes.max(1)).max(1) as u64;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        (0..count).try_for_each(&mut call)?;
        rounds.push(started.elapsed().as_nanos() as f64 / count as f64);
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2])
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
