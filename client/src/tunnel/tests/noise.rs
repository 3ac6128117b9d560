//! The published vector of the very construction, run through the same primitives as every handshake here.

use serde::Deserialize;

use crate::tunnel::noise::builder;
use crate::tunnel::secret::PairKey;
use crate::tunnel::tests::vectors::{hex, unhex};

#[derive(Deserialize)]
struct Published {
    protocol_name: String,
    init_prologue: String,
    init_psks: [String; 1],
    init_ephemeral: String,
    resp_ephemeral: String,
    handshake_hash: String,
    messages: Vec<Exchanged>,
}

#[derive(Deserialize)]
struct Exchanged {
    payload: String,
    ciphertext: String,
}

#[test]
fn the_published_vector_is_met() {
    let published: Published =
        sonic_rs::from_str(include_str!("../../../vectors/noise-nnpsk0.json")).unwrap();
    assert_eq!(published.protocol_name, "Noise_NNpsk0_25519_AESGCM_SHA256");
    let key = PairKey::from_bytes(&unhex(&published.init_psks[0]).try_into().unwrap());
    let prologue = unhex(&published.init_prologue);
    let builder =
        |ephemeral: &str| builder(key.secret(), &prologue, unhex(ephemeral).try_into().unwrap()).unwrap();
    let mut phone = builder(&published.init_ephemeral).build_initiator().unwrap();
    let mut desk = builder(&published.resp_ephemeral).build_responder().unwrap();
    let (mut buffer, mut read) = ([0; 256], [0; 256]);
    let [first, second, rest @ ..] = published.messages.as_slice() else { panic!("no handshake") };
    let len = phone.write_message(&unhex(&first.payload), &mut buffer).unwrap();
    assert_eq!(hex(&buffer[..len]), first.ciphertext);
    desk.read_message(&buffer[..len], &mut read).unwrap();
    let len = desk.write_message(&unhex(&second.payload), &mut buffer).unwrap();
    assert_eq!(hex(&buffer[..len]), second.ciphertext);
    phone.read_message(&buffer[..len], &mut read).unwrap();
    assert_eq!(hex(phone.get_handshake_hash()), published.handshake_hash);
    assert_eq!(hex(desk.get_handshake_hash()), published.handshake_hash);
    let (mut phone, mut desk) = (phone.into_transport_mode().unwrap(), desk.into_transport_mode().unwrap());
    for (at, message) in rest.iter().enumerate() {
        let (from, to) = if at % 2 == 0 { (&mut phone, &mut desk) } else { (&mut desk, &mut phone) };
        let len = from.write_message(&unhex(&message.payload), &mut buffer).unwrap();
        assert_eq!(hex(&buffer[..len]), message.ciphertext, "message {at} after the handshake");
        let len = to.read_message(&buffer[..len], &mut read).unwrap();
        assert_eq!(hex(&read[..len]), message.payload);
    }
    assert_eq!(rest.len(), 4);
}
