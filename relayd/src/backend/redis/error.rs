//! What went wrong with Redis, and for whom. Pure: one look at the error that a server answers tells a request's own
//! error from the server's, and every reason that an operator reads is a text of this file. Redis's own text is never
//! shown beyond its code, because it quotes arguments, which hold session ids and digests of tokens.

use std::io;

use redis::ServerError;

use super::rights;
use super::tls;

/// Why a connection is of no use any more, as an operator may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    why: String,
    /// The server takes no writes because another one is the master: every connection to it must be made anew.
    pub(super) is_replica: bool,
}

/// What an error that a server answers means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server forgot its scripts.
    NoScript,
    /// The server has no memory for what this request would write. Other requests may succeed.
    Full,
    /// The request's own: its key, or what is stored there. The connection is sound.
    Own(Code),
    /// The server's, as it says: no other request would fare better. A probe tells whether that is so.
    Server(Trouble),
}

/// The first word of an error, such as `WRONGTYPE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code(String);

/// What is wrong with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Loading,
    ReadOnly,
    MasterDown,
    /// It is part of a cluster.
    Cluster(Code),
    /// It can't save its data.
    Misconfigured,
    NoPassword,
    WrongPassword,
    NoDatabase,
    /// The user lacks a command, if one is known by name.
    NoCommand(Option<&'static str>),
    NoKeys,
    NoChannels,
    /// It does not know a command, or knows it by another name.
    Unknown(Option<&'static str>),
    Full,
    TooManyClients,
    Busy,
    TooFewReplicas,
    Other(Code),
}

impl Refusal {
    /// Reads an error.
    pub(super) fn of(error: &ServerError) -> Self {
        Self::read(error.code(), error.details().unwrap_or_default())
    }

    /// Reads what a script's own call was answered.
    pub(super) fn in_script(text: &str) -> Self {
        let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
        if code.starts_with('@') { Self::read_general(text) } else { Self::read(code, rest) }
    }

    /// The same where everything that is refused is the server's fault: while a connection is set up. `asked` is the
    /// command that was refused, if it is one of those that a user needs.
    pub(super) fn while_dialing(error: &ServerError, asked: Option<&'static str>) -> Fault {
        Self::of(error).into_fault(asked)
    }

    /// See [`Refusal::while_dialing`].
    pub(super) fn into_fault(self, asked: Option<&'static str>) -> Fault {
        let trouble = match self {
            Refusal::NoScript => Trouble::Other(Code::of("NOSCRIPT")),
            Refusal::Full => Trouble::Full,
            Refusal::Own(code) => Trouble::Other(code),
            Refusal::Server(Trouble::NoCommand(None)) => Trouble::NoCommand(asked),
            Refusal::Server(Trouble::Unknown(None)) => Trouble::Unknown(asked),
            Refusal::Server(trouble) => trouble,
        };
        Fault::from(&trouble)
    }

    fn read(code: &str, text: &str) -> Self {
        if code == "ERR" {
            return Self::read_general(text);
        }
        match code {
            "NOSCRIPT" => Refusal::NoScript,
            "OOM" => Refusal::Full,
            "LOADING" => Refusal::Server(Trouble::Loading),
            "READONLY" => Refusal::Server(Trouble::ReadOnly),
            "MASTERDOWN" => Refusal::Server(Trouble::MasterDown),
            "CLUSTERDOWN" | "MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT" => {
                Refusal::Server(Trouble::Cluster(Code::of(code)))
            }
            "MISCONF" => Refusal::Server(Trouble::Misconfigured),
            "NOAUTH" => Refusal::Server(Trouble::NoPassword),
            "WRONGPASS" => Refusal::Server(Trouble::WrongPassword),
            "NOPERM" if text.contains("keys") => Refusal::Server(Trouble::NoKeys),
            "NOPERM" if text.contains("channels") => Refusal::Server(Trouble::NoChannels),
            "NOPERM" => Refusal::Server(Trouble::NoCommand(rights::quoted_in(text))),
            "BUSY" | "UNKILLABLE" => Refusal::Server(Trouble::Busy),
            "NOREPLICAS" => Refusal::Server(Trouble::TooFewReplicas),
            _ => Refusal::Own(Code::of(code)),
        }
    }

    /// An error whose code says nothing.
    fn read_general(text: &str) -> Self {
        // Servers before version 7 wrap what went wrong inside a script.
        let wrapped = text.starts_with("Error running script") || text.starts_with('@');
        if let Some(code) = wrapped.then(|| words(text).find(|word| WRAPPED.contains(word))).flatten() {
            return Self::read(code, "");
        }
        let says = |part: &str| text.contains(part);
        let trouble = if text.starts_with("unknown ") || says("Unknown Redis command called from") {
            Trouble::Unknown(None)
        } else if says("can't run this command") {
            Trouble::NoCommand(None)
        } else if says("can't access at least one of the keys") {
            Trouble::NoKeys
        } else if says("max number of clients reached") {
            Trouble::TooManyClients
        } else if says("DB index") {
            Trouble::NoDatabase
        } else if says("AUTH") || says("invalid password") {
            Trouble::WrongPassword
        } else {
            return Refusal::Own(Code::of("ERR"));
        };
        Refusal::Server(trouble)
    }
}

impl Trouble {
    /// What an operator reads.
    pub(super) fn words(&self) -> String {
        let fixed = match self {
            Trouble::Loading => "it is loading its data (LOADING)",
            Trouble::ReadOnly => {
                "it is a replica and takes no writes (READONLY): name the master by REDIS_URL"
            }
            Trouble::MasterDown => "it is a replica that has lost its master (MASTERDOWN)",
            Trouble::Misconfigured => {
                "it takes no writes because it can't save its data (MISCONF): look at its log and its disk"
            }
            Trouble::NoPassword => "it wants a password (NOAUTH): give user and password in REDIS_URL",
            Trouble::WrongPassword => "authentication failed: check user and password in REDIS_URL",
            Trouble::NoDatabase => "it has no database of the number in REDIS_URL",
            Trouble::NoCommand(None) => "the Redis user lacks a command (NOPERM): see docs/operations.md",
            Trouble::NoKeys => "the Redis user may not use the keys relay:* (NOPERM)",
            Trouble::NoChannels => "the Redis user may not use the channels relay:node:* (NOPERM)",
            Trouble::Unknown(None) => "it lacks a command, or has it under another name",
            Trouble::Full => "it has no memory left (OOM): no session can be registered; raise its maxmemory",
            Trouble::TooManyClients => "it has as many clients as it may (ERR): raise its maxclients",
            Trouble::Busy => "a script keeps it busy (BUSY)",
            Trouble::TooFewReplicas => "too few of its replicas are connected for a write (NOREPLICAS)",
            Trouble::NoCommand(Some(command)) => {
                return format!("the Redis user lacks {} (NOPERM)", rights::shown(command));
            }
            Trouble::Unknown(Some(command)) => {
                return format!("it has no {}, or has it under another name", rights::shown(command));
            }
            Trouble::Cluster(Code(code)) => {
                return format!("it is part of a Redis Cluster ({code}), which is not supported");
            }
            Trouble::Other(Code(code)) => return format!("it refuses what it is asked ({code})"),
        };
        fixed.to_owned()
    }
}

impl Code {
    fn of(word: &str) -> Self {
        let is_code = word.len() <= CODE_LEN_MAX && word.bytes().all(|byte| byte.is_ascii_uppercase());
        Code(if is_code { word } else { "ERR" }.to_owned())
    }

    /// The word.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Fault {
    /// A fault with a reason of our own. It must hold nothing that a server said.
    pub(super) fn new(why: impl Into<String>) -> Self {
        Fault { why: why.into(), is_replica: false }
    }

    /// The server says something that Redis does not say.
    pub(super) fn unexpected() -> Self {
        Fault::new("it answers with something that Redis does not say; check that REDIS_URL names a Redis")
    }

    /// Nothing came in time.
    pub(super) fn silent() -> Self {
        Fault::new("it does not answer in time")
    }

    /// What is said of a server whose memory is full.
    pub(super) fn full() -> Self {
        Fault::from(&Trouble::Full)
    }

    /// The reason.
    pub(super) fn why(&self) -> &str {
        &self.why
    }
}

impl From<&Trouble> for Fault {
    fn from(trouble: &Trouble) -> Self {
        let is_replica = matches!(trouble, Trouble::ReadOnly | Trouble::MasterDown);
        Fault { why: trouble.words(), is_replica }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Fault::silent(),
            io::ErrorKind::UnexpectedEof => Fault::new("it ended the connection"),
            // The operating system's words, or TLS's.
            _ => Fault::new(tls::explain(&error).unwrap_or_else(|| error.to_string())),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_uppercase()).filter(|word| !word.is_empty())
}

/// What may be found in the text around a script's error.
const WRAPPED: [&str; 9] = [
    "OOM",
    "WRONGTYPE",
    "READONLY",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "NOPERM",
    "LOADING",
    "CLUSTERDOWN",
];

/// The longest known code has fewer letters.
const CODE_LEN_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// A secret as it stands among the arguments that Redis quotes.
    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn shown(code: &str, text: &str) -> String {
        match Refusal::read(code, text) {
            Refusal::NoScript => "forgotten".to_owned(),
            Refusal::Full => "full".to_owned(),
            Refusal::Own(code) => format!("own {}", code.as_str()),
            Refusal::Server(trouble) => trouble.words(),
        }
    }

    #[test]
    fn a_request_s_own_errors_are_told_from_the_server_s() {
        let in_script = "Error running script (call to f_00): @user_script:3: @user_script: 3: -";
        for (code, text, expected) in [
            ("NOSCRIPT", "No matching script. Please use EVAL.", "forgotten"),
            ("OOM", "command not allowed when used memory > 'maxmemory'.", "full"),
            ("ERR", &format!("{in_script}OOM command not allowed when used memory > 'maxmemory'."), "full"),
            ("WRONGTYPE", "Operation against a key holding the wrong kind of value", "own WRONGTYPE"),
            ("ERR", &format!("{in_script}WRONGTYPE Operation against a key"), "own WRONGTYPE"),
            ("ERR", "user_script:1: attempt to perform arithmetic on a nil value", "own ERR"),
            ("ERR", "Error running script (call to f_00): @user_script:1: attempt to compare", "own ERR"),
            ("FROMLATER", "a code that nobody knows yet", "own FROMLATER"),
            (ID, "no code at all", "own ERR"),
        ] {
            assert_eq!(shown(code, text), expected, "{code} {text}");
        }
    }

    #[test]
    fn each_of_the_server_s_has_words_of_its_own() {
        let script = "The user executing the script can't run this command or subcommand script: 00";
        let mut all = Vec::new();
        for (code, text, expected) in [
            ("LOADING", "Redis is loading the dataset in memory", "LOADING"),
            ("READONLY", "You can't write against a read only replica.", "READONLY"),
            ("MASTERDOWN", "Link with MASTER is down", "MASTERDOWN"),
            ("CLUSTERDOWN", "Hash slot not served", "CLUSTERDOWN"),
            ("MOVED", "3999 127.0.0.1:6381", "MOVED"),
            ("MISCONF", "Redis is configured to save RDB snapshots", "MISCONF"),
            ("NOAUTH", "Authentication required.", "NOAUTH"),
            ("WRONGPASS", "invalid username-password pair or user is disabled.", "authentication failed"),
            ("NOPERM", "this user has no permissions to run the 'hgetall' command", "lacks HGETALL "),
            ("NOPERM", "this user has no permissions to run the 'script|load' command", "lacks SCRIPT LOAD "),
            ("NOPERM", "this user has no permissions to run the 'flushall' command", "lacks a command"),
            ("NOPERM", "this user has no permissions to access one of the keys used as arguments", "keys"),
            ("NOPERM", "this user has no permissions to access one of the channels used", "channels"),
            ("BUSY", "Redis is busy running a script.", "BUSY"),
            ("NOREPLICAS", "Not enough good replicas to write.", "NOREPLICAS"),
            ("ERR", "max number of clients reached", "maxclients"),
            ("ERR", "DB index is out of range", "no database"),
            ("ERR", "unknown command 'EVALSHA', with args beginning with: 'x' ", "lacks a command, or"),
        ] {
            let said = shown(code, text);
            assert!(said.contains(expected), "{code} {text}: {said}");
            assert!(!all.contains(&said), "{said}");
            all.push(said);
        }
        assert_eq!(shown("ERR", script), shown("NOPERM", ""));
        assert_eq!(
            shown("ERR", "Unknown Redis command called from script"),
            shown("ERR", "unknown command 'x'")
        );
    }

    #[test]
    fn no_argument_that_redis_quotes_is_shown() {
        for code in ["ERR", "NOPERM", "READONLY", "FROMLATER", "MOVED", ID] {
            for text in [
                format!("unknown command 'EVALSHA', with args beginning with: 'ab' '1' 'relay:sess:{ID}' "),
                format!("this user has no permissions to run the '{ID}' command"),
                format!("Error running script (call to f_{ID}): @user_script: 1: {ID}"),
                ID.to_owned(),
            ] {
                let said = shown(code, &text);
                assert!(!said.contains(ID) && !said.contains("sess:"), "{said}");
            }
        }
    }

    #[test]
    fn a_replica_is_told_from_what_else_is_wrong() {
        assert!(Fault::from(&Trouble::ReadOnly).is_replica && Fault::from(&Trouble::MasterDown).is_replica);
        assert!(!Fault::from(&Trouble::Loading).is_replica && !Fault::silent().is_replica);
    }
}
