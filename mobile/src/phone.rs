//! A phone's side of one pairing.

use std::sync::Arc;
use std::thread;

use protocol::ids::Role;
use protocol::qr::Pairing;
use relay_client::{Ca, Client, ClientSendError, ConnectionSettings, EndpointError, Proxy};
use thiserror::Error;

use crate::listener::{Listener, listen};

/// A running phone. All methods may be called from any thread. Dropping it closes it without waiting; the
/// listener is still told of the end.
pub struct Phone {
    client: Arc<Client>,
}

/// Why a phone could not be started.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The pairing's address can't be used.
    #[error(transparent)]
    Address(#[from] EndpointError),
    /// The system gave no thread, poll or random bits.
    #[error(transparent)]
    System(#[from] relay_client::ConnectError),
    /// The system gave no thread for the listener.
    #[error("can't start the listener's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Starts a phone that connects in the background and reconnects until it is closed or refused. Does not
/// block; `listener` is told everything, on a thread of its own.
///
/// # Errors
/// The pairing's address can't be used, or the system refused what a phone needs.
pub fn connect(pairing: &Pairing, listener: Box<dyn Listener + Send>) -> Result<Phone, ConnectError> {
    connect_believing(pairing, None, listener)
}

/// As [`connect`], where only certificates are believed that `ca` vouches for; `None` believes what this
/// machine does.
///
/// # Errors
/// As [`connect`].
pub fn connect_believing(
    pairing: &Pairing,
    ca: Option<Ca>,
    listener: Box<dyn Listener + Send>,
) -> Result<Phone, ConnectError> {
    connect_through(pairing, ca, Proxy::FromEnvironment, listener)
}

/// As [`connect_believing`], through this proxy or none, whatever the environment says.
///
/// # Errors
/// As [`connect`].
pub fn connect_through(
    pairing: &Pairing,
    ca: Option<Ca>,
    proxy: Proxy,
    listener: Box<dyn Listener + Send>,
) -> Result<Phone, ConnectError> {
    let mut settings = ConnectionSettings::new(pairing, Role::Phone)?;
    settings.endpoint = settings.endpoint.with_ca(ca).with_proxy(proxy);
    let client = Arc::new(Client::connect(settings)?);
    let (heard, mut listener) = (Arc::clone(&client), listener);
    let work = move || listen(&heard, &mut *listener);
    thread::Builder::new().name("relay-listener".into()).spawn(work)?;
    Ok(Phone { client })
}

impl Phone {
    /// Sends a text. Blocks while the queue (256 messages, 1 MiB) is full; ends at once when the link does.
    /// Never call it from the listener.
    ///
    /// # Errors
    /// The workstation is not here, the phone is closed, or the text can't be sent at all.
    pub fn send_text(&self, text: impl Into<String>) -> Result<(), ClientSendError> {
        self.client.send_text(text)
    }

    /// Sends bytes. As [`Phone::send_text`].
    ///
    /// # Errors
    /// The workstation is not here, the phone is closed, or the message is too large.
    pub fn send_binary(&self, bytes: impl Into<Vec<u8>>) -> Result<(), ClientSendError> {
        self.client.send_binary(bytes)
    }

    /// Sends a text without ever blocking.
    ///
    /// # Errors
    /// As [`Phone::send_text`], and `Full` if the queue has no room now.
    pub fn try_send_text(&self, text: impl Into<String>) -> Result<(), ClientSendError> {
        self.client.try_send_text(text)
    }

    /// Sends bytes without ever blocking.
    ///
    /// # Errors
    /// As [`Phone::send_binary`], and `Full` if the queue has no room now.
    pub fn try_send_binary(&self, bytes: impl Into<Vec<u8>>) -> Result<(), ClientSendError> {
        self.client.try_send_binary(bytes)
    }

    /// Ends the phone: what was accepted is written, then the connection is closed. Does not block;
    /// [`Listener::stopped`] comes within ten seconds.
    pub fn close(&self) {
        self.client.close();
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.client.close();
    }
}
