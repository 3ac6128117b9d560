//! Names from elsewhere, made safe for any system.

use crate::text::reorders_or_hides;

/// The most bytes of one component: what common file systems take.
const COMPONENT_BYTES_MAX: usize = 255;

/// The most folders around a file.
const DEPTH_MAX: usize = 64;

/// The longest ending that is kept when a name is cut.
const ENDING_BYTES_MAX: usize = 17;

/// What the system for Windows has instead of files of this name, with any ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The folders and the file of a relative name with `/`, each safe: no way out of the folder, nothing that
/// acts on a screen, nothing that another system takes for a device or a drive. At least one.
///
/// None of them begins with a dot: nothing lands among a user's settings, or where a program such as git
/// looks for what it runs.
pub fn safe_name(name: &str) -> Vec<String> {
    let is_way = |component: &&str| !matches!(*component, "" | "." | "..");
    let mut parts: Vec<String> = name.split('/').filter(is_way).map(safe_component).collect();
    if parts.len() > DEPTH_MAX {
        parts.drain(DEPTH_MAX - 1..parts.len() - 1);
    }
    if parts.is_empty() {
        parts.push("unnamed".to_owned());
    }
    parts
}

fn safe_component(component: &str) -> String {
    let is_unsafe = |c: char| c.is_control() || reorders_or_hides(c) || r#"\:*?"<>|"#.contains(c);
    let mut safe: String = component.chars().map(|c| if is_unsafe(c) { '_' } else { c }).collect();
    safe.truncate(safe.trim_end_matches(['.', ' ']).len());
    if safe.is_empty() {
        safe.push_str("unnamed");
    }
    if safe.starts_with('.') || is_device(&safe) {
        safe.insert(0, '_');
    }
    // These endings are this program's own.
    let lower = safe.to_lowercase();
    if [".part", ".part.info", ".part.info.new"].iter().any(|ending| lower.ends_with(ending)) {
        safe.push('_');
    }
    let safe = cut(&safe, COMPONENT_BYTES_MAX);
    // The cut may have left such an end.
    safe.trim_end_matches(['.', ' ']).to_owned()
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let is_numbered = |device: &str| {
        let number = stem.strip_prefix(device).unwrap_or_default();
        number.chars().count() == 1 && number.chars().all(|c| "123456789¹²³".contains(c))
    };
    DEVICES.contains(&stem.as_str()) || is_numbered("com") || is_numbered("lpt")
}

/// At most `bytes_max` bytes of a name, with its ending.
pub(super) fn cut(name: &str, bytes_max: usize) -> String {
    if name.len() <= bytes_max {
        return name.to_owned();
    }
    let (stem, ending) = split_ending(name);
    let mut end = bytes_max.saturating_sub(ending.len()).min(stem.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", stem[..end].trim_end())
}

/// The name before its ending, and the ending with its dot; empty if there is none worth keeping.
fn split_ending(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= ENDING_BYTES_MAX => name.split_at(at),
        _ => (name, ""),
    }
}

/// `name`, or for a number above 0 `name (number)`, before the ending, in at most `bytes_max` bytes.
pub(super) fn numbered(name: &str, number: u32, bytes_max: usize) -> String {
    if number == 0 {
        return cut(name, bytes_max);
    }
    let (stem, ending) = split_ending(name);
    let ending = format!(" ({number}){ending}");
    let stem = cut_stem(stem, bytes_max.saturating_sub(ending.len()));
    format!("{stem}{ending}")
}

fn cut_stem(stem: &str, bytes_max: usize) -> &str {
    let mut end = stem.len().min(bytes_max);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    stem[..end].trim_end()
}

/// The most bytes of a whole file's name.
pub(super) const NAME_BYTES_MAX: usize = COMPONENT_BYTES_MAX;

/// The most bytes of a name that gets one of this module's endings.
pub(super) const STEM_BYTES_MAX: usize = COMPONENT_BYTES_MAX - ".part.info.new".len();

#[cfg(test)]
mod tests {
    use super::*;

    fn safe(name: &str) -> String {
        safe_name(name).join("/")
    }

    #[test]
    fn no_name_leaves_the_folder_or_means_something_else() {
        for (name, expected) in [
            ("a.txt", "a.txt"),
            ("photos/2026/a b.jpg", "photos/2026/a b.jpg"),
            ("../../x", "x"),
            ("a/../../x", "a/x"),
            ("/etc/passwd", "etc/passwd"),
            (r"C:\x", "C__x"),
            (r"..\..\x", "_.._.._x"),
            (r"\\server\share\x", "__server_share_x"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("nul .txt", "_nul .txt"),
            ("a/com1.tar.gz", "a/_com1.tar.gz"),
            ("LPT9", "_LPT9"),
            ("com10", "com10"),
            ("console", "console"),
            ("a.", "a"),
            ("a. . ", "a"),
            ("...", "unnamed"),
            ("", "unnamed"),
            (".", "unnamed"),
            ("..", "unnamed"),
            ("//", "unnamed"),
            ("   ", "unnamed"),
            ("a//b/./c", "a/b/c"),
            ("a\nb\x1b[2Jc\0", "a_b__2Jc_".replace("__2J", "_[2J").as_str()),
            ("report\u{202e}fdp.exe", "report_fdp.exe"),
            ("z\u{200b}w", "z_w"),
            (".bashrc", "_.bashrc"),
            (".ssh/authorized_keys", "_.ssh/authorized_keys"),
            ("project/.gitignore", "project/_.gitignore"),
            ("project/.git/hooks/post-checkout", "project/_.git/hooks/post-checkout"),
            ("a/.part", "a/_.part_"),
            ("a/..part", "a/_..part_"),
            ("a/:.x", "a/_.x"),
            ("x.part", "x.part_"),
            ("x.PART.info", "x.PART.info_"),
            ("a:b*?.txt", "a_b__.txt"),
            ("grüße 👋.txt", "grüße 👋.txt"),
        ] {
            assert_eq!(safe(name), expected, "{name:?}");
        }
    }

    #[test]
    fn long_names_are_cut_before_their_ending_and_between_characters() {
        let exact = format!("{}.jpeg", "x".repeat(250));
        assert_eq!(safe(&exact), exact);
        let cut = safe(&format!("{}.jpeg", "ü".repeat(200)));
        assert!((250..=255).contains(&cut.len()) && cut.ends_with("ü.jpeg"), "{cut}");
        let dots = safe(&format!("a.{}", "b".repeat(300)));
        assert_eq!((dots.len(), dots.starts_with("a.b")), (255, true));
        let device = safe(&format!("con.{}", "c".repeat(300)));
        assert_eq!(device.len(), 255);
        assert!(safe(&format!(".{}", "d".repeat(300))).len() <= 255);
        assert!(safe(&format!("{}.part", "e".repeat(300))).len() <= 255);
        let deep = safe_name(&"d/".repeat(500));
        assert_eq!(deep.len(), 64);
    }

    #[test]
    fn numbers_go_before_the_ending() {
        assert_eq!(numbered("a.txt", 0, 255), "a.txt");
        assert_eq!(numbered("a.txt", 1, 255), "a (1).txt");
        assert_eq!(numbered("a", 12, 255), "a (12)");
        assert_eq!(numbered(".hidden", 1, 255), ".hidden (1)");
        let long = numbered(&format!("{}.txt", "ü".repeat(125)), 7, 255);
        assert!(long.len() <= 255 && long.ends_with("ü (7).txt"), "{long}");
    }
}
