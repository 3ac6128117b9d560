// A relay as one usually writes it for Bun: Bun.serve, and the sessions in a Map of this process.
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { envelope, isHeartbeat, notice, parse } from './wire.js';

const TTL_SECS = 7200;
const { values: options } = parseArgs({
  options: { listen: { type: 'string', default: '127.0.0.1' }, port: { type: 'string', default: '3001' } },
});
const sessions = new Map(); // id -> { sid, token, used, workstation: socket, phone: socket }
setInterval(expire, 60_000, TTL_SECS * 1000);

const server = Bun.serve({
  hostname: options.listen,
  port: Number(options.port),
  fetch(request, server) {
    const { pathname } = new URL(request.url);
    if (pathname === '/ws') {
      const raw = /(^|[\s,])relay\.raw\.v1($|[\s,])/.test(request.headers.get('Sec-WebSocket-Protocol') ?? '');
      const headers = raw ? { 'Sec-WebSocket-Protocol': 'relay.raw.v1' } : {};
      return server.upgrade(request, { headers, data: { raw } }) ? undefined : new Response(null, { status: 426 });
    }
    if (request.method === 'POST' && pathname === '/api/register') return Response.json(register());
    if (request.method === 'GET' && pathname === '/ready') return Response.json({ store: 'memory' });
    return Response.json({ error: 'not_found' }, { status: 404 });
  },
  websocket: {
    // Bun sets TCP_NODELAY on every socket by itself. It has no way to stop reading from one, so a fast
    // sender can't be slowed by a slow reader: a reader that is so far behind is closed, so that no frame is
    // skipped.
    backpressureLimit: 16 << 20,
    closeOnBackpressureLimit: true,
    open(ws) {
      ws.data.helloTimer = setTimeout(() => ws.close(4408, 'no hello in time'), 10_000);
    },
    message(ws, data) {
      const { session, role, other } = ws.data;
      if (!session) return join(ws, data);
      if (session[role] !== ws) return; // replaced
      session.used = Date.now();
      if (isHeartbeat(data)) return ws.send('{"type":"hb-ack"}');
      const peer = session[other];
      peer?.send(peer.data.raw && typeof data !== 'string' ? data : envelope(session.sid, role, data));
    },
    close(ws) {
      const { session, role, other, helloTimer } = ws.data;
      clearTimeout(helloTimer);
      if (session?.[role] !== ws) return;
      delete session[role];
      session[other]?.send(notice('peer-left', role));
    },
  },
});

function expire(idleMax) {
  for (const [sid, session] of sessions) {
    if (session.used > Date.now() - idleMax) continue;
    sessions.delete(sid);
    for (const ws of [session.workstation, session.phone]) {
      ws?.send('{"type":"session-killed"}');
      ws?.close(4410, 'expired');
    }
  }
}

function register() {
  const [s, t, u] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex'), `ws://${address}/ws`];
  sessions.set(s, { sid: s, token: t, used: Date.now() });
  return { sessionId: s, token: t, ws: u, ttl: TTL_SECS, qrDataUrl: '', qrPayload: { u, s, t } };
}

function join(ws, data) {
  clearTimeout(ws.data.helloTimer);
  const { type, s, t, r } = (typeof data === 'string' && parse(data)) || {};
  const isHello = type === 'hello' && typeof s === 'string' && typeof t === 'string';
  if (!isHello || (r !== 'workstation' && r !== 'phone')) return ws.close(4400, 'no hello');
  const session = sessions.get(s);
  if (session?.token !== t) return ws.close(4401, 'unknown session or wrong token');
  const other = r === 'phone' ? 'workstation' : 'phone';
  const [older, peer] = [session[r], session[other]];
  Object.assign(ws.data, { session, role: r, other });
  session[r] = ws;
  session.used = Date.now();
  older?.close(4409, 'replaced by a newer connection');
  if (older) peer?.send(notice('peer-left', r));
  ws.send(JSON.stringify({ type: 'hello-ack', sessionId: s }));
  if (peer) ws.send(notice('peer-joined', other));
  peer?.send(notice('peer-joined', r));
}

const address = `${options.listen}:${server.port}`;
console.log(`listening ${address}`);
