// Sessions in a Map of this process: a frame goes from one socket straight to the other.
import { envelope, helloAck, notice } from './wire.mjs';

const BUFFERED_MAX = 1 << 20;

export class LocalStore {
  #sessions = new Map(); // id -> { token, used, workstation: client, phone: client }

  constructor(ttlSecs) {
    setInterval(() => this.#expire(Date.now() - ttlSecs * 1000), 60_000).unref();
  }

  async ready() {
    return 'memory';
  }

  async create(sid, token) {
    this.#sessions.set(sid, { token, used: Date.now() });
  }

  async join(client, token) {
    const session = this.#sessions.get(client.sid);
    if (session?.token !== token) return false;
    const [older, peer] = [session[client.role], session[client.other]];
    if (older) {
      older.ws.close(4409, 'replaced by a newer connection');
      peer?.ws.send(notice('peer-left', client.role));
    }
    session[client.role] = client;
    Object.assign(client, { session, joined: true });
    this.touch(client);
    client.ws.send(helloAck(client.sid));
    if (peer) {
      client.ws.send(notice('peer-joined', client.other));
      peer.ws.send(notice('peer-joined', client.role));
    }
    return true;
  }

  touch(client) {
    client.session.used = Date.now();
  }

  relay(client, data) {
    const { session, role, other } = client;
    const peer = session[other];
    if (!peer || session[role] !== client) return; // nobody is there, or this one was replaced
    this.touch(client);
    const message = peer.raw && typeof data !== 'string' ? data : envelope(client.sid, role, data);
    if (peer.ws.bufferedAmount < BUFFERED_MAX) {
      peer.ws.send(message);
    } else {
      // Backpressure: no more is read from this one until the other has taken what it has.
      client.ws.pause();
      peer.ws.send(message, () => client.ws.resume());
    }
  }

  async leave(client) {
    const { session, role, other } = client;
    if (session[role] !== client) return; // somebody else has it already
    delete session[role];
    session[other]?.ws.send(notice('peer-left', role));
  }

  #expire(before) {
    for (const [sid, session] of this.#sessions) {
      if (session.used > before) continue;
      this.#sessions.delete(sid);
      for (const client of [session.workstation, session.phone]) {
        client?.ws.send('{"type":"session-killed"}');
        client?.ws.close(4410, 'expired');
      }
    }
  }
}
