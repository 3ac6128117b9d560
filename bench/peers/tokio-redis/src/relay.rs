//! One WebSocket: the hello, then two loops, one that publishes what the client sends, one that sends it what
//! is published for it.

use std::future;
use std::time::Duration;

use futures_util::{SinkExt, Stream, StreamExt, stream};
use redis::{Msg, RedisError};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use crate::session::{Seat, Sessions};
use crate::wire::{self, Hello, RAW_SUBPROTOCOL};

type Socket = WebSocketStream<TcpStream>;

const HELLO_WITHIN: Duration = Duration::from_secs(10);
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
const MESSAGE_BYTES_MAX: usize = 16 << 20;
const STORE_AWAY: End = End::Closed(1013, "the store is away");

/// Why a connection ends.
enum End {
    /// We close it, with this code and these words.
    Closed(u16, &'static str),
    /// The client is gone.
    Gone,
}

pub async fn serve(stream: TcpStream, sessions: Sessions) -> anyhow::Result<()> {
    let (mut socket, is_raw) = upgrade(stream).await?;
    if let Err(End::Closed(code, reason)) = attend(&mut socket, is_raw, &sessions).await {
        socket.close(Some(CloseFrame { code: code.into(), reason: reason.into() })).await?;
        // The client answers; a socket that is closed with unread bytes may lose what was sent last.
        let _ = timeout(CLOSE_WITHIN, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    }
    Ok(())
}

async fn attend(socket: &mut Socket, is_raw: bool, sessions: &Sessions) -> Result<(), End> {
    let hello = timeout(HELLO_WITHIN, hello(socket, sessions)).await;
    let seat = hello.unwrap_or(Err(End::Closed(4408, "no hello in time")))?;
    let ended = relay(socket, is_raw, sessions, &seat).await;
    sessions.leave(&seat).await?;
    ended
}

#[allow(clippy::result_large_err)] // the library's callback has it
async fn upgrade(stream: TcpStream) -> anyhow::Result<(Socket, bool)> {
    let mut is_raw = false;
    let choose = |request: &Request, mut response: Response| {
        let asked = request.headers().get_all("Sec-WebSocket-Protocol");
        let mut asked = asked.iter().filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
        is_raw = asked.any(|name| name.trim() == RAW_SUBPROTOCOL);
        if is_raw {
            let name = HeaderValue::from_static(RAW_SUBPROTOCOL);
            response.headers_mut().insert("Sec-WebSocket-Protocol", name);
        }
        Ok(response)
    };
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX));
    let socket = accept_hdr_async_with_config(stream, choose, Some(config)).await?;
    Ok((socket, is_raw))
}

async fn hello(socket: &mut Socket, sessions: &Sessions) -> Result<Seat, End> {
    let first = socket.next().await.ok_or(End::Gone)??;
    let hello = first.to_text().ok().and_then(Hello::parse).ok_or(End::Closed(4400, "no hello"))?;
    match sessions.has_token(&hello.session, &hello.token).await? {
        true => Ok(Seat::new(hello.session, hello.role)),
        false => Err(End::Closed(4401, "unknown session or wrong token")),
    }
}

async fn relay(socket: &mut Socket, is_raw: bool, sessions: &Sessions, seat: &Seat) -> Result<(), End> {
    // Subscribe first: the peer may publish as soon as it sees this seat taken.
    let published = sessions.subscribe(seat).await?.into_on_message();
    socket.send(Message::text(wire::hello_ack(&seat.session))).await?;
    if sessions.take(seat).await? {
        socket.send(Message::text(wire::notice("peer-joined", seat.role.other()))).await?;
    }

    let (sink, source) = socket.split();
    let (answer, mut answers) = mpsc::channel(64);
    let answers = stream::poll_fn(move |context| answers.poll_recv(context)).map(Ok);
    // The library reads from Redis without a bound: what a slow client does not take waits in memory here.
    let published = published
        .filter_map(|message| future::ready(for_client(&message, seat, is_raw).transpose()))
        .chain(stream::once(future::ready(Err(STORE_AWAY))));
    tokio::select! {
        ended = stream::select(published, answers).forward(sink.sink_err_into()) => ended,
        ended = publish_all(source, sessions, seat, answer) => ended,
    }
}

/// From the client to Redis. The next message is read when Redis has the one before: that is the
/// backpressure.
async fn publish_all(
    mut source: impl Stream<Item = Result<Message, Error>> + Unpin,
    sessions: &Sessions,
    seat: &Seat,
    answer: mpsc::Sender<Message>,
) -> Result<(), End> {
    while let Some(message) = source.next().await {
        match message? {
            Message::Text(text) if wire::is_heartbeat(&text) => {
                sessions.touch(seat).await?;
                answer.send(Message::text(wire::HEARTBEAT_ACK)).await.map_err(|_| End::Gone)?;
            }
            Message::Text(text) => sessions.send_text(seat, &text).await?,
            Message::Binary(bytes) => sessions.send_binary(seat, &bytes).await?,
            // The library answers pings and closes.
            _ => {}
        }
    }
    Ok(())
}

/// From Redis to the client; nothing, if it is our own word to an older holder.
fn for_client(published: &Msg, seat: &Seat, is_raw: bool) -> Result<Option<Message>, End> {
    let (channel, payload) = (published.get_channel_name(), published.get_payload_bytes());
    if channel == seat.text_channel {
        Ok(Some(Message::text(published.get_payload::<String>()?)))
    } else if channel == seat.binary_channel && is_raw {
        Ok(Some(Message::binary(payload.to_vec())))
    } else if channel == seat.binary_channel {
        Ok(Some(Message::text(wire::binary_envelope(&seat.session, seat.role.other(), payload))))
    } else if payload == seat.id.as_bytes() {
        Ok(None)
    } else {
        Err(End::Closed(4409, "replaced by a newer connection"))
    }
}

impl From<Error> for End {
    fn from(_: Error) -> Self {
        End::Gone
    }
}

impl From<RedisError> for End {
    fn from(_: RedisError) -> Self {
        STORE_AWAY
    }
}
