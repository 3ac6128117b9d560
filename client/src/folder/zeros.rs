//! Holes of sparse files.

use sha2::{Digest, Sha256};

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Adds this many zeros to a hash.
pub(super) fn hash_zeros(hasher: &mut Sha256, len: u64) {
    let mut left = len;
    while left > 0 {
        let step = usize::try_from(left).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        hasher.update(&ZEROS[..step]);
        left -= step as u64;
    }
}
