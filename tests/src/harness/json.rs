//! Reads the relay's JSON strictly. A missing member, or one of the wrong kind, is a failure.

use sonic_rs::{JsonContainerTrait, JsonValueTrait, Value};

/// One JSON object and the text it was read from.
#[derive(Debug)]
pub struct Object {
    value: Value,
}

impl Object {
    /// Reads an object.
    ///
    /// # Panics
    /// When the text is anything else.
    pub fn parse(text: &str) -> Self {
        let value: Value =
            sonic_rs::from_str(text).unwrap_or_else(|error| panic!("{error} in {}", cut(text)));
        assert!(value.is_object(), "no JSON object: {}", cut(text));
        Self { value }
    }

    /// The members' names, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.value.as_object().into_iter().flatten().map(|(name, _)| name).collect();
        names.sort_unstable();
        names
    }

    /// True if the member is there.
    pub fn has(&self, name: &str) -> bool {
        self.value.get(name).is_some()
    }

    /// A string member.
    pub fn text(&self, name: &str) -> &str {
        self.value.get(name).and_then(|value| value.as_str()).unwrap_or_else(|| self.fail(name, "string"))
    }

    /// A whole number member.
    pub fn number(&self, name: &str) -> u64 {
        self.value
            .get(name)
            .and_then(JsonValueTrait::as_u64)
            .unwrap_or_else(|| self.fail(name, "whole number"))
    }

    /// A boolean member.
    pub fn flag(&self, name: &str) -> bool {
        self.value.get(name).and_then(JsonValueTrait::as_bool).unwrap_or_else(|| self.fail(name, "boolean"))
    }

    /// An object member.
    pub fn object(&self, name: &str) -> Object {
        let value = self.value.get(name).filter(JsonValueTrait::is_object).cloned();
        Object { value: value.unwrap_or_else(|| self.fail(name, "object")) }
    }

    fn fail(&self, name: &str, kind: &str) -> ! {
        panic!(
            "{name:?} is not of type {kind} in {}",
            cut(&sonic_rs::to_string(&self.value).unwrap_or_default())
        )
    }
}

/// `text` as a quoted JSON string.
pub fn quoted(text: &str) -> String {
    sonic_rs::to_string(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The first 200 characters, for messages.
pub fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push_str(&format!("… ({} bytes)", text.len()));
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_by_kind() {
        let object = Object::parse(r#"{"b":true,"a":"x","o":{"n":7}}"#);
        assert_eq!(object.names(), ["a", "b", "o"]);
        assert_eq!((object.text("a"), object.flag("b"), object.object("o").number("n")), ("x", true, 7));
        assert!(!object.has("z"));
    }

    #[test]
    #[should_panic(expected = "\"a\" is not of type string")]
    fn the_wrong_kind_fails() {
        Object::parse(r#"{"a":7}"#).text("a");
    }
}
