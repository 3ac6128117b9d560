//! A relay as one usually writes it with tokio: tokio-tungstenite for the sockets, Redis for everything else.
//!
//! Any number of these may run on one Redis. Sessions are hashes there, and every frame crosses its pub/sub,
//! whether the two sockets are in the same process or not.

mod http;
mod relay;
mod session;
mod wire;

use std::env;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::session::Sessions;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listen: IpAddr = option("--listen").as_deref().unwrap_or("127.0.0.1").parse().context("--listen")?;
    let port: u16 = option("--port").as_deref().unwrap_or("3001").parse().context("--port")?;
    let redis_url = env::var("REDIS_URL").context("set REDIS_URL, as redis://127.0.0.1:6379")?;

    let sessions = Sessions::connect(&redis_url).await.with_context(|| format!("no Redis at {redis_url}"))?;
    let listener = TcpListener::bind((listen, port)).await?;
    let addr = listener.local_addr()?;
    println!("listening {addr}");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, mostly: some will be free again.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (sessions, ws_url) = (sessions.clone(), format!("ws://{addr}/ws"));
        tokio::spawn(async move {
            // An error here ends one connection, and its client knows.
            let _ = serve(stream, sessions, &ws_url).await;
        });
    }
}

/// One port for both: a look at the first bytes says which it is, and takes none of them.
async fn serve(stream: TcpStream, sessions: Sessions, ws_url: &str) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut start = [0; 7];
    loop {
        match stream.peek(&mut start).await? {
            0 => return Ok(()),
            7 if &start == b"GET /ws" => return relay::serve(stream, sessions).await,
            7 => return http::serve(stream, sessions, ws_url).await,
            _ => sleep(Duration::from_millis(1)).await,
        }
    }
}

fn option(name: &str) -> Option<String> {
    env::args().skip_while(|arg| arg != name).nth(1)
}
