//! Keys in words, for scripts: `ls{Enter}`, `{Ctrl-C}`, `{Shift-PageUp}`, `{Paste some text}`. Pure.

use relay_client::app::terminal::{Key, Modifiers};

use super::typing::Typed;

/// Reads text with keys in braces; `{{}` is a brace.
///
/// # Errors
/// A key that is not known, or a brace without an end, in words.
pub(crate) fn parse_keys(text: &str) -> Result<Vec<Typed>, String> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once('{') {
        if !before.is_empty() {
            out.push(Typed::Text(before.to_owned()));
        }
        // The name of a key may be a brace itself.
        let skipped = behind.chars().next().map_or(0, char::len_utf8);
        let end = behind.get(skipped..).and_then(|behind| behind.find('}')).map(|at| at + skipped);
        let end = end.ok_or_else(|| format!("{{{behind}: a brace has no end; write {{{{}} for a brace"))?;
        out.push(named(&behind[..end])?);
        rest = &behind[end + 1..];
    }
    if !rest.is_empty() {
        out.push(Typed::Text(rest.to_owned()));
    }
    Ok(out)
}

fn named(name: &str) -> Result<Typed, String> {
    if let Some(text) = name.strip_prefix("Paste ") {
        return Ok(Typed::Paste(text.to_owned()));
    }
    let (mut held, mut rest) = (Modifiers::NONE, name);
    while let Some((modifier, behind)) = rest.split_once('-').filter(|(_, behind)| !behind.is_empty()) {
        held = held
            | match modifier.to_ascii_lowercase().as_str() {
                "ctrl" | "c" => Modifiers::CTRL,
                "alt" | "m" => Modifiers::ALT,
                "shift" | "s" => Modifiers::SHIFT,
                "meta" => Modifiers::META,
                _ => return Err(unknown(name)),
            };
        rest = behind;
    }
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        // A letter is what the keyboard gives without Ctrl.
        (Some(char), None) if held.contains(Modifiers::CTRL) => {
            Ok(Typed::Key(Key::Char(char.to_ascii_lowercase()), held))
        }
        (Some(char), None) if held == Modifiers::NONE => Ok(Typed::Text(char.to_string())),
        (Some(char), None) => Ok(Typed::Key(Key::Char(char), held)),
        _ => key_of(rest).map(|key| Typed::Key(key, held)).ok_or_else(|| unknown(name)),
    }
}

fn unknown(name: &str) -> String {
    format!(
        "{{{name}}}: there is no such key; write {{Enter}}, {{Ctrl-C}}, {{Shift-PageUp}}, {{F5}} and so on"
    )
}

fn key_of(word: &str) -> Option<Key> {
    const KEYS: [(&str, Key); 16] = [
        ("enter", Key::Enter),
        ("tab", Key::Tab),
        ("backspace", Key::Backspace),
        ("escape", Key::Escape),
        ("esc", Key::Escape),
        ("up", Key::Up),
        ("down", Key::Down),
        ("right", Key::Right),
        ("left", Key::Left),
        ("home", Key::Home),
        ("end", Key::End),
        ("insert", Key::Insert),
        ("delete", Key::Delete),
        ("pageup", Key::PageUp),
        ("pagedown", Key::PageDown),
        ("space", Key::Char(' ')),
    ];
    let word = word.to_ascii_lowercase();
    if let Some(number) = word.strip_prefix('f').and_then(|number| number.parse().ok()) {
        return (1..=20).contains(&number).then_some(Key::Function(number));
    }
    KEYS.iter().find(|(name, _)| *name == word).map(|(_, key)| *key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_names() {
        let text = |text: &str| Typed::Text(text.to_owned());
        let ctrl = |char| Typed::Key(Key::Char(char), Modifiers::CTRL);
        for (written, expected) in [
            ("ls -l{Enter}", vec![text("ls -l"), Typed::Key(Key::Enter, Modifiers::NONE)]),
            ("{Ctrl-C}{C-z}", vec![ctrl('c'), ctrl('z')]),
            ("{Alt-X}", vec![Typed::Key(Key::Char('X'), Modifiers::ALT)]),
            ("{Shift-Ctrl-F12}", vec![Typed::Key(Key::Function(12), Modifiers::SHIFT | Modifiers::CTRL)]),
            ("{Ctrl--}", vec![ctrl('-')]),
            ("a{{}b{}}", vec![text("a"), text("{"), text("b"), text("}")]),
            ("{Paste a b}", vec![Typed::Paste("a b".into())]),
            ("", vec![]),
        ] {
            assert_eq!(parse_keys(written).as_deref(), Ok(&expected[..]), "{written}");
        }
        for wrong in ["{Entre}", "{F21}", "{", "a{Enter", "{Hyper-x}", "{}"] {
            assert!(parse_keys(wrong).is_err(), "{wrong}");
        }
    }
}
