//! The property list for launchd. Pure.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use super::Service;

/// The text of the property list. What `serve` says goes into `log`.
pub(crate) fn plist(service: &Service, label: &str, log: &Path) -> String {
    let mut words = String::new();
    for word in [service.program.as_os_str()].into_iter().chain(service.arguments.iter().map(AsRef::as_ref)) {
        // Writing into memory can't fail.
        let _ = writeln!(words, "    <string>{}</string>", escaped(word));
    }
    let mut environment = String::new();
    for (name, value) in &service.environment {
        let (name, value) = (escaped(OsStr::new(name)), escaped(value));
        let _ = writeln!(environment, "    <key>{name}</key>\n    <string>{value}</string>");
    }
    TEXT.replace("{label}", &escaped(OsStr::new(label)))
        .replace("{log}", &escaped(log.as_os_str()))
        .replace("{environment}", &environment)
        .replace("{words}", &words)
}

/// `Interactive`: launchd slows other processes down. The end of `serve` leaves the agent and the terminals
/// alone (`AbandonProcessGroup`).
const TEXT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{label}</string>
  <key>ProgramArguments</key>
  <array>
{words}  </array>
  <key>EnvironmentVariables</key>
  <dict>
{environment}  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>AbandonProcessGroup</key>
  <true/>
  <key>StandardErrorPath</key>
  <string>{log}</string>
</dict>
</plist>
"#;

fn escaped(text: &OsStr) -> String {
    let mut escaped = String::new();
    for char in text.to_string_lossy().chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_words_is_text() {
        let service = Service {
            profile: "default".into(),
            program: "/opt/<a>&b/workstation".into(),
            arguments: vec!["serve".into()],
            environment: vec![("NO_PROXY".into(), "<none>".into())],
        };
        let text = plist(&service, "label", Path::new("/log"));
        for line in ["<string>/opt/&lt;a&gt;&amp;b/workstation</string>", "<string>&lt;none&gt;</string>"] {
            assert!(text.lines().any(|found| found.trim() == line), "{line}: {text}");
        }
        assert!(!text.contains('{'), "{text}");
    }
}
