// Sessions in Redis: a hash for each, with its token and who holds which role, and three pub/sub channels for
// each role. `text` carries JSON as the client shall get it, `binary` bytes as they were sent, `taken` the id
// of the connection that has taken the role. Any number of processes may share one Redis.
import { randomUUID } from 'node:crypto';
import Redis from 'ioredis';
import { envelope, helloAck, notice } from './wire.mjs';

const DELETE_IF_MINE = `if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1]) end return 0`;
const UNANSWERED_MAX = 256;
const BUFFERED_MAX = 16 << 20;

const key = (sid) => `peer:${sid}`;
const channel = (sid, role, kind) => `peer:${sid}:${role}:${kind}`;

export class RedisStore {
  #redis;
  #subscriber;
  #ttlSecs;
  #clients = new Map(); // channel -> client of this process

  constructor(url, ttlSecs) {
    this.#ttlSecs = ttlSecs;
    this.#redis = new Redis(url, { enableAutoPipelining: true });
    this.#subscriber = new Redis(url);
    this.#subscriber.on('messageBuffer', (name, data) => this.#deliver(name.toString(), data));
    for (const redis of [this.#redis, this.#subscriber]) {
      redis.on('error', (error) => console.error(`redis: ${error.message}`));
    }
    // What was published meanwhile is lost, so all clients are closed.
    this.#subscriber.on('close', () => {
      for (const client of this.#clients.values()) client.ws.close(1013, 'the store is away');
    });
  }

  async ready() {
    await this.#redis.ping();
    return 'redis';
  }

  async create(sid, token) {
    await this.#redis.multi().hset(key(sid), 'token', token).expire(key(sid), this.#ttlSecs).exec();
  }

  async join(client, token) {
    const { sid, role, other, ws } = client;
    if ((await this.#redis.hget(key(sid), 'token')) !== token) return false;
    client.id = randomUUID();
    client.unanswered = 0;
    client.channels = ['text', 'binary', 'taken'].map((kind) => channel(sid, role, kind));
    const older = this.#clients.get(client.channels[0]);
    for (const name of client.channels) this.#clients.set(name, client);
    if (older) this.#replace(older);
    await this.#subscriber.subscribe(...client.channels);
    ws.send(helloAck(sid));
    client.joined = true;

    // One step in Redis: of two who join at once exactly one sees the other, and tells both.
    const swap = this.#redis.multi().hget(key(sid), role).hget(key(sid), other).hset(key(sid), role, client.id);
    const [[, olderId], [, peerId]] = await swap.exec();
    if (peerId) ws.send(notice('peer-joined', other));
    const tell = this.#redis.pipeline().expire(key(sid), this.#ttlSecs);
    if (olderId) tell.publish(channel(sid, role, 'taken'), client.id);
    if (olderId && peerId) tell.publish(channel(sid, other, 'text'), notice('peer-left', role));
    if (peerId) tell.publish(channel(sid, other, 'text'), notice('peer-joined', role));
    await tell.exec();
    return true;
  }

  touch(client) {
    this.#redis.expire(key(client.sid), this.#ttlSecs).catch(() => this.#giveUp(client));
  }

  relay(client, data) {
    if (client.replaced) return;
    const { sid, role, other, ws } = client;
    // Backpressure: this client is not read while Redis owes this many answers.
    if (++client.unanswered === UNANSWERED_MAX) ws.pause();
    const sent =
      typeof data === 'string'
        ? this.#redis.publish(channel(sid, other, 'text'), envelope(sid, role, data))
        : this.#redis.publish(channel(sid, other, 'binary'), data);
    sent.then(
      () => client.unanswered-- === UNANSWERED_MAX && ws.resume(),
      () => this.#giveUp(client),
    );
    this.touch(client);
  }

  async leave(client) {
    const { sid, role, other, id, channels } = client;
    if (this.#clients.get(channels[0]) === client) {
      for (const name of channels) this.#clients.delete(name);
      await this.#subscriber.unsubscribe(...channels);
    }
    const wasMine = await this.#redis.eval(DELETE_IF_MINE, 1, key(sid), role, id);
    if (wasMine) await this.#redis.publish(channel(sid, other, 'text'), notice('peer-left', role));
  }

  #deliver(name, data) {
    const client = this.#clients.get(name);
    if (!client?.joined || client.replaced) return;
    const { sid, other, raw, ws, id, channels } = client;
    const [text, binary] = channels;
    if (name === text) {
      ws.send(data, { binary: false });
    } else if (name === binary) {
      ws.send(raw ? data : envelope(sid, other, data));
    } else if (data.toString() !== id) {
      this.#replace(client);
    }
    // Pub/sub can't be slowed for one reader: one who is so far behind is closed, so that no frame is
    // skipped.
    if (ws.bufferedAmount > BUFFERED_MAX) ws.close(4408, 'reads too slowly');
  }

  #replace(client) {
    client.replaced = true;
    client.ws.close(4409, 'replaced by a newer connection');
  }

  #giveUp(client) {
    client.ws.close(1013, 'the store is away');
  }
}
