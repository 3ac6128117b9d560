// A relay as one usually writes it for Node, with `ws`. Without REDIS_URL both sockets of a session are in
// this process (local.mjs); with it, every frame crosses Redis (redis.mjs). This file is what both have in
// common.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { isHeartbeat, parse } from './wire.mjs';

const TTL_SECS = 7200;
const RAW = 'relay.raw.v1';

const { values: options } = parseArgs({
  options: { listen: { type: 'string', default: '127.0.0.1' }, port: { type: 'string', default: '3001' } },
});
const redisUrl = process.env.REDIS_URL;
const store = redisUrl
  ? new (await import('./redis.mjs')).RedisStore(redisUrl, TTL_SECS)
  : new (await import('./local.mjs')).LocalStore(TTL_SECS);

const server = createServer({ noDelay: true }, async (request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    response.end(JSON.stringify(body));
  };
  try {
    if (request.method === 'POST' && request.url === '/api/register') {
      const [s, t] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
      const u = `ws://${address()}/ws`;
      await store.create(s, t);
      answer(200, { sessionId: s, token: t, ws: u, ttl: TTL_SECS, qrDataUrl: '', qrPayload: { u, s, t } });
    } else if (request.method === 'GET' && request.url === '/ready') {
      answer(200, { store: await store.ready() });
    } else {
      answer(404, { error: 'not_found' });
    }
  } catch (error) {
    answer(503, { error: error.message });
  }
});

const sockets = new WebSocketServer({
  server,
  path: '/ws',
  maxPayload: 16 << 20,
  handleProtocols: (asked) => asked.has(RAW) && RAW,
});

sockets.on('connection', (ws) => {
  const client = { ws, raw: ws.protocol === RAW };
  let joining;
  const helloTimer = setTimeout(() => ws.close(4408, 'no hello in time'), 10_000);

  ws.on('message', (data, isBinary) => {
    if (client.ready) {
      onFrame(client, data, isBinary);
    } else if (joining) {
      // Nothing behind the hello is looked at before its answer is known.
      joining.then(() => client.ready && onFrame(client, data, isBinary));
    } else {
      clearTimeout(helloTimer);
      joining = join(client, data, isBinary).catch(() => ws.close(1013, 'the store is away'));
    }
  });
  ws.on('close', async () => {
    clearTimeout(helloTimer);
    await joining;
    if (client.joined) store.leave(client).catch((error) => console.error(error.message));
  });
  ws.on('error', () => {}); // 'close' follows
});

async function join(client, data, isBinary) {
  const hello = isBinary ? null : parse(data.toString());
  const { type, s, t, r } = hello ?? {};
  const isHello = type === 'hello' && typeof s === 'string' && typeof t === 'string';
  if (!isHello || (r !== 'workstation' && r !== 'phone')) return client.ws.close(4400, 'no hello');
  Object.assign(client, { sid: s, role: r, other: r === 'phone' ? 'workstation' : 'phone' });
  client.ready = await store.join(client, t);
  if (!client.ready) client.ws.close(4401, 'unknown session or wrong token');
}

function onFrame(client, data, isBinary) {
  const text = isBinary ? null : data.toString();
  if (text !== null && isHeartbeat(text)) {
    store.touch(client);
    client.ws.send('{"type":"hb-ack"}');
  } else {
    store.relay(client, isBinary ? data : text);
  }
}

const address = () => `${options.listen}:${server.address().port}`;
server.listen(Number(options.port), options.listen, () => console.log(`listening ${address()}`));
