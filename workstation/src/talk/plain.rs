//! Without encryption: with phones that speak plain frames, and whoever runs the relay can listen.

use std::sync::Arc;
use std::time::Duration;

use protocol::ids::Role;
use relay_client::lines::{event_line, refusal_line};
use relay_client::{Client, Event, Stop};

use super::{Speaker, listen_to_user};
use crate::print;

impl Speaker for Client {
    fn take(&self, line: String) -> Result<(), String> {
        self.send_text(line).map_err(|error| refusal_line(&error, Role::Phone))
    }

    fn close(&self) {
        Client::close(self);
    }
}

/// Talks until the client has stopped, and says why. If stdout fails, the client is let go.
pub(crate) fn until_stopped(client: Client) -> anyhow::Result<Stop> {
    let client = Arc::new(client);
    listen_to_user(&client)?;
    loop {
        let Some(event) = client.next_event(Duration::MAX) else { continue };
        print(&(event_line(&event, Role::Phone) + "\n"))?;
        if let Event::Stopped { why, .. } = event {
            return Ok(why);
        }
    }
}
