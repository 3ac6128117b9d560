//! Shared by the tests against a real Redis: a private server, and a backend that gets one request at a time.

// Each test program uses only a part of this.
#![allow(dead_code)]

pub mod bus;
pub mod front;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use protocol::ids::{NodeId, Role, SessionId, Token, TokenDigest};
use relayd::backend::{Backend, Published, RedisPassword, RedisSettings, Status};
use relayd_core::store::{Answer, Checked, Claimed, Conn, Expired, Hold, Registered, Request};
use relayd_core::time::Time;

/// Longer than any step here takes on a loaded machine. Only a hang exceeds it.
pub const GUARD: Duration = Duration::from_secs(60);

/// The redis-server of one test, on its own port. Killed on drop.
pub struct Server {
    child: Child,
    port: u16,
    dir: PathBuf,
    args: Vec<String>,
}

impl Server {
    /// Starts a server and waits until it answers. Without `args` it keeps nothing on disk.
    pub fn start(args: &[&str]) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let count = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("relay-redis-{}-{count}", std::process::id()));
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        // Another process may take the port before the server binds it. Then the next port is tried.
        for _ in 0..10 {
            let port = free_port();
            // A server that did not start has taken its directory along.
            std::fs::create_dir_all(&dir).expect("a directory for the server's files");
            let mut server =
                Server { child: spawn(port, &dir, &args), port, dir: dir.clone(), args: args.clone() };
            if server.wait_until_up(GUARD) {
                return server;
            }
        }
        panic!("redis-server did not start on ten ports");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL, as a crash would be.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server is ours to kill");
        self.child.wait().expect("the server is ours to wait for");
    }

    /// Starts the server again on its port, after [`Server::kill`].
    pub fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir, &self.args);
        assert!(self.wait_until_up(GUARD), "redis-server did not start again");
    }

    /// Sends a signal, `STOP` or `CONT`.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{signal}"), &pid]).status();
        assert!(status.expect("kill is a program everywhere").success());
    }

    /// A connection beside the backend's, to look into the store.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("our own URL");
        client.get_connection().expect("the server is up")
    }

    fn wait_until_up(&mut self, guard: Duration) -> bool {
        let deadline = Instant::now() + guard;
        while Instant::now() < deadline {
            if self.child.try_wait().expect("the server is ours to ask").is_some() {
                return false;
            }
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            thread::yield_now();
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn spawn(port: u16, dir: &PathBuf, args: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(dir).args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| {
        panic!(
            "redis-server can't be started ({error}); install it (apt-get install redis-server) or name a \
                Redis by RELAY_TEST_REDIS_URL where a test takes one"
        )
    })
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// A backend, its clock and its wakes.
pub struct Node {
    pub id: NodeId,
    backend: Backend,
    woken: Receiver<()>,
    since: Instant,
    conns: u64,
}

impl Node {
    /// A node on the Redis at `url`, connected or not.
    pub fn dial(url: &str, prefix: &str, idle_secs: u64) -> Self {
        let id = NodeId::random().expect("randomness");
        let (wake, woken) = bounded(1);
        let settings = RedisSettings {
            url: url.to_owned(),
            password: RedisPassword::InUrl,
            ca: None,
            prefix: prefix.to_owned(),
            idle_secs,
            node: id,
        };
        // If the channel is full, a wake is pending already.
        let wake = move || _ = wake.try_send(());
        let backend = Backend::redis(settings, wake).expect("a usable URL");
        Node { id, backend, woken, since: Instant::now(), conns: 0 }
    }

    /// A node that is connected.
    pub fn connect(url: &str, prefix: &str, idle_secs: u64) -> Self {
        let mut node = Self::dial(url, prefix, idle_secs);
        node.until_available();
        node
    }

    pub fn now(&self) -> Time {
        // Far from zero, so that activity long ago has a time too.
        Time::from_ms(1_000_000_000) + self.since.elapsed()
    }

    pub fn backend(&mut self) -> &mut Backend {
        &mut self.backend
    }

    pub fn submit(&mut self, request: Request) {
        let now = self.now();
        self.backend.submit(request, now);
    }

    pub fn drain(&mut self) -> Option<Answer> {
        let now = self.now();
        self.backend.drain(now)
    }

    /// Submits one request and waits for its answer.
    pub fn ask(&mut self, request: Request) -> Answer {
        self.submit(request);
        self.answer()
    }

    /// Waits for the next answer.
    pub fn answer(&mut self) -> Answer {
        let deadline = Instant::now() + GUARD;
        loop {
            if let Some(answer) = self.drain() {
                return answer;
            }
            self.wait_until(deadline);
        }
    }

    /// Submits a request that has no answer, and waits until it was carried out.
    pub fn tell(&mut self, request: Request) {
        self.submit(request);
        // One connection carries requests in order. Expiring an unknown session changes nothing.
        let nobody = SessionId::random().expect("randomness");
        assert!(matches!(self.ask(Request::Expire { session: nobody }), Answer::Expired { .. }));
    }

    pub fn until_available(&mut self) {
        self.until("the store is available", |status| *status == Status::Available);
    }

    /// Waits until the store is away, and returns the reason.
    pub fn until_away(&mut self) -> String {
        self.until("the store is away", |status| *status != Status::Available);
        self.reason()
    }

    /// Waits until the store is away for a reason that says `word`.
    pub fn until_away_for(&mut self, word: &str) -> String {
        self.until(word, |status| matches!(status, Status::Away { reason } if reason.contains(word)));
        self.reason()
    }

    /// Waits until the store is full.
    pub fn until_full(&mut self) -> String {
        self.until("the store is full", |status| matches!(status, Status::Full { .. }));
        self.reason()
    }

    pub fn reason(&self) -> String {
        match self.backend.status() {
            Status::Away { reason } | Status::Full { reason } => reason.clone(),
            Status::Available => panic!("the store is available"),
        }
    }

    /// Waits until this node's subscription is confirmed, or is not.
    pub fn until_bus(&mut self, is_up: bool) {
        let deadline = Instant::now() + GUARD;
        loop {
            assert_eq!(self.drain(), None, "nothing was asked");
            if self.backend.bus_is_up() == is_up {
                return;
            }
            self.wait_until(deadline);
        }
    }

    /// Waits for the next packet.
    pub fn packet(&mut self) -> Vec<u8> {
        self.packet_until(Instant::now() + GUARD).expect("a packet comes")
    }

    /// Waits for the next packet, but not longer.
    pub fn packet_until(&mut self, deadline: Instant) -> Option<Vec<u8>> {
        loop {
            let packet = self.backend.poll_packet();
            if packet.is_some() || Instant::now() >= deadline {
                return packet;
            }
            // News of connections cause wakes too, and must be taken so that later ones can come.
            assert_eq!(self.drain(), None, "nothing was asked");
            let _woken_or_due = self.woken.recv_deadline(deadline);
        }
    }

    pub fn stop(self, timeout: Duration) {
        let now = self.now();
        self.backend.flush_and_stop(now, timeout);
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&Status) -> bool) {
        let deadline = Instant::now() + GUARD;
        loop {
            assert_eq!(self.drain(), None, "nothing was asked");
            if is_so(self.backend.status()) {
                return;
            }
            assert!(Instant::now() < deadline, "never: {what}; now {:?}", self.backend.status());
            self.wait_until(deadline);
        }
    }

    /// Waits for a wake, or until the backend wants to be drained without one.
    fn wait_until(&self, guard: Instant) {
        assert!(Instant::now() < guard, "no answer; the store is {:?}", self.backend.status());
        let due = self.backend.next_deadline().map(|due| Instant::now() + due.since(self.now()));
        let _woken_or_due = self.woken.recv_deadline(due.map_or(guard, |due| due.min(guard)));
    }

    pub fn conn(&mut self) -> Conn {
        self.conns += 1;
        Conn { slot: 0, name: self.conns }
    }

    pub fn register(&mut self, creds: &Creds, again: bool) -> Registered {
        let ticket = self.conn();
        let request = Request::Register { ticket, session: creds.session, token: creds.token, again };
        match self.ask(request) {
            Answer::Registered { ticket: answered, outcome } if answered == ticket => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// Claims a role; returns the connection that did, and the outcome.
    pub fn claim(&mut self, creds: &Creds, role: Role) -> (Conn, Claimed) {
        let conn = self.conn();
        let Creds { session, token } = *creds;
        match self.ask(Request::Claim { conn, session, token, role, instance: None }) {
            Answer::Claimed { conn: answered, outcome, .. } if answered == conn => (conn, outcome),
            other => panic!("{other:?}"),
        }
    }

    /// Claims a role that must be granted, and returns what the node then holds.
    pub fn hold(&mut self, creds: &Creds, role: Role) -> Hold {
        let (conn, outcome) = self.claim(creds, role);
        let Claimed::Granted { generation, .. } = outcome else { panic!("{outcome:?}") };
        let Creds { session, token } = *creds;
        Hold { session, token, role, conn: conn.name, generation, instance: None, idle_ms: 0 }
    }

    pub fn check(&mut self, hold: Hold) -> Checked {
        match self.ask(Request::Check { hold }) {
            Answer::Checked { outcome, .. } => outcome,
            other => panic!("{other:?}"),
        }
    }

    pub fn expire(&mut self, session: SessionId) -> Expired {
        match self.ask(Request::Expire { session }) {
            Answer::Expired { outcome, .. } => outcome,
            other => panic!("{other:?}"),
        }
    }
}

/// Gives a role back.
pub fn release(hold: &Hold) -> Request {
    Request::Release { session: hold.session, role: hold.role, generation: hold.generation }
}

/// Publishes one packet. Returns false if there was no room.
pub fn publish(backend: &mut Backend, to: NodeId, packet: &[u8]) -> bool {
    let published = backend.publish(|out| {
        out.extend_from_slice(packet);
        Some(to)
    });
    match published {
        Published::Queued => true,
        Published::Refused(refused) => {
            assert_eq!(refused, to);
            false
        }
        Published::Nothing => panic!("there was a packet"),
    }
}

/// A session's id and its token's digest.
#[derive(Clone, Copy)]
pub struct Creds {
    pub session: SessionId,
    pub token: TokenDigest,
}

impl Creds {
    pub fn random() -> Self {
        let token = Token::random().expect("randomness").digest();
        Creds { session: SessionId::random().expect("randomness"), token }
    }
}

/// A prefix that no other test uses.
pub fn fresh_prefix() -> String {
    format!("test:{}:", NodeId::random().expect("randomness"))
}
