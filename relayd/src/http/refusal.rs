//! The table of all refusals: status, error code, and what to do about it.

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status code.
    pub(super) status: u16,
    /// The error code: the body's `error`, in snake_case.
    pub(super) code: &'static str,
    /// What to do about it. Plain ASCII without quotes, so it stands in JSON as it is.
    pub(super) message: &'static str,
    /// Header lines that this status has to carry, each with its line end.
    pub(super) headers: &'static str,
    /// The end of the request is not known, so the connection ends.
    pub(super) closes: bool,
}

impl Refusal {
    pub(super) const NOT_HTTP: Refusal = fatal(
        400,
        "not_http",
        "this port speaks plain HTTP/1.1 and ws://; TLS needs --tls-cert, or a proxy in front",
    );
    pub(super) const NEEDS_TLS: Refusal = fatal(
        400,
        "needs_tls",
        "this port speaks TLS: write https:// or wss:// in place of http:// or ws://",
    );
    pub(super) const BARE_LINE_END: Refusal =
        fatal(400, "bad_line_end", "end each line of the head with CR LF, and use neither alone");
    pub(super) const TARGET_TOO_LONG: Refusal =
        fatal(414, "uri_too_long", "the request line is over 8 KiB; shorten it");
    pub(super) const HEAD_TOO_LONG: Refusal = fatal(
        431,
        "head_too_large",
        "the head is over 8 KiB or has over 64 fields; send fewer or shorter ones",
    );
    pub(super) const BAD_REQUEST_LINE: Refusal =
        fatal(400, "bad_request_line", "the first line must be METHOD SP path SP HTTP/1.1");
    pub(super) const BAD_VERSION: Refusal =
        fatal(400, "bad_version", "only HTTP/1.1 and HTTP/1.0 are spoken here");
    pub(super) const BAD_FIELD: Refusal = fatal(
        400,
        "bad_header",
        "a header field is malformed: no space before the colon, no folded line, no control character",
    );
    pub(super) const NO_HOST: Refusal = fatal(400, "no_host", "HTTP/1.1 needs a Host field");
    pub(super) const BAD_HOST: Refusal =
        fatal(400, "bad_host", "the Host field must be one host, or host:port");
    pub(super) const FIELD_TWICE: Refusal =
        fatal(400, "duplicate_header", "a field that may stand once stands twice; send it once");
    pub(super) const BAD_LENGTH: Refusal =
        fatal(400, "bad_content_length", "Content-Length must be one whole number in digits");
    pub(super) const LENGTH_AND_CODING: Refusal = fatal(
        400,
        "ambiguous_length",
        "Content-Length and Transfer-Encoding exclude each other; send the length",
    );
    pub(super) const CODING_IN_1_0: Refusal = fatal(
        400,
        "bad_transfer_encoding",
        "HTTP/1.0 has no Transfer-Encoding; send Content-Length, or speak HTTP/1.1",
    );
    pub(super) const BAD_CODING: Refusal = fatal(
        400,
        "bad_transfer_encoding",
        "Transfer-Encoding must be chunked alone, once; send that, or Content-Length",
    );
    pub(super) const UNKNOWN_CODING: Refusal = fatal(
        501,
        "unknown_transfer_encoding",
        "of all transfer codings only chunked alone is read; send the body uncompressed",
    );
    pub(super) const BAD_CHUNK: Refusal = fatal(
        400,
        "bad_chunk",
        "a chunk is its size in hex digits, CR LF, that many bytes, CR LF; the last one is 0 CR LF CR LF",
    );
    pub(super) const CHUNKS_TOO_LONG: Refusal = fatal(
        413,
        "chunks_too_long",
        "a body takes over 8 KiB with its chunk sizes, extensions and trailer fields; send larger chunks",
    );
    pub(super) const BODY_TOO_LARGE: Refusal =
        fatal(413, "body_too_large", "a body may have at most 1024 bytes");
    pub(super) const TIMED_OUT: Refusal =
        fatal(408, "timed_out", "the request did not arrive whole in time; send it again, faster");
    pub(super) const OVERLOADED: Refusal = Refusal {
        headers: "Retry-After: 5\r\n",
        ..fatal(503, "overloaded", "this node has no room for more connections; try again in a while")
    };

    pub(super) const BAD_PROXY_HEADER: Refusal = fatal(
        400,
        "bad_proxy_header",
        "the PROXY header must be of version 2, have at most 536 bytes and hold the addresses of its family",
    );
    pub(super) const UNTRUSTED_PROXY_HEADER: Refusal = fatal(
        400,
        "untrusted_proxy_header",
        "this peer may not send a PROXY header; name its address by --trusted-proxy, or have it send none",
    );
    pub(super) const TOO_MANY_CONNECTIONS: Refusal = Refusal {
        headers: "Retry-After: 10\r\n",
        ..fatal(
            429,
            "too_many_connections",
            "this address has too many connections; close some, then try again",
        )
    };

    pub(super) const NOT_FOUND: Refusal = plain(
        404,
        "not_found",
        "no such endpoint; see /health, /ready, /metrics, /ws, /api/register, /api/session/<id>",
    );
    pub(super) const ADMIN_NOT_FOUND: Refusal =
        plain(404, "not_found", "no such page; see /debug, /metrics, /health, /ready");
    pub(super) const ADMIN_ORIGIN: Refusal = plain(
        403,
        "origin_not_allowed",
        "requests of web pages, which have an Origin, are refused here; open the address itself",
    );
    pub(super) const ADMIN_HOST: Refusal = plain(
        403,
        "host_not_allowed",
        "the Host must be an address or localhost; start relayd with --admin-host to allow this name",
    );
    pub(super) const ADMIN_READ_ONLY: Refusal = Refusal {
        headers: "Allow: GET, HEAD\r\n",
        ..plain(
            405,
            "method_not_allowed",
            "these pages only show; use relayctl on this machine to change something",
        )
    };
    pub(super) const ADMIN_SOCKET_ONLY: Refusal =
        plain(403, "socket_only", "sessions are killed and nodes drained by relayctl on the machine itself");
    pub(super) const ADMIN_BODY: Refusal =
        fatal(413, "body_too_large", "requests of operators have no body; send none");
    pub(super) const ADMIN_HASH: Refusal = plain(
        400,
        "bad_hash",
        "the hash must be lower-case hex digits: to find sessions the first ones, to kill one all 64",
    );
    pub(super) const ADMIN_NO_SESSION: Refusal = plain(
        404,
        "no_session",
        "no session with this hash has a connection on this node; see relayctl sessions",
    );

    pub(super) const NO_SESSION: Refusal =
        plain(404, "no_session", "no live session has this id, or the token is not its own");
    pub(super) const FOREIGN_ORIGIN: Refusal = plain(
        403,
        "origin_not_allowed",
        "this Origin is not in ALLOWED_ORIGINS; add it there as scheme://host[:port]",
    );
    pub(super) const NEEDS_KEY: Refusal = Refusal {
        headers: "WWW-Authenticate: Bearer\r\n",
        ..plain(401, "register_key_required", "send Authorization: Bearer with the key in REGISTER_KEY")
    };
    pub(super) const NEEDS_TOKEN: Refusal = Refusal {
        headers: "WWW-Authenticate: Bearer\r\n",
        ..plain(401, "token_required", "send Authorization: Bearer with the token of the session")
    };
    pub(super) const BAD_BODY: Refusal = plain(
        400,
        "bad_body",
        "the body must be empty or a JSON object; sessionId and token come both or not at all, each 32 lower-case hex digits",
    );

    pub(super) const UPGRADE_REQUIRED: Refusal =
        upgrade_required("this is a WebSocket endpoint; connect with a WebSocket client");
    pub(super) const WRONG_VERSION: Refusal = Refusal {
        // RFC 6455 §4.2.2: a version that is not spoken is answered with those that are.
        headers: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        ..fatal(426, "wrong_websocket_version", "only Sec-WebSocket-Version 13 is spoken here")
    };
    pub(super) const UPGRADE_IN_1_0: Refusal = fatal(
        400,
        "bad_upgrade",
        "HTTP/1.0 has no WebSocket; if a proxy made it that, have it speak HTTP/1.1. nginx: proxy_http_version 1.1;",
    );
    pub(super) const UPGRADE_IN_1_0_ALONE: Refusal = fatal(
        400,
        "bad_upgrade",
        "HTTP/1.0 has no WebSocket, and Connection: upgrade is missing; if a proxy did that, nginx needs: proxy_http_version 1.1; proxy_set_header Connection upgrade;",
    );
    pub(super) const UPGRADE_LOST: Refusal = Refusal {
        closes: true,
        ..upgrade_required(
            "Upgrade: websocket is missing; if a proxy dropped it, nginx needs: proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;",
        )
    };
    pub(super) const UPGRADE_LOST_IN_1_0: Refusal = Refusal {
        closes: true,
        ..upgrade_required(
            "HTTP/1.0 has no WebSocket, and Upgrade: websocket is missing; if a proxy did that, nginx needs: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;",
        )
    };
    pub(super) const UPGRADE_ALONE: Refusal = Refusal {
        closes: true,
        ..upgrade_required(
            "Connection: upgrade is missing; if a proxy dropped it, nginx needs: proxy_set_header Connection upgrade;",
        )
    };
    pub(super) const UPGRADE_WITH_BODY: Refusal =
        fatal(400, "bad_upgrade", "a WebSocket upgrade has no body; leave it out");
    pub(super) const BAD_KEY: Refusal =
        fatal(400, "bad_websocket_key", "Sec-WebSocket-Key must be there and be 16 bytes in base64");

    pub(super) const SESSION_EXISTS: Refusal =
        plain(409, "session_exists", "a live session of this id has another token; register without ids");
    pub(super) const SESSION_DELETED: Refusal = plain(
        409,
        "session_deleted",
        "this session was deleted and stays so; register without ids and pair again",
    );
    pub(super) const STORE_FULL: Refusal = Refusal {
        headers: "Retry-After: 30\r\n",
        ..plain(503, "store_full", "the store has no room for more sessions; delete some or try again later")
    };
    pub(super) const STORE_AWAY: Refusal = Refusal {
        headers: "Retry-After: 2\r\n",
        ..plain(503, "store_away", "the store does not answer; try again in a moment")
    };

    /// A known path, asked with another method. RFC 9110 §15.5.6: `Allow` is compulsory.
    pub(super) const fn method_not_allowed(allow: &'static str) -> Refusal {
        Refusal {
            headers: allow,
            ..plain(405, "method_not_allowed", "use a method that the Allow field names")
        }
    }
}

/// RFC 9110 §15.5.22: 426 names what to upgrade to. The connection field is written with the answer.
const fn upgrade_required(message: &'static str) -> Refusal {
    Refusal { headers: "Upgrade: websocket\r\n", ..plain(426, "upgrade_required", message) }
}

const fn plain(status: u16, code: &'static str, message: &'static str) -> Refusal {
    Refusal { status, code, message, headers: "", closes: false }
}

const fn fatal(status: u16, code: &'static str, message: &'static str) -> Refusal {
    Refusal { closes: true, ..plain(status, code, message) }
}
