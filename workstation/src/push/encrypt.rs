//! RFC 8291: a text encrypted for one subscription, in one record of RFC 8188 (`aes128gcm`).

use anyhow::anyhow;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// The record's size, as it is written in the header: the body has one shorter record.
const RECORD_SIZE: u32 = 4096;

/// Salt, record size, length of the key, and the key.
const HEADER_LEN: usize = 16 + 4 + 1 + 65;

/// The text is padded to this length, so that its own length says nothing.
pub(super) const PADDED_LEN: usize = 3072;

/// Encrypts for the browser with this public key and secret. Fresh key and salt each time.
///
/// # Errors
/// The browser's key is not on the curve, the text is too long, or the system gave no random bytes.
pub(super) fn encrypt(text: &[u8], p256dh: &[u8; 65], auth: &[u8; 16]) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(text.len() <= PADDED_LEN, "a notice of {} bytes is too long", text.len());
    let random = SystemRandom::new();
    let mut salt = [0; 16];
    random.fill(&mut salt).map_err(|_| anyhow!("the system gave no random bytes"))?;
    let no_key = |_| anyhow!("can't make a key");
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &random).map_err(no_key)?;
    let public = own.compute_public_key().map_err(no_key)?;
    let public: [u8; 65] = public.as_ref().try_into().map_err(|_| anyhow!("can't make a key"))?;
    let peer = UnparsedPublicKey::new(&ECDH_P256, p256dh);
    let shared = agree_ephemeral(own, &peer, |shared| Zeroizing::new(shared.to_vec()));
    let shared = shared.map_err(|_| anyhow!("the subscription's key is not on the curve"))?;
    let keys = Keys::of(&shared, (p256dh, auth), &public, &salt);
    seal(text, PADDED_LEN, &keys, &public, &salt)
}

/// What one message is encrypted with.
struct Keys {
    key: Zeroizing<[u8; 16]>,
    nonce: [u8; 12],
}

impl Keys {
    fn of(shared: &[u8], (p256dh, auth): (&[u8; 65], &[u8; 16]), public: &[u8; 65], salt: &[u8; 16]) -> Self {
        let info = [&b"WebPush: info\0"[..], p256dh, public, b"\x01"].concat();
        let material = hmac_of(&*hmac_of(auth, shared), &info);
        let secret = hmac_of(salt, &*material);
        let (mut key, mut nonce) = (Zeroizing::new([0; 16]), [0; 12]);
        key.copy_from_slice(&hmac_of(&*secret, b"Content-Encoding: aes128gcm\0\x01")[..16]);
        nonce.copy_from_slice(&hmac_of(&*secret, b"Content-Encoding: nonce\0\x01")[..12]);
        Keys { key, nonce }
    }
}

fn hmac_of(key: &[u8], text: &[u8]) -> Zeroizing<[u8; 32]> {
    let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text);
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(tag.as_ref());
    out
}

/// The body: header and one record, which ends with 2 and zeros.
fn seal(text: &[u8], len: usize, keys: &Keys, public: &[u8; 65], salt: &[u8; 16]) -> anyhow::Result<Vec<u8>> {
    let mut record = Vec::with_capacity(HEADER_LEN + len + 1 + AES_128_GCM.tag_len());
    record.extend_from_slice(text);
    record.push(2);
    record.resize(len + 1, 0);
    let key = UnboundKey::new(&AES_128_GCM, &*keys.key).map_err(|_| anyhow!("can't encrypt"))?;
    let nonce = Nonce::assume_unique_for_key(keys.nonce);
    let sealed = LessSafeKey::new(key).seal_in_place_append_tag(nonce, Aad::empty(), &mut record);
    sealed.map_err(|_| anyhow!("can't encrypt"))?;
    let size = RECORD_SIZE.to_be_bytes();
    Ok([&salt[..], &size, &[65], public, &record].concat())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    const PUBLIC: &str =
        "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
    const BROWSER: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

    /// RFC 8291, appendix A.
    #[test]
    fn keys_and_record_are_those_of_the_standard() {
        let (public, salt) = (bytes(PUBLIC), bytes("DGv6ra1nlYgDCS1FRnbzlw"));
        let shared: [u8; 32] = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let browser = (&bytes(BROWSER), &bytes("BTBZMqHH6r4Tts7J_aSIgg"));
        let keys = Keys::of(&shared, browser, &public, &salt);
        assert_eq!(*keys.key, bytes("oIhVW04MRdy2XN9CiKLxTg"));
        assert_eq!(keys.nonce, bytes("4h_95klXJ5E_qnoN"));
        let text = b"When I grow up, I want to be a watermelon";
        let body = seal(text, text.len(), &keys, &public, &salt).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS\
                        6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4\
                        a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(body), expected);
    }

    #[test]
    fn every_body_has_the_same_length_and_is_another_one() {
        let encrypted = |text: &[u8]| encrypt(text, &bytes(BROWSER), &[7; 16]).unwrap();
        let (one, other) = (encrypted(b"x"), encrypted(b"x"));
        assert_eq!(one.len(), HEADER_LEN + PADDED_LEN + 1 + 16);
        assert_eq!(encrypted(&[b'y'; PADDED_LEN]).len(), one.len());
        assert!(one.len() <= RECORD_SIZE as usize && one != other);
        assert!(encrypt(&[0; PADDED_LEN + 1], &bytes(BROWSER), &[7; 16]).is_err());
        let mut off_the_curve = [4; 65];
        off_the_curve[64] = 9;
        assert!(encrypt(b"x", &off_the_curve, &[7; 16]).unwrap_err().to_string().contains("curve"));
    }
}
