//! The body of a register: nothing, or the ids of a session that is to come back.

use protocol::ids::{SessionId, Token};
use protocol::json;
use protocol::limits::JSON_DEPTH_MAX;
use serde::Deserialize;

use super::refusal::Refusal;

/// The members that mean something; any other is ignored.
#[derive(Deserialize)]
struct Members {
    #[serde(rename = "sessionId")]
    session: Option<String>,
    token: Option<String>,
}

/// Reads the body. `None` asks for a new session; a member that is null counts as left out.
pub(super) fn read_body(body: &[u8]) -> Result<Option<(SessionId, Token)>, Refusal> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Ok(None);
    }
    // The parser would take an array for the members in their order; only an object is one.
    if !body.starts_with(b"{") || !json::nesting_within(body, JSON_DEPTH_MAX) {
        return Err(Refusal::BAD_BODY);
    }
    let members: Members = sonic_rs::from_slice(body).map_err(|_| Refusal::BAD_BODY)?;
    match (members.session, members.token) {
        (None, None) => Ok(None),
        (Some(session), Some(token)) => {
            let ids = SessionId::parse(&session).ok().zip(Token::parse(&token).ok());
            ids.map(Some).ok_or(Refusal::BAD_BODY)
        }
        _ => Err(Refusal::BAD_BODY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn no_ids_ask_for_a_new_session() {
        for body in
            ["", " \r\n", "{}", r#"{"name":"x","deep":[[{"a":null}]]}"#, r#"{"sessionId":null,"token":null}"#]
        {
            assert!(read_body(body.as_bytes()).unwrap().is_none(), "{body}");
        }
    }

    #[test]
    fn both_ids_ask_for_that_session_again() {
        let body = format!(r#"{{"x":1,"token":"{S}","sessionId":"{S}"}}"#);
        let (session, token) = read_body(body.as_bytes()).unwrap().unwrap();
        assert_eq!((session.to_string(), token.reveal()), (S.into(), S.into()));
    }

    #[test]
    fn half_or_malformed_ids_are_refused() {
        for body in [
            format!(r#"{{"sessionId":"{S}"}}"#),
            format!(r#"{{"token":"{S}"}}"#),
            format!(r#"{{"sessionId":"{S}","token":null}}"#),
            format!(r#"{{"sessionId":"{S}","token":"{}"}}"#, S.to_uppercase()),
            format!(r#"{{"sessionId":"{S}\r\n","token":"{S}"}}"#),
            format!(r#"{{"sessionId":7,"token":"{S}"}}"#),
            format!(r#"{{"sessionId":"{S}","sessionId":"{S}","token":"{S}"}}"#),
            format!(r#"["{S}","{S}"]"#),
            "null".into(),
            "hello".into(),
            "{".into(),
            "{}x".into(),
            "\u{0}".into(),
            "{\"a\":".repeat(170),
            format!("{{\"a\":{}}}", "[".repeat(1000)),
        ] {
            assert_eq!(read_body(body.as_bytes()).unwrap_err(), Refusal::BAD_BODY, "{body}");
        }
        assert!(read_body(b"{\"a\":\"\xff\"}").is_err());
    }
}
