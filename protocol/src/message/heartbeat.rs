//! The heartbeat: the one text that is answered instead of relayed.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::loose::{Loose, MemberName};
use crate::json;
use crate::limits::{HEARTBEAT_BYTES_MAX, JSON_DEPTH_MAX};

/// The heartbeat that our own clients send.
pub const HEARTBEAT: &str = r#"{"type":"hb"}"#;

/// The one value that counts, as almost everybody writes it.
static SPELLED_OUT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""hb""#));

/// Letters may also be spelled `\u0068`; other escapes spell none.
static SPELLED_IN_ESCAPES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br"\u00"));

/// True if `text` is a JSON object of at most 512 bytes whose top-level `type` is `"hb"`. If `type` is there
/// twice the last one counts, as it does for most parsers.
///
/// Almost every frame is told apart without parsing: by its length, its first byte, or by holding neither
/// `"hb"` nor an escaped letter.
pub fn is_heartbeat(text: &[u8]) -> bool {
    if text.len() > HEARTBEAT_BYTES_MAX || text.len() < 11 {
        return false;
    }
    if text == HEARTBEAT.as_bytes() {
        return true;
    }
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return false;
    }
    if SPELLED_OUT.find(text).is_none() && SPELLED_IN_ESCAPES.find(text).is_none() {
        return false;
    }
    json::nesting_within(text, JSON_DEPTH_MAX)
        && sonic_rs::from_slice::<SaysHeartbeat>(text).is_ok_and(|says| says.0)
}

/// Of a whole object only this is kept: does its `type` say `hb`?
struct SaysHeartbeat(bool);

impl<'de> Deserialize<'de> for SaysHeartbeat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeartbeatVisitor;
        impl<'de> Visitor<'de> for HeartbeatVisitor {
            type Value = SaysHeartbeat;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<SaysHeartbeat, A::Error> {
                let mut says = false;
                while let Some(name) = members.next_key::<MemberName<'de>>()? {
                    let value = members.next_value::<Loose<'de>>()?;
                    if name.0 == "type" {
                        says = value.as_str() == Some("hb");
                    }
                }
                Ok(SaysHeartbeat(says))
            }
        }
        deserializer.deserialize_map(HeartbeatVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_order_spaces_and_other_members_are_free() {
        for yes in [
            r#"{"type":"hb"}"#,
            r#" { "type" : "hb" } "#,
            r#"{"at":1,"x":{"type":"no"},"type":"hb"}"#,
            r#"{"type":"h\u0062"}"#,
            r#"{"t\u0079pe":"hb"}"#,
            r#"{"type":"x","type":"hb"}"#,
        ] {
            assert!(is_heartbeat(yes.as_bytes()), "{yes}");
        }
    }

    #[test]
    fn anything_else_is_a_frame() {
        let long = format!(r#"{{"type":"hb","pad":"{}"}}"#, "x".repeat(500));
        let deep = format!(r#"{{"type":"hb","x":{}{}}}"#, "[".repeat(40), "]".repeat(40));
        for no in [
            "",
            "hb",
            r#""hb""#,
            r#"["type","hb"]"#,
            r#"{"type":"hb"} x"#,
            r#"{"type":"hb""#,
            r#"{"x":{"type":"hb"}}"#,
            r#"{"type":["hb"]}"#,
            r#"{"type":"hb","type":"x"}"#,
            r#"{"Type":"hb"}"#,
            long.as_str(),
            deep.as_str(),
        ] {
            assert!(!is_heartbeat(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn the_limit_is_512_bytes() {
        let of = |len: usize| format!(r#"{{"type":"hb","p":"{}"}}"#, "x".repeat(len - 20));
        assert_eq!(of(512).len(), 512);
        assert!(is_heartbeat(of(512).as_bytes()));
        assert!(!is_heartbeat(of(513).as_bytes()));
    }
}
