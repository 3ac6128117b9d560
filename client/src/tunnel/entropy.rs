//! Where the machine's random bytes come from: handed in, so that the machine itself is pure.

/// The source gave no random bytes.
pub use protocol::ids::RandomError;

/// A source of random bytes.
pub trait Entropy {
    /// Fills `out` with unpredictable bytes.
    ///
    /// # Errors
    /// The system gave none.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system's source: the one to use outside tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(out)
    }
}

/// `N` random bytes.
pub(super) fn draw<const N: usize>(entropy: &mut dyn Entropy) -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}
