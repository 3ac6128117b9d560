//! Notices and the working directory, from the commands (OSC) that programs write for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relay_client::app::terminal::Notice;
use relay_client::app::terminal::limits::NOTICE_BYTES_MAX;

/// What a command says, if it is one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Notice(Notice),
    /// The child's working directory.
    Directory(String),
}

/// Reads commands: one notice may come in several.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// The identifier and text so far of a notice of kitty's kind; its texts are cut.
    unfinished: Option<(String, Notice)>,
}

impl Notices {
    /// The body of a whole command.
    pub(super) fn read(&mut self, body: &[u8]) -> Option<Said> {
        let body = std::str::from_utf8(body).ok()?;
        let (number, rest) = body.split_once(';')?;
        match number {
            "7" => directory(rest).map(Said::Directory),
            "9" if !is_other_nine(rest) => notice("", rest),
            "777" => {
                let (title, text) = rest.strip_prefix("notify;").map(|rest| split_or_empty(rest, ';'))?;
                notice(title, text)
            }
            "99" => self.read_kitty(rest),
            _ => None,
        }
    }

    /// `metadata ; text`, with `key=value` joined by `:` as metadata.
    fn read_kitty(&mut self, rest: &str) -> Option<Said> {
        let (metadata, text) = rest.split_once(';')?;
        let value = |key: &str| {
            let mut pairs = metadata.split(':').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
        };
        let text = if value("e") == "1" { decoded(text)? } else { text.to_owned() };
        let same = self.unfinished.take().filter(|(id, _)| *id == value("i"));
        let mut notice = same.map_or_else(Notice::default, |(_, notice)| notice);
        match value("p") {
            "" | "title" => append(&mut notice.title, &text),
            "body" => append(&mut notice.text, &text),
            _ => {}
        }
        if value("d") == "0" {
            self.unfinished = Some((value("i").to_owned(), notice));
            return None;
        }
        let is_empty = notice.title.is_empty() && notice.text.is_empty();
        (!is_empty).then_some(Said::Notice(notice))
    }
}

/// Some terminals use the same number for progress and other things: `9;4;…`.
fn is_other_nine(rest: &str) -> bool {
    let (first, _) = split_or_empty(rest, ';');
    !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit()) && rest.contains(';')
}

fn split_or_empty(text: &str, separator: char) -> (&str, &str) {
    text.split_once(separator).unwrap_or((text, ""))
}

fn notice(title: &str, text: &str) -> Option<Said> {
    let mut notice = Notice::default();
    append(&mut notice.title, title);
    append(&mut notice.text, text);
    (!text.is_empty() || !title.is_empty()).then_some(Said::Notice(notice))
}

/// Appends what may be shown, up to the limit.
fn append(text: &mut String, more: &str) {
    for char in more.chars().filter(|char| !char.is_control()) {
        if text.len() + char.len_utf8() > NOTICE_BYTES_MAX {
            break;
        }
        text.push(char);
    }
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

/// The path of `file://host/path`.
fn directory(url: &str) -> Option<String> {
    let rest = url.strip_prefix("file://")?;
    let path = &rest[rest.find('/')?..];
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            _ => bytes.push(byte),
        }
    }
    let path = String::from_utf8(bytes).ok()?;
    (path.len() <= NOTICE_BYTES_MAX && !path.chars().any(char::is_control)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bodies: &[&str]) -> Vec<Said> {
        let mut notices = Notices::default();
        bodies.iter().filter_map(|body| notices.read(body.as_bytes())).collect()
    }

    fn notice(title: &str, text: &str) -> Said {
        Said::Notice(Notice { title: title.into(), text: text.into() })
    }

    #[test]
    fn notices_of_each_kind_are_read() {
        for (bodies, expected) in [
            (["9;build done"].as_slice(), vec![notice("", "build done")]),
            (&["9;4;1;50"], vec![]),
            (&["9;4 tests failed; see log"], vec![notice("", "4 tests failed; see log")]),
            (&["777;notify;Title;a;b"], vec![notice("Title", "a;b")]),
            (&["777;preexec"], vec![]),
            (&["99;;Hello"], vec![notice("Hello", "")]),
            (&["99;i=1:d=0;Hel", "99;i=1:d=0;lo", "99;i=1:p=body;World"], vec![notice("Hello", "World")]),
            (&["99;i=1:d=0;Hel", "99;i=2;lo"], vec![notice("lo", "")]),
            (&["99;e=1;SGVsbG8="], vec![notice("Hello", "")]),
            (&["99;e=1;***"], vec![]),
            (&["9;a\u{7}b\u{9b}c"], vec![notice("", "abc")]),
            (&["0;title"], vec![]),
            (&["9"], vec![]),
        ] {
            assert_eq!(said(bodies), expected, "{bodies:?}");
        }
    }

    #[test]
    fn texts_are_bounded_though_a_notice_never_ends() {
        let mut notices = Notices::default();
        let body = format!("99;i=1:d=0;{}", "x".repeat(500));
        for _ in 0..1000 {
            assert_eq!(notices.read(body.as_bytes()), None);
        }
        assert_eq!(notices.unfinished.unwrap().1.title.len(), NOTICE_BYTES_MAX);
    }

    #[test]
    fn the_directory_is_decoded() {
        let at = |path: &str| vec![Said::Directory(path.into())];
        assert_eq!(said(&["7;file://host/tmp/a%20b"]), at("/tmp/a b"));
        assert_eq!(said(&["7;file:///%C3%A4"]), at("/ä"));
        for wrong in ["7;file://host", "7;/tmp", "7;file:///%zz", "7;file:///%ff", "7;file:///%0a"] {
            assert_eq!(said(&[wrong]), [], "{wrong}");
        }
    }
}
