//! What a viewer wants to see: the parameters that open the channel, and those that accept it.

use std::borrow::Cow;

use protocol::json::write_quoted;
use serde::Deserialize;

use super::VERSION;
use super::screen::Size;

/// The terminal that a viewer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The shared terminal of this name.
    Shared(String),
    /// A new shell, in this size.
    Shell(Size),
}

impl Target {
    /// The parameters that open the channel.
    pub fn to_params(&self) -> String {
        match self {
            Target::Shared(name) => named(&format!(r#""v":{VERSION},"#), name),
            Target::Shell(size) => {
                let (cols, rows) = (size.columns(), size.rows());
                format!(r#"{{"v":{VERSION},"shell":true,"cols":{cols},"rows":{rows}}}"#)
            }
        }
    }

    /// Reads the parameters that open a channel; `None` if they want nothing that is known here. A size that
    /// is missing is that of a plain window, and one out of bounds becomes the nearest.
    pub fn parse(params: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Params<'a> {
            #[serde(borrow, default)]
            name: Option<Cow<'a, str>>,
            #[serde(default)]
            shell: bool,
            #[serde(default)]
            cols: u16,
            #[serde(default)]
            rows: u16,
        }
        match sonic_rs::from_str(params).ok()? {
            Params { shell: true, cols: 0, .. } | Params { shell: true, rows: 0, .. } => {
                Some(Target::Shell(Size::clamped(80, 24)))
            }
            Params { shell: true, cols, rows, .. } => Some(Target::Shell(Size::clamped(cols, rows))),
            Params { name, .. } => name.map(|name| Target::Shared(name.into_owned())),
        }
    }
}

/// The parameters that accept a channel for a new shell: the name by which its terminal is found again.
pub fn accepting_shell(name: &str) -> String {
    named("", name)
}

/// The name in the parameters that accept a channel for a new shell.
pub fn accepted_shell(params: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Params {
        name: String,
    }
    sonic_rs::from_str::<Params>(params).ok().map(|params| params.name)
}

fn named(before: &str, name: &str) -> String {
    let mut params = format!(r#"{{{before}"name":"#).into_bytes();
    write_quoted(&mut params, name);
    params.push(b'}');
    String::from_utf8_lossy(&params).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_written_and_read() {
        for (target, params) in [
            (Target::Shared("b\"c".into()), r#"{"v":1,"name":"b\"c"}"#),
            (Target::Shell(Size::clamped(50, 20)), r#"{"v":1,"shell":true,"cols":50,"rows":20}"#),
        ] {
            assert_eq!(target.to_params(), params);
            assert_eq!(Target::parse(params), Some(target));
        }
        assert_eq!(accepted_shell(&accepting_shell("sh\u{7}2")).as_deref(), Some("sh\u{7}2"));
        assert_eq!(accepted_shell("{}"), None);
    }

    #[test]
    fn sizes_are_kept_within_bounds_and_nonsense_wants_nothing() {
        let shell = |cols, rows| Some(Target::Shell(Size::clamped(cols, rows)));
        for (params, target) in [
            (r#"{"shell":true}"#, shell(80, 24)),
            (r#"{"shell":true,"cols":0,"rows":9}"#, shell(80, 24)),
            (r#"{"shell":true,"cols":65535,"rows":65535,"later":{}}"#, shell(65535, 65535)),
            (r#"{"shell":true,"name":"x"}"#, shell(80, 24)),
            (r#"{"shell":false}"#, None),
            (r#"{"shell":true,"cols":-1}"#, None),
            (r#"{"name":1}"#, None),
            ("{}", None),
            ("[", None),
        ] {
            assert_eq!(Target::parse(params), target, "{params}");
        }
    }
}
