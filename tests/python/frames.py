"""RFC 6455's frames for a client of the relay: strict about input, without packages. It does not know the relay."""

import base64
import hashlib

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(opcode, payload, masked=False):
    """One whole frame. A client's is masked, with a key of zeros."""
    length, mask_bit = len(payload), 0x80 if masked else 0
    if length < 126:
        head = bytes([0x80 | opcode, mask_bit | length])
    elif length < 1 << 16:
        head = bytes([0x80 | opcode, mask_bit | 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, mask_bit | 127]) + length.to_bytes(8, "big")
    return head + bytes(4 if masked else 0) + payload


def messages(stream):
    """Yields what a server sends as (opcode, payload): whole messages, and control frames in between.

    The end may come inside a message: after a Close between fragments, or if the client has just left.
    """
    begun, pieces, closed = None, [], False
    while first := stream.read(1):
        # RFC 6455 §5.5.1.
        assert not closed, f"{first} after a Close"
        fin, opcode, payload = rest_of_frame(first[0], stream)
        if opcode >= CLOSE:
            assert fin and len(payload) < 126, "a control frame that is long or fragmented"
            closed = opcode == CLOSE
            yield opcode, payload
            continue
        assert (opcode == CONTINUATION) == (begun is not None), f"opcode {opcode} within {begun}"
        begun = begun or opcode
        pieces.append(payload)
        if fin:
            yield begun, b"".join(pieces)
            begun, pieces = None, []


def rest_of_frame(first, stream):
    """The frame that begins with this byte, as (fin, opcode, payload)."""
    assert first & 0x70 == 0, f"a reserved bit in {first:#x}"
    opcode = first & 0x0F
    assert opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG), f"opcode {opcode:#x}"
    (length,) = exactly(stream, 1)
    assert length < 128, "a server's frame is not masked"
    if length >= 126:
        width, least = (2, 126) if length == 126 else (8, 1 << 16)
        length = int.from_bytes(exactly(stream, width), "big")
        assert least <= length < 1 << 63, f"{length} is not in its shortest form"
    return first & 0x80 != 0, opcode, exactly(stream, length)


def exactly(stream, length):
    read = stream.read(length)
    if len(read) < length:
        raise ConnectionError(f"the connection ended {length - len(read)} bytes early")
    return read


def head(stream):
    """The head of an HTTP request or answer: its first line, and its fields by their names in lower case."""
    first, fields = stream.readline().decode("latin-1").strip(), {}
    while line := stream.readline().decode("latin-1").strip():
        name, value = line.split(":", 1)
        fields[name.strip().lower()] = value.strip()
    return first, fields


def accept_value(key):
    """RFC 6455 §4.2.2."""
    digest = hashlib.sha1(key.encode("ascii") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return base64.b64encode(digest).decode("ascii")
