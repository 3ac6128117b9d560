//! The command line.

use std::path::PathBuf;

use relay_client::app::notice::Subscription;
use relay_mobile::engine::EngineSettings;
use relay_mobile::{Ca, Proxy, Role};

use crate::Failure;

pub(crate) const HELP: &str = "\
A phone in a terminal. It pairs by the code that the workstation shows, and keeps the pair.

usage: phone [OPTIONS] [CODE]        pair, and talk
       phone [OPTIONS] --desk NAME   talk to a desk that this phone is paired with
       phone desks                   list these desks
       phone forget NAME             end a pair; the desk is told

  CODE             the code that the workstation shows, as a link or as text; without it, the input begins
                   with the code, or with the name of a desk
  --desk NAME      the desk's name, or its number in `phone desks`
  --watch NAME     show this shared terminal at once, and end with it
  --shell          open a shell at the desk, and end with it; the desk must allow it
  --dump           with --watch: print the screen as text when it changes; each line of the input is keys
  --once           with --dump: print the screen once, and end. With --send or --inbox: end when the files
                   are sent, or the first ones have come
  --send-keys KEYS with --watch: type this when the terminal is seen: text, and keys as {Enter} or {Ctrl-C}
  --pipe           the input and output are this phone's end of the desk's `workstation pipe`
  --hidden         say that nobody looks at this phone: notices are shown and not confirmed
  --push FILE      have the desk send notices to the Web Push subscription in this file too, a message
                   `subscribe` of docs/app-notices.md; `none` takes it back
  --send FILE      send this file or folder to the desk. Can be given several times
  --inbox DIR      take the files that the desk sends, into this folder; without it they are refused
  --name NAME      what this phone calls itself when it pairs
  --plain          talk without encryption: the relay can read every message
  --ca FILE        trust only certificates of the CAs in this PEM file
  --proxy URL      connect through this proxy, or with `none` directly, whatever HTTPS_PROXY and others say
  --help           show this help

Each line of the input is said to the desk, but for these:
  /terminals       list the desk's shared terminals
  /open NAME       show one. There, Ctrl-] leaves, F12 takes and gives back its size, and Shift-PageUp and
                   Shift-PageDown scroll
  /shell           open a shell at the desk
  /send FILE…      send files and folders
  /clip TEXT       send TEXT to the desk's `workstation clip`
  /quit            end; so does the end of the input
  //TEXT           say /TEXT

A code without the app protocol (`workstation --alone`) is lines of text only, and its pair is not kept.
Pairs are kept in $XDG_STATE_HOME/relay-phone, or ~/.local/state/relay-phone.

examples:
  phone 'https://relay.example.org/p#2…'
  phone --desk office
  phone --desk office --watch build --dump --once
  phone --desk office --watch build --send-keys 'make test{Enter}'
  phone --desk office --send photo.jpg --once
  phone --desk office --inbox . --once

exit code: 0 it ended as asked and the workstation received every line and file (with --plain: the relay did);
1 anything else; 2 a bad command line";

/// How the relay is reached.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) ca: Option<Ca>,
    pub(crate) proxy: Proxy,
}

/// What the user wants.
pub(crate) struct Args {
    pub(crate) way: Way,
    pub(crate) is_plain: bool,
    pub(crate) name: Option<String>,
    pub(crate) watch: Option<Watch>,
    pub(crate) is_hidden: bool,
    /// The input and output are the end of a pipe.
    pub(crate) is_pipe: bool,
    /// The subscription to Web Push that desks are to have, or none.
    pub(crate) push: Option<Option<Subscription>>,
    pub(crate) files: FileArgs,
    pub(crate) act: Act,
}

/// Files both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileArgs {
    pub(crate) send: Vec<PathBuf>,
    pub(crate) inbox: Option<PathBuf>,
    pub(crate) is_once: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Help,
    List,
    Forget(String),
    /// Go on with this desk.
    Desk(String),
    /// Pair by this code; the input begins with it if there is none.
    Pair(Option<String>),
}

/// One shared terminal, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    /// Its name; `None` for a new shell.
    pub(crate) terminal: Option<String>,
    pub(crate) is_dump: bool,
    pub(crate) is_once: bool,
    pub(crate) keys: String,
}

/// The options that were read so far.
#[derive(Default)]
struct Options {
    ca: Option<String>,
    proxy: Option<String>,
    name: Option<String>,
    desk: Option<String>,
    watch: Option<String>,
    is_shell: bool,
    keys: Option<String>,
    is_plain: bool,
    is_dump: bool,
    is_once: bool,
    is_hidden: bool,
    is_pipe: bool,
    push: Option<String>,
    send: Vec<PathBuf>,
    inbox: Option<PathBuf>,
    words: Vec<String>,
}

impl Args {
    /// Reads a command line. The inner error is a bad command line, the outer one a file that can't be used.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Result<Self, String>, Failure> {
        let options = match read(arguments) {
            Ok(Some(options)) => options,
            Ok(None) => return Ok(Ok(Self::help())),
            Err(words) => return Ok(Err(words)),
        };
        let proxy = match options.proxy.as_deref().map(str::parse::<Proxy>).transpose() {
            Ok(proxy) => proxy.unwrap_or_default(),
            Err(error) => return Ok(Err(format!("--proxy: {error}"))),
        };
        let way = Way { ca: options.ca.as_deref().map(Ca::read).transpose()?, proxy };
        let push = options.push.as_deref().map(subscription).transpose()?;
        Ok(options.into_args(way, push))
    }

    /// How this phone connects.
    pub(crate) fn settings(&self) -> EngineSettings {
        let mut settings = EngineSettings::new(Role::Phone);
        (settings.ca, settings.proxy) = (self.way.ca.clone(), self.way.proxy.clone());
        self.phone_name().clone_into(&mut settings.options.name);
        settings
    }

    /// What this phone calls itself.
    pub(crate) fn phone_name(&self) -> &str {
        self.name.as_deref().unwrap_or("a phone in a terminal")
    }

    fn help() -> Self {
        let way = Way { ca: None, proxy: Proxy::FromEnvironment };
        let files = FileArgs::default();
        Args {
            way,
            is_plain: false,
            name: None,
            watch: None,
            is_hidden: false,
            is_pipe: false,
            push: None,
            files,
            act: Act::Help,
        }
    }
}

/// The subscription in a file; `none` is none.
fn subscription(path: &str) -> Result<Option<Subscription>, Failure> {
    if path == "none" {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("can't read {path}: {error}"))?;
    let read = Subscription::parse(text.trim()).map_err(|error| format!("{path}: {error}"))?;
    Ok(Some(read))
}

/// `None`: help is wanted.
fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut value = |what: &str| arguments.next().ok_or(format!("{argument} needs {what} behind it"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--plain" => options.is_plain = true,
            "--shell" => options.is_shell = true,
            "--dump" => options.is_dump = true,
            "--once" => options.is_once = true,
            "--hidden" => options.is_hidden = true,
            "--pipe" => options.is_pipe = true,
            "--push" => options.push = Some(value("a file or `none`")?),
            "--ca" => options.ca = Some(value("a PEM file")?),
            "--proxy" => options.proxy = Some(value("an address or `none`")?),
            "--name" => options.name = Some(value("a name")?),
            "--desk" => options.desk = Some(value("a desk's name")?),
            "--watch" => options.watch = Some(value("a terminal's name")?),
            "--send" => options.send.push(value("a file")?.into()),
            "--inbox" => options.inbox = Some(value("a folder")?.into()),
            "--send-keys" => options.keys = Some(value("keys")?),
            _ if argument.starts_with('-') => {
                return Err(format!("there is no option {argument}; --help lists them"));
            }
            _ => options.words.push(argument),
        }
    }
    Ok(Some(options))
}

impl Options {
    fn into_args(self, way: Way, push: Option<Option<Subscription>>) -> Result<Args, String> {
        let shows = self.watch.is_some() || self.is_shell;
        if !shows && (self.is_dump || self.keys.is_some()) {
            return Err("--dump and --send-keys need --watch NAME or --shell".to_owned());
        }
        if self.watch.is_some() && self.is_shell {
            return Err("--watch NAME and --shell are two terminals, and one is shown".to_owned());
        }
        let has_files = !self.send.is_empty() || self.inbox.is_some();
        if has_files && self.watch.is_some() {
            return Err("--watch shows a terminal and nothing else: leave --send and --inbox out".to_owned());
        }
        if self.is_once && !self.is_dump && !has_files {
            return Err("--once needs --dump, --send or --inbox".to_owned());
        }
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let act = match (words.as_slice(), self.desk) {
            (["desks"], None) => Act::List,
            (["forget", name], None) => Act::Forget((*name).to_owned()),
            (["forget"], _) => return Err("forget needs a desk's name behind it".to_owned()),
            ([], Some(desk)) => Act::Desk(desk),
            ([], None) => Act::Pair(None),
            ([code], None) => Act::Pair(Some((*code).to_owned())),
            _ => return Err("only one code or one desk can be talked to; --help has examples".to_owned()),
        };
        let terminal = self.watch;
        let watch = shows.then(|| Watch {
            terminal,
            is_dump: self.is_dump,
            is_once: self.is_once,
            keys: self.keys.unwrap_or_default(),
        });
        let files = FileArgs { send: self.send, inbox: self.inbox, is_once: self.is_once && has_files };
        if self.is_plain && (has_files || watch.is_some() || !matches!(act, Act::Pair(_))) {
            return Err("--plain is for a code, and for lines of text only".to_owned());
        }
        let Options { is_plain, is_hidden, is_pipe, name, .. } = self;
        if is_pipe && (is_plain || watch.is_some() || act == Act::Pair(None)) {
            return Err(
                "--pipe takes the whole input: give a code or --desk NAME, and nothing to watch".to_owned()
            );
        }
        Ok(Args { way, is_plain, name, watch, is_hidden, is_pipe, push, files, act })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(str::to_owned)).unwrap()
    }

    #[test]
    fn a_command_line_is_one_act() {
        for (line, act) in [
            ("", Act::Pair(None)),
            ("CODE", Act::Pair(Some("CODE".into()))),
            ("--plain CODE", Act::Pair(Some("CODE".into()))),
            ("CODE --proxy none", Act::Pair(Some("CODE".into()))),
            ("--desk office", Act::Desk("office".into())),
            ("desks", Act::List),
            ("forget office", Act::Forget("office".into())),
            ("forget office -h", Act::Help),
        ] {
            assert_eq!(parsed(line).unwrap().act, act, "{line}");
        }
        let watch = parsed("--desk d --watch t --dump --once --send-keys ls{Enter}").unwrap().watch.unwrap();
        let keys = "ls{Enter}".to_owned();
        assert_eq!(watch, Watch { terminal: Some("t".into()), is_dump: true, is_once: true, keys });
    }

    #[test]
    fn a_bad_command_line_is_told_why() {
        for (line, words) in [
            ("--colour", "there is no option --colour; --help lists them"),
            ("--ca", "--ca needs a PEM file behind it"),
            ("a b", "only one code"),
            ("--desk d CODE", "only one code"),
            ("forget", "needs a desk's name"),
            ("--dump", "need --watch NAME"),
            ("--watch t --once", "--once needs --dump"),
            ("--watch t --shell", "one is shown"),
            ("--once", "--once needs --dump"),
            ("--watch t --send x", "leave --send and --inbox out"),
            ("--plain --send x", "--plain is for a code"),
            ("--plain --desk d", "--plain is for a code"),
            ("--proxy ftp://u:secret@h", "\"ftp://***@h\" is not a proxy"),
        ] {
            let error = parsed(line).err().unwrap();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
