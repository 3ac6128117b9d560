//! Frames. Cases can write them in any way. They are read only if RFC 6455 allows a server to write them.

/// Opcodes by their RFC names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// One frame to send, which can be changed in every bit. It starts as a correct one.
#[derive(Clone, Debug)]
pub struct FrameSpec {
    first: u8,
    mask: Option<[u8; 4]>,
    length: Option<(u8, u64)>,
    payload: Vec<u8>,
}

impl FrameSpec {
    /// A correct final frame with a mask.
    pub fn new(opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            first: 0x80 | opcode as u8,
            mask: Some([0x5A, 0x01, 0xFE, 0x33]),
            length: None,
            payload: payload.into(),
        }
    }

    /// A text frame.
    pub fn text(text: &str) -> Self {
        Self::new(Opcode::Text, text)
    }

    /// A Close frame with a code and a reason.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::new(Opcode::Close, [&code.to_be_bytes()[..], reason.as_bytes()].concat())
    }

    /// More frames of this message follow.
    pub fn unfinished(mut self) -> Self {
        self.first &= 0x7F;
        self
    }

    /// Sets bits of the first byte: RSV bits or a reserved opcode.
    pub fn first_byte(mut self, first: u8) -> Self {
        self.first = first;
        self
    }

    /// Breaks the rule that clients mask.
    pub fn unmasked(mut self) -> Self {
        self.mask = None;
        self
    }

    /// Announces `length` in the 16-bit form, whatever the payload is.
    pub fn length16(mut self, length: u16) -> Self {
        self.length = Some((126, u64::from(length)));
        self
    }

    /// Announces `length` in the 64-bit form, whatever the payload is.
    pub fn length64(mut self, length: u64) -> Self {
        self.length = Some((127, length));
        self
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let actual = self.payload.len() as u64;
        let (form, length) = self.length.unwrap_or(match actual {
            0..=125 => (actual as u8, actual),
            126..=0xFFFF => (126, actual),
            _ => (127, actual),
        });
        let mut out = vec![self.first, form | if self.mask.is_some() { 0x80 } else { 0 }];
        match form {
            126 => out.extend_from_slice(&(length as u16).to_be_bytes()),
            127 => out.extend_from_slice(&length.to_be_bytes()),
            _ => {}
        }
        let Some(mask) = self.mask else {
            out.extend_from_slice(&self.payload);
            return out;
        };
        out.extend_from_slice(&mask);
        out.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        out
    }
}

/// One message in pieces, as bytes.
pub fn in_pieces(opcode: Opcode, pieces: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let frame = FrameSpec::new(if index == 0 { opcode } else { Opcode::Continuation }, *piece);
        let frame = if index + 1 == pieces.len() { frame } else { frame.unfinished() };
        out.extend_from_slice(&frame.encode());
    }
    out
}

/// One frame of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The last frame of its message.
    pub fin: bool,
    /// What it is.
    pub opcode: Opcode,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// How a server's frame violates RFC 6455 §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Breach {
    Rsv,
    Opcode,
    FragmentedControl,
    Masked,
    LongControl,
    LongForm,
    TopBit,
}

/// Reads one frame from the front: the frame and its whole length, or `None` while bytes are missing.
pub fn decode(bytes: &[u8]) -> Result<Option<(Received, usize)>, Breach> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(Breach::Rsv);
    }
    let (fin, opcode) = (first & 0x80 != 0, parse_opcode(first & 0x0F)?);
    let is_control = opcode as u8 >= 8;
    if is_control && !fin {
        return Err(Breach::FragmentedControl);
    }
    // RFC 6455 §5.1: a server does not mask.
    if second & 0x80 != 0 {
        return Err(Breach::Masked);
    }
    if is_control && second & 0x7F > 125 {
        return Err(Breach::LongControl);
    }
    let Some((length, header)) = parse_length(second & 0x7F, rest)? else { return Ok(None) };
    let Some(payload) = bytes.get(header..header + length) else { return Ok(None) };
    Ok(Some((Received { fin, opcode, payload: payload.to_vec() }, header + length)))
}

fn parse_opcode(nibble: u8) -> Result<Opcode, Breach> {
    use Opcode::*;
    let known = [Continuation, Text, Binary, Close, Ping, Pong];
    known.into_iter().find(|opcode| *opcode as u8 == nibble).ok_or(Breach::Opcode)
}

fn parse_length(form: u8, rest: &[u8]) -> Result<Option<(usize, usize)>, Breach> {
    match form {
        126 => {
            let Some(&wide) = rest.first_chunk() else { return Ok(None) };
            let length = u16::from_be_bytes(wide);
            if length < 126 { Err(Breach::LongForm) } else { Ok(Some((usize::from(length), 4))) }
        }
        127 => {
            let Some(&wide) = rest.first_chunk() else { return Ok(None) };
            match u64::from_be_bytes(wide) {
                length if length >> 63 != 0 => Err(Breach::TopBit),
                0..=0xFFFF => Err(Breach::LongForm),
                length => Ok(Some((length as usize, 10))),
            }
        }
        short => Ok(Some((usize::from(short), 2))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_must_not_write_is_named() {
        for (bytes, breach) in [
            (vec![0xC1, 0], Breach::Rsv),
            (vec![0x83, 0], Breach::Opcode),
            (vec![0x09, 0], Breach::FragmentedControl),
            (vec![0x81, 0x80], Breach::Masked),
            (vec![0x89, 126], Breach::LongControl),
            (vec![0x81, 126, 0, 125], Breach::LongForm),
            (vec![0x81, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], Breach::LongForm),
            (vec![0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], Breach::TopBit),
        ] {
            assert_eq!(decode(&bytes), Err(breach), "{bytes:x?}");
        }
    }

    #[test]
    fn an_unmasked_spec_decodes_at_every_length_and_no_prefix_does() {
        for length in [0usize, 1, 125, 126, 65_535, 65_536] {
            let bytes = FrameSpec::new(Opcode::Binary, vec![9; length]).unmasked().encode();
            assert_eq!(decode(&bytes[..bytes.len() - 1]), Ok(None), "{length}");
            let (frame, whole) = decode(&bytes).unwrap().unwrap();
            assert_eq!((frame.payload.len(), whole), (length, bytes.len()));
        }
    }

    #[test]
    fn a_mask_is_applied_byte_by_byte() {
        // RFC 6455 §5.7: a masked "Hello".
        let mut spec = FrameSpec::text("Hello");
        spec.mask = Some([0x37, 0xFA, 0x21, 0x3D]);
        assert_eq!(spec.encode(), [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]);
    }
}
