//! The one table of close codes: number, the word that names it, and what it tells the client.

/// Why the server closes a WebSocket. The discriminant is the code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The client closed normally; echoed.
    Normal = 1000,
    /// The node is shutting down or draining: reconnect at once.
    GoingAway = 1001,
    /// RFC 6455 was broken.
    Protocol = 1002,
    /// A text message was not UTF-8.
    InvalidUtf8 = 1007,
    /// A message was larger than allowed.
    TooBig = 1009,
    /// A fault of the server.
    Internal = 1011,
    /// The store is away, or the node is full: try again later.
    TryLater = 1013,
    /// The hello was malformed.
    BadHello = 4400,
    /// Unknown session or wrong token.
    Unauthorized = 4401,
    /// No hello in time, silent for too long, or not reading.
    TimedOut = 4408,
    /// Replaced by a newer connection of the same role.
    Replaced = 4409,
    /// The session was deleted or expired.
    SessionKilled = 4410,
    /// Over a rate limit.
    TooMany = 4429,
}

impl CloseCode {
    /// Every code the server sends, in order.
    pub const ALL: [CloseCode; 13] = [
        CloseCode::Normal,
        CloseCode::GoingAway,
        CloseCode::Protocol,
        CloseCode::InvalidUtf8,
        CloseCode::TooBig,
        CloseCode::Internal,
        CloseCode::TryLater,
        CloseCode::BadHello,
        CloseCode::Unauthorized,
        CloseCode::TimedOut,
        CloseCode::Replaced,
        CloseCode::SessionKilled,
        CloseCode::TooMany,
    ];

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The code of a number, if the server ever sends it.
    pub fn parse(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// The snake_case word that names it, in `error` messages and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            CloseCode::Normal => "normal",
            CloseCode::GoingAway => "going_away",
            CloseCode::Protocol => "protocol_error",
            CloseCode::InvalidUtf8 => "invalid_utf8",
            CloseCode::TooBig => "too_big",
            CloseCode::Internal => "internal",
            CloseCode::TryLater => "try_later",
            CloseCode::BadHello => "bad_hello",
            CloseCode::Unauthorized => "unauthorized",
            CloseCode::TimedOut => "timed_out",
            CloseCode::Replaced => "replaced",
            CloseCode::SessionKilled => "session_killed",
            CloseCode::TooMany => "too_many",
        }
    }

    /// The reason that goes out with the code, at most 123 bytes (RFC 6455 §5.5.1).
    pub const fn reason(self) -> &'static str {
        match self {
            CloseCode::Normal => "",
            CloseCode::GoingAway => "the node is going away: reconnect at once",
            CloseCode::Protocol => "protocol error (RFC 6455)",
            CloseCode::InvalidUtf8 => "a text message must be valid UTF-8",
            CloseCode::TooBig => "the message is larger than allowed here",
            CloseCode::Internal => "internal fault: try again later",
            CloseCode::TryLater => "the relay can't serve this now: try again later",
            CloseCode::BadHello => "the first message must be a JSON hello with s, t and r",
            CloseCode::Unauthorized => "unknown session or wrong token: pair again",
            CloseCode::TimedOut => "nothing came, or nothing was read, in time: reconnect",
            CloseCode::Replaced => "a newer connection holds this role",
            CloseCode::SessionKilled => "the session was deleted or expired: pair again",
            CloseCode::TooMany => {
                "too many takeovers of this role, or refused hellos of this address: wait before the next try"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_a_control_frame_and_numbers_come_back() {
        for code in CloseCode::ALL {
            assert!(code.reason().len() <= 123, "{code:?}");
            assert_eq!(CloseCode::parse(code.code()), Some(code));
        }
        assert_eq!(CloseCode::parse(1005), None);
    }
}
