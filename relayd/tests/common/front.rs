//! A front between a node and its Redis, for faults that a real Redis shows only by accident.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use super::Server;

/// One connection of the node, and one to Redis for it.
pub struct Call {
    /// The node's first bytes. Redis did not get them yet.
    pub asked: Vec<u8>,
    pub near: TcpStream,
    pub far: TcpStream,
}

/// Starts a front that hands each connection to `treat`, and returns its URL. Its threads end with the test
/// program.
pub fn front(server: &Server, treat: impl Fn(Call) -> io::Result<()> + Send + Sync + 'static) -> String {
    let target = server.url().replace("redis://", "");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let treat = Arc::new(treat);
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let (target, treat) = (target.clone(), Arc::clone(&treat));
            thread::spawn(move || treat(Call::take(near, &target)?));
        }
    });
    url
}

impl Call {
    fn take(mut near: TcpStream, target: &str) -> io::Result<Call> {
        let mut asked = vec![0; 4096];
        let count = near.read(&mut asked)?;
        asked.truncate(count);
        Ok(Call { asked, near, far: TcpStream::connect(target)? })
    }

    /// True if the node's first bytes contain this word.
    pub fn asks(&self, word: &str) -> bool {
        self.asked.windows(word.len()).any(|window| window == word.as_bytes())
    }

    /// Passes everything until this many bytes came from Redis. Then both connections end.
    pub fn pass(mut self, said_max: u64) -> io::Result<()> {
        self.far.write_all(&self.asked)?;
        let (mut from_near, mut to_far) = (self.near.try_clone()?, self.far.try_clone()?);
        thread::spawn(move || io::copy(&mut from_near, &mut to_far));
        io::copy(&mut Read::by_ref(&mut self.far).take(said_max), &mut self.near)?;
        self.near.shutdown(Shutdown::Both)?;
        self.far.shutdown(Shutdown::Both)
    }
}
