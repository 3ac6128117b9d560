//! `Noise_NNpsk0_25519_AESGCM_SHA256`, as narrow as the tunnel needs it: two messages, then sealing and
//! opening.
//!
//! The only file that names `snow`. Hash and cipher are `ring`'s; Diffie-Hellman is `curve25519-dalek`'s,
//! since `ring` gives out no ephemeral whose bytes come from elsewhere, and the machine's randomness is
//! handed in. Called by the handshakes of the two roles.

use curve25519_dalek::montgomery::MontgomeryPoint;
use protocol::ids::SessionId;
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, RingResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState, TransportState};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::record::DATA_HEAD;
use super::secret::{KeyId, Secret};

/// The bytes of an ephemeral key and the tag over nothing: the Noise part of H1, and the least of H2.
pub(super) const NOISE_MIN: usize = 32 + TAG;

/// The tag that AES-GCM adds, in bytes.
pub(super) const TAG: usize = 16;

/// The message was not encrypted by the other end, or the handshake could not resume the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a message could not be decrypted with the keys of this connection")]
pub(super) struct NoiseError;

/// The phone's side of a handshake whose H1 was made.
pub(super) struct Initiator(HandshakeState);

/// The workstation's side of a handshake whose H1 opened.
pub(super) struct Responder(HandshakeState);

/// The keys of one connection, both directions, with Noise's counters for nonces.
pub(super) struct Keys {
    transport: TransportState,
    hash: [u8; 32],
}

impl Initiator {
    /// Begins under `key`; gives the Noise part of H1 too. `ephemeral` is the private key of this handshake.
    pub(super) fn new(
        key: &Secret,
        session: SessionId,
        key_id: KeyId,
        ephemeral: [u8; 32],
    ) -> Result<(Self, Vec<u8>), NoiseError> {
        let prologue = prologue(session, key_id);
        let mut state = builder(key, &prologue, ephemeral)?.build_initiator()?;
        let mut message = vec![0; NOISE_MIN];
        let len = state.write_message(&[], &mut message)?;
        message.truncate(len);
        Ok((Initiator(state), message))
    }

    /// Takes the Noise part of H2; gives its payload too.
    pub(super) fn finish(mut self, message: &[u8]) -> Result<(Keys, Zeroizing<Vec<u8>>), NoiseError> {
        let mut payload = Zeroizing::new(vec![0; message.len()]);
        let len = self.0.read_message(message, &mut payload)?;
        payload.truncate(len);
        Ok((Keys::of(self.0)?, payload))
    }
}

impl Responder {
    /// Takes the Noise part of H1. `ephemeral` is the private key of this handshake.
    pub(super) fn new(
        key: &Secret,
        session: SessionId,
        key_id: KeyId,
        ephemeral: [u8; 32],
        message: &[u8],
    ) -> Result<Self, NoiseError> {
        let prologue = prologue(session, key_id);
        let mut state = builder(key, &prologue, ephemeral)?.build_responder()?;
        let len = state.read_message(message, &mut [0; NOISE_MIN])?;
        if len == 0 { Ok(Responder(state)) } else { Err(NoiseError) }
    }

    /// Answers with `payload`: gives the Noise part of H2.
    pub(super) fn answer(mut self, payload: &[u8]) -> Result<(Keys, Vec<u8>), NoiseError> {
        let mut message = vec![0; NOISE_MIN + payload.len()];
        let len = self.0.write_message(payload, &mut message)?;
        message.truncate(len);
        Ok((Keys::of(self.0)?, message))
    }
}

impl Keys {
    fn of(state: HandshakeState) -> Result<Self, NoiseError> {
        let mut hash = [0; 32];
        hash.copy_from_slice(state.get_handshake_hash());
        Ok(Keys { transport: state.into_transport_mode()?, hash })
    }

    /// The handshake hash: equal on both sides, and different for any two handshakes.
    pub(super) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Appends `plaintext`, sealed with the next nonce, to `out`.
    pub(super) fn seal(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), NoiseError> {
        let at = out.len();
        out.resize(at + plaintext.len() + TAG, 0);
        self.transport.write_message(plaintext, &mut out[at..])?;
        Ok(())
    }

    /// Decrypts the other end's next message in `room`, whose former contents are gone.
    pub(super) fn open<'a>(&mut self, sealed: &[u8], room: &'a mut Vec<u8>) -> Result<&'a [u8], NoiseError> {
        room.resize(OPENED_AT + sealed.len(), 0);
        let len = self.transport.read_message(sealed, &mut room[OPENED_AT..])?;
        room.truncate(OPENED_AT + len);
        Ok(&room[OPENED_AT..])
    }
}

/// Where a plaintext begins in its room: so the bytes of a DATA record begin at a multiple of 16, as a vector
/// does that they are copied to. Some processors copy ten times slower if the target lies 1 to 15 bytes
/// behind the source, counted modulo 4096.
const OPENED_AT: usize = 32 - DATA_HEAD;

impl From<snow::Error> for NoiseError {
    fn from(_: snow::Error) -> Self {
        // The library's reasons tell nothing that a user or a peer should act on.
        NoiseError
    }
}

/// What both sides must agree on before the first byte: protocol and version, session, key.
pub(super) fn prologue(session: SessionId, key_id: KeyId) -> Vec<u8> {
    [PROTOCOL, b"\0", session.as_bytes(), key_id.as_bytes()].concat()
}

pub(super) fn builder<'a>(
    key: &'a Secret,
    prologue: &'a [u8],
    ephemeral: [u8; 32],
) -> Result<Builder<'a>, NoiseError> {
    let params: NoiseParams = PATTERN.parse()?;
    let resolver = Resolver(Zeroizing::new(ephemeral));
    Ok(Builder::with_resolver(params, Box::new(resolver)).psk(0, key.bytes())?.prologue(prologue)?)
}

/// Gives `snow` its primitives, and the handshake's one ephemeral key for randomness.
struct Resolver(Zeroizing<[u8; 32]>);

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(OneKey(Some(self.0.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(X25519::default())),
            _ => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        RingResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        RingResolver.resolve_cipher(choice)
    }
}

/// 32 bytes to be had once: a second ephemeral in one handshake would be a mistake.
struct OneKey(Option<Zeroizing<[u8; 32]>>);

impl Random for OneKey {
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), snow::Error> {
        let key = self.0.take().filter(|key| key.len() == out.len()).ok_or(snow::Error::Rng)?;
        out.copy_from_slice(&*key);
        Ok(())
    }
}

/// X25519, RFC 7748. The private key is wiped when dropped.
#[derive(Default)]
struct X25519 {
    private: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, private: &[u8]) {
        self.private.copy_from_slice(private);
        self.public = MontgomeryPoint::mul_base_clamped(*self.private).to_bytes();
    }

    fn generate(&mut self, random: &mut dyn Random) -> Result<(), snow::Error> {
        let mut private = Zeroizing::new([0; 32]);
        random.try_fill_bytes(&mut *private)?;
        self.set(&*private);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &*self.private
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let point: [u8; 32] = public.get(..32).and_then(|key| key.try_into().ok()).ok_or(snow::Error::Dh)?;
        let shared = Zeroizing::new(MontgomeryPoint(point).mul_clamped(*self.private).to_bytes());
        // RFC 7748 §6.1: a shared secret of zeros comes of a point of small order; WebCrypto refuses it too.
        if shared.ct_eq(&[0; 32]).into() {
            return Err(snow::Error::Dh);
        }
        out[..32].copy_from_slice(&*shared);
        Ok(())
    }
}

const PATTERN: &str = "Noise_NNpsk0_25519_AESGCM_SHA256";

const PROTOCOL: &[u8] = b"relay-tunnel/1";
