// The workstation's side of the tunnel's handshake, which the page does not need. The rest is the page's own.

import { concat, equal } from "../../page/bytes.js";
import * as handshake from "../../page/tunnel/handshake.js";
import { DH_LEN, HandshakeState, TAG_LEN } from "../../page/tunnel/noise.js";
import * as refused from "../../page/tunnel/refused.js";

const { Connection, H1, H2, HEAD_LEN, KEY_ID_LEN, orRefuse, prologue, RECORD_MAX, REFUSAL, VERSION } = handshake;
const { DROPPED, Refused } = refused;

/** The clear part of an H1, and its Noise part. */
export function readH1(message) {
    if (message[0] !== H1 || message.length < HEAD_LEN + 1 || message.length > RECORD_MAX) throw new Refused(DROPPED);
    if (message[HEAD_LEN] !== VERSION) throw new Refused(refused.OTHER_VERSION);
    const idAt = HEAD_LEN + 1;
    if (message.length !== idAt + KEY_ID_LEN + DH_LEN + TAG_LEN) throw new Refused(DROPPED);
    const id = message.slice(idAt, idAt + KEY_ID_LEN);
    return { c: message.slice(1, HEAD_LEN), keyId: id, body: message.slice(idAt + KEY_ID_LEN) };
}

/** A refusal of the handshake `c`. */
export function writeRefusal(c, reason) {
    return concat([REFUSAL], c, [reason]);
}

/** The workstation's side, with the one key that it knows. */
export class WorkstationHandshake {
    #crypto;
    #session;
    #key;
    #ephemeral;
    #noise = null;
    c = new Uint8Array(0);

    constructor({ crypto, session, key, ephemeral }) {
        this.#crypto = crypto;
        this.#session = session;
        this.#key = key;
        this.#ephemeral = ephemeral;
    }

    async openH1(message) {
        const { c, keyId: wanted, body } = readH1(message);
        this.c = c;
        const { secret: psk, id } = this.#key;
        if (!equal(wanted, id)) throw new Refused(refused.UNKNOWN_KEY);
        const [crypto, ephemeral, said] = [this.#crypto, this.#ephemeral, prologue(this.#session, id)];
        this.#noise = await HandshakeState.begin({ crypto, initiator: false, prologue: said, psk, ephemeral });
        return orRefuse(refused.DAMAGED, this.#noise.read(body));
    }

    async h2(payload) {
        if (!this.#noise) throw new Error("H2 before H1");
        const message = concat([H2], this.c, await this.#noise.write(payload));
        return { message, connection: await Connection.over(this.#noise, this.c) };
    }
}
