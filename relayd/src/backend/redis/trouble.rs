//! What can be wrong with a Redis server, in words for an operator.

use super::rights;

/// The first word of an error, such as `WRONGTYPE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ErrorCode(String);

/// What is wrong with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Loading,
    ReadOnly,
    MasterDown,
    /// It is part of a cluster.
    Cluster(ErrorCode),
    /// It can't save its data to disk.
    Misconfigured,
    NoPassword,
    WrongPassword,
    NoDatabase,
    /// The user lacks a command, if one is known by name.
    NoCommand(Option<&'static str>),
    NoKeys,
    NoChannels,
    /// The server lacks a command, or has it under another name.
    Unknown(Option<&'static str>),
    Full,
    TooManyClients,
    Busy,
    TooFewReplicas,
    Other(ErrorCode),
}

impl Trouble {
    /// The words for an operator.
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
            Trouble::NoPassword => "it requires a password (NOAUTH): give user and password in REDIS_URL",
            Trouble::WrongPassword => "authentication failed: check user and password in REDIS_URL",
            Trouble::NoDatabase => "it does not have the database that REDIS_URL names",
            Trouble::NoCommand(None) => "the Redis user lacks a command (NOPERM): see docs/operations.md",
            Trouble::NoKeys => "the Redis user may not use the keys relay:* (NOPERM)",
            Trouble::NoChannels => "the Redis user may not use the channels relay:node:* (NOPERM)",
            Trouble::Unknown(None) => "it does not know a command, or has it under another name",
            Trouble::Full => "it has no memory left (OOM): no session can be registered; raise its maxmemory",
            Trouble::TooManyClients => "it has reached its limit of clients (ERR): raise its maxclients",
            Trouble::Busy => "a script keeps it busy (BUSY)",
            Trouble::TooFewReplicas => "too few of its replicas are connected for a write (NOREPLICAS)",
            Trouble::NoCommand(Some(command)) => {
                return format!("the Redis user lacks {} (NOPERM)", rights::shown(command));
            }
            Trouble::Unknown(Some(command)) => {
                return format!("it has no {}, or has it under another name", rights::shown(command));
            }
            Trouble::Cluster(ErrorCode(code)) => {
                return format!("it is part of a Redis Cluster ({code}), which is not supported");
            }
            Trouble::Other(ErrorCode(code)) => return format!("it refuses a command ({code})"),
        };
        fixed.to_owned()
    }
}

impl ErrorCode {
    /// The word, or `ERR` if it does not look like a code.
    pub(super) fn of(word: &str) -> Self {
        let is_code = word.len() <= CODE_LEN_MAX && word.bytes().all(|byte| byte.is_ascii_uppercase());
        ErrorCode(if is_code { word } else { "ERR" }.to_owned())
    }

    /// The word.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest known code has fewer letters.
const CODE_LEN_MAX: usize = 16;
