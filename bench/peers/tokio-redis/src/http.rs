//! The two HTTP requests, one per connection.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::session::{Sessions, TTL_SECS};

const HEAD_BYTES_MAX: u64 = 8192;

pub async fn serve(stream: TcpStream, sessions: Sessions, ws_url: &str) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    let request_line = read_request(&mut stream).await?;
    let mut words = request_line.split(' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some("POST"), Some("/api/register")) => {
            let (id, token) = sessions.create().await?;
            let body = json!({
                "sessionId": id, "token": token, "ws": ws_url, "ttl": TTL_SECS, "qrDataUrl": "",
                "qrPayload": { "u": ws_url, "s": id, "t": token },
            });
            ("200 OK", body)
        }
        (Some("GET"), Some("/ready")) => match sessions.ping().await {
            Ok(()) => ("200 OK", json!({ "store": "redis" })),
            Err(error) => ("503 Service Unavailable", json!({ "error": error.to_string() })),
        },
        _ => ("404 Not Found", json!({ "error": "not_found" })),
    };
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(answer.as_bytes()).await?;
    Ok(stream.get_mut().shutdown().await?)
}

/// The request's first line. Reads the rest too: closing a socket with unread bytes may cost the client its
/// answer.
async fn read_request(stream: &mut BufReader<TcpStream>) -> anyhow::Result<String> {
    let mut head = stream.take(HEAD_BYTES_MAX);
    let (mut first, mut body_len) = (String::new(), 0);
    head.read_line(&mut first).await?;
    loop {
        let mut line = String::new();
        head.read_line(&mut line).await?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                body_len = value.trim().parse()?
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = Vec::new();
    head.set_limit(HEAD_BYTES_MAX.min(body_len));
    head.read_to_end(&mut body).await?;
    Ok(first)
}
