//! Private Redis servers on free ports: one shared by cases that only use it, and separate ones for cases
//! that break it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use std::{env, fs};

use super::guard;
use super::log::Log;
use super::process::Process;
use super::wall_clock::WallClock;

/// What a restarted server still knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: it comes back empty.
    Nothing,
    /// Everything that was acknowledged.
    Everything,
}

/// A Redis server of our own, ended with its owner.
#[derive(Debug)]
pub struct Redis {
    /// 0: it listens at a socket in `dir` instead.
    port: u16,
    dir: PathBuf,
    keep: Keep,
    more: Vec<String>,
    envs: Vec<(String, String)>,
    process: Option<Process>,
}

/// The shared server's address, and what keeps it running.
#[derive(Clone, Debug)]
pub struct Shared {
    url: String,
    _server: Option<Arc<Redis>>,
}

impl Shared {
    /// The server that the whole test process shares: the one that `RELAY_TEST_REDIS_URL` names, or a private
    /// one that runs while it is in use.
    pub fn open() -> Self {
        static SERVER: Mutex<Weak<Redis>> = Mutex::new(Weak::new());
        if let Ok(url) = env::var("RELAY_TEST_REDIS_URL") {
            return Self { url, _server: None };
        }
        let mut known = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        let server = known.upgrade().unwrap_or_else(|| Arc::new(Redis::start(Keep::Nothing)));
        *known = Arc::downgrade(&server);
        Self { url: server.url(), _server: Some(server) }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Redis {
    /// Starts a private server and waits until it answers.
    pub fn start(keep: Keep) -> Self {
        Self::start_with(keep, Vec::new)
    }

    /// The same under this clock.
    pub fn start_under(clock: &WallClock, keep: Keep) -> Self {
        in_ten_tries("redis-server", || {
            let mut redis = Self::absent(keep);
            redis.envs = clock.envs().to_vec();
            redis.try_start().then_some(redis)
        })
    }

    /// [`Redis::start`] with more arguments. They are made again for each try, as another port may be needed.
    pub fn start_with(keep: Keep, mut more: impl FnMut() -> Vec<String>) -> Self {
        in_ten_tries("redis-server", || {
            let mut redis = Self::absent(keep);
            redis.more = more();
            redis.try_start().then_some(redis)
        })
    }

    /// A free port and a place for the data, with no server there yet.
    pub fn absent(keep: Keep) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name =
            format!("relay-test-redis-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        Self { port: free_port(), dir, keep, more: Vec::new(), envs: Vec::new(), process: None }
    }

    /// [`Redis::absent`] for a server that listens at the path of a socket, and on no port.
    pub fn absent_at_socket() -> Self {
        let mut redis = Self::absent(Keep::Nothing);
        redis.port = 0;
        redis.more = vec!["--unixsocket".to_owned(), redis.socket()];
        redis
    }

    /// Starts it, again or for the first time, at the same address.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        assert!(self.try_start(), "no Redis came up at {} again", self.url());
    }

    /// Ends it at once. With [`Keep::Nothing`] its data is lost.
    pub fn kill(&mut self) {
        self.process.take().expect("it does not run").kill();
    }

    /// Deletes what it kept, so that it comes back empty this once. Call it while the server does not run.
    pub fn forget(&self) {
        assert!(self.process.is_none(), "it runs");
        fs::remove_dir_all(&self.dir).and_then(|()| fs::create_dir_all(&self.dir)).unwrap();
    }

    /// The process, for signals.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it does not run")
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    pub fn url(&self) -> String {
        match self.port {
            0 => format!("unix://{}", self.socket()),
            port => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// The path of its socket, if it listens there.
    pub fn socket(&self) -> String {
        self.dir.join("redis.sock").display().to_string()
    }

    fn try_start(&mut self) -> bool {
        self.process = try_spawn(&mut self.command(), &self.url()).map(|(process, _)| process);
        self.process.is_some()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("redis-server");
        let append = if self.keep == Keep::Everything { "yes" } else { "no" };
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", append, "--appendfsync", "always"]);
        command.arg("--dir").arg(&self.dir).args(&self.more);
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.process = None;
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A free port. Another program may take it before the server does.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port()
}

/// Tries again if a start failed because another program took its port.
pub(super) fn in_ten_tries<T>(what: &str, mut start: impl FnMut() -> Option<T>) -> T {
    let found = (0..10).find_map(|_| start());
    found.unwrap_or_else(|| panic!("no {what} in ten tries: is it installed?"))
}

/// Starts a server and waits until it answers at `url`. Returns its log, too. `None` if it ended, or another
/// server answered.
pub(super) fn try_spawn(command: &mut Command, url: &str) -> Option<(Process, Log)> {
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::spawn(command).expect("redis-server must be installed");
    let log = Log::collect(process.child().stdout.take().unwrap());
    let id = process.id().to_string();
    let is_up = guard::read_until("a private Redis to answer", || {
        if process.ended().is_some() {
            return Some(false);
        }
        process_id(url).map(|answered| answered == id)
    });
    if !is_up {
        eprintln!("{}", log.tail(5));
    }
    is_up.then_some((process, log))
}

/// A connection to a running server.
pub fn connect(url: &str) -> redis::Connection {
    try_connect(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn try_connect(url: &str) -> redis::RedisResult<redis::Connection> {
    let connection = redis::Client::open(url)?.get_connection_with_timeout(Duration::from_secs(5))?;
    connection.set_read_timeout(Some(guard::GUARD))?;
    Ok(connection)
}

/// The id of the process that answers, once it has loaded its data.
fn process_id(url: &str) -> Option<String> {
    let mut connection = try_connect(url).ok()?;
    redis::cmd("PING").exec(&mut connection).ok()?;
    let info: String = redis::cmd("INFO").arg("server").query(&mut connection).ok()?;
    info.lines().find_map(|line| line.strip_prefix("process_id:")).map(|id| id.trim().to_owned())
}

/// Everything under a prefix: each key with its time to live in ms and a dump of its content.
pub fn dump(url: &str, prefix: &str) -> Vec<(String, i64, Vec<u8>)> {
    let mut connection = connect(url);
    let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}*")).query(&mut connection).unwrap();
    let entry = |key: String| {
        let ttl: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
        let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
        let read = match kind.as_str() {
            "hash" => redis::cmd("HGETALL").arg(&key).to_owned(),
            "string" => redis::cmd("GET").arg(&key).to_owned(),
            "set" => redis::cmd("SMEMBERS").arg(&key).to_owned(),
            "zset" => redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).to_owned(),
            "list" => redis::cmd("LRANGE").arg(&key).arg(0).arg(-1).to_owned(),
            // It ended between the listing and the look.
            "none" => return None,
            other => panic!("a key of type {other}"),
        };
        let value: redis::Value = read.query(&mut connection).unwrap();
        let mut bytes = Vec::new();
        flatten(&value, &mut bytes);
        Some((key, ttl, bytes))
    };
    keys.into_iter().filter_map(entry).collect()
}

fn flatten(value: &redis::Value, out: &mut Vec<u8>) {
    match value {
        redis::Value::BulkString(bytes) => out.extend_from_slice(bytes),
        redis::Value::SimpleString(text) => out.extend_from_slice(text.as_bytes()),
        redis::Value::Array(values) => values.iter().for_each(|value| flatten(value, out)),
        redis::Value::Map(pairs) => pairs.iter().for_each(|(name, value)| {
            flatten(name, out);
            flatten(value, out);
        }),
        other => out.extend_from_slice(format!("{other:?}").as_bytes()),
    }
    out.push(b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_server_comes_back_with_or_without_its_data() {
        for (keep, expected) in [(Keep::Everything, Some(7)), (Keep::Nothing, None)] {
            let mut server = Redis::start(keep);
            redis::cmd("HSET").arg("t:k").arg("f").arg(7).exec(&mut connect(&server.url())).unwrap();
            assert_eq!(dump(&server.url(), "t:"), [("t:k".to_owned(), -1, b"f 7  ".to_vec())]);
            server.kill();
            assert!(try_connect(&server.url()).is_err());
            server.restart();
            let found: Option<i32> =
                redis::cmd("HGET").arg("t:k").arg("f").query(&mut connect(&server.url())).unwrap();
            assert_eq!(found, expected, "{keep:?}");
        }
    }
}
