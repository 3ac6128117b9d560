//! HKDF with SHA-256 (RFC 5869) for outputs of at most one block, which is all that a code derives.
//!
//! Small, over the hash that the tunnel has anyway. Its tests are the vectors of the RFC.

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// The bytes of one output of SHA-256.
pub(super) const HASH_LEN: usize = 32;

/// The bytes of one input block of SHA-256.
const BLOCK_LEN: usize = 64;

/// What is extracted from a secret and expanded with labels.
pub(super) struct PseudoRandomKey(Zeroizing<[u8; HASH_LEN]>);

impl PseudoRandomKey {
    /// HKDF-Extract. An empty `salt` is the RFC's "not provided": the zeros that HMAC fills a short key up
    /// with.
    pub(super) fn extract(salt: &[u8], secret: &[u8]) -> Self {
        PseudoRandomKey(hmac(salt, &[secret]))
    }

    /// HKDF-Expand into `N` bytes, named by `info`.
    pub(super) fn expand<const N: usize>(&self, info: &[u8]) -> Zeroizing<[u8; N]> {
        const { assert!(N <= HASH_LEN, "one block is enough for a code") };
        let block = hmac(&*self.0, &[info, &[1]]);
        let mut out = Zeroizing::new([0; N]);
        out.copy_from_slice(&block[..N]);
        out
    }
}

/// HMAC-SHA256 (RFC 2104) over the parts, one behind the other. `key` has at most 64 bytes.
fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; HASH_LEN]> {
    debug_assert!(key.len() <= BLOCK_LEN, "a longer key would have to be hashed first");
    let mut inner = Sha256::new_with_prefix(*padded(key, 0x36));
    for part in parts {
        inner.update(part);
    }
    let mut digest: [u8; HASH_LEN] = inner.finalize().into();
    let outer = Sha256::new_with_prefix(*padded(key, 0x5c)).chain_update(digest);
    digest.zeroize();
    Zeroizing::new(outer.finalize().into())
}

fn padded(key: &[u8], pad: u8) -> Zeroizing<[u8; BLOCK_LEN]> {
    let mut block = Zeroizing::new([pad; BLOCK_LEN]);
    for (byte, key) in block.iter_mut().zip(key) {
        *byte ^= key;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 5869, appendix A.1 and A.3, whose outputs are cut to the first block. (A.2 has a salt longer than
    /// a block.)
    #[test]
    fn the_vectors_of_the_rfc() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        for (salt, info, prk, okm) in [
            (
                &salt[..],
                &info[..],
                "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
            ),
            (
                &[],
                &[],
                "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
            ),
        ] {
            let key = PseudoRandomKey::extract(salt, &[0x0b; 22]);
            assert_eq!(hex(&*key.0), prk);
            assert_eq!(hex(&*key.expand::<32>(info)), okm);
            assert_eq!(hex(&*key.expand::<16>(info)), okm[..32]);
        }
    }

    /// RFC 4231, test case 2, as the RFC above tests HMAC only with keys of its own making.
    #[test]
    fn a_vector_of_hmac() {
        let mac = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&*mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
