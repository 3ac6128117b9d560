// What the server says, and what it reads of what clients say.

export function helloAck(sid) {
  return JSON.stringify({ type: 'hello-ack', sessionId: sid });
}

export function notice(type, role) {
  return JSON.stringify({ type, role });
}

// Text is a string, binary a Buffer.
export function envelope(sid, fromRole, data) {
  const b64 = typeof data !== 'string';
  const frame = b64 ? data.toString('base64') : data;
  return JSON.stringify({ type: 'frame', sid, fromRole, at: Date.now(), frame, b64 });
}

// Only short text that could be a heartbeat is parsed.
export function isHeartbeat(text) {
  return text.length <= 512 && text.includes('"hb"') && parse(text)?.type === 'hb';
}

export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
