//! Sessions in Redis: a hash for each, with its token and who holds which role, and three pub/sub channels
//! for each role.
//!
//! `text` carries JSON as the client shall get it, `binary` bytes as they were sent, `taken` the id of the
//! connection that has taken the role.

use redis::aio::{ConnectionManager, PubSub};
use redis::io::tcp::TcpSettings;
use redis::{AsyncCommands, Client, IntoConnectionInfo, RedisResult, Script, pipe};

use crate::wire::{self, Role};

pub const TTL_SECS: i64 = 7200;

/// All sessions. One connection to Redis for the commands of all clients, as the library recommends.
#[derive(Clone)]
pub struct Sessions {
    client: Client,
    redis: ConnectionManager,
}

/// One client's place: its session, its role, and an id that no other connection has.
pub struct Seat {
    pub session: String,
    pub role: Role,
    pub id: String,
    pub text_channel: String,
    pub binary_channel: String,
    key: String,
    taken_channel: String,
    peer_text_channel: String,
    peer_binary_channel: String,
}

impl Sessions {
    pub async fn connect(url: &str) -> RedisResult<Self> {
        let info = url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info)?;
        let redis = client.get_connection_manager().await?;
        Ok(Sessions { client, redis })
    }

    pub async fn ping(&self) -> RedisResult<()> {
        self.redis.clone().ping().await
    }

    /// A new session: its id and its token.
    pub async fn create(&self) -> RedisResult<(String, String)> {
        let (id, token) = (random_hex(), random_hex());
        let key = session_key(&id);
        let mut create = pipe();
        create.atomic().hset(&key, "token", &token).ignore().expire(&key, TTL_SECS).ignore();
        create.query_async::<()>(&mut self.redis.clone()).await?;
        Ok((id, token))
    }

    pub async fn has_token(&self, session: &str, token: &str) -> RedisResult<bool> {
        let known: Option<String> = self.redis.clone().hget(session_key(session), "token").await?;
        Ok(known.as_deref() == Some(token))
    }

    /// What is published for this seat. A connection to Redis of its own: then a slow client is behind with
    /// its own messages only.
    pub async fn subscribe(&self, seat: &Seat) -> RedisResult<PubSub> {
        let mut pubsub = self.client.get_async_pubsub().await?;
        pubsub.subscribe(&[&seat.text_channel, &seat.binary_channel, &seat.taken_channel]).await?;
        Ok(pubsub)
    }

    /// Takes the seat, from its holder if there is one, and tells the others. True if the peer is here: of
    /// two who join at once exactly one sees the other, and tells both.
    pub async fn take(&self, seat: &Seat) -> RedisResult<bool> {
        let (role, peer) = (seat.role.name(), seat.role.other().name());
        let mut swap = pipe();
        swap.atomic().hget(&seat.key, role).hget(&seat.key, peer).hset(&seat.key, role, &seat.id).ignore();
        let mut redis = self.redis.clone();
        let (older, peer): (Option<String>, Option<String>) = swap.query_async(&mut redis).await?;

        let mut tell = pipe();
        if older.is_some() {
            tell.publish(&seat.taken_channel, &seat.id).ignore();
        }
        if older.is_some() && peer.is_some() {
            tell.publish(&seat.peer_text_channel, wire::notice("peer-left", seat.role)).ignore();
        }
        if peer.is_some() {
            tell.publish(&seat.peer_text_channel, wire::notice("peer-joined", seat.role)).ignore();
        }
        tell.expire(&seat.key, TTL_SECS).ignore().query_async::<()>(&mut redis).await?;
        Ok(peer.is_some())
    }

    /// Gives up the seat, unless another connection has it already.
    pub async fn leave(&self, seat: &Seat) -> RedisResult<()> {
        const DELETE_IF_MINE: &str = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then \
             return redis.call('HDEL', KEYS[1], ARGV[1]) end return 0";
        let mut redis = self.redis.clone();
        let script = Script::new(DELETE_IF_MINE);
        let was_mine: bool =
            script.key(&seat.key).arg(seat.role.name()).arg(&seat.id).invoke_async(&mut redis).await?;
        if was_mine {
            redis.publish::<_, _, ()>(&seat.peer_text_channel, wire::notice("peer-left", seat.role)).await?;
        }
        Ok(())
    }

    pub async fn send_text(&self, seat: &Seat, text: &str) -> RedisResult<()> {
        let envelope = wire::text_envelope(&seat.session, seat.role, text);
        self.publish(seat, &seat.peer_text_channel, envelope.as_bytes()).await
    }

    pub async fn send_binary(&self, seat: &Seat, bytes: &[u8]) -> RedisResult<()> {
        self.publish(seat, &seat.peer_binary_channel, bytes).await
    }

    pub async fn touch(&self, seat: &Seat) -> RedisResult<()> {
        self.redis.clone().expire(&seat.key, TTL_SECS).await
    }

    /// A frame, and another life for its session, in one round trip.
    async fn publish(&self, seat: &Seat, channel: &str, message: &[u8]) -> RedisResult<()> {
        let mut send = pipe();
        send.publish(channel, message).ignore().expire(&seat.key, TTL_SECS).ignore();
        send.query_async(&mut self.redis.clone()).await
    }
}

impl Seat {
    pub fn new(session: String, role: Role) -> Self {
        let channel = |role: Role, kind: &str| format!("peer:{session}:{}:{kind}", role.name());
        Seat {
            key: session_key(&session),
            text_channel: channel(role, "text"),
            binary_channel: channel(role, "binary"),
            taken_channel: channel(role, "taken"),
            peer_text_channel: channel(role.other(), "text"),
            peer_binary_channel: channel(role.other(), "binary"),
            id: random_hex(),
            role,
            session,
        }
    }
}

fn session_key(id: &str) -> String {
    format!("peer:{id}")
}

fn random_hex() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    format!("{:032x}", u128::from_be_bytes(bytes))
}
